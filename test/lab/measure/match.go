package measure

import "time"

// A Delivery is what became of one published frame on its way to one viewer.
type Delivery struct {
	Frame   Frame     // as published
	Arrived time.Time // at the viewer; zero if it never did
	Copies  int       // how often it arrived
	Backlog bool      // published before the viewer's first frame of its kind arrived: sent to help it begin, or already on its way
}

// Delay is the time from the frame's last byte at the publisher to its last byte at the viewer. It means nothing for a
// frame that never arrived.
func (d Delivery) Delay() time.Duration { return d.Arrived.Sub(d.Frame.At) }

// A Match joins what was published with what one viewer received.
type Match struct {
	Deliveries []Delivery // every published frame, in order
	FirstVideo time.Time  // arrival of the viewer's first picture; zero if there was none
	FirstAudio time.Time  // and of its first sound
	Foreign    int        // received frames that nobody published: damaged, or of another stream
	Repeated   int        // published frames equal to an earlier one, which cannot be told apart; left out of Deliveries
}

// Compare matches frames by hash. Both lists are in the order of capture; received may be of several connections.
//
// Picture and sound join apart: servers commonly begin with sound at once, and with the picture at its next key frame.
func Compare(published, received []Frame) Match {
	var m Match
	index := make(map[Hash]int, len(published))
	for _, f := range published {
		if _, seen := index[f.Hash]; seen {
			m.Repeated++
			continue
		}
		index[f.Hash] = len(m.Deliveries)
		m.Deliveries = append(m.Deliveries, Delivery{Frame: f})
	}
	for _, f := range received {
		i, known := index[f.Hash]
		if !known {
			m.Foreign++
			continue
		}
		if first := m.first(f.Video); first.IsZero() || f.At.Before(*first) {
			*first = f.At
		}
		d := &m.Deliveries[i]
		d.Copies++
		if d.Arrived.IsZero() || f.At.Before(d.Arrived) {
			d.Arrived = f.At
		}
	}
	for i := range m.Deliveries {
		d := &m.Deliveries[i]
		first := m.first(d.Frame.Video)
		d.Backlog = first.IsZero() || d.Frame.At.Before(*first)
	}
	return m
}

func (m *Match) first(video bool) *time.Time {
	if video {
		return &m.FirstVideo
	}
	return &m.FirstAudio
}

// First returns when the viewer's first picture arrived, or its first sound if there never was a picture; zero if
// neither came.
func (m Match) First() time.Time {
	if m.FirstVideo.IsZero() {
		return m.FirstAudio
	}
	return m.FirstVideo
}

// Counts sums a Match up. Sent and what follows it are of the frames published after the viewer's first frame arrived;
// Backlog counts those from before it that still reached the viewer.
type Counts struct {
	Sent, Received, Unmatched, Duplicate int
	Backlog                              int
}

// Counts returns the numbers of frames. Unmatched ones were published and never arrived, or arrived and were never
// published.
func (m Match) Counts() Counts {
	c := Counts{Unmatched: m.Foreign}
	for _, d := range m.Deliveries {
		if d.Copies > 1 {
			c.Duplicate += d.Copies - 1
		}
		switch {
		case d.Backlog && d.Copies > 0:
			c.Backlog++
		case d.Backlog:
		case d.Copies > 0:
			c.Sent++
			c.Received++
		default:
			c.Sent++
			c.Unmatched++
		}
	}
	return c
}

// Live returns the deliveries that count for delay: those that arrived, backlog excluded.
func (m Match) Live() []Delivery {
	var live []Delivery
	for _, d := range m.Deliveries {
		if !d.Backlog && d.Copies > 0 {
			live = append(live, d)
		}
	}
	return live
}

// Stalls counts how often a player with the given buffer would have frozen: it shows the first of live when that has
// waited in the buffer, and every later one at its distance from it; one that comes too late stops the picture until the
// buffer is full again.
func Stalls(live []Delivery, buffer time.Duration) int {
	stalls := 0
	var lag time.Duration // from publication to show, as far as this player is concerned
	for i, d := range live {
		if i == 0 {
			lag = d.Delay() + buffer
		} else if d.Delay() > lag {
			stalls++
			lag = d.Delay() + buffer
		}
	}
	return stalls
}
