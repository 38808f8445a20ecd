package main

import (
	"bytes"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// execute runs the program in this process, and returns what it wrote.
func execute(args ...string) (string, error) {
	cmd := newRootCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err := cmd.Execute()
	return out.String(), err
}

func TestVersion(t *testing.T) {
	out, err := execute("version")
	if err != nil || !regexp.MustCompile(`^ofctl-live \S+ go\S+ \w+/\w+\n$`).MatchString(out) {
		t.Errorf("%q, %v", out, err)
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	write(t, good, "policy: bypass\nservices: [{name: cdn, address: 10.0.0.2}]\n")
	write(t, bad, "policy: x\nservices: [{name: cdn, address: 10.0.0}]\n")
	out, err := execute("check", good)
	if want := good + ": good: policy bypass, services: 1, peers: 0\n"; err != nil || out != want {
		t.Errorf("%q, %v; want %q", out, err, want)
	}
	out, err = execute("check", good, bad)
	if err == nil || strings.Count(out, "\n") != 3 || !strings.Contains(out, bad+":2: services[0].address") {
		t.Errorf("%q, %v; want a line for the good file and two for the bad", out, err)
	}
}

// What is wrong with the input is one line that says what and where, before anything is served.
func TestBadInput(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	free := freePort(t)
	file := filepath.Join(t.TempDir(), "f.yaml")
	write(t, file, "peers:\n  - {name: a b, address: 10.0.0.1}\n")
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"policy", []string{"--policy", "bypas"}, `--policy: unknown policy "bypas"; did you mean "bypass"?`},
		{"no such file", []string{"--config", "none.yaml"}, "config: open none.yaml: no such file or directory"},
		{"config", []string{"--config", file}, file + `:2: peers[0].name: "a b" is not a name`},
		{"switch port in use", []string{"--listen", free, "--listen", busy.Addr().String(), "--http", ""},
			"listen on " + busy.Addr().String() + " for switches: the port is in use by another process"},
		{"http port in use", []string{"--listen", free, "--http", busy.Addr().String()},
			"listen on " + busy.Addr().String() + " for HTTP: the port is in use by another process"},
		{"listen", []string{"--listen", "6653"}, `--listen: "6653" is not HOST:PORT`},
		{"flag", []string{"--polcy", "direct"}, "unknown flag: --polcy"},
		{"command", []string{"chek"}, `unknown command "chek" for "ofctl-live"`},
		{"no policy named", []string{"policy", "set"}, "policy set: want one POLICY: bypass or direct; got 0 arguments"},
		{"two policies", []string{"policy", "set", "direct", "bypass"}, "want one POLICY: bypass or direct; got 2 arguments"},
		{"tried and done", []string{"policy", "set", "direct", "--dry-run", "--migrate"}, "--dry-run changes nothing, --migrate does"},
		{"a duration without a unit", []string{"relay", "--queue", "5"}, `--queue: "5" is a duration without a unit: 5s?`},
		{"a number in words", []string{"relay", "--max-kbps", "many"}, `--max-kbps: "many" is not a whole number`},
		{"one port twice", []string{"--listen", free, "--http", free}, "--http: " + free + " overlaps listen[0], " + free},
		{"a URL for an address", []string{"policy", "--http", "http://127.0.0.1:9653"}, "--http: want HOST:PORT of the daemon's API"},
		{"no port", []string{"policy", "--http", "127.0.0.1"}, "--http: want HOST:PORT of the daemon's API"},
		{"nothing to check", []string{"check"}, "check: want at least one FILE; got 0 arguments"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := execute(tt.args...)
			if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), tt.want) || strings.HasPrefix(err.Error(), "ofctl-live") || out != "" {
				t.Errorf("output %q, error %v\nwant no output and one line with %s", out, err, tt.want)
			}
		})
	}
}
