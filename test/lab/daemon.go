package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/ofctl-live/ofctl-live/test/lab/measure"
)

// A daemon is a running ofctl-live.
type daemon struct {
	cmd  *exec.Cmd
	http string
	done chan error
}

// startDaemon runs ofctl-live for a run, its log in folder, and returns when it answers.
func startDaemon(ctx context.Context, p plan, r run, folder string) (*daemon, error) {
	log, err := os.Create(filepath.Join(folder, "ofctl-live.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	d := &daemon{http: "127.0.0.1:9653", done: make(chan error, 1)}
	listen := d.http
	if len(r.Peers) > 0 {
		listen = "0.0.0.0:9653" // for they ask it for their upstreams
	}
	d.cmd = exec.Command(p.Daemon, "--policy", r.Policy, "--config", p.config(r), "--http", listen, "--log-format", "text")
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { d.done <- d.cmd.Wait() }()
	for limit := time.Now().Add(10 * time.Second); ; {
		if _, err = d.metrics(ctx); err == nil {
			return d, nil
		}
		select {
		case err := <-d.done:
			d.done <- err
			return nil, fmt.Errorf("ofctl-live ended at once (%v): see %s", err, log.Name())
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(limit) {
			d.stop()
			return nil, fmt.Errorf("ofctl-live does not answer on %s: %w", d.http, err)
		}
	}
}

// stop ends the daemon and tells whether it had ended by itself or did not end cleanly.
func (d *daemon) stop() error {
	select {
	case err := <-d.done:
		return fmt.Errorf("ofctl-live ended during the run: %v", err)
	default:
	}
	d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-d.done:
		return err
	case <-time.After(10 * time.Second):
		d.cmd.Process.Kill()
		<-d.done
		return fmt.Errorf("ofctl-live did not end within 10 s of SIGTERM")
	}
}

// metrics returns the daemon's /metrics page.
func (d *daemon) metrics(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.http+"/metrics", nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("/metrics: %s", response.Status)
	}
	return string(body), err
}

var bucketLine = regexp.MustCompile(`^ofctl_flow_install_duration_seconds_bucket\{policy="([^"]+)",le="([^"]+)"\} ([0-9.e+]+)$`)

// installTimes reads the quantiles of the flow installation histogram of one policy off a /metrics page.
func installTimes(page io.Reader, policy string) measure.Install {
	var bounds, counts []float64
	for lines := bufio.NewScanner(page); lines.Scan(); {
		m := bucketLine.FindStringSubmatch(lines.Text())
		if m == nil || m[1] != policy {
			continue
		}
		bound, err1 := strconv.ParseFloat(m[2], 64)
		count, err2 := strconv.ParseFloat(m[3], 64)
		if err1 == nil && err2 == nil {
			bounds, counts = append(bounds, bound), append(counts, count)
		}
	}
	return measure.Install{P50: bucketQuantile(bounds, counts, 0.5) * 1000, P99: bucketQuantile(bounds, counts, 0.99) * 1000}
}

// bucketQuantile interpolates within the bucket that holds the quantile, as Prometheus does. Counts are cumulative,
// bounds ascend. It is zero for an empty histogram, and the last finite bound for what lies beyond it.
func bucketQuantile(bounds, counts []float64, q float64) float64 {
	if len(counts) == 0 || counts[len(counts)-1] == 0 {
		return 0
	}
	rank := q * counts[len(counts)-1]
	lower, below := 0.0, 0.0
	for i, bound := range bounds {
		if counts[i] >= rank {
			if math.IsInf(bound, 1) || counts[i] == below {
				return lower
			}
			return lower + (bound-lower)*(rank-below)/(counts[i]-below)
		}
		lower, below = bound, counts[i]
	}
	return lower
}
