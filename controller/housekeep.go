package controller

import "time"

// hostMemory is how long a host that says nothing stays on the map.
const hostMemory = 6 * time.Hour

// housekeep forgets what has been silent for very long.
func (c *Controller) housekeep(now time.Time) {
	var old []*session
	var mute []*session
	for _, s := range c.sessions.All {
		s.mu.Lock()
		if s.resumes && now.Sub(s.Started) > c.o.AuditInterval {
			s.resumes = false
			mute = append(mute, s)
		}
		if silent := s.since.ago(now); s.state == ended || s.state == parked && silent > parkedFor ||
			s.state == finished && silent > finishedFor || s.state == resetting && silent > switchMemory {
			old = append(old, s)
		}
		s.mu.Unlock()
		s.parkLost()
	}
	for _, s := range old {
		s.forget("silent for very long")
	}
	for _, s := range mute {
		s.endCopying()
	}
	c.forgetSwitches(now)
	c.adopted.settle(now)
	c.forgetPeers(c.settings())
	c.warnings.settle(c.log, now)
	c.diary.settle()
	if n := c.topo.ExpireHosts(now.Add(-hostMemory)); n > 0 {
		c.log.WithField("hosts", n).Info("silent hosts forgotten")
	}
}
