package arch

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"gopkg.in/yaml.v3"

	"github.com/ofctl-live/ofctl-live/controller"
	"github.com/ofctl-live/ofctl-live/internal/relay"
	"github.com/ofctl-live/ofctl-live/policies/direct"
)

// need skips a test that a missing program makes impossible, and says so.
func need(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("SKIPPED: %s is not installed (make test-tools installs it)", tool)
	}
}

func TestPrometheusFiles(t *testing.T) {
	need(t, "promtool")
	for _, args := range [][]string{{"check", "config", "prometheus.yml"}, {"check", "rules", "rules.yml"}, {"test", "rules", "rules_test.yml"}} {
		cmd := exec.Command("promtool", args...)
		cmd.Dir = filepath.Join(root, "deploy", "prometheus")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// descs is a registerer that keeps what it is told about: the names of all metrics, those without a series yet included.
type descs struct{ names map[string]bool }

func (d descs) Register(c prometheus.Collector) error {
	ch := make(chan *prometheus.Desc, 100)
	c.Describe(ch)
	close(ch)
	for desc := range ch {
		if m := fqName.FindStringSubmatch(desc.String()); m != nil {
			d.names[m[1]] = true
		}
	}
	return nil
}

func (d descs) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		_ = d.Register(c) // never an error
	}
}

func (descs) Unregister(prometheus.Collector) bool { return false }

var fqName = regexp.MustCompile(`fqName: "([a-z_]+)"`)

// metrics are the names of what the programs export.
func metrics(t *testing.T) map[string]bool {
	t.Helper()
	d := descs{map[string]bool{}}
	if _, err := controller.New(controller.Options{Settings: controller.Settings{Policy: direct.Policy{}}, Registerer: d}); err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	if _, err := relay.New(relay.Options{Upstream: []string{"rtmp://10.0.0.2/live"}, Registry: reg}); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		d.names[f.GetName()] = true
	}
	for _, p := range packages(t) { // the others spell their names in full
		if strings.HasPrefix(p.path(), "test/") {
			continue
		}
		for _, f := range files(t, p) {
			ast.Inspect(f.File, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if s, err := strconv.Unquote(lit.Value); err == nil && metricName.FindString(s) == s {
						d.names[s] = true
					}
				}
				return true
			})
		}
	}
	return d.names
}

var metricName = regexp.MustCompile(`\bofctl_[a-z_]*[a-z]\b`)

// What dashboards, alerts and documents speak of is exported under that very name.
func TestMetricNames(t *testing.T) {
	known := metrics(t)
	if len(known) < 15 {
		t.Fatalf("found %d metrics only: %v", len(known), known)
	}
	for _, name := range append(documents(t), "deploy/grafana/dashboards/ofctl-live.json", "deploy/prometheus/rules.yml") {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, m := range metricName.FindAllString(string(text), -1) {
			family := m
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				family = strings.TrimSuffix(family, suffix)
			}
			if !known[family] && !known[m] {
				t.Errorf("%s speaks of %s, which nothing exports", name, m)
			}
		}
	}
}

func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy/grafana/dashboards/ofctl-live.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range board.Panels {
		if seen[p.ID] {
			t.Errorf("two panels have the number %d", p.ID)
		}
		seen[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
	}
	if len(seen) < 10 {
		t.Errorf("%d panels only", len(seen))
	}
}

func TestSystemdUnits(t *testing.T) {
	need(t, "systemd-analyze")
	units, err := filepath.Glob(filepath.Join(root, "deploy", "systemd", "*.service"))
	if err != nil || len(units) == 0 {
		t.Fatalf("no units: %v", err)
	}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		// systemd-analyze wants the program to be there.
		local := filepath.Join(t.TempDir(), filepath.Base(unit))
		installed := strings.ReplaceAll(string(text), "/usr/local/bin/ofctl-live", "/bin/true")
		if err := os.WriteFile(local, []byte(installed), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("systemd-analyze", "verify", "--man=no", local).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
	}
}

// Every YAML file of the repository is YAML.
func TestYAML(t *testing.T) {
	n := 0
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".git") {
			return fs.SkipDir
		}
		if ext := filepath.Ext(name); ext != ".yaml" && ext != ".yml" || strings.Contains(name, "testdata") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		n++
		var v any
		if err := yaml.Unmarshal(text, &v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	if err != nil || n < 5 {
		t.Errorf("%d files, %v", n, err)
	}
}
