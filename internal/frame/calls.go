package frame

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// Call is a received call. Its byte slices are views of the frame. Exactly one of
// Message, Callback and Other is set, and tells the kind of the call.
type Call struct {
	ID       uint64
	Message  bool
	Callback bool
	Other    *pluginv1.Call

	Sender     []byte // of a message
	Body       []byte // a message, or the response of a callback
	NoResponse bool   // the message wants no response
	Request    uint64 // of a callback
	Failed     bool   // a callback without a response
	Failure    []byte // the reason of a failed callback
}

// AppendMessage appends a call of handle-message to the bytes of a ToComponent.
func AppendMessage(b []byte, id uint64, sender string, message []byte, noResponse bool) []byte {
	size := sizeBytes(senderField, len(sender)) + sizeBytes(messageField, len(message))
	if noResponse {
		size += sizeVarint(noResponseField, 1)
	}
	b = appendPart(b, id, handleMessageField, size)
	b = appendBytes(appendBytes(b, senderField, sender), messageField, message)
	if noResponse {
		b = appendVarint(b, noResponseField, 1)
	}
	return b
}

// AppendCallback appends a call of handle-callback to the bytes of a ToComponent.
// failure is nil if there is a response.
func AppendCallback(b []byte, id, request uint64, response []byte, failure *string) []byte {
	size := sizeVarint(requestField, request) + sizeBytes(outcomeField, len(response))
	if failure != nil {
		size += sizeNested(outcomeFailedField, len(*failure))
	}
	b = appendPart(b, id, handleCallbackField, size)
	b = appendBytes(appendVarint(b, requestField, request), outcomeField, response)
	if failure != nil {
		b = append(appendNested(b, outcomeFailedField, len(*failure)), *failure...)
	}
	return b
}

// AppendCall appends a call of any kind to the bytes of a ToComponent.
func AppendCall(b []byte, call *pluginv1.Call) []byte { return appendMessage(b, call) }

// AppendAnswer appends an answer to the bytes of a ToComponent.
func AppendAnswer(b []byte, answer *pluginv1.Answer) []byte {
	return appendTo(b, &pluginv1.ToComponent{Answer: answer})
}

// AppendAnswerOfTurn appends one of several answers to the bytes of a ToComponent.
func AppendAnswerOfTurn(b []byte, answer *pluginv1.Answer) []byte {
	return appendTo(b, &pluginv1.ToComponent{Answers: []*pluginv1.Answer{answer}})
}

func appendTo(b []byte, m *pluginv1.ToComponent) []byte {
	b, err := proto.MarshalOptions{}.MarshalAppend(b, m)
	if err != nil {
		panic(err) // cannot happen: the caller has made the texts valid UTF-8
	}
	return b
}

// Answer decodes a ToComponent that must contain an answer and nothing else.
func Answer(data []byte) (*pluginv1.Answer, error) {
	var m pluginv1.ToComponent
	if err := proto.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if m.Answer == nil || len(m.Calls)+len(m.Answers) > 0 {
		return nil, fmt.Errorf("%w: want an answer alone", ErrMalformed)
	}
	return m.Answer, nil
}

// AnswersOfTurn decodes a ToComponent that must contain n answers of a turn and nothing else.
func AnswersOfTurn(data []byte, n int) ([]*pluginv1.Answer, error) {
	var m pluginv1.ToComponent
	if err := proto.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(m.Answers) != n || len(m.Calls) > 0 || m.Answer != nil {
		return nil, fmt.Errorf("%w: want %d answers of a turn alone", ErrMalformed, n)
	}
	return m.Answers, nil
}

// NextCall decodes the first call of a ToComponent, which must have no answer, and
// returns the bytes after it.
func NextCall(data []byte, call *Call) (rest []byte, err error) {
	number, part, _, rest, err := next(data)
	if err != nil {
		return nil, err
	}
	if number != partsField || part == nil {
		return nil, fmt.Errorf("%w: want calls alone", ErrMalformed)
	}
	*call = Call{}
	return rest, call.read(part)
}

func (c *Call) read(part []byte) error {
	for data := part; len(data) > 0; {
		number, value, n, rest, err := next(data)
		if err != nil {
			return err
		}
		data = rest
		switch number {
		case idField:
			c.ID = n
		case handleMessageField:
			c.Message = true
			err = c.readMessage(value)
		case handleCallbackField:
			c.Callback = true
			err = c.readCallback(value)
		default:
			return c.readOther(part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Call) readMessage(data []byte) error {
	for len(data) > 0 {
		number, value, n, rest, err := next(data)
		if err != nil {
			return err
		}
		data = rest
		switch number {
		case senderField:
			c.Sender = value
		case messageField:
			c.Body = value
		case noResponseField:
			c.NoResponse = n != 0
		}
	}
	return nil
}

func (c *Call) readCallback(data []byte) error {
	for len(data) > 0 {
		number, value, n, rest, err := next(data)
		if err != nil {
			return err
		}
		data = rest
		switch number {
		case requestField:
			c.Request = n
		case outcomeField:
			c.Body = value
		case outcomeFailedField:
			c.Failed, c.Failure = true, value
		}
	}
	return nil
}

func (c *Call) readOther(part []byte) error {
	var m pluginv1.Call
	if err := proto.Unmarshal(part, &m); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	*c = Call{ID: m.Id, Other: &m}
	return nil
}
