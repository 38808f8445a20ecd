package measure

import (
	"encoding/csv"
	"strings"
	"testing"
)

func sample() Summary {
	published := []Frame{frame(0, 0, true), frame(1, ms(100), true), frame(2, ms(200), true), frame(3, ms(300), true)}
	published[2].Key = true
	v := NewViewer(published, []Connection{{Dialled: epoch.Add(ms(-500)), Received: []Frame{
		frame(0, ms(90), true), frame(1, ms(300), true), frame(3, ms(501), true)}}})
	v.Host, v.Player, v.Source, v.Floor = "hv1", "rtmpdump", "hb-relay", 200
	return Summary{Runs: []Run{{Topology: "single", Policy: "bypass", Peer: "nginx", Viewers: []Viewer{v},
		CDNLinkBytes: LinkBytes{In: 5, Out: 6}, FlowInstall: Install{P50: 0.5, P99: 1.5}}}}
}

func TestSummaryJSON(t *testing.T) {
	want := `{
  "runs": [
    {
      "topology": "single",
      "policy": "bypass",
      "peer": "nginx",
      "viewers": [
        {
          "host": "hv1",
          "player": "rtmpdump",
          "source": "hb-relay",
          "frames": {
            "sent": 3,
            "received": 2,
            "unmatched": 1,
            "duplicate": 0
          },
          "delay_ms": {
            "min": 200,
            "p50": 200,
            "p95": 201,
            "p99": 201,
            "max": 201
          },
          "floor_ms": 200,
          "least_ms": 0,
          "first_frame_ms": 590,
          "stalls": 0
        }
      ],
      "cdn_link_bytes": {
        "in": 5,
        "out": 6
      },
      "flow_install_ms": {
        "p50": 0.5,
        "p99": 1.5
      }
    }
  ]
}
`
	var b strings.Builder
	if err := sample().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestSummaryCSV(t *testing.T) {
	var b strings.Builder
	if err := sample().WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"topology,viewers,policy,peer,host,player,source,frame,kind,bytes,hash,sent_s,delay_ms,copies,backlog",
		"single,1,bypass,nginx,hv1,rtmpdump,hb-relay,0,video,10,0000010000000000,0.000000,90.000,1,true",
		"single,1,bypass,nginx,hv1,rtmpdump,hb-relay,1,video,10,0100010000000000,0.100000,200.000,1,false",
		"single,1,bypass,nginx,hv1,rtmpdump,hb-relay,2,key,10,0200010000000000,0.200000,,0,false",
		"single,1,bypass,nginx,hv1,rtmpdump,hb-relay,3,video,10,0300010000000000,0.300000,201.000,1,false",
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d", len(lines), len(want))
	}
	for i := range want {
		if got := strings.Join(lines[i], ","); got != want[i] {
			t.Errorf("line %d: %s, want %s", i, got, want[i])
		}
	}
}
