// Package policies decides who serves each new connection. A policy is a pure function of what is known; everything that
// acts on its answer lives elsewhere.
package policies

import (
	"fmt"
	"strings"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/policies/bypass"
	"github.com/ofctl-live/ofctl-live/policies/direct"
)

// A Policy chooses where each new stream connection is served from. Source is pure: equal views and requests give equal
// choices. The choice holds until the connection ends.
type Policy interface {
	Name() string
	Source(stream.View, stream.Request) stream.Choice
}

// Options is what policies can be tuned by. The zero Options are the defaults.
type Options struct {
	Strategy string        // of bypass: "least-delay" (also ""), "nearest" or "least-loaded"
	Margin   time.Duration // of bypass: what a peer may be farther than the CDN; 0: nothing
}

// Names lists the policies that New knows, sorted.
func Names() []string { return []string{bypass.Name, direct.Name} }

// New makes the policy of that name.
func New(name string, o Options) (Policy, error) {
	switch name {
	case direct.Name:
		return direct.Policy{}, nil
	case bypass.Name:
		p, err := bypass.New(o.Strategy, o.Margin)
		if err != nil {
			return nil, fmt.Errorf("policies: %w", err)
		}
		return p, nil
	}
	return nil, fmt.Errorf("policies: unknown policy %q: one of %s", name, strings.Join(Names(), ", "))
}
