package arch

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// commands are the lines of a document's sh blocks.
func commands(t *testing.T, document string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		all = append(all, strings.Split(strings.TrimSpace(block[1]), "\n")...)
	}
	return all
}

// Whatever the README has people type works as far as a test can take it: make targets exist, the program's commands run, the
// daemon starts, answers and ends, and what is asked of it by curl is there.
func TestReadmeCommands(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "ofctl-live")
	build := exec.Command("go", "build", "-o", binary, "./cmd/ofctl-live")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	daemon := startDaemon(t, binary, "--policy", "direct")
	all := commands(t, "README.md")
	if len(all) < 5 {
		t.Fatalf("%d commands only", len(all))
	}
	for _, line := range all {
		t.Run(line, func(t *testing.T) {
			words := strings.Fields(line)
			switch {
			case words[0] == "make":
				runs(t, "make", append([]string{"--dry-run"}, words[1:]...)...)
			case words[0] == "curl":
				answers(t, strings.Replace(words[1], "127.0.0.1:9653", daemon, 1))
			case words[0] == "sudo" && words[1] == "mn":
				mininet(t, words[2:])
			case words[0] != "bin/ofctl-live":
				t.Errorf("the test knows no %s: teach it, or the README speaks of what nobody tries", words[0])
			case len(words) > 1 && words[1] == "policy":
				runs(t, binary, append(words[1:], "--http", daemon)...)
			case len(words) > 1 && words[1] == "relay":
				endsWell(t, binary, append(words[1:], "--listen", "127.0.0.1:0")...)
			case len(words) > 1 && !strings.HasPrefix(words[1], "-"):
				runs(t, binary, words[1:]...)
			default:
				startDaemon(t, binary, words[1:]...)
			}
		})
	}
}

// documents are all that people read: whatever in the repository is written in Markdown, by its path.
func documents(t *testing.T) (paths []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".md") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) < 6 {
		t.Fatalf("found %v: %v", paths, err)
	}
	return paths
}

// Paths that documents link to or name exist.
func TestLinks(t *testing.T) {
	for _, document := range documents(t) {
		text, err := os.ReadFile(filepath.Join(root, document))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, link := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(document), link[1])); err != nil {
				t.Errorf("%s links to %s: %v", document, link[1], err)
			}
		}
	}
}

func runs(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func answers(t *testing.T, url string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", url, resp.Status)
	}
}

// mininet checks what can be without root: the file is there and has the topology.
func mininet(t *testing.T, args []string) {
	t.Helper()
	var file, topology string
	for i, a := range args[:len(args)-1] {
		switch a {
		case "--custom":
			file = args[i+1]
		case "--topo":
			topology, _, _ = strings.Cut(args[i+1], ",")
		}
	}
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil || !bytes.Contains(text, []byte(`"`+topology+`"`)) {
		t.Errorf("topology %q of %s: %v", topology, file, err)
	}
}

// startDaemon runs the daemon on free ports until the test ends, when SIGTERM must end it with status 0. It returns where its API
// is.
func startDaemon(t *testing.T, binary string, args ...string) (api string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	api = l.Addr().String()
	_ = l.Close()
	cmd := start(t, binary, append(args, "--listen", "127.0.0.1:0", "--http", api)...)
	t.Cleanup(func() { end(t, cmd) })
	deadline := time.Now().Add(10 * time.Second)
	for {
		resp, err := http.Get("http://" + api + "/-/ready")
		if err == nil {
			_ = resp.Body.Close()
			return api
		}
		if time.Now().After(deadline) {
			t.Fatalf("never ready: %v\n%s", err, cmd.Stderr)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// endsWell runs a server that has no address to ask until it says that it listens, and ends it.
func endsWell(t *testing.T, binary string, args ...string) {
	t.Helper()
	cmd := start(t, binary, args...)
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(fmt.Sprint(cmd.Stderr), "listens"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never listens:\n%s", cmd.Stderr)
		}
	}
	end(t, cmd)
}

// A said is what a process has said so far.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func start(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = root
	cmd.Stderr = new(said)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func end(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, cmd.Stderr)
	}
}
