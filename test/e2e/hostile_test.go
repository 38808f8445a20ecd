package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// Ten thousand malformed messages on connections that are up, two thousand connections that begin badly, and more half-open
// ones than are allowed, all of it twice: each malformed message is counted, each new connection of a host is served meanwhile, a
// well-formed message behind the malformed ones is answered, a new switch is let in, and the second round takes no more memory
// than the first.
func TestHostile(t *testing.T) {
	n := newLab(t).single(1)
	d := n.daemon(directConfig)
	d.connected("1")
	n.hs.accepts(1935, greet)
	n.hs.accepts(1936, greet) // of which the controller is asked but once
	await(t, "the service is served", patience, func() bool {
		_, err := n.viewers[0].served("10.0.0.2:1935", time.Second)
		return err == nil
	})
	rest := d.memory()
	var molested, crowded int
	round := func(n uint64, do func()) (after int) {
		t.Helper()
		d.molest(t, 10_000, 2000, n)
		molested = d.memory()
		d.halfOpen(t, 6000, func() {
			do()
			crowded = max(crowded, d.memory())
		})
		return d.memory()
	}
	let := func() {
		late := n.vswitch("s2")
		await(t, "a switch is let in past the half-open", 8*time.Second, func() bool { // those are given ten
			return slices.ContainsFunc(d.list("/v1/switches"), func(s map[string]any) bool { return s["dpid"] == late.dpid })
		})
	}
	var before, after int
	for try := uint64(1); ; try++ {
		visits, others := n.viewers[0].visit("10.0.0.2:1935", 50*time.Millisecond), n.viewers[0].visit("10.0.0.2:1936", 50*time.Millisecond)
		before = round(2*try-1, func() {})
		after = round(2*try, let)
		took, machine := visits.end(t), others.end(t)
		t.Logf("new connections to the service, %v; past the controller, %v", took, machine)
		const most = 500 * time.Millisecond
		if took.within(1) <= most+machine.within(1) { // the machine has its own moments
			break
		}
		if try == 3 { // what else the machine does only adds, and does not do so each time
			t.Errorf("new connections to the service took %v, want each within %v, and what others took, three times", took, most)
			break
		}
		let = func() {}
	}
	d.connected("2")
	if down := d.logged("switch down"); slices.ContainsFunc(down, func(line map[string]any) bool { return line["dpid"] == n.s1.dpid }) {
		t.Errorf("the first switch went down: %v", down)
	}
	const grown = 16 << 20
	for i := uint64(7); after > before+grown && i <= 9; i++ {
		t.Logf("memory: %s after one round, %s after the next", mib(before), mib(after))
		before, after = after, round(i, func() {}) // what waits to be collected grows by chance, what leaks grows each time
	}
	t.Logf("memory: %s at first, %s after the messages; %s with half-open connections; %s after a round, %s after the next",
		mib(rest), mib(molested), mib(crowded), mib(before), mib(after))
	if after > before+grown {
		t.Errorf("each round made the memory grow, the last from %s to %s", mib(before), mib(after))
	}
	if most := 128 << 20; max(crowded, after) > most {
		t.Errorf("all this took %s of memory, want at most %s", mib(max(crowded, after)), mib(most))
	}
}

// molest sends malformed messages over connections that are up, twenty at a time, and wants each counted and an echo request
// answered behind each fifty of them; and it opens connections with what no switch would begin with.
func (d *daemon) molest(t *testing.T, messages, connections int, seed uint64) {
	t.Helper()
	const rogues = 20
	var all sync.WaitGroup
	for i := range uint64(rogues) {
		all.Go(func() {
			if err := d.babble(t, rand.New(rand.NewPCG(seed, i)), ofproto.DPID(0xbad<<32|i), messages/rogues); err != nil {
				t.Errorf("rogue %d: %v", i, err)
			}
		})
	}
	all.Go(func() {
		r := rand.New(rand.NewPCG(seed, rogues))
		for i := range connections {
			c, err := d.rogue()
			if err != nil {
				t.Errorf("bad beginning %d: %v", i, err)
				return
			}
			ways := openings(r)
			_, _ = c.Write(ways[i%len(ways)])
			if i%7 != 0 {
				_ = c.Close()
			} else { // let the other side tire of it
				t.Cleanup(func() { c.Close() })
			}
		}
	})
	all.Wait()
}

// babble is a switch that connects well and then sends nonsense, all of it framed: so many malformed messages, and what among it
// happens to be well-formed.
func (d *daemon) babble(t *testing.T, r *rand.Rand, id ofproto.DPID, messages int) error {
	c, err := d.rogue()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.shakeHands(id); err != nil {
		return err
	}
	kinds := samples()
	for i := 0; i < messages; {
		frame := garble(r, kinds[r.IntN(len(kinds))])
		if _, err := c.Write(frame); err != nil {
			return fmt.Errorf("after %d messages: %w", i, err)
		}
		if !malformed(frame) {
			continue
		}
		if i++; i%50 == 0 {
			if err := c.echo(uint32(0xec0<<16 | i)); err != nil {
				return fmt.Errorf("after %d messages: %w", i, err)
			}
		}
	}
	counter, counted := fmt.Sprintf("ofctl_malformed_messages_total{dpid=%q}", id), ""
	if !poll(5*time.Second, func() bool { // packets may be dealt with behind the echo
		counted, _ = d.metric(t, counter)
		return counted == fmt.Sprint(messages)
	}) {
		return fmt.Errorf("%s malformed messages are counted, want %d", counted, messages)
	}
	return nil
}

// malformed reports whether a message cannot be decoded. Of a packet-in that is asked of its body alone.
func malformed(frame []byte) bool {
	if ofproto.Type(frame[1]) == ofproto.TypePacketIn {
		return new(ofproto.PacketIn).DecodeBody(frame[ofproto.HeaderLen:]) != nil
	}
	_, _, err := ofproto.Decode(frame)
	return err != nil
}

// halfOpen opens connections that say nothing, or begin a message and do not end it, goes on opening more of them while do
// runs, and then closes them all.
func (d *daemon) halfOpen(t *testing.T, count int, do func()) {
	t.Helper()
	var all []net.Conn
	open := func() error {
		c, err := d.lab.core.dial("tcp", "127.0.0.1:6653")
		if err == nil {
			if all = append(all, c); len(all)%2 == 0 {
				_, err = c.Write([]byte{1, 0, 0, 8})
			}
		}
		return err
	}
	for i := range count {
		if err := open(); err != nil {
			t.Fatalf("half-open connection %d: %v", i, err)
		}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for len(all) < 2*count {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				_ = open() // one that was closed for another may say so
			}
		}
	}()
	defer func() { // also where do fails the test
		close(stop)
		<-stopped
		for _, c := range all {
			_ = c.Close()
		}
	}()
	do()
}
