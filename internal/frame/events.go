package frame

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// Event is a received event: either Response, for a call that ended with a response
// and nothing else, or Other. Response is a view of the frame.
type Event struct {
	Call     uint64
	Response []byte
	Other    *pluginv1.Event
}

// AppendResponse appends the successful end of a call to the bytes of a
// FromComponent.
func AppendResponse(b []byte, call uint64, response []byte) []byte {
	b = appendPart(b, call, resultField, sizeBytes(responseField, len(response)))
	return appendBytes(b, responseField, response)
}

// AppendEvent appends an event of any kind to the bytes of a FromComponent.
func AppendEvent(b []byte, event *pluginv1.Event) []byte { return appendMessage(b, event) }

// NextEvent decodes the first event of a FromComponent and returns the bytes after
// it.
func NextEvent(data []byte, event *Event) (rest []byte, err error) {
	number, part, _, rest, err := next(data)
	if err != nil {
		return nil, err
	}
	if number != partsField || part == nil {
		return nil, fmt.Errorf("%w: a field %d that the protocol does not have", ErrMalformed, number)
	}
	*event = Event{}
	return rest, event.read(part)
}

func (e *Event) read(part []byte) error {
	results := 0
	for data := part; len(data) > 0; {
		number, value, n, rest, err := next(data)
		if err != nil {
			return err
		}
		data = rest
		switch number {
		case idField:
			e.Call = n
		case resultField:
			results++
			if !e.readResult(value) {
				return e.readOther(part)
			}
		default:
			return e.readOther(part)
		}
	}
	if results != 1 {
		return fmt.Errorf("%w: an event that is none", ErrMalformed)
	}
	return nil
}

// readResult returns false if the result contains more than a response.
func (e *Event) readResult(data []byte) bool {
	for len(data) > 0 {
		number, value, _, rest, err := next(data)
		if err != nil || number != responseField {
			return false
		}
		e.Response, data = value, rest
	}
	return true
}

func (e *Event) readOther(part []byte) error {
	var m pluginv1.Event
	if err := proto.Unmarshal(part, &m); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if m.Event == nil {
		return fmt.Errorf("%w: an event that is none", ErrMalformed)
	}
	*e = Event{Call: m.CallId, Other: &m}
	return nil
}
