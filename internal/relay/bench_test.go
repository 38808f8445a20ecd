package relay_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/ofctl-live/ofctl-live/internal/relay"
)

// benchListen, when set, makes the test binary a relay that listens there: the server whose cost is measured needs a
// process and a core of its own.
const (
	benchListen = "OFCTL_RELAY_BENCH_LISTEN"
	benchHTTP   = "OFCTL_RELAY_BENCH_HTTP"
	benchPush   = "OFCTL_RELAY_BENCH_PUSH"
)

// runBenchServer is the server process.
func runBenchServer(address string) int {
	log := logrus.New()
	log.SetLevel(logrus.WarnLevel)
	r, err := relay.New(relay.Options{
		Listen: []string{address}, Log: log, HTTP: os.Getenv(benchHTTP), Push: strings.Fields(os.Getenv(benchPush)),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := r.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// BenchmarkViewers serves 1,000 viewers of one 600 kb/s stream over loopback, on one core, with this relay and with
// nginx-rtmp. The other cores have the publisher and the viewers. It reports CPU per viewer, the delay of frames from the
// publisher's write to the viewer's kernel, and resident memory per viewer. As root it has nothing else disturb the servers.
//
//	go test -run '^$' -bench Viewers -benchtime 1x ./internal/relay
func BenchmarkViewers(b *testing.B) {
	if runtime.NumCPU() < 2 {
		b.Skip("SKIPPED: the server and its viewers need a core each")
	}
	for _, viewers := range []int{100, 200, 1000} {
		b.Run(fmt.Sprintf("relay/%d", viewers), func(b *testing.B) { benchmark(b, startBenchRelay, viewers) })
		b.Run(fmt.Sprintf("nginx/%d", viewers), func(b *testing.B) { benchmark(b, startBenchNginx, viewers) })
	}
}

func benchmark(b *testing.B, start func(testing.TB) (string, *exec.Cmd), viewers int) {
	const frame, length = 2500, 10 * time.Second
	defer leaveFirstCore(b)()
	for range b.N {
		address, cmd := start(b)
		pin(b, cmd.Process.Pid, 0)
		for _, tid := range threads(b, cmd.Process.Pid) {
			realTime(b, tid)
		}
		idle := residentBytes(b, cmd.Process.Pid)
		l := &load{}
		stop := make(chan struct{})
		l.publish(b, address, frame, stop)
		l.watch(b, address, viewers)
		time.Sleep(3 * time.Second)
		before := cpuTime(b, cmd.Process.Pid)
		l.count.Store(true)
		time.Sleep(length)
		l.count.Store(false)
		used := cpuTime(b, cmd.Process.Pid) - before
		added := addedDelay(b, cmd)
		resident := residentBytes(b, cmd.Process.Pid) - idle
		close(stop)
		if e := l.fault.Load(); e != nil {
			b.Errorf("a connection failed: %v", *e)
		}
		l.close()
		slices.Sort(l.delays)
		want := viewers * int(l.sent.Load())
		if len(l.delays) < want/2 || want < viewers*200 {
			b.Errorf("%d of %d frames arrived: this machine is too busy to measure anything", len(l.delays), want)
		}
		b.ReportMetric(100*(1-float64(len(l.delays))/float64(want)), "%lost")
		if len(l.delays) > 0 {
			at := func(q float64) float64 {
				return float64(l.delays[int(q*float64(len(l.delays)-1))].Microseconds()) / 1000
			}
			b.ReportMetric(at(0.5), "p50-ms")
			b.ReportMetric(at(0.99), "p99-ms")
			b.ReportMetric(at(1), "max-ms")
		}
		if added > 0 {
			b.ReportMetric(added.Seconds()*1000, "added-p99-ms-below")
		}
		b.ReportMetric(used.Seconds()/length.Seconds()*100, "%cpu")
		b.ReportMetric(float64(used.Microseconds())/length.Seconds()/float64(viewers), "µs-cpu/viewer/s")
		b.ReportMetric(float64(resident)/float64(viewers)/1024, "KiB/viewer")
		b.ReportMetric(0, "ns/op")
	}
}

func startBenchRelay(t testing.TB) (string, *exec.Cmd) { return startBenchPushing(t, "") }

// startBenchPushing has the relay push what is published there; to nowhere if that is empty.
func startBenchPushing(t testing.TB, push string) (string, *exec.Cmd) {
	address := freeAddress(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchListen+"="+address, benchHTTP+"="+freeAddress(t), benchPush+"="+push, "GOMAXPROCS=1")
	startServer(t, cmd, address)
	return address, cmd
}

// addedDelay reads the relay's own histogram: the bound below which 99 of 100 frames were written after they had
// arrived. It is zero for another server.
func addedDelay(t testing.TB, cmd *exec.Cmd) time.Duration {
	t.Helper()
	var address string
	for _, e := range cmd.Env {
		if a, ok := strings.CutPrefix(e, benchHTTP+"="); ok {
			address = a
		}
	}
	if address == "" {
		return 0
	}
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	type bucket struct{ below, count float64 }
	var buckets []bucket
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		rest, ok := strings.CutPrefix(lines.Text(), `ofctl_relay_added_delay_seconds_bucket{le="`)
		if !ok {
			continue
		}
		le, count, _ := strings.Cut(rest, `"} `)
		below, _ := strconv.ParseFloat(le, 64)
		n, _ := strconv.ParseFloat(count, 64)
		buckets = append(buckets, bucket{below, n})
	}
	for _, k := range buckets {
		if k.count >= 0.99*buckets[len(buckets)-1].count {
			return time.Duration(k.below * float64(time.Second))
		}
	}
	return 0
}

func startBenchNginx(t testing.TB) (string, *exec.Cmd) {
	address := freeAddress(t)
	cmd := nginxCommand(t, address, "live on;")
	startServer(t, cmd, address)
	return address, cmd
}

// nginxCommand prepares an nginx-rtmp with one application, "live", of one process.
func nginxCommand(t testing.TB, address, application string) *exec.Cmd {
	t.Helper()
	nginx, err := exec.LookPath("nginx")
	module := "/usr/lib/nginx/modules/ngx_rtmp_module.so"
	if _, e := os.Stat(module); err != nil || e != nil {
		t.Skip("SKIPPED: needs Debian's nginx and libnginx-mod-rtmp")
	}
	dir := t.TempDir()
	conf := fmt.Sprintf(`load_module %s;
daemon off;
master_process off;
pid %[2]s/pid;
error_log %[2]s/error.log warn;
events { worker_connections 4096; }
rtmp { server { listen %[3]s; chunk_size 4096; application live { %[4]s } } }
`, module, dir, address, application)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return exec.Command(nginx, "-p", dir, "-c", file, "-e", filepath.Join(dir, "error.log"))
}

// startServer starts a process, waits until it listens, and ends it with the test.
func startServer(t testing.TB, cmd *exec.Cmd, address string) {
	t.Helper()
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		timer.Stop()
	})
	eventually(t, 5*time.Second, address+" listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func eventually(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// leaveFirstCore has this process use the other cores until the function that it returns is called.
func leaveFirstCore(t testing.TB) (back func()) {
	t.Helper()
	all := make([]int, runtime.NumCPU())
	for i := range all {
		all[i] = i
	}
	pin(t, os.Getpid(), all[1:]...)
	return func() { pin(t, os.Getpid(), all...) }
}

// pin gives a process's threads these cores and no others.
func pin(t testing.TB, pid int, cores ...int) {
	t.Helper()
	var mask unix.CPUSet
	for _, c := range cores {
		mask.Set(c)
	}
	for _, tid := range threads(t, pid) {
		if err := unix.SchedSetaffinity(tid, &mask); err != nil && !errors.Is(err, unix.ESRCH) {
			t.Fatalf("affinity: %v", err)
		}
	}
}

// realTime lets a thread, and those that it begins, have its core before all others that are not in real time: what else runs
// on the machine would count as the server's delay. Without the right to it they go on as they were.
func realTime(t testing.TB, tid int) {
	t.Helper()
	a := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
	if err := unix.SchedSetAttr(tid, &a, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		t.Logf("not in real time, so that others may disturb it: %v", err)
	}
}

func threads(t testing.TB, pid int) []int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("no threads of %d: %v", pid, err)
	}
	var tids []int
	for _, task := range tasks {
		tid, err := strconv.Atoi(filepath.Base(task))
		if err != nil {
			t.Fatal(err)
		}
		tids = append(tids, tid)
	}
	return tids
}

// cpuTime returns what a process has used so far, in user and kernel (proc(5), stat).
func cpuTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * (time.Second / 100)
}

// residentBytes returns a process's resident memory (proc(5), statm).
func residentBytes(t testing.TB, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
