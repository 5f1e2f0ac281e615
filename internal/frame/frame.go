// Package frame writes and reads the frames of proto/airhost/plugin/v1/component.proto:
// what every message is made of by hand, without allocation, and all else by the
// generated code. Both sides of a connection use it; what is on the wire is plain
// protobuf.
package frame

import (
	"errors"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec that the others use
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// ErrMalformed says that bytes are not what the protocol allows.
var ErrMalformed = errors.New("malformed frame")

// The fields that are read and written by hand, by their numbers in
// component.proto.
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

// Frame is the bytes of a ToComponent or FromComponent, to be sent or as
// received. Its buffer is used again by each receipt.
type Frame struct{ Bytes []byte }

// Codec is gRPC's codec for frames; other messages go the usual way.
type Codec struct{}

var _ encoding.CodecV2 = Codec{}

var others = encoding.GetCodecV2("proto")

// Name is that of gRPC's own codec: the wire format is the same.
func (Codec) Name() string { return others.Name() }

// Marshal copies a frame: gRPC writes it after it has returned.
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*Frame); ok {
		return mem.BufferSlice{mem.Copy(f.Bytes, mem.DefaultBufferPool())}, nil
	}
	return others.Marshal(v)
}

// Unmarshal copies the bytes into a frame.
func (Codec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*Frame)
	if !ok {
		return others.Unmarshal(data, v)
	}
	f.Bytes = f.Bytes[:0]
	for _, buffer := range data {
		f.Bytes = append(f.Bytes, buffer.ReadOnlyData()...)
	}
	return nil
}

// next takes one field from data. value is a length-delimited field's bytes, n a
// varint's number.
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

// appendBytes appends a length-delimited field; an empty one is left out.
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

// appendNested begins a nested message of a known size.
func appendNested(b []byte, number protowire.Number, size int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.BytesType), uint64(size))
}

func sizeNested(number protowire.Number, size int) int {
	return protowire.SizeTag(number) + protowire.SizeBytes(size)
}

// appendPart begins a call or an event whose content is the field number with
// size bytes.
func appendPart(b []byte, id uint64, number protowire.Number, size int) []byte {
	b = appendNested(b, partsField, sizeVarint(idField, id)+sizeNested(number, size))
	return appendNested(appendVarint(b, idField, id), number, size)
}

// appendMessage appends a call or an event that the generated code has made.
func appendMessage(b []byte, m proto.Message) []byte {
	b = appendNested(b, partsField, proto.Size(m))
	b, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(b, m)
	if err != nil {
		panic(err) // texts are made valid before they come here
	}
	return b
}
