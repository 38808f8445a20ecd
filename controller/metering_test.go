package controller

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// entriesPerReply is about as many rules of sessions as fit into one reply.
const entriesPerReply = 400

// asked is the xid of the last question about its table among what a switch was sent, 0 where there is none.
func (r *rig) asked() (xid uint32) {
	r.d.flush()
	for b := r.sent; len(b) > 0; b = b[binary.BigEndian.Uint16(b[2:]):] {
		if ofproto.Type(b[1]) == ofproto.TypeStatsRequest && ofproto.StatsKind(binary.BigEndian.Uint16(b[8:])) == ofproto.StatsFlow {
			xid = binary.BigEndian.Uint32(b[4:])
		}
	}
	r.sent = r.sent[:0]
	return xid
}

// tell has the switch say these parts of an answer.
func (r *rig) tell(tb testing.TB, xid uint32, parts ...[]byte) {
	tb.Helper()
	for _, p := range parts {
		binary.BigEndian.PutUint32(p[4:], xid)
		if err := r.d.handleBatch([][]byte{p}); err != nil {
			tb.Fatal(err)
		}
	}
}

// tableParts is a switch's report of the rules that it should have, so many in a message, each of which has carried so many bytes.
func (r *rig) tableParts(tb testing.TB, each int, carried uint64) (parts [][]byte) {
	tb.Helper()
	have := r.d.table.table()
	for i := range have {
		have[i].ByteCount = carried
	}
	for some := range slices.Chunk(have, each) {
		parts = append(parts, tablePart(tb, some...))
	}
	binary.BigEndian.PutUint16(parts[len(parts)-1][ofproto.HeaderLen+2:], 0)
	return parts
}

// tablePart is a message with entries of a table, which says that more follow.
func tablePart(tb testing.TB, some ...ofproto.FlowStat) []byte {
	b, err := ofproto.Append(nil, 0, &ofproto.StatsReply{Flags: ofproto.StatsMore, Body: ofproto.FlowStats(some)})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// everySwitch has all of them have their turn.
func everySwitch(*datapath) bool { return true }

// TestCountersInParts has a switch tell what a session's rules have carried one by one, in either order. What it has begun to tell
// and not ended is not counted, nor is what nobody asked for.
func TestCountersInParts(t *testing.T) {
	r := newRig(t)
	r.hold(t, 0, 2)
	var s *session
	for _, s = range r.c.sessions.All {
		break
	}
	counted := func() uint64 { return s.meter.bytes }
	now := time.Now()
	for i, tt := range []struct {
		carried  uint64
		complete bool
		want     uint64
	}{{100, true, 200}, {150, false, 200}, {160, true, 320}, {170, true, 340}} {
		now = now.Add(openFor * meterInterval) // by when the question before is given up
		r.c.meterSwitches(now, everySwitch)
		xid := r.asked()
		parts := r.tableParts(t, 1, tt.carried)
		if i%2 > 0 {
			slices.Reverse(parts)
			for _, p := range parts {
				binary.BigEndian.PutUint16(p[ofproto.HeaderLen+2:], uint16(ofproto.StatsMore))
			}
			parts = append(parts, tablePart(t))
			binary.BigEndian.PutUint16(parts[len(parts)-1][ofproto.HeaderLen+2:], 0)
		}
		before := counted()
		r.tell(t, xid+1, parts...)
		r.tell(t, xid, parts[:len(parts)-1]...)
		if got := counted(); got != before {
			t.Errorf("%d bytes are counted before the answer is over, %d before it", got, before)
		}
		if tt.complete {
			r.tell(t, xid, parts[len(parts)-1])
			r.tell(t, xid, r.tableParts(t, 1, 7000)...)
		}
		if got := counted(); got != tt.want {
			t.Errorf("%d bytes are counted, want %d", got, tt.want)
		}
	}
}

// TestUnaskedTable has a switch tell of an empty table that nobody has asked about, after one that it was asked about: nothing is sent
// to repair it.
func TestUnaskedTable(t *testing.T) {
	r := newRig(t)
	r.c.audit(time.Now().Add(time.Second), everySwitch)
	r.tell(t, r.asked(), r.tableParts(t, 100, 0)...)
	empty := tablePart(t)
	binary.BigEndian.PutUint16(empty[ofproto.HeaderLen+2:], 0)
	r.tell(t, 0, empty)
	if n := r.settle(t)[ofproto.TypeFlowMod]; n > 0 {
		t.Errorf("%d flow mods", n)
	}
}

// TestRefusedTable has a switch answer a question about its table with an error: it is asked again when its turn comes.
func TestRefusedTable(t *testing.T) {
	r := newRig(t)
	now := time.Now()
	for what, ask := range map[string]func(time.Time, func(*datapath) bool){"counters": r.c.meterSwitches, "the table": r.c.audit} {
		ask(now, everySwitch)
		xid := r.asked()
		ask(now, everySwitch)
		if again := r.asked(); xid == 0 || again != 0 {
			t.Errorf("%s: asked by %d, and once more by %d", what, xid, again)
		}
		refusal, err := ofproto.Append(nil, xid, &ofproto.Error{ErrType: ofproto.BadRequest, Code: ofproto.RequestEPerm})
		if err != nil {
			t.Fatal(err)
		}
		r.tell(t, xid, refusal)
		ask(now, everySwitch)
		if r.asked() == 0 {
			t.Errorf("%s: not asked again", what)
		}
	}
}

// TestMeteringAllocations counts what it costs to be told the counters of many sessions: nothing for each rule.
func TestMeteringAllocations(t *testing.T) {
	if underRace {
		t.Skip("the compiler allocates otherwise under the race detector")
	}
	const sessions, parts = 2000, 10
	r := newRig(t)
	r.hold(t, 0, sessions)
	table := r.tableParts(t, 2*sessions/parts+1, 1000)
	n := testing.AllocsPerRun(10, func() {
		r.c.meterSwitches(time.Now(), everySwitch)
		r.tell(t, r.asked(), table...)
	})
	if most := float64(parts * 60); n > most {
		t.Errorf("%.0f allocations for %d rules, want no more than %.0f", n, 2*sessions, most)
	}
}

// BenchmarkMetering has sixteen switches tell the counters of 100,000 sessions, as they do each meter interval, and reports what each
// rule costs.
func BenchmarkMetering(b *testing.B) {
	f := newFleet(b)
	f.dial(b, 100_000)
	var tables [][][]byte
	rules := 0
	for _, r := range f.rigs {
		tables = append(tables, r.tableParts(b, entriesPerReply, 1000))
		rules += r.d.table.rules.n
	}
	c := f.rigs[0].c
	b.ReportAllocs()
	for b.Loop() {
		c.meterSwitches(time.Now(), everySwitch)
		for i, r := range f.rigs {
			r.tell(b, r.asked(), tables[i]...)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rules), "ns/rule")
	b.ReportMetric(0, "ns/op")
}
