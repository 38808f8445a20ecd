package oftest

import (
	"fmt"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A Refusal is why a switch refuses a message: type and code of ofp_error_msg, OpenFlow 1.0.0 §5.4.4.
type Refusal struct {
	Type ofproto.ErrorType
	Code uint16
	name string
}

// Error returns the specification's name, or the numbers where there is none.
func (r Refusal) Error() string {
	if r.name == "" {
		return fmt.Sprintf("OpenFlow error type %d code %d", r.Type, r.Code)
	}
	return r.name
}

// The refusals of OpenFlow 1.0.0 §5.4.4 that this switch uses or that a test may want it to use.
var (
	Incompatible = Refusal{ofproto.HelloFailed, 0, "OFPHFC_INCOMPATIBLE"}

	BadVersion    = Refusal{ofproto.BadRequest, 0, "OFPBRC_BAD_VERSION"}
	BadType       = Refusal{ofproto.BadRequest, 1, "OFPBRC_BAD_TYPE"}
	BadStat       = Refusal{ofproto.BadRequest, 2, "OFPBRC_BAD_STAT"}
	BadVendor     = Refusal{ofproto.BadRequest, 3, "OFPBRC_BAD_VENDOR"}
	NotPermitted  = Refusal{ofproto.BadRequest, 5, "OFPBRC_EPERM"}
	BadLength     = Refusal{ofproto.BadRequest, 6, "OFPBRC_BAD_LEN"}
	UnknownBuffer = Refusal{ofproto.BadRequest, 8, "OFPBRC_BUFFER_UNKNOWN"}

	BadActionType   = Refusal{ofproto.BadAction, 0, "OFPBAC_BAD_TYPE"}
	BadActionLength = Refusal{ofproto.BadAction, 1, "OFPBAC_BAD_LEN"}
	BadActionVendor = Refusal{ofproto.BadAction, 2, "OFPBAC_BAD_VENDOR"}
	BadOutPort      = Refusal{ofproto.BadAction, 4, "OFPBAC_BAD_OUT_PORT"}
	BadArgument     = Refusal{ofproto.BadAction, 5, "OFPBAC_BAD_ARGUMENT"}
	TooManyActions  = Refusal{ofproto.BadAction, 7, "OFPBAC_TOO_MANY"}

	TableFull    = Refusal{ofproto.FlowModFailed, 0, "OFPFMFC_ALL_TABLES_FULL"}
	Overlap      = Refusal{ofproto.FlowModFailed, 1, "OFPFMFC_OVERLAP"}
	FlowModEPerm = Refusal{ofproto.FlowModFailed, 2, "OFPFMFC_EPERM"}
	BadEmergency = Refusal{ofproto.FlowModFailed, 3, "OFPFMFC_BAD_EMERG_TIMEOUT"}
	BadCommand   = Refusal{ofproto.FlowModFailed, 4, "OFPFMFC_BAD_COMMAND"}
	Unsupported  = Refusal{ofproto.FlowModFailed, 5, "OFPFMFC_UNSUPPORTED"}

	BadPort      = Refusal{ofproto.PortModFailed, 0, "OFPPMFC_BAD_PORT"}
	BadHWAddr    = Refusal{ofproto.PortModFailed, 1, "OFPPMFC_BAD_HW_ADDR"}
	BadQueuePort = Refusal{ofproto.QueueOpFailed, 0, "OFPQOFC_BAD_PORT"}
	BadQueue     = Refusal{ofproto.QueueOpFailed, 1, "OFPQOFC_BAD_QUEUE"}
)
