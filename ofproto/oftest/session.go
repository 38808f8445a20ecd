package oftest

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A session is one connection to a controller. Everything the switch says goes through its Conn's unbounded pending
// buffer, written by a goroutine of its own, so that nothing blocks while the switch's lock is held.
type session struct {
	conn *ofproto.Conn
	wake chan struct{} // has room for one: something is pending
	gone chan struct{} // closed when Serve is over

	// Under the switch's lock:
	messages int // received so far
	waiting  int // bytes of packet-ins since the last flush began
	greeted  bool
	held     []heldReply // withheld replies, by Hold
	holding  bool        // a reply that is sent now is to be held
	closing  bool        // close when what is pending is written
	closed   sync.Once

	late []heldReply // FLOW_REMOVEDs to be sent after the messages that are being executed
}

type heldReply struct {
	xid uint32
	m   ofproto.Message
}

// Dial connects to a controller that listens on a TCP address and serves it as Serve does.
func (s *Switch) Dial(ctx context.Context, address string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return s.Serve(ctx, conn)
}

// Run connects to a controller and serves it, again and again until ctx ends, as a switch does.
func (s *Switch) Run(ctx context.Context, dial func(context.Context) (net.Conn, error)) {
	const pause = 100 * time.Millisecond // between attempts; a real switch waits a second and more
	for ctx.Err() == nil {
		if conn, err := dial(ctx); err == nil {
			_ = s.Serve(ctx, conn) // however it ended, it is time for the next
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// Serve speaks OpenFlow with a controller until the connection ends, which it closes. It returns nil when ctx or either
// side has closed it, an error when it broke or was malformed. A switch serves one connection at a time: an earlier one
// is dropped.
func (s *Switch) Serve(ctx context.Context, conn net.Conn) error {
	ss := &session{
		conn: ofproto.NewConn(conn, ofproto.ConnOptions{MaxPending: math.MaxInt}),
		wake: make(chan struct{}, 1),
		gone: make(chan struct{}),
	}
	s.Disconnect()
	s.mu.Lock()
	s.session = ss
	ss.send(0, &ofproto.Hello{})
	s.mu.Unlock()

	var running sync.WaitGroup
	running.Go(func() { s.write(ss) })
	running.Go(func() { s.tick(ss) })
	stop := context.AfterFunc(ctx, ss.close)
	err := s.read(ss)
	stop()
	s.mu.Lock()
	if s.session == ss {
		s.session = nil
	}
	s.mu.Unlock()
	close(ss.gone)
	ss.close()
	running.Wait()
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) || ctx.Err() != nil {
		return nil
	}
	return err
}

// Connected reports whether a controller has greeted the switch and is still there.
func (s *Switch) Connected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.session != nil && s.session.greeted
}

// Disconnect drops the connection to the controller, if there is one, and returns when it no longer counts.
func (s *Switch) Disconnect() {
	s.mu.Lock()
	ss := s.session
	s.session = nil
	s.mu.Unlock()
	if ss != nil {
		ss.close()
	}
}

func (ss *session) close() { ss.closed.Do(func() { _ = ss.conn.Close() }) }

// send queues a message for the controller. The caller holds the switch's lock.
func (ss *session) send(xid uint32, m ofproto.Message) {
	if ss.holding {
		ss.held = append(ss.held, heldReply{xid, m})
		return
	}
	// Errors of the transport end the reader; what cannot be encoded would be a mistake of this package.
	if err := ss.conn.Write(xid, m); errors.Is(err, ofproto.ErrTooLong) {
		panic(err)
	}
	select {
	case ss.wake <- struct{}{}:
	default:
	}
}

func (s *Switch) write(ss *session) {
	for {
		select {
		case <-ss.wake:
		case <-ss.gone:
			return
		}
		s.mu.Lock()
		closing := ss.closing
		ss.waiting = 0
		s.mu.Unlock()
		if err := ss.conn.Flush(); err != nil || closing {
			ss.close()
			return
		}
	}
}

// tick looks for expired entries where no test drives the clock.
func (s *Switch) tick(ss *session) {
	if s.o.Now != nil {
		return
	}
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			s.Expire()
		case <-ss.gone:
			return
		}
	}
}

func (s *Switch) read(ss *session) error {
	for {
		frames, err := ss.conn.ReadBatch()
		if err != nil {
			return err
		}
		for len(frames) > 0 {
			n := untilBarrier(frames)
			for _, i := range s.order(n) {
				if !s.handle(ss, frames[i]) {
					return nil
				}
			}
			frames = frames[n:]
		}
		s.sendLate(ss)
	}
}

// sendLate sends what waited for the end of the messages that came together.
func (s *Switch) sendLate(ss *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range ss.late {
		ss.send(r.xid, r.m)
	}
	ss.late = nil
}

// untilBarrier returns how many messages may be executed in any order: those before the first barrier or HELLO, or one
// of these alone.
func untilBarrier(frames [][]byte) int {
	for i, f := range frames {
		if t := ofproto.Type(f[1]); t == ofproto.TypeBarrierRequest || t == ofproto.TypeHello {
			return max(i, 1)
		}
	}
	return len(frames)
}

func (s *Switch) order(n int) []int {
	if s.o.Shuffle != nil {
		return s.o.Shuffle(n)
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return order
}

// packetIn hands a frame to the controller: OpenFlow 1.0.0 §5.4.1. The caller holds the lock.
func (s *Switch) packetIn(frame []byte, in ofproto.Port, reason ofproto.PacketInReason, most uint16) {
	if p := s.port(in); p != nil && p.Config&ofproto.PortNoPacketIn != 0 && reason == ofproto.ReasonNoMatch {
		return
	}
	ss := s.session
	if ss == nil || !ss.greeted || ss.waiting > s.o.PacketInQueue {
		s.lostIns++
		return
	}
	data := frame[:min(len(frame), int(most))]
	ss.waiting += len(data)
	ss.send(0, &ofproto.PacketIn{
		BufferID: ofproto.NoBuffer, TotalLen: uint16(len(frame)), InPort: in, Reason: reason, Data: data,
	})
}

// reportRemoved sends a FLOW_REMOVED where the entry asks for it. The caller holds the lock.
func (s *Switch) reportRemoved(r removal, now time.Time) {
	if s.session == nil || !s.session.greeted || r.mod.Flags&ofproto.SendFlowRem == 0 {
		return
	}
	sec, nsec := split(now.Sub(r.added))
	m := &ofproto.FlowRemoved{
		Match: onWire(r.match), Cookie: r.mod.Cookie, Priority: r.mod.Priority, Reason: r.reason,
		DurationSec: sec, DurationNsec: nsec, IdleTimeout: r.mod.IdleTimeout, PacketCount: r.packets, ByteCount: r.bytes,
	}
	if s.o.Shuffle != nil && r.reason == ofproto.RemovedDelete {
		s.session.late = append(s.session.late, heldReply{0, m})
		return
	}
	s.session.send(0, m)
}

func split(d time.Duration) (sec, nsec uint32) {
	return uint32(d / time.Second), uint32(d % time.Second)
}
