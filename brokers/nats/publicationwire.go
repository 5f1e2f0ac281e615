package nats

import (
	"encoding/binary"

	"github.com/airhost/airhost/core"
)

// publicationsFrame is the kind of frames of publications, which go to all hosts. Nobody answers them.
const publicationsFrame = 'P'

// appendPublications begins a frame of publications: run is that of the host, sequence the number of
// the frame, and served are the queue groups that no other host serves.
func appendPublications(to []byte, host, run string, sequence uint64, served []string) []byte {
	to = appendText(appendHead(to, publicationsFrame, host), run)
	to = binary.AppendUvarint(binary.AppendUvarint(to, sequence), uint64(len(served)))
	for _, queue := range served {
		to = appendText(to, queue)
	}
	return to
}

// appendPublication adds a publication to such a frame.
func appendPublication(to []byte, sender core.ComponentID, payload []byte) []byte {
	return appendText(appendText(append(to, 0), sender.String()), payload)
}

// publisher is one run of a host that publishes.
type publisher struct{ host, run string }

// publications reads the head of a frame of publications. It reports whether the frame names a queue
// group.
func (r *reader) publications(queue string) (from publisher, sequence uint64, served bool) {
	from.host = r.open(publicationsFrame)
	from.run = string(r.text())
	if r.err == nil && !validHost(from.run) {
		r.fail("run %.70q", from.run)
	}
	if sequence = r.number(); r.err == nil && sequence == 0 {
		r.fail("a frame without a number")
	}
	for n := r.number(); r.err == nil && n > 0; n-- {
		name := r.text()
		if r.err == nil && (len(name) == 0 || len(name) > core.MaxTopicPart) {
			r.fail("a queue group %.70q", name)
		}
		served = served || string(name) == queue
	}
	return from, sequence, served
}

// publication reads a publication. The sender and the payload are parts of the frame.
func (r *reader) publication() (sender, payload []byte) {
	flags := r.byte()
	if flags&^flagExtended != 0 {
		r.fail("flags %#x", flags)
	}
	r.skipExtension(flags)
	return r.text(), r.text()
}

// countPublications returns how many publications a frame has that can be read.
func countPublications(data []byte) (n uint64) {
	r := reader{rest: data}
	for r.publications(""); r.more(); n++ {
		if r.publication(); r.err != nil {
			break
		}
	}
	return n
}
