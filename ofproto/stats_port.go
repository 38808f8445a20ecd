package ofproto

// A PortStatsRequest asks for counters of ports: struct ofp_port_stats_request, OpenFlow 1.0.0 §5.3.5.
type PortStatsRequest struct {
	Port Port `json:"port_no"` // PortNone for all

	pad [6]byte
}

// Kind returns StatsPort.
func (PortStatsRequest) Kind() StatsKind { return StatsPort }

func (s PortStatsRequest) appendTo(dst []byte) ([]byte, error) {
	return append(be.AppendUint16(dst, uint16(s.Port)), s.pad[:]...), nil
}

func (PortStatsRequest) request() {}

// PortStats are counters of ports, OpenFlow 1.0.0 §5.3.5.
type PortStats []PortStat

// A PortStat counts what went through a port: struct ofp_port_stats, OpenFlow 1.0.0 §5.3.5. A counter that the switch
// does not keep has all bits set.
type PortStat struct {
	Port       Port   `json:"port_no"`
	RxPackets  uint64 `json:"rx_packets"`
	TxPackets  uint64 `json:"tx_packets"`
	RxBytes    uint64 `json:"rx_bytes"`
	TxBytes    uint64 `json:"tx_bytes"`
	RxDropped  uint64 `json:"rx_dropped"`
	TxDropped  uint64 `json:"tx_dropped"`
	RxErrors   uint64 `json:"rx_errors"` // of any kind, those below included
	TxErrors   uint64 `json:"tx_errors"`
	RxFrameErr uint64 `json:"rx_frame_err"` // alignment
	RxOverErr  uint64 `json:"rx_over_err"`  // overrun
	RxCRCErr   uint64 `json:"rx_crc_err"`
	Collisions uint64 `json:"collisions"`

	pad [6]byte
}

const portStatLen = 104

// Kind returns StatsPort.
func (PortStats) Kind() StatsKind { return StatsPort }

func (PortStats) reply() {}

// counters lists the counters in the order of the wire.
func (s *PortStat) counters() [12]*uint64 {
	return [12]*uint64{
		&s.RxPackets, &s.TxPackets, &s.RxBytes, &s.TxBytes, &s.RxDropped, &s.TxDropped,
		&s.RxErrors, &s.TxErrors, &s.RxFrameErr, &s.RxOverErr, &s.RxCRCErr, &s.Collisions,
	}
}

func (s PortStats) appendTo(dst []byte) ([]byte, error) {
	for i := range s {
		dst = append(be.AppendUint16(dst, uint16(s[i].Port)), s[i].pad[:]...)
		for _, c := range s[i].counters() {
			dst = be.AppendUint64(dst, *c)
		}
	}
	return dst, nil
}

func portStats(body []byte) (PortStats, error) {
	b, n, err := records(body, portStatLen)
	if err != nil {
		return nil, err
	}
	s := make(PortStats, n)
	for i := range s {
		s[i].Port, s[i].pad = Port(be.Uint16(b)), [6]byte(b[2:])
		for k, c := range s[i].counters() {
			*c = be.Uint64(b[8+8*k:])
		}
		b = b[portStatLen:]
	}
	return s, nil
}

// AllQueues as a QueueID asks for every queue (OFPQ_ALL).
const AllQueues uint32 = 0xffffffff

// A QueueStatsRequest asks for counters of queues: struct ofp_queue_stats_request, OpenFlow 1.0.0 §5.3.5.
type QueueStatsRequest struct {
	Port    Port   `json:"port_no"`  // PortAll for all
	QueueID uint32 `json:"queue_id"` // or AllQueues

	pad [2]byte
}

// Kind returns StatsQueue.
func (QueueStatsRequest) Kind() StatsKind { return StatsQueue }

func (s QueueStatsRequest) appendTo(dst []byte) ([]byte, error) {
	dst = append(be.AppendUint16(dst, uint16(s.Port)), s.pad[:]...)
	return be.AppendUint32(dst, s.QueueID), nil
}

func (QueueStatsRequest) request() {}

// QueueStats are counters of queues, OpenFlow 1.0.0 §5.3.5.
type QueueStats []QueueStat

// A QueueStat counts what went through a queue: struct ofp_queue_stats, OpenFlow 1.0.0 §5.3.5.
type QueueStat struct {
	Port      Port   `json:"port_no"`
	QueueID   uint32 `json:"queue_id"`
	TxBytes   uint64 `json:"tx_bytes"`
	TxPackets uint64 `json:"tx_packets"`
	TxErrors  uint64 `json:"tx_errors"` // dropped by overrun

	pad [2]byte
}

const queueStatLen = 32

// Kind returns StatsQueue.
func (QueueStats) Kind() StatsKind { return StatsQueue }

func (QueueStats) reply() {}

func (s QueueStats) appendTo(dst []byte) ([]byte, error) {
	for i := range s {
		q := &s[i]
		dst = append(be.AppendUint16(dst, uint16(q.Port)), q.pad[:]...)
		dst = be.AppendUint32(dst, q.QueueID)
		dst = be.AppendUint64(dst, q.TxBytes)
		dst = be.AppendUint64(dst, q.TxPackets)
		dst = be.AppendUint64(dst, q.TxErrors)
	}
	return dst, nil
}

func queueStats(body []byte) (QueueStats, error) {
	b, n, err := records(body, queueStatLen)
	if err != nil {
		return nil, err
	}
	s := make(QueueStats, n)
	for i := range s {
		s[i] = QueueStat{Port(be.Uint16(b)), be.Uint32(b[4:]), be.Uint64(b[8:]), be.Uint64(b[16:]), be.Uint64(b[24:]), [2]byte(b[2:])}
		b = b[queueStatLen:]
	}
	return s, nil
}
