package controller

import (
	"slices"

	"github.com/ofctl-live/ofctl-live/internal/flow"
)

// atOnce is how many rules a comparison sends before it waits for the switch to take them. Each such part is confirmed, so that a
// switch that takes twenty a second is known to live.
const atOnce = 256

// bring deletes and adds what a comparison found, a group of rules after the other. It waits for a switch that takes its time,
// but not under mu: nobody who installs a rule in between does. It is the reading goroutine's.
func (t *installer) bring(out sender, surplus []flow.Key, groups ...[]*installed) {
	for keys := range slices.Chunk(surplus, atOnce) {
		t.part(out, func() {
			t.deleteRules(slices.DeleteFunc(keys, func(k flow.Key) bool { return t.rules.get(k) != nil }))
			t.loose = false
			_ = t.send(nil, "", nil) // for a barrier
		})
	}
	for _, group := range groups {
		for rules := range slices.Chunk(group, atOnce) {
			t.part(out, func() {
				_ = t.send(slices.DeleteFunc(rules, func(r *installed) bool { return r.sent || t.rules.get(r.rule.Key()) != r }), "", nil)
			})
		}
	}
}

// part has send, under mu, write to the switch what is to be confirmed by a barrier of its own, unless it has gone or come back since,
// and waits until it has been taken.
func (t *installer) part(out sender, send func()) {
	t.mu.Lock()
	if t.out == out {
		send()
		t.seal()
	}
	t.mu.Unlock()
	out.flush()
}
