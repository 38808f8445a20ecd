package measure

import (
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"io"
	"strconv"
	"time"
)

// PlayerBuffer is the buffer of the player that stalls are counted for: half a second, short for a live player.
const PlayerBuffer = 500 * time.Millisecond

// A Summary is the content of summary.json.
type Summary struct {
	Runs []Run `json:"runs"`
}

// A Run is one experiment: a topology, a policy, and what each viewer got.
type Run struct {
	Topology     string    `json:"topology"`
	Policy       string    `json:"policy"`
	Peer         string    `json:"peer"` // what serves as peer: nginx or relay
	Viewers      []Viewer  `json:"viewers"`
	CDNLinkBytes LinkBytes `json:"cdn_link_bytes"`
	FlowInstall  Install   `json:"flow_install_ms"`

	// Where the topology has edges with viewers and peers:
	Edges        []Edge  `json:"edges,omitempty"`
	CDNPerSecond []int64 `json:"cdn_link_bytes_per_second,omitempty"` // both ways, from the publisher's first frame on
	Published    int64   `json:"published_bytes,omitempty"`           // on the wire, from the broadcaster
}

// An Edge is the viewers behind one switch, and what they cost.
type Edge struct {
	Switch    string  `json:"switch"`
	Viewers   int     `json:"viewers"`
	Delivered int64   `json:"delivered_bytes"` // to them, on the wire
	FromCDN   int64   `json:"from_cdn_bytes"`  // of what the CDN sent, the edge's part
	Offload   float64 `json:"offload"`         // the fraction of what was delivered that the CDN did not send
}

// LinkBytes counts what the CDN node's interface received and sent during the stream.
type LinkBytes struct {
	In  int64 `json:"in"`
	Out int64 `json:"out"`
}

// Install is the time from a flow mod written to its barrier's reply, in milliseconds, as the controller measured it.
type Install struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// A Viewer is what one player got. Frames and delays exclude the backlog from before it joined; see Delivery.
type Viewer struct {
	Host       string      `json:"host"`
	Player     string      `json:"player"`
	Source     string      `json:"source"` // who sent it the frames: cdn, or a peer's name
	Frames     FrameCounts `json:"frames"`
	Delay      Spread      `json:"delay_ms"`
	Floor      float64     `json:"floor_ms"`       // least possible: one-way link delays on the shortest path
	Least      float64     `json:"least_ms"`       // least possible from the sources that there are, the CDN and peers
	FirstFrame float64     `json:"first_frame_ms"` // first picture, from its first SYN
	Stalls     int         `json:"stalls"`         // see Stalls and PlayerBuffer

	match Match
	start time.Time
}

// FrameCounts are numbers of frames; see Counts.
type FrameCounts struct {
	Sent      int `json:"sent"`
	Received  int `json:"received"`
	Unmatched int `json:"unmatched"`
	Duplicate int `json:"duplicate"`
}

// NewViewer measures a viewer: published is what the broadcaster sent, connections what the viewer dialled. Who and how
// far it is, the caller fills in.
func NewViewer(published []Frame, connections []Connection) Viewer {
	var received []Frame
	for _, c := range connections {
		received = append(received, c.Received...)
	}
	m := Compare(published, received)
	counts := m.Counts()
	v := Viewer{
		Frames: FrameCounts{counts.Sent, counts.Received, counts.Unmatched, counts.Duplicate},
		Delay:  SpreadOf(m.Live()),
		Stalls: Stalls(m.Live(), PlayerBuffer),
		match:  m,
	}
	if len(published) > 0 {
		v.start = published[0].At
	}
	if first := m.First(); !first.IsZero() {
		v.FirstFrame = float64(first.Sub(connections[0].Dialled).Microseconds()) / 1000
	}
	return v
}

// Match returns the frames behind the viewer's figures; it is empty for a Viewer read from JSON.
func (v Viewer) Match() Match { return v.match }

// Start returns when the publisher's first frame left; zero for a Viewer read from JSON.
func (v Viewer) Start() time.Time { return v.start }

// WriteJSON writes summary.json.
func (s Summary) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(s)
}

// WriteCSV writes frames.csv: a line for every published frame and viewer. sent_s counts from the publisher's first
// frame; delay_ms is empty for a frame that never arrived; backlog marks what was published before the viewer's first
// frame of its kind arrived.
func (s Summary) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	out.Write([]string{"topology", "viewers", "policy", "peer", "host", "player", "source",
		"frame", "kind", "bytes", "hash", "sent_s", "delay_ms", "copies", "backlog"})
	for _, r := range s.Runs {
		for _, v := range r.Viewers {
			for i, d := range v.match.Deliveries {
				delay, kind := "", "audio"
				if d.Copies > 0 {
					delay = strconv.FormatFloat(float64(d.Delay().Microseconds())/1000, 'f', 3, 64)
				}
				if d.Frame.Key {
					kind = "key"
				} else if d.Frame.Video {
					kind = "video"
				}
				out.Write([]string{r.Topology, strconv.Itoa(len(r.Viewers)), r.Policy, r.Peer, v.Host, v.Player, v.Source,
					strconv.Itoa(i), kind, strconv.Itoa(d.Frame.Bytes), hex.EncodeToString(d.Frame.Hash[:8]),
					strconv.FormatFloat(d.Frame.At.Sub(v.start).Seconds(), 'f', 6, 64),
					delay, strconv.Itoa(d.Copies), strconv.FormatBool(d.Backlog)})
			}
		}
	}
	out.Flush()
	return out.Error()
}
