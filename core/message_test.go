package core_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/airhost/airhost/core"
)

func TestNewMessageCopiesThePayload(t *testing.T) {
	payload := []byte("payload")
	m := core.NewMessage(payload)
	defer m.Release()
	payload[0] = 'X'
	if got := string(m.Payload); got != "payload" {
		t.Errorf("got %q, want the payload as it was", got)
	}
}

// TestReleasedMessagesComeBackEmpty: a message from the pool holds nothing of its last
// use.
func TestReleasedMessagesComeBackEmpty(t *testing.T) {
	for _, size := range []int{0, 1, 64 << 10, 64<<10 + 1, 1 << 20} {
		m := core.NewMessage(bytes.Repeat([]byte{1}, size))
		m.Sender, m.Target = core.HostID, core.HostID
		m.Correlation, m.Deadline, m.Failure = 1, 2, core.ErrTimeout
		m.Release()
		next := core.NewMessage(nil)
		payload := next.Payload
		next.Payload = nil
		if !reflect.DeepEqual(*next, core.Message{}) || len(payload) != 0 {
			t.Errorf("after a message of %d bytes: got %+v with %d bytes", size, *next, len(payload))
		}
		if cap(payload) > 64<<10 {
			t.Errorf("after a message of %d bytes the pool kept %d", size, cap(payload))
		}
		next.Release()
	}
}

func TestMessagesArePooled(t *testing.T) {
	payload := make([]byte, 1024)
	core.NewMessage(payload).Release()
	if allocs := testing.AllocsPerRun(1000, func() { core.NewMessage(payload).Release() }); allocs >= 1 {
		t.Errorf("got %v allocations for a message, want less than 1", allocs)
	}
}

func TestMessageFails(t *testing.T) {
	m := core.NewMessage([]byte("question"))
	if m.IsRequest() {
		t.Error("without a correlation id it is a request")
	}
	m.Correlation = 1
	if !m.IsRequest() {
		t.Error("with a correlation id it is no request")
	}
	m.Fail(core.ErrTimeout)
	if m.Failure != core.ErrTimeout || len(m.Payload) != 0 || m.Correlation != 1 {
		t.Errorf("got %+v, want request 1 failed, without a payload", *m)
	}
}

func BenchmarkMessage(b *testing.B) {
	payload := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		core.NewMessage(payload).Release()
	}
}
