package controller

import (
	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// withdraw removes a plan's rules wherever they are.
func (c *Controller) withdraw(plan steer.Plan) {
	c.withdrawWhere(plan, func(flow.Rule) bool { return true })
}

func (c *Controller) withdrawWhere(plan steer.Plan, match func(flow.Rule) bool) {
	for _, step := range plan.Steps {
		var keys []flow.Key
		for _, r := range step.Rules {
			if match(r) {
				keys = append(keys, r.Key())
			}
		}
		c.table(step.DPID).remove(keys)
	}
}

// withdrawBut removes those rules of an old plan that the next does not have.
func (c *Controller) withdrawBut(next, old steer.Plan) {
	keep := make(map[ofproto.DPID]flow.Table, len(next.Steps))
	for _, step := range next.Steps {
		keep[step.DPID] = flow.NewTable(step.Rules...)
	}
	for _, step := range old.Steps {
		c.withdrawWhere(steer.Plan{Steps: []steer.Step{step}}, func(r flow.Rule) bool {
			_, kept := keep[step.DPID][r.Key()]
			return !kept
		})
	}
}
