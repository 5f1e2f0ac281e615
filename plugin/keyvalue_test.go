package plugin

import (
	"errors"
	"io"
	"testing"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/frame"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// keeps is a component that gets a key of a bucket.
type keeps struct {
	value []byte
	err   error
}

func (k *keeps) HandleMessage(h guest.Host, _ string, key []byte) ([]byte, error) {
	b, err := guest.OpenBucket(h, "default")
	if err == nil {
		k.value, _, err = b.Get(string(key))
	}
	k.err = err
	return nil, nil
}

// TestKeyValueOfHost: a plug-in asks a host that has buckets, and one without is not asked.
func TestKeyValueOfHost(t *testing.T) {
	get := func(start *pluginv1.Start, key string, answers ...*pluginv1.KeyValueAnswer) (*keeps, []*pluginv1.Event) {
		start.ComponentId, start.MessageSize = "a/b", 1000
		k, s := new(keeps), &script{frames: [][]byte{startOf(start), frame.AppendMessage(nil, 2, "a/b", []byte(key), true)}}
		for _, a := range answers {
			s.frames = append(s.frames, frame.AppendAnswer(nil, &pluginv1.Answer{KeyValue: a}))
		}
		if err := newSession(&componentServer{component: k}, s).run(); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		return k, s.events(t)
	}
	opened := &pluginv1.KeyValueAnswer{}
	k, events := get(&pluginv1.Start{KeyValue: true}, "key", opened, &pluginv1.KeyValueAnswer{Value: []byte("v"), Version: 7})
	if string(k.value) != "v" || k.err != nil || len(events) != 2 || events[1].GetKeyValue().GetKey() != "key" || events[1].GetKeyValue().GetBucket() != "default" {
		t.Errorf("got %q, %v, the host got %v", k.value, k.err, events)
	}
	denied := &pluginv1.KeyValueAnswer{Error: &pluginv1.KeyValueError{Case: pluginv1.KeyValueError_CASE_ACCESS_DENIED, Text: "default"}}
	if k, _ = get(&pluginv1.Start{KeyValue: true}, "key", denied); !errors.Is(k.err, guest.ErrAccessDenied) {
		t.Errorf("denied: %v", k.err)
	}
	if k, events = get(&pluginv1.Start{KeyValue: true}, "\xff", opened); !errors.Is(k.err, guest.ErrKeyValueOther) || len(events) != 1 {
		t.Errorf("a key that is no text: %v, the host got %v", k.err, events)
	}
	if k, _ = get(&pluginv1.Start{KeyValue: true}, "key", opened); !errors.Is(k.err, &guest.KeyValueError{Case: guest.KeyValueOther, Text: errNoHost.Text}) {
		t.Errorf("the host is gone: %v", k.err)
	}
	if k, events = get(&pluginv1.Start{}, "key"); !errors.Is(k.err, guest.ErrNoSuchStore) || len(events) > 0 {
		t.Errorf("a host without buckets: %v, the host got %v", k.err, events)
	}
}
