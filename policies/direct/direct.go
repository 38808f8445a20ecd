// Package direct serves every viewer from the node it dialled: plain shortest-path forwarding, and the yardstick for
// every other policy.
package direct

import "github.com/ofctl-live/ofctl-live/internal/stream"

// Name is the policy's name in configuration, logs and metrics.
const Name = "direct"

// Policy is the direct policy; it has no settings.
type Policy struct{}

// Name returns Name.
func (Policy) Name() string { return Name }

// Source always answers the CDN.
func (Policy) Source(stream.View, stream.Request) stream.Choice {
	return stream.Choice{Reason: "policy direct: the address that was dialled"}
}
