package policies

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
)

func TestNew(t *testing.T) {
	if !slices.IsSorted(Names()) || len(Names()) != 2 {
		t.Errorf("names: %v", Names())
	}
	for _, name := range Names() {
		p, err := New(name, Options{})
		if err != nil || p.Name() != name {
			t.Errorf("%s: %v, %v", name, p, err)
			continue
		}
		// Without a network and without peers there is only one answer, and it has a reason.
		c := p.Source(stream.View{Snapshot: topo.NewStore().Load()}, stream.Request{})
		if c.Source() != stream.CDN || c.Reason == "" {
			t.Errorf("%s: %+v", name, c)
		}
	}
	for _, tt := range []struct {
		name string
		o    Options
		want []string
	}{
		{"besteffort", Options{}, append([]string{`"besteffort"`}, Names()...)},
		{"bypass", Options{Strategy: "worst"}, []string{"policies: bypass: ", `"worst"`, "least-delay"}},
		{"bypass", Options{Margin: -time.Second}, []string{"policies: bypass: ", "-1s"}},
	} {
		p, err := New(tt.name, tt.o)
		if err == nil || p != nil {
			t.Errorf("%s %+v: %v, %v", tt.name, tt.o, p, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v does not say %s", tt.name, err, want)
			}
		}
	}
}
