package arch

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// A room is one package's, or one folder's, place in the design.
type room struct {
	pure bool     // no direct import of net, os, a logger or Prometheus, and no clock
	may  []string // packages of ours that it may import; a trailing /... takes in what is below
}

// rooms says who may import whom. What is not listed may not exist: a new package is a decision, to be made here.
var rooms = map[string]room{
	"ofproto":         {pure: true},
	"ofproto/oftest":  {may: []string{"ofproto", "internal/packet"}},
	"internal/packet": {pure: true},
	"internal/rtmp":   {pure: true},
	"internal/topo":   {pure: true, may: []string{"ofproto"}},
	"internal/stream": {pure: true, may: []string{"ofproto", "internal/topo", "internal/rtmp"}},
	"internal/flow":   {pure: true, may: []string{"ofproto"}},
	"internal/script": {},
	"internal/steer":  {pure: true, may: []string{"ofproto", "internal/flow", "internal/topo", "internal/stream"}},
	"policies":        {pure: true, may: []string{"policies/...", "internal/stream"}},
	"policies/direct": {pure: true, may: []string{"internal/stream"}},
	"policies/bypass": {pure: true, may: []string{"internal/stream", "internal/topo"}},
	"controller":      {may: []string{"ofproto", "internal/packet", "internal/topo", "internal/stream", "internal/flow", "internal/steer"}},
	"internal/relay":  {may: []string{"internal/rtmp"}},
	"internal/config": {},
	"internal/api":    {},
	"cmd/ofctl-live":  {may: []string{"ofproto", "internal/...", "policies/...", "controller"}},
	"test/arch":       {},
	"test/e2e":        {},
	"test/scale":      {},
	"test/lab":        {may: []string{"ofproto", "internal/...", "test/lab/..."}},
	"test/lab/...":    {may: []string{"ofproto", "internal/...", "test/lab/..."}},
	"test/bench":      {may: []string{"ofproto/...", "internal/...", "controller", "policies/...", "test/bench/..."}},
	"test/bench/...":  {may: []string{"ofproto/...", "internal/...", "controller", "policies/...", "test/bench/..."}},
}

// roomOf finds a package's room: its own, or that of the folder it is in.
func roomOf(p pkg) (room, bool) {
	if r, ok := rooms[p.path()]; ok {
		return r, true
	}
	for dir := path.Dir(p.path()); dir != "."; dir = path.Dir(dir) {
		if r, ok := rooms[dir+"/..."]; ok {
			return r, true
		}
	}
	return room{}, false
}

func (r room) allows(imported string) bool {
	return slices.ContainsFunc(r.may, func(m string) bool {
		dir, deep := strings.CutSuffix(m, "/...")
		return imported == dir || deep && strings.HasPrefix(imported, dir+"/")
	})
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		r, ok := roomOf(p)
		if !ok {
			t.Errorf("%s has no place in the design: give it one in rooms", p.path())
			continue
		}
		for _, imp := range p.Imports {
			if ours, ok := strings.CutPrefix(imp, module); ok && !r.allows(ours) {
				t.Errorf("%s may not import %s", p.path(), ours)
			}
		}
	}
}

// impure are the packages, with all that is below them, that a pure one may not import itself.
var impure = []string{
	"net", "os", "log", "syscall", "golang.org/x/sys",
	"github.com/sirupsen/logrus", "github.com/prometheus/client_golang",
}

func TestPureImports(t *testing.T) {
	for _, p := range packages(t) {
		if r, _ := roomOf(p); !r.pure {
			continue
		}
		for _, imp := range p.Imports {
			for _, bad := range impure {
				if (imp == bad || strings.HasPrefix(imp, bad+"/")) && imp != "net/netip" {
					t.Errorf("%s is to be pure, and imports %s", p.path(), imp)
				}
			}
		}
	}
}

func TestPackageNames(t *testing.T) {
	forbidden := []string{"util", "utils", "common", "types", "helper", "helpers", "misc", "base", "lib"}
	for _, p := range packages(t) {
		if slices.Contains(forbidden, p.Name) || slices.Contains(forbidden, path.Base(p.path())) {
			t.Errorf("%s says nothing about what lives there", p.path())
		}
	}
}
