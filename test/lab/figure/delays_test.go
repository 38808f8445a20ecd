package figure

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/test/lab/measure"
)

// viewer got a hundred frames with a delay.
func viewer(delay time.Duration) measure.Viewer {
	var sent, received []measure.Frame
	for n := range 100 {
		f := measure.Frame{Hash: measure.Hash{byte(n)}, At: time.Unix(int64(n), 0), Video: true}
		sent = append(sent, f)
		f.At = f.At.Add(delay)
		received = append(received, f)
	}
	v := measure.NewViewer(sent, []measure.Connection{{Dialled: sent[0].At, Received: received}})
	v.Floor = 200
	return v
}

func TestDelaysDrawsAPanelPerComparison(t *testing.T) {
	run := func(topology, policy string, viewers ...measure.Viewer) measure.Run {
		return measure.Run{Topology: topology, Policy: policy, Viewers: viewers}
	}
	far, near := viewer(800*time.Millisecond), viewer(201*time.Millisecond)
	one := measure.Summary{Runs: []measure.Run{run("single", "direct", far), run("single", "bypass", near)}}
	two := measure.Summary{Runs: append(one.Runs, run("multi", "direct", far, far), run("multi", "bypass", near, far))}
	var heights []int
	for _, s := range []measure.Summary{one, two} {
		var b bytes.Buffer
		if err := Delays(&b, s); err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(&b)
		if err != nil {
			t.Fatal(err)
		}
		heights = append(heights, img.Bounds().Dy())
		drawn(t, img)
	}
	if heights[1] < 2*heights[0]-2 || heights[1] > 2*heights[0]+2 {
		t.Errorf("one panel is %d high and two are %d", heights[0], heights[1])
	}
	if err := Delays(&bytes.Buffer{}, measure.Summary{}); err == nil {
		t.Error("a plot of nothing is no error")
	}
}

// drawn checks that an image has the colours of both policies.
func drawn(t *testing.T, img image.Image) {
	t.Helper()
	colours := make(map[[3]uint32]int)
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			r, g, b, _ := img.At(x, y).RGBA()
			colours[[3]uint32{r >> 8, g >> 8, b >> 8}]++
		}
	}
	for name, c := range map[string][3]uint32{"direct": {0xd5, 0x5e, 0}, "bypass": {0, 0x72, 0xb2}} {
		if colours[c] == 0 {
			t.Errorf("nothing is drawn in the colour of %s", name)
		}
	}
}

// Of a run whose viewers got nothing, the link is drawn all the same.
func TestCrowdDrawsTheLink(t *testing.T) {
	run := func(policy string) measure.Run {
		return measure.Run{Topology: "crowd", Policy: policy, Viewers: []measure.Viewer{{}}, CDNPerSecond: []int64{100_000, 500_000},
			Edges: []measure.Edge{{Offload: 0.75}, {Offload: 0.8}}}
	}
	var b bytes.Buffer
	if err := Crowd(&b, measure.Summary{Runs: []measure.Run{run("direct"), run("bypass")}}); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	drawn(t, img)
	if got := spared(run("bypass").Edges); got != ", offload 75 to 80 %" {
		t.Errorf("%q", got)
	}
	if err := Crowd(&bytes.Buffer{}, measure.Summary{}); err == nil {
		t.Error("a plot of nothing is no error")
	}
}

func TestLookTellsPeersApart(t *testing.T) {
	direct := measure.Run{Policy: "direct", Peer: "relay"}
	ours, nginx := measure.Run{Policy: "bypass", Peer: "relay"}, measure.Run{Policy: "bypass", Peer: "nginx"}
	seen := make(map[string]bool)
	for _, r := range []measure.Run{direct, ours, nginx} {
		name, colour := look(r, []measure.Run{direct, ours, nginx})
		if seen[name] || seen[fmt.Sprint(colour)] {
			t.Errorf("%s by %s has the name %q or the colour of another", r.Policy, r.Peer, name)
		}
		seen[name], seen[fmt.Sprint(colour)] = true, true
	}
	if name, _ := look(nginx, []measure.Run{direct, nginx}); name != "bypass" {
		t.Errorf("the only bypass is called %q", name)
	}
}

func TestTicks(t *testing.T) {
	tests := []struct {
		high        float64
		first, last string
		n           int
	}{
		{30, "0", "30", 7},
		{2730, "0", "2500", 6},
		{9650, "0", "8000", 5},
		{6100, "0", "6000", 4},
		{1.1, "0", "1", 6},
	}
	for _, test := range tests {
		got := ticks(0, test.high)
		if len(got) != test.n || got[0].Label != test.first || got[len(got)-1].Label != test.last {
			t.Errorf("ticks(0, %v) = %v, want %d from %s to %s", test.high, got, test.n, test.first, test.last)
		}
	}
}

func TestBetween(t *testing.T) {
	p50 := func(s measure.Spread) float64 { return s.P50 }
	near, far := viewer(201*time.Millisecond), viewer(800*time.Millisecond)
	if got := between([]measure.Viewer{near}, p50); got != "201" {
		t.Errorf("one viewer: %q", got)
	}
	if got := between([]measure.Viewer{far, near}, p50); got != "201 to 800" {
		t.Errorf("two viewers: %q", got)
	}
}
