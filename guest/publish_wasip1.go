package guest

import (
	"unicode/utf8"
	"unsafe"
)

//go:wasmimport airhost:pubsub/pubsub@0.1.0 publish
func publish(topic unsafe.Pointer, topicSize uint32, message unsafe.Pointer, size uint32, area unsafe.Pointer)

var errTopic = &MessagingError{CaseInvalidArgument, "topic: not UTF-8"}

// Publish is pruned by the linker, as Call is.
func (services) Publish(topic string, message []byte) error {
	if !utf8.ValidString(topic) {
		return errTopic
	}
	area := new(sendArea)
	publish(textOf(topic), uint32(len(topic)), dataOf(message), uint32(len(message)), unsafe.Pointer(area))
	return area.err()
}
