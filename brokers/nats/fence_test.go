package nats

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/airhost/airhost/core"
)

// TestFencesOnTheWire: a message has its fence, whatever else is in it, and all else is as without one.
func TestFencesOnTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := core.NewMessage(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "payload"))
		m.Sender = core.MustComponentID("shop/orders")
		m.Correlation = core.RequestID(rapid.Uint64().Draw(t, "request"))
		if m.Correlation != 0 {
			m.Deadline = rapid.Int64Range(0, 1<<50).Draw(t, "deadline")
		}
		fence, least := rapid.Uint64().Draw(t, "fence"), rapid.Uint64().Draw(t, "least")
		head := []byte("before")
		frame := addFence(appendMessage(bytes.Clone(head), m, 0), len(head), fence, least)
		frame = appendMessage(appendMessageOf(frame, m, "", 0), m, 0)
		r := reader{rest: frame[len(head):]}
		first, _, sender, payload := r.message(0)
		if fence == 0 {
			least = 0
		}
		if r.err != nil || r.fence != fence || r.least != least || first != m.Correlation || string(sender) != "shop/orders" || !bytes.Equal(payload, m.Payload) {
			t.Fatalf("got %d, %q, %q with %d, %d: %v", first, sender, payload, r.fence, r.least, r.err)
		}
		if r.message(0); r.err != nil || r.changed || r.fence != fence || r.least != least {
			t.Fatalf("the next one of the sender has the fence %d: %v", r.fence, r.err)
		}
		if r.message(0); r.err != nil || !r.changed || r.fence != 0 || r.least != 0 || r.more() {
			t.Fatalf("the message behind it has the fence %d: %v", r.fence, r.err)
		}
	})
}

// TestLaterFields: fields of later versions are passed over, and so are texts that are no fields.
func TestLaterFields(t *testing.T) {
	for _, fields := range [][]byte{nil, {7, 1, 9}, {7, 200}, {1, 1, 200}, []byte("what a later version has")} {
		if fence, least := fencesIn(fields); fence != 0 || least != 0 {
			t.Errorf("%q: got %d and %d", fields, fence, least)
		}
	}
	if fence, least := fencesIn([]byte{7, 2, 9, 9, 1, 1, 5, 2, 1, 4, 8, 0}); fence != 5 || least != 4 {
		t.Errorf("got %d and %d", fence, least)
	}
}
