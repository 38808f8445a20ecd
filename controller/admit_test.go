package controller

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// A switch that is not admitted gets no rule, and nothing is kept of it.
func TestAdmit(t *testing.T) {
	inLab(t, func(l *lab) {
		l.AddSwitch("s1", oftest.Options{DPID: 1})
		l.AddSwitch("s2", oftest.Options{DPID: 2})
		l.o.Admit = func(_ net.Conn, id ofproto.DPID) error {
			if id == 2 {
				return errors.New("not you")
			}
			return nil
		}
	}, func(l *lab) {
		l.after(time.Second)
		if _, ok := l.c.datapath(1); !ok {
			t.Error("the admitted switch is not up")
		}
		if _, ok := l.c.datapath(2); ok || len(l.c.allTables()) != 1 {
			t.Errorf("the other is up, or remembered: %d tables, want 1", len(l.c.allTables()))
		}
		if n := l.Switch("s2").Received(ofproto.TypeFlowMod); n != 0 {
			t.Errorf("it was sent %d flow mods", n)
		}
	})
}
