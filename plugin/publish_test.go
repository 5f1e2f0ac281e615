package plugin

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/frame"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// publishes is a component that publishes each message.
type publishes struct{ errs []error }

func (p *publishes) HandleMessage(h guest.Host, _ string, message []byte) ([]byte, error) {
	p.errs = append(p.errs, h.Publish("orders.\xffcreated", message))
	return nil, nil
}

func publicationsOf(t *testing.T, frames ...[]byte) (*publishes, []*pluginv1.Event) {
	t.Helper()
	p, s := new(publishes), &script{frames: frames}
	if err := newSession(&componentServer{component: p}, s).run(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return p, s.events(t)
}

// TestPublishOfHost: a plug-in publishes by a host that has topics, and gets the answer. What is
// too large is cut: the host refuses it for its size alone.
func TestPublishOfHost(t *testing.T) {
	refusal := &pluginv1.MessagingError{Case: pluginv1.MessagingError_CASE_CAPABILITY_DENIED, Text: "orders"}
	p, events := publicationsOf(t,
		startOf(&pluginv1.Start{ComponentId: "a/b", MessageSize: 1000, Topics: true}),
		frame.AppendMessage(nil, 2, "a/b", []byte("tea"), true),
		frame.AppendAnswer(nil, &pluginv1.Answer{}),
		frame.AppendMessage(nil, 3, "a/b", bytes.Repeat([]byte("x"), 1100), true),
		frame.AppendAnswer(nil, &pluginv1.Answer{Error: refusal}),
		frame.AppendMessage(nil, 4, "a/b", nil, true),
	)
	if len(p.errs) != 3 || p.errs[0] != nil || !errors.Is(p.errs[1], &guest.MessagingError{Case: guest.CaseCapabilityDenied, Text: "orders"}) ||
		!errors.Is(p.errs[2], errNoHost) {
		t.Errorf("got %v", p.errs)
	}
	if len(events) < 2 || events[0].GetPublish().GetTopic() != "orders.\uFFFDcreated" || string(events[0].GetPublish().GetMessage()) != "tea" ||
		len(events[1].GetPublish().GetMessage()) != 1001 {
		t.Errorf("the host got %v", events)
	}
}

// TestNoTopicsOfHost: a host that does not know topics is not asked to publish.
func TestNoTopicsOfHost(t *testing.T) {
	p, events := publicationsOf(t, start(true), frame.AppendMessage(nil, 2, "a/b", nil, true))
	if len(p.errs) != 1 || !errors.Is(p.errs[0], errNoTopics) || len(events) > 0 && events[0].GetPublish() != nil {
		t.Errorf("got %v, the host got %v", p.errs, events)
	}
}
