package plugin

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/airhost/airhost/core"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// envelopeVersion is the version of envelopes that this host writes and reads.
const envelopeVersion = 1

// seal appends the wire form of m to into. origin is the host that waits for the outcome
// of a request.
func seal(into []byte, m *core.Message, kind pluginv1.EnvelopeKind, origin string) ([]byte, error) {
	e := pluginv1.Envelope{
		Version: envelopeVersion, Kind: kind, Sender: m.Sender.String(), Target: m.Target.String(),
		Correlation: uint64(m.Correlation), Origin: origin, Deadline: m.Deadline, Payload: m.Payload,
	}
	if m.Failure != nil {
		e.Failure = m.Failure.Error()
	}
	return proto.MarshalOptions{}.MarshalAppend(into, &e)
}

var errNotAnEnvelope = errors.New("not a message of this version of airhost")

// unseal reads an envelope. origin is the host that waits for the outcome of a request,
// and otherwise empty.
func unseal(body []byte) (m *core.Message, kind pluginv1.EnvelopeKind, origin string, err error) {
	var e pluginv1.Envelope
	if err := proto.Unmarshal(body, &e); err != nil {
		return nil, 0, "", fmt.Errorf("%w: %w", errNotAnEnvelope, err)
	}
	m = core.NewMessage(nil)
	m.Correlation, m.Deadline, m.Payload = core.RequestID(e.Correlation), e.Deadline, e.Payload
	if e.Failure != "" {
		m.Failure = core.ParseRequestError(e.Failure)
	}
	if err := address(m, &e); err != nil {
		m.Release()
		return nil, 0, "", err
	}
	return m, e.Kind, e.Origin, nil
}

// address checks the fields that the delivery of m needs, and sets its sender and
// target.
func address(m *core.Message, e *pluginv1.Envelope) error {
	wantsAnswer := e.Kind == pluginv1.EnvelopeKind_ENVELOPE_KIND_REQUEST
	switch {
	case e.Version != envelopeVersion:
		return fmt.Errorf("%w: version %d", errNotAnEnvelope, e.Version)
	case e.Kind == pluginv1.EnvelopeKind_ENVELOPE_KIND_OUTCOME && e.Correlation != 0:
		return nil
	case !wantsAnswer && e.Kind != pluginv1.EnvelopeKind_ENVELOPE_KIND_MESSAGE,
		wantsAnswer != (e.Correlation != 0), wantsAnswer != (e.Origin != ""), e.Failure != "":
		return fmt.Errorf("%w: a %v with correlation %d from %.40q", errNotAnEnvelope, e.Kind, e.Correlation, e.Origin)
	}
	var err error
	if m.Sender, err = core.ParseComponentID(e.Sender); err == nil {
		m.Target, err = core.ParseComponentID(e.Target)
	}
	return err
}
