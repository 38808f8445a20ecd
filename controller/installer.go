package controller

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// errAway says that a switch was not connected when it was needed.
var errAway = errors.New("switch is not connected")

// A sender is what an installer needs of a connection.
type sender interface {
	reserve(n uint32) (first uint32)           // n consecutive xids
	Write(xid uint32, m ofproto.Message) error // does not wait for the switch
	flush()                                    // waits for the switch
	kick()
}

// An installer keeps one switch's table: what it should hold, what of that was sent, and what the switch acknowledged by a
// barrier. It outlives connections; only the wishes survive one.
type installer struct {
	dpid    ofproto.DPID
	metrics *metrics

	mu      sync.Mutex
	out     sender         // nil while the switch is away
	rules   wishes         // everything wished for
	round   uint32         // of comparisons with the switch
	flying  []installation // in the order they were sent
	room    []installation // the whole of what flying is the rest of
	open    int            // the last of flying, behind which no barrier has been sent yet
	sharing bool           // a batch is being handled, at the end of which one is
	loose   bool           // a deletion was sent and no barrier since: what is added next might be executed before it
	synced  bool           // this process has compared the table at least once
	fin     finAction
	mod     ofproto.FlowMod  // the message in the making
	actions []ofproto.Action // its actions
	doubted time.Time        // until when the switch is not relied upon to take a session's rules
}

// installed is one wished-for rule and how far it got. Invariant: acked implies sent.
type installed struct {
	rule        flow.Rule
	sent, acked bool
	over        bool   // the switch may have had another of its key when it was sent
	seen        uint32 // the last round in which the switch had it as it should be
	ackedAt     moment
	next        *installed // of wishes
}

func newInstaller(id ofproto.DPID, m *metrics, base []flow.Rule) *installer {
	t := &installer{
		dpid: id, metrics: m,
	}
	for _, r := range base {
		t.rules.put(&installed{rule: r})
	}
	return t
}

// install wishes for rules, sends what the switch does not already hold, and tells done once a barrier has confirmed all
// of them, or the reason why that cannot be. done may be told before install returns; nil: nobody asks.
func (t *installer) install(rules []flow.Rule, policy string, done waiter) {
	t.mu.Lock()
	var send []*installed
	var fresh []installed
	settled, renewed := true, false
	for i := range rules {
		r := &rules[i]
		k := r.Key()
		have, by := t.rules.at(k)
		if have != nil && have.sent && r.Same(have.rule) {
			settled = settled && have.acked
			continue
		}
		renewed = renewed || have != nil && have.sent && !have.acked
		over := have != nil && (have.sent || have.over)
		if send == nil {
			send, fresh = newRules(len(rules) - i)
		}
		next := &fresh[0]
		fresh = fresh[1:]
		next.rule, next.over = *r, over
		t.rules.set(k, next, have, by)
		send = append(send, next)
	}
	switch {
	case t.out == nil:
		t.mu.Unlock()
		tell(done, fmt.Errorf("datapath %v: %w", t.dpid, errAway))
	case len(send) == 0 && settled:
		t.mu.Unlock()
		tell(done, nil)
	default:
		if renewed {
			t.seal() // or the switch might execute the newer one first
		}
		err := t.send(send, policy, done)
		t.mu.Unlock()
		if err != nil {
			tell(done, err)
		}
	}
}

// newRules is room for n rules and for the list of them: one allocation for both directions of a connection.
func newRules(n int) (list []*installed, rules []installed) {
	if n == 2 {
		both := new(struct {
			list  [2]*installed
			rules [2]installed
		})
		return both.list[:0], both.rules[:]
	}
	return make([]*installed, 0, n), make([]installed, n)
}

// send writes rules, and a barrier where no batch is being handled or enough of it waits for one. Under mu.
func (t *installer) send(rules []*installed, policy string, done waiter) error {
	if t.loose {
		t.fence()
	}
	in := installation{first: t.out.reserve(uint32(len(rules))), rules: rules, policy: policy, fin: t.fin.asked(), done: done}
	for i, r := range rules {
		if in.fin {
			t.actions = r.rule.AddFin(&t.mod, t.actions)
		} else {
			r.rule.Add(&t.mod)
		}
		if err := t.out.Write(in.first+uint32(i), &t.mod); err != nil {
			return err
		}
		r.sent = true
	}
	t.fly(in)
	t.metrics.flowMods.Add(float64(len(rules)))
	if !t.sharing || t.open >= maxShared {
		t.fence()
	}
	return nil
}

// remove takes rules away, from the wishes and from the switch.
func (t *installer) remove(keys []flow.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var gone []flow.Key
	for _, k := range keys {
		if t.rules.remove(k) {
			gone = append(gone, k)
		}
	}
	if t.out != nil && len(gone) > 0 {
		t.deleteRules(gone)
		t.out.kick()
	}
}

// size is the number of rules wished for.
func (t *installer) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rules.n
}

// drop removes the rules that match.
func (t *installer) drop(match func(flow.Rule) bool) {
	t.mu.Lock()
	var keys []flow.Key
	for r := range t.rules.all {
		if match(r.rule) {
			keys = append(keys, r.rule.Key())
		}
	}
	t.mu.Unlock()
	t.remove(keys)
}

// rejected handles an error that names a flow mod of ours: the wish is given up, and so is what the switch still has in its place;
// whoever waits is told why. It answers false where the xid is nobody's.
func (t *installer) rejected(xid uint32, why error) (flow.Rule, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for j := range t.flying {
		in := &t.flying[j]
		if i := xid - in.first; i < uint32(len(in.rules)) {
			r := in.rules[i]
			r.sent, r.acked = false, false
			t.doubted = time.Now().Add(doubtFor)
			if k := r.rule.Key(); t.rules.get(k) == r && !indispensable(r.rule.Cookie.Kind()) {
				t.rules.remove(k)
				if r.over && t.out != nil {
					t.deleteRules([]flow.Key{k})
					t.out.kick()
				}
			}
			if in.err == nil {
				in.err = fmt.Errorf("datapath %v: %w", t.dpid, why)
			}
			return r.rule, true
		}
	}
	return flow.Rule{}, false
}

// indispensable tells the rules without which a switch is blind. They are wished for whatever it says: the next audit tries
// again.
func indispensable(k flow.Kind) bool {
	switch k {
	case flow.KindLLDP, flow.KindARP, flow.KindService, flow.KindMiss:
		return true
	}
	return false
}

// expired handles the switch's word that an entry is gone, and answers whether it was wished for. An entry that was
// replaced since, or is being put back, is still wished for and stays so.
func (t *installer) expired(k flow.Key) (rule flow.Rule, wished bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rules.get(k)
	if r == nil || !r.acked {
		return flow.Rule{}, false
	}
	t.rules.remove(k)
	return r.rule, true
}

// connect begins a connection: the switch has the rules in have, and is sent what differs from the wishes, nothing else.
// Pair rules are left as they are: they expire by themselves. fin says that the switch should know fin_timeout.
func (t *installer) connect(out sender, have []ofproto.FlowStat, fin bool) (sent, kept int) {
	t.mu.Lock()
	t.out, t.synced, t.loose, t.sharing, t.fin.known = out, true, false, false, fin
	missing, surplus := t.compare(have)
	now := momentOf(time.Now())
	for r := range t.rules.all {
		r.sent, r.acked, r.ackedAt = true, true, now
	}
	var first, then []*installed
	for _, w := range missing {
		w.sent, w.acked = false, false
		if w.rule.Priority > flow.PriorityService {
			first = append(first, w)
		} else {
			then = append(then, w) // a session's packet must not come up, and be forwarded as any, before its own rules are back
		}
	}
	kept = t.rules.n - len(missing)
	t.mu.Unlock()
	t.bring(out, surplus, first, then)
	return len(missing) + len(surplus), kept
}

// deleteRules sends deletions. Under mu, while connected.
func (t *installer) deleteRules(keys []flow.Key) {
	t.seal() // or the switch might execute them before what they undo
	for _, k := range keys {
		k.Delete(&t.mod)
		_ = t.out.Write(t.out.reserve(1), &t.mod)
		t.loose = true
	}
	t.metrics.flowMods.Add(float64(len(keys)))
}

// disconnect ends a connection: nobody waits any longer for what flew on it.
func (t *installer) disconnect(out sender) {
	t.mu.Lock()
	if t.out != out {
		t.mu.Unlock()
		return
	}
	t.out = nil
	flying := t.flying
	t.flying, t.room, t.open = nil, nil, 0
	for r := range t.rules.all {
		r.sent, r.acked = false, false
	}
	t.mu.Unlock()
	for _, in := range flying {
		tell(in.done, fmt.Errorf("datapath %v: %w", t.dpid, errAway))
	}
}
