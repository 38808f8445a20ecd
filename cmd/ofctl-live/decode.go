package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

func newDecodeCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "decode [HEX...]",
		Short: "Print OpenFlow 1.0 messages given as hexadecimal digits",
		Long: `Decode reads each argument, or each line of standard input when there are none, as one OpenFlow 1.0
message in hexadecimal digits. Blanks and a leading 0x are allowed; blank lines and lines that start with # are
skipped. It prints one line for each message, in the manner of ovs-ofctl or as a JSON object, and ends with
status 1 if any is not a well-formed message.`,
		Example: `  ofctl-live decode 0102000800000001
  ofctl-live decode --json < messages.txt`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			out := bufio.NewWriterSize(cmd.OutOrStdout(), 64<<10)
			d := newDecoder(out, asJSON)
			var err error
			if len(args) > 0 {
				for _, text := range args {
					d.decode(text)
				}
			} else {
				err = d.decodeLines(cmd.InOrStdin())
			}
			return errors.Join(err, d.err, out.Flush(), d.failures())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line, with the message encoded again")
	return cmd
}

// maxLine holds a message of 65535 bytes with blanks around every digit.
const maxLine = 1 << 20

// A decoder prints messages as they come, so that a long list neither waits nor piles up.
type decoder struct {
	out    *bufio.Writer
	json   *json.Encoder // nil for text
	frame  []byte        // buffers, used again for each message
	again  []byte
	total  int
	failed int
	err    error // the first failure to write
}

func newDecoder(out *bufio.Writer, asJSON bool) *decoder {
	d := &decoder{out: out}
	if asJSON {
		d.json = json.NewEncoder(out)
		d.json.SetEscapeHTML(false)
	}
	return d
}

// decodeLines reads to the end of the input. What has been printed is flushed whenever the input pauses.
func (d *decoder) decodeLines(in io.Reader) error {
	lines := bufio.NewReaderSize(in, maxLine)
	for n := 1; d.err == nil; n++ {
		line, err := lines.ReadSlice('\n')
		tooLong := err == bufio.ErrBufferFull
		for err == bufio.ErrBufferFull {
			_, err = lines.ReadSlice('\n')
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("decode line %d: %w", n, err)
		}
		if tooLong {
			d.total++
			d.refuse(0, fmt.Errorf("line %d is longer than %d bytes", n, maxLine))
		} else if text := bytes.TrimSpace(line); len(text) > 0 && text[0] != '#' {
			d.decode(string(text))
		}
		if err == io.EOF {
			return nil
		}
		if lines.Buffered() == 0 && d.err == nil {
			d.err = d.out.Flush()
		}
	}
	return nil
}

// decode prints one message, or what is wrong with it.
func (d *decoder) decode(text string) {
	d.total++
	var err error
	if d.frame, err = appendHex(d.frame[:0], text); err != nil {
		d.refuse(len(d.frame), err)
		return
	}
	h, m, err := ofproto.Decode(d.frame)
	if err == nil {
		d.again, err = ofproto.Append(d.again[:0], h.XID, m)
	}
	if err != nil {
		offset := 0
		if e, ok := errors.AsType[*ofproto.DecodeError](err); ok {
			offset = e.Offset
		}
		d.refuse(offset, err)
		return
	}
	if d.json == nil {
		d.print(ofproto.Format(h.XID, m))
		return
	}
	d.encode(struct {
		OK        bool            `json:"ok"`
		Type      ofproto.Type    `json:"type"`
		XID       uint32          `json:"xid"`
		Length    uint16          `json:"length"`
		Message   ofproto.Message `json:"message"`
		Reencoded ofproto.Bytes   `json:"reencoded"`
	}{true, h.Type, h.XID, h.Length, m, d.again})
}

// refuse prints why there is no message. The offset is in bytes from the message's start.
func (d *decoder) refuse(offset int, err error) {
	d.failed++
	if d.json == nil {
		d.print("error: " + err.Error())
		return
	}
	d.encode(struct {
		OK     bool   `json:"ok"`
		Error  string `json:"error"`
		Offset int    `json:"offset"`
	}{false, err.Error(), offset})
}

func (d *decoder) print(line string) {
	if _, err := fmt.Fprintln(d.out, line); d.err == nil {
		d.err = err
	}
}

func (d *decoder) encode(v any) {
	if err := d.json.Encode(v); d.err == nil {
		d.err = err
	}
}

// failures is the error that ends the command with status 1.
func (d *decoder) failures() error {
	if d.failed == 0 {
		return nil
	}
	return fmt.Errorf("decode: %d of %d messages refused", d.failed, d.total)
}

// appendHex appends the bytes that text spells. Blanks may stand anywhere, and a 0x before the first digit or after a
// blank. On an error it returns the bytes before the fault.
func appendHex(dst []byte, text string) ([]byte, error) {
	var high byte
	half := false
	for word := range strings.FieldsSeq(text) {
		if len(word) > 1 && word[0] == '0' && word[1]|0x20 == 'x' {
			word = word[2:]
		}
		for i := range len(word) {
			v, ok := hexValue(word[i])
			switch {
			case !ok:
				return dst, fmt.Errorf("%q in byte %d is no hexadecimal digit", word[i], len(dst))
			case half:
				dst = append(dst, high<<4|v)
			default:
				high = v
			}
			half = !half
		}
	}
	if half {
		return dst, fmt.Errorf("odd number of hexadecimal digits: byte %d is cut", len(dst))
	}
	return dst, nil
}

func hexValue(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
