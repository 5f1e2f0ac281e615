//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
)

// granter is a host that grants, and records what it is asked and handed.
type granter struct {
	enginetest.Services
	grant    *core.Grant
	reserved core.RequestID // under which a request is granted
}

const (
	granted = "shop/stock" // the target
	largest = 1000         // in bytes
)

// buffer is the size of C's buffer for what a guest sends: AIRHOST_SMALL.
func buffer(t *testing.T) (size int) {
	t.Helper()
	header, err := os.ReadFile("guest.h")
	must(t, err)
	_, rest, _ := strings.Cut(string(header), "#define AIRHOST_SMALL ")
	if _, err = fmt.Sscan(rest, &size); err != nil || size <= largest {
		t.Fatalf("AIRHOST_SMALL of guest.h: got %d, %v, want more than %d", size, err, largest)
	}
	return size
}

// newGranter returns a host that grants messages and requests to one target.
func newGranter() *granter {
	g := &granter{reserved: 70, grant: &core.Grant{Target: granted, Message: true, Largest: largest}}
	g.ID = 7
	return g
}

func (g *granter) note(format string, args ...any) {
	entry := fmt.Sprintf(format, args...)
	g.Asked = append(g.Asked, entry)
	if g.Calling != nil {
		g.Calling(entry)
	}
}

// Grant implements [core.Granter].
func (g *granter) Grant() (*core.Grant, core.RequestID) { return g.grant, g.reserved }

// SendGranted implements [core.Granter].
func (g *granter) SendGranted(message []byte) { g.note("granted send %q", message) }

// RequestGranted implements [core.Granter].
func (g *granter) RequestGranted(request []byte, timeoutMillis uint64) {
	g.note("granted request %q %d ms", request, timeoutMillis)
}

// asked checks what the host was asked and handed, in this order, and forgets it.
func (g *granter) asked(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(g.Asked, want) {
		t.Errorf("the host was asked\n%.200q\nwant\n%.200q", g.Asked, want)
	}
	g.Asked = nil
}

func request(id uint64) string {
	return string(binary.LittleEndian.AppendUint64([]byte{0}, id))
}

const ok = "\x00"

// grantCases are what a guest does in one call, and what its host sees of it.
var grantCases = []struct {
	name     string
	change   func(*granter)
	script   *script
	response string
	asked    []string
}{
	{"the first message is answered by the grant", nil, new(script).send(granted, "a"), ok, []string{`granted send "a"`}},
	{"so is an empty one", nil, new(script).send(granted, ""), ok, []string{`granted send ""`}},
	{"the first request is answered by the grant", nil, new(script).request(granted, "a", 5), request(70), []string{`granted request "a" 5 ms`}},
	{"so is one with the longest timeout", nil, new(script).request(granted, "a", 86_400_000), request(70), []string{`granted request "a" 86400000 ms`}},
	{"only the first", nil, new(script).send(granted, "a").send(granted, "b").send(granted, "c"), ok + ok + ok,
		[]string{`granted send "a"`, `send shop/stock "b"`, `send shop/stock "c"`}},
	{"a request after a message asks", nil, new(script).send(granted, "a").request(granted, "b", 5), ok + request(7),
		[]string{`granted send "a"`, `request shop/stock "b" 5 ms`}},
	{"a message after a request asks", nil, new(script).request(granted, "a", 0).send(granted, "b"), request(70) + ok,
		[]string{`granted request "a" 0 ms`, `send shop/stock "b"`}},
	{"it is handed over before a cancel", nil, new(script).request(granted, "a", 5).cancel(70), request(70) + ok,
		[]string{`granted request "a" 5 ms`, "cancel 70"}},
	{"it is handed over before a log line", nil, new(script).send(granted, "a").log("b"), ok,
		[]string{`granted send "a"`, `log info "b"`}},
	{"another target asks", nil, new(script).send("shop/audit", "a"), ok, []string{`send shop/audit "a"`}},
	{"the beginning of the target asks", nil, new(script).send(granted[:9], "a"), ok, []string{`send shop/stoc "a"`}},
	{"the target and more asks", nil, new(script).send(granted+"s", "a"), ok, []string{`send shop/stocks "a"`}},
	{"no target asks", nil, new(script).send("", "a"), ok, []string{`send  "a"`}},
	{"no grant asks", func(g *granter) { g.grant = nil }, new(script).send(granted, "a").request(granted, "b", 5), ok + request(7),
		[]string{`send shop/stock "a"`, `request shop/stock "b" 5 ms`}},
	{"a message where requests alone are granted asks", func(g *granter) { g.grant.Message = false }, new(script).send(granted, "a"), ok,
		[]string{`send shop/stock "a"`}},
	{"a request where messages alone are granted asks", func(g *granter) { g.reserved = 0 }, new(script).request(granted, "a", 5), request(7),
		[]string{`request shop/stock "a" 5 ms`}},
	{"a message after another target's asks: the grant was for the first", nil, new(script).send("shop/audit", "a").send(granted, "b"), ok + ok,
		[]string{`send shop/audit "a"`, `send shop/stock "b"`}},
	{"a request after another target's asks", nil, new(script).request("shop/audit", "a", 5).request(granted, "b", 5), request(7) + request(7),
		[]string{`request shop/audit "a" 5 ms`, `request shop/stock "b" 5 ms`}},
	{"a timeout out of range asks", nil, new(script).request(granted, "a", 86_400_001), request(7), []string{`request shop/stock "a" 86400001 ms`}},
	{"the largest timeout asks", nil, new(script).request(granted, "a", 1<<64-1), request(7), []string{`request shop/stock "a" 18446744073709551615 ms`}},
	{"a guest that answers with an error has sent", nil, new(script).send(granted, "a").step("f"), "", []string{`granted send "a"`}},
}

func TestGrants(t *testing.T) {
	c := compile(t, newEngine(t, wasmtime.Config{}), scriptWasm, core.Limits{})
	for _, test := range grantCases {
		g := newGranter()
		if test.change != nil {
			test.change(g)
		}
		in := instantiate(t, c, core.Environment{Host: g})
		for range 2 { // each call has a grant of its own
			var response []byte
			if err := in.HandleMessage(self, test.script.message(), &response); err != nil && test.response != "" {
				t.Fatalf("%s: %v", test.name, err)
			}
			equal(t, test.name+": response", string(response), test.response)
			g.asked(t, test.asked...)
		}
		// A response of one's request is a script as well.
		if err := in.HandleCallback(1, append([]byte("!"), test.script.message()...), nil); err != nil && test.response != "" {
			t.Fatalf("%s: %v", test.name, err)
		}
		g.asked(t, test.asked...)
	}
}

// TestGrantedSizes: what is too large for the grant or for C's buffer asks.
func TestGrantedSizes(t *testing.T) {
	c := compile(t, newEngine(t, wasmtime.Config{}), scriptWasm, core.Limits{})
	for _, test := range []struct {
		largest, size int
		granted       bool
	}{
		{largest, largest, true}, {largest, largest + 1, false},
		{1 << 20, buffer(t), true}, {1 << 20, buffer(t) + 1, false}, {1 << 40, 10, true}, {1 << 32, 10, true}, {0, 0, true}, {0, 1, false},
	} {
		g := newGranter()
		g.grant.Largest = test.largest
		in := instantiate(t, c, core.Environment{Host: g})
		payload := bytes.Repeat([]byte("x"), test.size)
		send, ask := "send shop/stock", "request shop/stock"
		if test.granted {
			send, ask = "granted send", "granted request"
		}
		must(t, in.HandleMessage(self, new(script).sendAt(granted, payload, 0).message(), nil))
		g.asked(t, fmt.Sprintf("%s %q", send, payload))
		must(t, in.HandleMessage(self, new(script).requestAt(granted, payload, 5, 0).message(), nil))
		g.asked(t, fmt.Sprintf("%s %q 5 ms", ask, payload))
	}
}

// TestGrantChanges: from call to call.
func TestGrantChanges(t *testing.T) {
	g := newGranter()
	in := open(t, scriptWasm, g, core.Limits{})
	message := new(script).send(granted, "a").message()
	other := new(script).send("shop/other-stock", "b").message()
	for range 2 {
		must(t, in.HandleMessage(self, message, nil))
		must(t, in.HandleMessage(self, other, nil))
		g.asked(t, `granted send "a"`, `send shop/other-stock "b"`)
		g.grant = &core.Grant{Target: "shop/other-stock", Message: true, Largest: largest}
		must(t, in.HandleMessage(self, message, nil))
		must(t, in.HandleMessage(self, other, nil))
		g.asked(t, `send shop/stock "a"`, `granted send "b"`)
		g.grant = nil
		must(t, in.HandleMessage(self, other, nil))
		g.asked(t, `send shop/other-stock "b"`)
		g.grant = &core.Grant{Target: granted, Message: true, Largest: largest}
	}
}

// TestGrantHoldsForItsCall: what was granted to a call that did not use it is
// not granted to a health check or a shutdown.
func TestGrantHoldsForItsCall(t *testing.T) {
	for what, step := range map[string]*script{
		`send shop/stock "a"`:         new(script).send(granted, "a"),
		`request shop/stock "a" 5 ms`: new(script).request(granted, "a", 5),
	} {
		g := newGranter()
		in := open(t, scriptWasm, g, core.Limits{})
		must(t, in.HandleMessage(self, new(script).later(step).message(), nil))
		_, err := in.Health()
		must(t, err)
		g.asked(t, what)
		must(t, in.Shutdown())
		g.asked(t, what)
	}
}

// TestTrapAfterGrantedSend: what was sent before the end is sent. Without fuel, a
// guest that goes on is stopped when it is handed over.
func TestTrapAfterGrantedSend(t *testing.T) {
	for name, limits := range map[string]core.Limits{"no fuel": {}, "fuel": {Fuel: 100_000}} {
		limits.HandlerTime = 1 << 62
		for _, end := range []string{"x", "o"} {
			g := newGranter()
			in := open(t, scriptWasm, g, limits)
			g.Calling = func(string) { in.Interrupt() }
			err := in.HandleMessage(self, new(script).send(granted, "a").step(end).message(), nil)
			if err == nil {
				t.Errorf("%s: got no error after %s", name, end)
			}
			g.asked(t, `granted send "a"`)
			if err := in.HandleMessage(self, new(script).send(granted, "b").message(), nil); err == nil {
				t.Errorf("%s: got no error of an instance that has ended", name)
			}
			g.asked(t)
		}
	}
}

// TestGrantedSendOfALongCall: it is handed over while the guest still runs.
func TestGrantedSendOfALongCall(t *testing.T) {
	g := newGranter()
	in := open(t, scriptWasm, g, core.Limits{HandlerTime: 1 << 62})
	handed := make(chan struct{})
	g.Calling = func(string) { close(handed) }
	ended := make(chan error, 1)
	go func() { ended <- in.HandleMessage(self, new(script).send(granted, "a").step("o").message(), nil) }()
	<-handed
	in.Interrupt()
	trapOf(t, <-ended, core.TrapHandler)
	g.asked(t, `granted send "a"`)
}

// TestClockOfAGranter is the system's, and does not cost a call of the host; nor
// does the guest's own id.
func TestClockOfAGranter(t *testing.T) {
	g := newGranter()
	in := open(t, scriptWasm, g, core.Limits{})
	var response []byte
	must(t, in.HandleMessage(self, new(script).step("nni").message(), &response))
	g.asked(t)
	first, second := binary.LittleEndian.Uint64(response), binary.LittleEndian.Uint64(response[8:])
	if first == 0 || second < first {
		t.Errorf("got the times %d, %d", first, second)
	}
	equal(t, "self-id", string(response[16:]), self.String())

	plain := &enginetest.Services{Time: 5}
	response = nil
	must(t, open(t, scriptWasm, plain, core.Limits{}).HandleMessage(self, new(script).step("n").message(), &response))
	equal(t, "the time of a host that does not grant", binary.LittleEndian.Uint64(response), 5)
}
