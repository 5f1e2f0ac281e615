package nats

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/airhost/airhost/core"
)

// wireVersion is the version of the frames that this host writes. It reads those of this version
// and of earlier ones. docs/clusters.md describes them byte by byte.
const wireVersion = 1

// The kinds of frames.
const (
	messagesFrame = 'M'
	receiptFrame  = 'R'
	outcomesFrame = 'O'
	followFrame   = 'F' // of a component that has moved
	versionFrame  = 'V' // answers a frame of messages that is not understood
	echoFrame     = 'E' // of a host to itself
)

// The flags of a message in a frame.
const (
	flagRequest  = 1 << iota // it has a correlation and the milliseconds that are left
	flagExtended             // it has a block of further fields
	flagFailure              // of an outcome: its payload is the text of a RequestError
	flagReceipt              // among outcomes: it is the receipt of a frame that had requests
)

// restRefused in the case of a refusal says that nothing from its message on was taken.
const restRefused = 0x80

// toBeStored in the case of a refusal says that the message is for a durable mailbox.
const toBeStored = 0x40

// maxHost is the longest name of a host, in bytes.
const maxHost = 64

var errFrame = errors.New("malformed frame")

// appendHead begins a frame.
func appendHead(to []byte, kind byte, host string) []byte {
	return appendText(append(to, wireVersion, kind), host)
}

func appendText[T string | []byte](to []byte, text T) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

// appendMessage adds a message to a frame of messages. now is the time in nanoseconds since
// the Unix epoch: a deadline travels as the time that is left, since clocks of hosts differ.
func appendMessage(to []byte, m *core.Message, now int64) []byte {
	return appendMessageOf(to, m, m.Sender.String(), now)
}

// appendMessageOf is appendMessage with an empty sender if that is the one of the message before.
func appendMessageOf(to []byte, m *core.Message, sender string, now int64) []byte {
	if !m.IsRequest() {
		to = append(to, 0)
	} else {
		left := int64(0) // no deadline
		if m.Deadline != 0 {
			left = max(1, (m.Deadline-now)/int64(time.Millisecond))
		}
		to = binary.AppendUvarint(append(to, flagRequest), uint64(m.Correlation))
		to = binary.AppendUvarint(to, uint64(left))
	}
	return appendText(appendText(to, sender), m.Payload)
}

// appendOutcome adds an outcome to a frame of outcomes.
func appendOutcome(to []byte, m *core.Message) []byte {
	flags := byte(0)
	if m.Failure != nil {
		flags = flagFailure
	}
	to = binary.AppendUvarint(append(to, flags), uint64(m.Correlation))
	if m.Failure != nil {
		return appendText(to, m.Failure.Error())
	}
	return appendText(to, m.Payload)
}

// The later fields of a message are a number that names the field, and a text, for each.
const (
	fenceField = 1 // the fence of the sender's claim, a number
	leastField = 2 // the lowest fence that is not refused, a number
)

// addFence adds a fence to the message that begins at an index and ends with the frame.
func addFence(to []byte, begin int, fence, least uint64) []byte {
	if fence == 0 {
		return to
	}
	at := begin + 1
	if to[begin]&flagRequest != 0 {
		for range 2 {
			_, size := binary.Uvarint(to[at:])
			at += size
		}
	}
	to[begin] |= flagExtended
	fields := appendText([]byte{fenceField}, binary.AppendUvarint(nil, fence))
	fields = appendText(append(fields, leastField), binary.AppendUvarint(nil, least))
	return slices.Insert(to, at, appendText(nil, fields)...)
}

// fencesIn returns the fence that is among later fields, and the lowest one that is not refused, or 0.
func fencesIn(fields []byte) (fence, least uint64) {
	r := reader{rest: fields}
	for r.more() {
		field, value := r.number(), reader{rest: r.text()}
		number := value.number()
		switch {
		case value.err != nil:
		case field == fenceField:
			fence = number
		case field == leastField:
			least = number
		}
	}
	return fence, least
}

// refusal says that the message with this index in its frame was not taken.
type refusal struct {
	index  int
	reason *core.MessagingError
	rest   bool // nor were those behind it
	store  bool // since it is to be stored
}

// receipt is the answer to a frame of messages.
type receipt struct {
	host     string // that took the frame
	window   int    // how many messages may be without a receipt
	bytes    int    // and how many bytes of payload
	refusals []refusal
}

func appendReceipt(to []byte, r receipt) []byte {
	to = appendHead(to, receiptFrame, r.host)
	to = binary.AppendUvarint(to, uint64(r.window))
	to = binary.AppendUvarint(to, uint64(r.bytes))
	for _, refused := range r.refusals {
		which := byte(refused.reason.Case)
		if refused.rest {
			which |= restRefused
		}
		if refused.store {
			which |= toBeStored
		}
		to = binary.AppendUvarint(to, uint64(refused.index))
		to = appendText(append(to, which), refused.reason.Text)
	}
	return to
}

// frameReceipt is a receipt without refusals, with the frame that it is for.
type frameReceipt struct {
	route, frame  uint64
	window, bytes int
}

// appendFrameReceipt adds a receipt to a frame of outcomes.
func appendFrameReceipt(to []byte, r frameReceipt) []byte {
	to = binary.AppendUvarint(append(to, flagReceipt), r.route)
	to = binary.AppendUvarint(to, r.frame)
	to = binary.AppendUvarint(to, uint64(r.window))
	return binary.AppendUvarint(to, uint64(r.bytes))
}

// reader reads a frame. After an error all reads return zero values.
type reader struct {
	rest    []byte
	err     error
	sender  []byte // of the last message
	fence   uint64 // of the sender's claim; 0 without one
	least   uint64 // the lowest one of the sender that is not refused
	changed bool   // the last message has another sender than the one before, or may have
}

// open reads the head of a frame of a kind, and returns the host that sent it.
func (r *reader) open(kind byte) (host string) {
	if len(r.rest) < 2 {
		r.fail("it has %d bytes", len(r.rest))
		return ""
	}
	version, got := r.rest[0], r.rest[1]
	r.rest = r.rest[2:]
	switch {
	case version == 0 || version > wireVersion:
		r.fail("version %d, this host reads up to %d", version, wireVersion)
	case got != kind:
		r.fail("kind %q, want %q", got, kind)
	}
	host = string(r.text())
	if r.err == nil && !validHost(host) {
		r.fail("host %.70q", host)
	}
	return host
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", errFrame, fmt.Sprintf(format, args...))
	}
	r.rest = nil
}

// more reports whether something is left to read.
func (r *reader) more() bool { return r.err == nil && len(r.rest) > 0 }

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.fail("a number breaks off")
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.fail("it breaks off")
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

// text returns a part of the frame.
func (r *reader) text() []byte {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.fail("a text of %d bytes in %d", n, len(r.rest))
		return nil
	}
	text := r.rest[:n]
	r.rest = r.rest[n:]
	return text
}

// message reads a message: all but the target, which the subject names. The sender and the payload are
// parts of the frame.
func (r *reader) message(now int64) (correlation core.RequestID, deadline int64, sender, payload []byte) {
	flags := r.byte()
	if flags&flagRequest != 0 {
		correlation = core.RequestID(r.number())
		deadline = deadlineOf(r.number(), now)
		if r.err == nil && correlation == 0 {
			r.fail("a request without a number")
		}
	}
	fence, least := uint64(0), uint64(0)
	if flags&flagExtended != 0 {
		fields := reader{rest: r.rest}
		fence, least = fencesIn(fields.text())
	}
	r.skipExtension(flags)
	sender = r.text()
	if r.changed = len(sender) > 0; r.changed {
		r.sender, r.fence, r.least = sender, fence, least
	}
	payload = r.text()
	return correlation, deadline, r.sender, payload
}

// deadlineOf is the deadline of a request that has so many milliseconds left; 0 is none, and more than
// a request can have is the last moment that there is.
func deadlineOf(left uint64, now int64) int64 {
	switch {
	case left == 0:
		return 0
	case left > uint64(core.MaxTimeout/time.Millisecond):
		return math.MaxInt64
	}
	return now + int64(left)*int64(time.Millisecond)
}

// outcome reads an outcome.
func (r *reader) outcome() (correlation core.RequestID, failed bool, payload []byte) {
	flags := r.byte()
	correlation = core.RequestID(r.number())
	r.skipExtension(flags)
	return correlation, flags&flagFailure != 0, r.text()
}

// isReceipt reports whether a receipt is next in a frame of outcomes.
func (r *reader) isReceipt() bool { return len(r.rest) > 0 && r.rest[0]&flagReceipt != 0 }

// receipt reads a receipt in a frame of outcomes.
func (r *reader) receipt() (got frameReceipt) {
	flags := r.byte()
	got.route, got.frame = r.number(), r.number()
	r.skipExtension(flags)
	got.window, got.bytes = r.credit()
	return got
}

// credit reads what a receipt grants.
func (r *reader) credit() (window, bytes int) {
	window, bytes = int(min(r.number(), maxWindow)), int(min(r.number(), maxWindowBytes))
	return max(1, window), bytes // without a message there would be no receipt that opens it again
}

// skipExtension skips the fields of a later version that an earlier one may ignore.
func (r *reader) skipExtension(flags byte) {
	if flags&flagExtended != 0 {
		r.text()
	}
	if flags&^(flagRequest|flagExtended|flagFailure|flagReceipt) != 0 {
		r.fail("flags %#x", flags)
	}
}

// readReceipt reads a receipt for a frame of so many messages.
func readReceipt(data []byte, messages int) (receipt, error) {
	r := reader{rest: data}
	got := receipt{host: r.open(receiptFrame)}
	got.window, got.bytes = r.credit()
	for last := -1; r.more(); {
		index, which, text := int(min(r.number(), 1<<30)), core.MessagingErrorCase(r.byte()), string(r.text())
		if index <= last || index >= messages {
			r.fail("a refusal of message %d of %d", index, messages)
		}
		rest, store := which&restRefused != 0, which&toBeStored != 0
		if which &^= restRefused | toBeStored; !which.Valid() {
			which = core.CaseUnavailable // of a later version
		}
		got.refusals = append(got.refusals, refusal{index, &core.MessagingError{Case: which, Text: core.CutText(text, core.MaxErrorText)}, rest, store})
		last = index
	}
	return got, r.err
}

// isFollow reports whether a frame is about a component that has moved.
func isFollow(data []byte) bool { return len(data) > 1 && data[1] == followFrame }

// readVersion reports whether a frame says that a host does not read the version of another frame.
func readVersion(data []byte) (host string, is bool) {
	r := reader{rest: data}
	host = r.open(versionFrame)
	return host, r.err == nil
}

// readEcho reports whether a frame is an echo of this host.
func (b *Broker) readEcho(data []byte) (number uint64, is bool) {
	if len(data) < 2 || data[1] != echoFrame {
		return 0, false
	}
	r := reader{rest: data}
	host, number := r.open(echoFrame), r.number()
	return number, r.err == nil && host == b.config.Host
}
