package figure

import (
	"fmt"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"

	"github.com/ofctl-live/ofctl-live/test/lab/measure"
)

// Crowd writes a PNG of runs of one network: the panel that Delays draws, and below it what the CDN's link carried over
// time under each policy, beside the one copy that the broadcaster sent.
func Crowd(w io.Writer, s measure.Summary) error {
	if len(s.Runs) == 0 {
		return fmt.Errorf("plot: no runs")
	}
	delays, err := panel(s.Runs)
	if err != nil {
		return err
	}
	link, err := linkPanel(s.Runs, delays.X.Max)
	if err != nil {
		return err
	}
	return stack(w, []*plot.Plot{delays, link})
}

// linkPanel draws the CDN's link in Mb/s, both ways together, second by second until a moment, in seconds.
func linkPanel(runs []measure.Run, until float64) (*plot.Plot, error) {
	p := plot.New()
	style(p, "What the CDN's link carries, both ways")
	p.X.Label.Text, p.Y.Label.Text = "time since the first frame, s", "Mb/s"
	var highest float64
	for _, r := range runs {
		var points plotter.XYs
		for second, n := range r.CDNPerSecond {
			if float64(second) >= until {
				break
			}
			y := float64(n) * 8 / 1e6
			points = append(points, plotter.XY{X: float64(second), Y: y}, plotter.XY{X: float64(second + 1), Y: y})
			highest = max(highest, y)
		}
		if len(points) == 0 {
			continue
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return nil, err
		}
		name, colour := look(r, runs)
		line.LineStyle = draw.LineStyle{Color: colour, Width: 1.5}
		p.Add(line)
		both := float64(r.CDNLinkBytes.In+r.CDNLinkBytes.Out) / 1e6
		p.Legend.Add(fmt.Sprintf("%s: %.1f MB%s", name, both, spared(r.Edges)), line)
	}
	if first := runs[0]; len(first.Viewers) > 0 && first.Published > 0 {
		seconds := published(first.Viewers[0])
		copied := float64(first.Published) * 8 / 1e6 / seconds
		line, err := level(copied, seconds)
		if err != nil {
			return nil, err
		}
		p.Add(line)
		p.Legend.Add("one copy", line)
	}
	p.X.Min, p.X.Max = 0, until
	p.Y.Min, p.Y.Max = 0, max(highest*1.4, 1)
	return p, nil
}

// spared tells the offload of the edges, from the least to the greatest.
func spared(edges []measure.Edge) string {
	if len(edges) == 0 {
		return ""
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, e := range edges {
		low, high = min(low, 100*e.Offload), max(high, 100*e.Offload)
	}
	return fmt.Sprintf(", offload %s %%", fromTo(low, high))
}

// published is how long the stream was, in seconds.
func published(v measure.Viewer) float64 {
	all := v.Match().Deliveries
	if len(all) == 0 {
		return 1
	}
	return math.Max(1, all[len(all)-1].Frame.At.Sub(v.Start()).Seconds())
}
