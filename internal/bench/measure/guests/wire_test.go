package guests_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/bench/measure/guests"
)

// player is a guest under test, native or WebAssembly.
type player interface {
	initialize(config guest.Config) error
	message(payload []byte) ([]byte, error)
	callback(id guest.RequestID, response []byte, failure error) error
}

// parcel is a message or a request, which has an id, of a guest.
type parcel struct {
	target  string
	payload []byte
	id      guest.RequestID
}

// wire is the host of one guest: it keeps or refuses the guest's messages.
type wire struct {
	guest.Host
	parcels []parcel
	lastID  guest.RequestID
	refusal *guest.MessagingError
}

func (w *wire) post(target string, payload []byte, id guest.RequestID) error {
	if w.refusal != nil {
		return w.refusal
	}
	w.parcels = append(w.parcels, parcel{target, bytes.Clone(payload), id})
	return nil
}

func (w *wire) Send(target string, message []byte) error { return w.post(target, message, 0) }

func (w *wire) Request(target string, request []byte, _ time.Duration) (guest.RequestID, error) {
	w.lastID++
	return w.lastID, w.post(target, request, w.lastID)
}

// take returns the oldest parcel.
func (w *wire) take(t *testing.T) parcel {
	t.Helper()
	if len(w.parcels) == 0 {
		t.Fatal("the guest has sent nothing")
	}
	first := w.parcels[0]
	w.parcels = w.parcels[1:]
	return first
}

// nativePlayer calls a component as the native engine does.
type nativePlayer struct {
	component guest.Component
	wire      *wire
}

func (p nativePlayer) initialize(config guest.Config) error {
	return p.component.(guest.Initializer).Initialize(p.wire, config)
}

func (p nativePlayer) message(payload []byte) ([]byte, error) {
	return p.component.HandleMessage(p.wire, "test/sender", payload)
}

func (p nativePlayer) callback(id guest.RequestID, response []byte, failure error) error {
	return p.component.(guest.CallbackHandler).HandleCallback(p.wire, id, response, failure)
}

// each runs a test against both forms of a guest.
func each(t *testing.T, native func() guest.Component, code []byte, test func(t *testing.T, p player, w *wire)) {
	t.Helper()
	start := func(t *testing.T, p player, w *wire) {
		if err := p.initialize(guest.Config{{Key: "done", Value: "test/done"}, {Key: "peer", Value: "test/peer"}}); err != nil {
			t.Fatal(err)
		}
		test(t, p, w)
	}
	t.Run("native", func(t *testing.T) {
		w := new(wire)
		start(t, nativePlayer{native(), w}, w)
	})
	t.Run("wasm", func(t *testing.T) {
		w := new(wire)
		start(t, newWasmPlayer(t, code, w), w)
	})
}

func deliver(t *testing.T, p player, payload []byte) []byte {
	t.Helper()
	response, err := p.message(bytes.Clone(payload))
	if err != nil {
		t.Fatalf("message %q: %v", payload[:1], err)
	}
	return response
}

func wantCounters(t *testing.T, p player, want guests.Counters) {
	t.Helper()
	got, err := guests.ParseCounters(deliver(t, p, []byte{guests.OpCount}))
	if err != nil || got != want {
		t.Errorf("counters %+v, %v, want %+v", got, err, want)
	}
}

func wantDone(t *testing.T, w *wire, want guests.Done) {
	t.Helper()
	told := w.take(t)
	got, err := guests.ParseDone(told.payload)
	if err != nil || told.target != "test/done" || got != want {
		t.Errorf("%s was told %+v, %v, want test/done and %+v", told.target, got, err, want)
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func sizes() []int { return []int{guests.HeaderSize, 25, 64, 1000, 70_000, 1 << 20} }

func sizeName(size int) string { return fmt.Sprintf("%d bytes", size) }
