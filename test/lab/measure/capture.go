// Package measure finds out from packet captures what became of every frame of a live stream: when it left the
// publisher, when it reached each viewer, and from where.
//
// A frame is one RTMP audio or video message without codec headers; it is known by the SHA-256 of its payload, which no
// server on the way changes (timestamps are not part of it). All captures must come from one clock.
package measure

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// A segment is one captured TCP segment over IPv4. Its payload is only valid during the call that delivers it.
type segment struct {
	at       time.Time
	src, dst netip.AddrPort
	seq      uint32
	syn      bool
	payload  []byte
	length   int // of the whole Ethernet frame
}

// readSegments calls each for every TCP segment in a pcap file, in the order of capture. A file that ends within a
// record, as one does whose writer was ended, is read up to there.
func readSegments(r io.Reader, each func(segment) error) error {
	file, err := pcapgo.NewReader(r)
	if err != nil {
		return fmt.Errorf("read capture: %w", err)
	}
	if file.LinkType() != layers.LinkTypeEthernet {
		return fmt.Errorf("read capture: link type %v: only Ethernet is understood", file.LinkType())
	}
	var (
		eth     layers.Ethernet
		vlan    layers.Dot1Q
		ip      layers.IPv4
		tcp     layers.TCP
		body    gopacket.Payload
		decoded []gopacket.LayerType
	)
	parser := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &eth, &vlan, &ip, &tcp, &body)
	parser.IgnoreUnsupported = true
	for n := 1; ; n++ {
		data, info, err := file.ReadPacketData()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read capture: packet %d: %w", n, err)
		}
		if err := parser.DecodeLayers(data, &decoded); err != nil {
			return fmt.Errorf("read capture: packet %d: %w", n, err)
		}
		if !slices.Contains(decoded, layers.LayerTypeTCP) {
			continue
		}
		if info.CaptureLength < info.Length {
			return fmt.Errorf("read capture: packet %d: %d of %d bytes captured: snapshot length too small",
				n, info.CaptureLength, info.Length)
		}
		src, _ := netip.AddrFromSlice(ip.SrcIP.To4())
		dst, _ := netip.AddrFromSlice(ip.DstIP.To4())
		if err := each(segment{
			at:      info.Timestamp,
			src:     netip.AddrPortFrom(src, uint16(tcp.SrcPort)),
			dst:     netip.AddrPortFrom(dst, uint16(tcp.DstPort)),
			seq:     tcp.Seq,
			syn:     tcp.SYN,
			payload: tcp.Payload,
			length:  info.Length,
		}); err != nil {
			return err
		}
	}
}
