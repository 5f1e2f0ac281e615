package guest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/guesttest"
	"github.com/airhost/airhost/guest/internal/probe"
)

func millisOf(millis uint64) time.Duration { return time.Duration(millis) * time.Millisecond }

// whole is the interface of a probe in every build.
type whole interface {
	guest.Component
	guest.CallbackHandler
	guest.Initializer
	guest.HealthReporter
	guest.Shutdowner
	guest.StateKeeper
}

// TestSameInEveryBuild makes the same calls to a Go value and to the module that was
// compiled from it. It compares their answers and their calls of the host.
func TestSameInEveryBuild(t *testing.T) {
	hosts := [2]*guesttest.Host{newHost(), newHost()}
	native := transcript(new(probe.Component), hosts[0])
	module := newWasmGuest(t, hosts[1])
	module.churns = 8
	wasm := transcript(module, hosts[1])
	for i := range native {
		if native[i] != wasm[i] {
			t.Errorf("native: %.200s\nwasm:   %.200s", native[i], wasm[i])
		}
	}
	if len(native) < 50 {
		t.Errorf("only %d lines were compared", len(native))
	}
}

func newHost() *guesttest.Host {
	return &guesttest.Host{ID: "test/self", Time: time.Unix(1, 5), Functions: functions, Buckets: map[string]map[string][]byte{"default": nil}}
}

// functions are the host's functions for the probe.
var functions = map[string]func([]byte) ([]byte, error){
	"test/echo":  func(argument []byte) ([]byte, error) { return argument, nil },
	"test/large": func([]byte) ([]byte, error) { return []byte(strings.Repeat("large", 40_000)), nil },
	"test/fails": func(argument []byte) ([]byte, error) { return nil, errors.New(string(argument)) },
	"test/case": func(argument []byte) ([]byte, error) {
		return nil, fmt.Errorf("wrapped: %w", &guest.CallError{Case: guest.CallErrorCase(argument[0] - '0'), Text: string(argument[1:])})
	},
}

func transcript(g whole, host *guesttest.Host) []string {
	var lines []string
	note := func(what string, result ...any) {
		for i, r := range result {
			if err, ok := r.(error); ok { // as an engine handles an error
				result[i] = *guest.AsComponentError(err)
			}
		}
		lines = append(lines, fmt.Sprintf("%s: %+q", what, result))
	}
	message := func(text string) {
		response, err := g.HandleMessage(host, "test/a", []byte(text))
		note(text, response, err)
	}
	note("initialize", g.Initialize(host, guest.Config{{Key: "b", Value: ""}, {Key: "", Value: "1"}, {Key: "ä", Value: "ö"}}))
	message("config")
	note("fails to initialize", g.Initialize(host, guest.Config{{Key: "fail", Value: "no"}}))
	for _, text := range []string{
		"echo x", "part of", "nothing", "", "size 100000", "size x", "unknown", "who", "who", "health 1",
		"error invalid", "error unavailable", "error garbage", "error case", "error empty", "error any other",
		"send test/b hello", "send test/b", "send", "request test/b hello", "request test/b", "negative test/b", "cancel 1", "log text", "collect",
		"after later", "after", "negative-after", "stop 2", "stop 2", "stop 0", "after again",
		"call test/echo hello", "call test/echo", "call test/large", "call test/large x", "call test/fails for a reason", "call test/fails",
		"call test/case 0no", "call test/case 1no", "call test/case 2", "call test/case 3later", "call test/none x", "call",
		"bucket none", "bucket none get a", "bucket default get a", "bucket default set a hello", "bucket default get a", "bucket default has a", "bucket default has b",
		"bucket default set b", "bucket default get b", "bucket default keys", "bucket default keys a", "bucket default delete b", "bucket default keys a",
		"bucket default increment n xxxxx", "bucket default increment n", "bucket default get n", "bucket default increment a",
		"bucket default update a more", "bucket default get a", "bucket default update a race", "bucket default get a", "bucket default update a fail",
		"bucket default update new made", "bucket default get new", "bucket default set \xff x", "bucket \xff",
		"publish orders.created hello", "publish orders.created", "publish",
	} {
		message(text)
	}
	note("health", g.Health())
	note("callback", g.HandleCallback(host, 1<<63, []byte("yes"), nil))
	note("callback, empty", g.HandleCallback(host, 2, []byte{}, nil))
	note("callback, failed", g.HandleCallback(host, 3, nil, guest.ErrTimeout))
	message("outcomes")
	for c := guest.CaseCapabilityDenied; c <= guest.CaseUnavailable; c++ {
		host.Refusal = &guest.MessagingError{Case: c, Text: strings.Repeat("x", int(c))}
		host.TimerRefusal = host.Refusal
		host.BucketRefusal = &guest.KeyValueError{Case: guest.KeyValueOther, Text: host.Refusal.Text}
		message("bucket default get a")
		message("bucket default set a x")
		message("bucket default update a x")
		host.BucketRefusal = nil
		message("send test/b hello")
		message("request test/b hello")
		message("cancel 2")
		message("publish orders.created hello")
		message("after never")
	}
	save := func(what string) {
		state, err := g.Save(host)
		note(what, string(state), err)
	}
	save("save of nothing")
	for _, state := range []string{"\xff\x00", strings.Repeat("x", 100_000), "", "fail"} {
		note("restore", g.Restore(host, []byte(state)))
		message("kept")
		save("save")
	}
	message("keep fail")
	save("save that fails")
	message("keep on")
	save("save after one that failed")
	g.Shutdown(host)
	note("host", fmt.Sprintf("%+v", *host))
	return lines
}
