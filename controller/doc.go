// Package controller runs the OpenFlow 1.0 side of the daemon: it accepts switches, keeps their tables as wished, learns
// where everybody is, and carries out what the policy decides for each new connection.
//
// What can be computed without a network lives elsewhere (topo, flow, steer, policies); here is what waits, sends and
// measures. Each switch has one goroutine that reads and acts. It takes no lock that another switch's packets need:
// it reads the topology's snapshot, and writes to its own connection.
//
// # Where to find what
//
// The whole:
//
//	controller   Options, New, Run
//	settings     what may change while it runs
//	view         what is shown of its state
//	metrics      what it counts
//	collector    gauges that are read when they are scraped
//	diary        log lines about sessions, bounded
//	warnings     other log lines that others can cause, bounded
//	housekeep    what is forgotten, and when
//
// A switch and its connection:
//
//	accept       connections, a goroutine each
//	halfopen     those that have not finished the handshake, bounded
//	hello        what cannot become a HELLO
//	socket       their TCP, read and written so that a lone message is soon answered
//	busypoll     when the next message is looked for rather than slept on
//	handshake    HELLO, FEATURES, SET_CONFIG, DESC, the flow table
//	datapath     a switch that is up: its messages, batch by batch
//	keepalive    echo requests: round trips, signs of life, challenges
//	turns        which switch is asked when
//	presence     the clock that silence is measured by
//	away         switches that are not connected
//	returned     what has changed on a switch that is back
//
// Its flow table:
//
//	installer    rules: wished for, sent, confirmed
//	wishes       those that are wished for, by key
//	barrier      what a barrier confirms
//	bring        many rules, at the switch's own pace
//	withdraw     a plan's rules taken away
//	tableread    questions about the table, answered in parts
//	audit        the table compared with the wishes, and repaired
//	removed      FLOW_REMOVED
//	refused      ERROR; a switch that is full
//	fin          connections that were closed, by fin_timeout
//
// Packets, and where everybody is:
//
//	packetin     from PACKET_IN to who handles it; what it teaches
//	forward      all that is for no service: host pairs, ARP, broadcast
//	evict        host pairs that make room for others
//	discovery    LLDP: links, and ports that come and go
//	guard        shares of switches, ports and classes; quenching
//	pulse        whether switch and daemon keep up
//	bucket       a token bucket
//
// A connection to a service:
//
//	connection   its first packet: who serves it
//	owndial      a client that dials a peer itself
//	session      the decision, and how far its rules are
//	release      packets that wait for the rules
//	begun        sessions of one port, bounded
//	overhear     the client's first bytes
//	publishers   who has published
//	meter        what it carries
//	reroute      another path
//	reset        its end from outside, where its source is gone
//	migrate      its end from outside, where the policy has changed
//	lost         no rule of it is left
//
// Sessions of an earlier run of the daemon:
//
//	adopt        they are known again
//	readback     what their rules tell of them
//	unseen       clients who say nothing that comes up
//	absent       peers that died meanwhile
//
// Peers, and the streams at them:
//
//	peers        those that there are, and their standing
//	lineup       the same as a policy sees them
//	registry     those that announce themselves
//	former       those that have left
//	promise      bandwidth that is promised until it is measured
//	uplink       what a peer sends
//	live         the directory of live streams; callbacks
//	await        questions for an upstream that wait for another answer
//
// Probes:
//
//	probe        whom to ask, round by round
//	search       hosts whose place nobody knows
//	arpprobe     how far a host is
//	synprobe     whether a peer serves
//	peerprobe    which of those SYNs are answered
//	leastof      the least of the last few delays
//	moment       a time in eight bytes
package controller
