package controller

import (
	"context"
	"slices"
	"time"
)

// turns is how many parts an interval has over which the switches are spread: what each is asked once in it would come from all
// of them at one moment otherwise, and packets wait behind.
const turns = 50

// A rota is how many switches have each turn. Its zero value is empty.
type rota [turns]int

// join gives a switch that connects the turn that fewest have. It keeps it until it leaves.
func (r *rota) join(d *datapath) {
	d.turn = slices.Index(r[:], slices.Min(r[:]))
	r[d.turn]++
}

func (r *rota) leave(d *datapath) { r[d.turn]-- }

// inTurn calls f at each turn of an interval, again and again until ctx ends. due tells the switches whose turn it is, those too
// whose turn was missed while f was busy or the daemon not there: nobody waits longer than an interval for that.
func (c *Controller) inTurn(ctx context.Context, interval time.Duration, f func(now time.Time, due func(*datapath) bool)) error {
	each := interval / turns
	begin, done := time.Now(), 0
	return c.every(ctx, each, func(now time.Time) {
		first, n := done, int(now.Sub(begin)/each)-done
		done += n
		f(now, func(d *datapath) bool { return (d.turn-first%turns+turns)%turns < n })
	})
}
