// Package figure draws the results of the experiment.
package figure

import (
	"fmt"
	"image/color"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/ofctl-live/ofctl-live/test/lab/measure"
)

// Colours that stay apart for the colour-blind, after Okabe and Ito (2008).
var (
	vermilion = color.NRGBA{R: 0xd5, G: 0x5e, B: 0x00, A: 0xff}
	blue      = color.NRGBA{R: 0x00, G: 0x72, B: 0xb2, A: 0xff}
	green     = color.NRGBA{R: 0x00, G: 0x9e, B: 0x73, A: 0xff}
	ink       = color.NRGBA{R: 0x22, G: 0x22, B: 0x22, A: 0xff}
	faint     = color.NRGBA{R: 0xdd, G: 0xdd, B: 0xdd, A: 0xff}
)

const (
	panelWidth  = 20 * vg.Centimeter
	panelHeight = 8 * vg.Centimeter
	dpi         = 150
)

// Delays writes a PNG: for each topology and number of viewers a panel with the delay of every frame over the time it
// was published, direct against bypass, and the least the path allows. Backlog is left out.
func Delays(w io.Writer, s measure.Summary) error {
	var panels []*plot.Plot
	for _, group := range groups(s) {
		p, err := panel(group)
		if err != nil {
			return err
		}
		panels = append(panels, p)
	}
	if len(panels) == 0 {
		return fmt.Errorf("plot: no runs")
	}
	return stack(w, panels)
}

// stack writes panels below one another as a PNG.
func stack(w io.Writer, panels []*plot.Plot) error {
	img := vgimg.NewWith(vgimg.UseWH(panelWidth, vg.Length(len(panels))*panelHeight), vgimg.UseDPI(dpi))
	canvas := draw.New(img)
	tiles := draw.Tiles{Rows: len(panels), Cols: 1, PadTop: 4 * vg.Millimeter, PadBottom: 4 * vg.Millimeter,
		PadLeft: 4 * vg.Millimeter, PadRight: 6 * vg.Millimeter, PadY: 6 * vg.Millimeter}
	for row, p := range panels {
		p.Draw(tiles.At(canvas, 0, row))
	}
	_, err := vgimg.PngCanvas{Canvas: img}.WriteTo(w)
	return err
}

// groups gathers runs of one network and audience, in the order they were run.
func groups(s measure.Summary) [][]measure.Run {
	var order [][]measure.Run
	index := make(map[string]int)
	for _, r := range s.Runs {
		key := fmt.Sprintf("%s %d", r.Topology, len(r.Viewers))
		i, seen := index[key]
		if !seen {
			i = len(order)
			index[key] = i
			order = append(order, nil)
		}
		order[i] = append(order[i], r)
	}
	return order
}

func panel(runs []measure.Run) (*plot.Plot, error) {
	p := plot.New()
	viewers := "1 viewer"
	if n := len(runs[0].Viewers); n > 1 {
		viewers = fmt.Sprintf("%d viewers", n)
	}
	style(p, fmt.Sprintf("Delay of every frame: %s topology, %s", runs[0].Topology, viewers))

	var highest, latest float64
	floors := make(map[float64]bool)
	for _, r := range runs {
		var points plotter.XYs
		for _, v := range r.Viewers {
			floors[max(v.Floor, v.Least)] = true
			for _, d := range v.Match().Live() {
				x, y := d.Frame.At.Sub(v.Start()).Seconds(), float64(d.Delay().Microseconds())/1000
				points = append(points, plotter.XY{X: x, Y: y})
				highest, latest = max(highest, y), max(latest, x)
			}
		}
		if len(points) == 0 {
			continue
		}
		scatter, err := plotter.NewScatter(points)
		if err != nil {
			return nil, err
		}
		name, colour := look(r, runs)
		key := draw.GlyphStyle{Color: colour, Radius: 3, Shape: draw.CircleGlyph{}}
		colour.A = 0x80
		scatter.GlyphStyle = draw.GlyphStyle{Color: colour, Radius: 1.1, Shape: draw.CircleGlyph{}}
		p.Add(scatter)
		p.Legend.Add(fmt.Sprintf("%s: p50 %s ms, p99 %s ms", name,
			between(r.Viewers, func(s measure.Spread) float64 { return s.P50 }),
			between(r.Viewers, func(s measure.Spread) float64 { return s.P99 })), dot{key})
	}
	latest = max(math.Ceil(latest-0.1), 1) // whole seconds, for the axis
	named := false
	for floor := range floors {
		line, err := level(floor, latest)
		if err != nil {
			return nil, err
		}
		p.Add(line)
		if !named {
			p.Legend.Add("least the path allows", line)
			named = true
		}
	}
	p.X.Min, p.X.Max = 0, latest
	p.Y.Min, p.Y.Max = 0, highest*1.4 // room for the legend
	return p, nil
}

// level is the line of what figures are compared to, from 0 on.
func level(y, to float64) (*plotter.Line, error) {
	line, err := plotter.NewLine(plotter.XYs{{X: 0, Y: y}, {X: to, Y: y}})
	if err != nil {
		return nil, err
	}
	line.LineStyle = draw.LineStyle{Color: ink, Width: 1, Dashes: []vg.Length{4, 3}}
	return line, nil
}

// look returns a run's name and colour among those it is drawn with.
func look(r measure.Run, among []measure.Run) (string, color.NRGBA) {
	if r.Policy == "direct" {
		return r.Policy, vermilion
	}
	for _, other := range among {
		if other.Policy == r.Policy && other.Peer != r.Peer {
			if r.Peer == "nginx" {
				return r.Policy + " by nginx-rtmp", green
			}
			return r.Policy + " by our " + r.Peer, blue
		}
	}
	return r.Policy, blue
}

// between tells a figure of all viewers: from the least to the greatest.
func between(viewers []measure.Viewer, figure func(measure.Spread) float64) string {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range viewers {
		low, high = min(low, figure(v.Delay)), max(high, figure(v.Delay))
	}
	return fromTo(low, high)
}

// fromTo writes a range in whole numbers.
func fromTo(low, high float64) string {
	low, high = math.Round(low)+0, math.Round(high)+0 // never -0
	if low == high {
		return fmt.Sprintf("%.0f", low)
	}
	return fmt.Sprintf("%.0f to %.0f", low, high)
}

// style sets what all panels share.
func style(p *plot.Plot, title string) {
	p.Title.Text = title
	p.X.Label.Text = "time the frame was published, s"
	p.Y.Label.Text = "delay at the viewer, ms"
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(ticks), plot.TickerFunc(ticks)
	sans := func(size vg.Length) font.Font { return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size} }
	p.Title.TextStyle.Font = sans(13)
	p.Title.Padding = 2 * vg.Millimeter
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font = sans(10)
		axis.Tick.Label.Font = sans(9)
		axis.Color, axis.Label.TextStyle.Color, axis.Tick.Label.Color, axis.Tick.Color = ink, ink, ink, ink
	}
	p.Legend.TextStyle.Font = sans(10)
	p.Legend.TextStyle.Color = ink
	p.Legend.Top = true
	p.Legend.Padding = vg.Millimeter
	p.Legend.ThumbnailWidth = 8 * vg.Millimeter
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Transparent, faint
	p.Add(grid)
}

// ticks puts at most seven round numbers on an axis.
func ticks(low, high float64) []plot.Tick {
	const most = 6
	step := math.Pow(10, math.Floor(math.Log10((high-low)/most)))
	for _, factor := range []float64{2, 2.5, 2} { // steps of 1, 2, 5 and 10
		if (high-low)/step <= most {
			break
		}
		step *= factor
	}
	var all []plot.Tick
	for v := math.Ceil(low/step) * step; v <= high; v += step {
		all = append(all, plot.Tick{Value: v, Label: fmt.Sprintf("%g", v)})
	}
	return all
}

// A dot is a policy's mark in the legend, larger than its points.
type dot struct{ draw.GlyphStyle }

// Thumbnail draws the mark.
func (d dot) Thumbnail(c *draw.Canvas) { c.DrawGlyph(d.GlyphStyle, c.Center()) }
