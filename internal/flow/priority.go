package flow

// The priorities of the one table, highest first. Between two of them any rule of the higher wins; an OpenFlow 1.0 rule
// without a single wildcard would outrank them all (§3.4), so no rule of ours is one. A port that floods is quenched just above
// what sends its packets up to the controller: what has a rule still passes.
const (
	PriorityQuenchLLDP  = PriorityLLDP + 1
	PriorityLLDP        = 60000 // discovery must see its own packets whatever else is installed
	PriorityQuenchProbe = PriorityProbe + 1
	PriorityProbe       = 55000 // answers to probes look like a peer's own traffic otherwise
	PriorityHandsOff    = 50000 // a relay's own pull is never redirected to itself
	PrioritySession     = 40000 // a decided connection
	PriorityQuenchNew   = PriorityService + 1
	PriorityService     = 30000 // an undecided connection
	PriorityQuenchARP   = PriorityARP + 1
	PriorityARP         = 20000
	PriorityPair        = 10000
	PriorityQuench      = PriorityMiss + 1
	PriorityMiss        = 0
)
