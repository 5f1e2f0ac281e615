package relay_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/airhost/airhost/examples/relay"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/guesttest"
)

var config = guest.Config{{Key: "to", Value: "demo/echo"}, {Key: "notify", Value: "demo/counter"}, {Key: "timeout", Value: "2s"}}

func newRelay(t *testing.T, host guest.Host) *relay.Component {
	t.Helper()
	component := relay.New().(*relay.Component)
	if err := component.Initialize(host, config); err != nil {
		t.Fatal(err)
	}
	return component
}

func TestRelay(t *testing.T) {
	host := &guesttest.Host{}
	component := newRelay(t, host)
	response, err := component.HandleMessage(host, "demo/a", []byte("hello"))
	if err != nil || string(response) != "asked demo/echo" {
		t.Errorf("HandleMessage = %q, %v", response, err)
	}
	if err := component.HandleCallback(host, 1, []byte("HELLO"), nil); err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(host.Requests, host.Sent); got != "[{{demo/echo hello} 1 2s}] [{demo/counter HELLO}]" {
		t.Error("requests and messages:", got)
	}
	want := `info: demo/a says "hello": request 1 sent to demo/echo
info: demo/echo answered request 1: "HELLO" sent on to demo/counter`
	if got := host.LogText(); got != want {
		t.Errorf("log:\n%s\nwant:\n%s", got, want)
	}
}

func TestFailures(t *testing.T) {
	host := &guesttest.Host{}
	component := newRelay(t, host)
	if err := component.HandleCallback(host, 1, nil, guest.ErrTimeout); err != nil || len(host.Sent) != 0 {
		t.Errorf("a request without an answer: %v, sent %v", err, host.Sent)
	}
	host.Refusal = guest.ErrQueueFull
	if _, err := component.HandleMessage(host, "demo/a", nil); !errors.Is(err, &guest.ComponentError{Case: guest.CaseComponentUnavailable}) {
		t.Errorf("a refused request: %v", err)
	}
	if err := component.HandleCallback(host, 2, nil, nil); err == nil {
		t.Error("a refused message is no error")
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for _, bad := range []guest.Config{nil, config[:1], config[1:], append(config[:2:2], guest.ConfigPair{Key: "timeout", Value: "soon"})} {
		if err := relay.New().(guest.Initializer).Initialize(&guesttest.Host{}, bad); err == nil {
			t.Errorf("configuration %v is accepted", bad)
		}
	}
}
