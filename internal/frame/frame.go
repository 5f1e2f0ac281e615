// Package frame encodes and decodes the frames of
// proto/airhost/plugin/v1/component.proto. It handles the frequent parts of a
// message by hand, without allocation, and leaves the rest to the generated code.
// Both sides of a connection use it. The wire format is plain protobuf.
package frame

import (
	"errors"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the protobuf codec
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// ErrMalformed is the error for bytes that the protocol does not allow.
var ErrMalformed = errors.New("malformed frame")

// Numbers in component.proto of the fields that this package encodes and decodes by
// hand.
const (
	partsField = 1 // ToComponent.calls, FromComponent.events

	idField             = 1 // Call.id, Event.call_id
	resultField         = 2 // Event.result
	handleMessageField  = 4 // Call.handle_message
	handleCallbackField = 5 // Call.handle_callback

	responseField = 1 // Result.response

	senderField, messageField, noResponseField     = 1, 2, 3 // HandleMessage
	requestField, outcomeField, outcomeFailedField = 1, 2, 3 // HandleCallback
)

// Frame holds the bytes of a ToComponent or FromComponent. Receiving into a frame
// reuses its buffer.
type Frame struct{ Bytes []byte }

// Codec is gRPC's codec for frames. It passes all other messages to the protobuf
// codec.
type Codec struct{}

var _ encoding.CodecV2 = Codec{}

var protoCodec = encoding.GetCodecV2("proto")

// Name returns the name of gRPC's protobuf codec, since the wire format is the same.
func (Codec) Name() string { return protoCodec.Name() }

// Marshal copies a frame, since gRPC writes it after Marshal has returned.
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*Frame); ok {
		return mem.BufferSlice{mem.Copy(f.Bytes, mem.DefaultBufferPool())}, nil
	}
	return protoCodec.Marshal(v)
}

// Unmarshal copies the received bytes into a frame.
func (Codec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*Frame)
	if !ok {
		return protoCodec.Unmarshal(data, v)
	}
	f.Bytes = f.Bytes[:0]
	for _, buffer := range data {
		f.Bytes = append(f.Bytes, buffer.ReadOnlyData()...)
	}
	return nil
}

// next decodes one field of data. value holds the bytes of a length-delimited field,
// n the number of a varint.
func next(data []byte) (number protowire.Number, value []byte, n uint64, rest []byte, err error) {
	number, kind, size := protowire.ConsumeTag(data)
	if size < 0 {
		return 0, nil, 0, nil, ErrMalformed
	}
	data = data[size:]
	switch kind {
	case protowire.BytesType:
		value, size = protowire.ConsumeBytes(data)
	case protowire.VarintType:
		n, size = protowire.ConsumeVarint(data)
	default:
		size = protowire.ConsumeFieldValue(number, kind, data)
	}
	if size < 0 {
		return 0, nil, 0, nil, ErrMalformed
	}
	return number, value, n, data[size:], nil
}

// appendBytes appends a length-delimited field. It leaves out an empty one.
func appendBytes[T ~string | ~[]byte](b []byte, number protowire.Number, value T) []byte {
	if len(value) == 0 {
		return b
	}
	b = protowire.AppendTag(b, number, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(len(value)))
	return append(b, value...)
}

func sizeBytes(number protowire.Number, length int) int {
	if length == 0 {
		return 0
	}
	return sizeNested(number, length)
}

func appendVarint(b []byte, number protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), n)
}

func sizeVarint(number protowire.Number, n uint64) int {
	return protowire.SizeTag(number) + protowire.SizeVarint(n)
}

// appendNested starts a nested message of a known size.
func appendNested(b []byte, number protowire.Number, size int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.BytesType), uint64(size))
}

func sizeNested(number protowire.Number, size int) int {
	return protowire.SizeTag(number) + protowire.SizeBytes(size)
}

// appendPart starts a call or an event. Its content is the field number of size
// bytes.
func appendPart(b []byte, id uint64, number protowire.Number, size int) []byte {
	b = appendNested(b, partsField, sizeVarint(idField, id)+sizeNested(number, size))
	return appendNested(appendVarint(b, idField, id), number, size)
}

// appendMessage appends a call or an event encoded by the generated code.
func appendMessage(b []byte, m proto.Message) []byte {
	b = appendNested(b, partsField, proto.Size(m))
	b, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(b, m)
	if err != nil {
		panic(err) // cannot happen: the caller has made the texts valid UTF-8
	}
	return b
}
