package config

import (
	"net/netip"
	"path/filepath"
	"reflect"
	"testing"
)

// Every example loads, and the reference says what the defaults really are.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "configs", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, f := range files {
		if _, err := Load(f); err != nil {
			t.Error(err)
		}
	}

	c, err := Load(filepath.Join("..", "..", "configs", "reference.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	got := plain(c)
	got.Services, got.Peers = nil, nil
	want := *Default()
	want.Relay.Upstream, want.Relay.Push = []string{}, []string{}
	want.Relay.Publish = Publish{Allow: []netip.Prefix{}, Tokens: []string{}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("configs/reference.yaml is not the defaults:\n%+v\n%+v", got, want)
	}
}
