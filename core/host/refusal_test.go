package host_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// try calls f in a component, and returns the result.
func (h *testHost) try(d host.Deployment, f func(g guest.Host) error) error {
	h.t.Helper()
	got := make(chan error, 1)
	component := behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
		got <- f(g)
		return nil, nil
	}}
	d.Source = deployment(d.ID.String(), component).Source
	check(h.t, h.Deploy(within(h.t), d))
	h.do(d.ID.String())
	check(h.t, h.Undeploy(within(h.t), d.ID))
	return receive(h.t, "the attempt", got)
}

// TestRefusals: every refusal has the error of the contract, is counted, and has no
// other effect.
func TestRefusals(t *testing.T) {
	send := func(target string, size int) func(guest.Host) error {
		return func(g guest.Host) error { return g.Send(target, make([]byte, size)) }
	}
	request := func(target string, timeout time.Duration) func(guest.Host) error {
		return func(g guest.Host) error { _, err := g.Request(target, nil, timeout); return err }
	}
	for _, test := range []struct {
		name string
		caps host.Capabilities
		f    func(guest.Host) error
		want error
		text string
	}{
		{"wrong characters", all(), send("Shop/Stock", 1), guest.ErrInvalidArgument, "target"},
		{"no slash", all(), send("shop", 1), guest.ErrInvalidArgument, "target"},
		{"empty target", all(), send("", 1), guest.ErrInvalidArgument, "target"},
		{"NUL in target", all(), send("shop/a\x00b", 1), guest.ErrInvalidArgument, "target"},
		{"target too long", all(), send("shop/"+strings.Repeat("a", 64), 1), guest.ErrInvalidArgument, "target"},
		{"target very long", all(), send(strings.Repeat("a", 1<<20), 1), guest.ErrInvalidArgument, "target"},
		{"unknown target", all(), send("shop/nobody", 1), guest.ErrTargetNotFound, "shop/nobody"},
		{"request to unknown target", all(), request("shop/nobody", 0), guest.ErrTargetNotFound, "shop/nobody"},
		{"no capability", host.Capabilities{}, send("a/echo", 1), guest.ErrCapabilityDenied, "a/echo"},
		{"no capability, no such target", host.Capabilities{}, send("a/nobody", 1), guest.ErrCapabilityDenied, "a/nobody"},
		{"other pattern", host.Capabilities{Send: all().Send}, request("a/echo", 0), guest.ErrCapabilityDenied, "a/echo"},
		{"other pattern", host.Capabilities{Request: all().Request}, send("a/echo", 1), guest.ErrCapabilityDenied, "a/echo"},
		{"other namespace", host.Capabilities{Send: grant(t, "shop/*")}, send("shopping/x", 1), guest.ErrCapabilityDenied, "shopping/x"},
		{"oversized", all(), send("a/echo", 2000), guest.ErrQuotaExceeded, "message_size"},
		{"more than the receiver takes", all(), send("a/small", 600), guest.ErrInvalidArgument, "message"},
		{"timeout out of range", all(), request("a/echo", math.MaxInt64), guest.ErrInvalidArgument, "timeout-ms"},
		{"negative timeout", all(), request("a/echo", -1), guest.ErrInvalidArgument, "timeout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := start(t, host.Config{})
			h.deploy("a/echo", echo)
			small := deployment("a/small", echo)
			small.Limits.MessageSize = 500
			check(t, h.Deploy(within(t), small))
			d := deployment("a/sender", nil)
			d.Capabilities = test.caps
			d.Limits.MessageSize = 1000
			err := h.try(d, test.f)
			isError(t, "refusal", err, test.want)
			contains(t, "refusal", fmt.Sprint(err), test.text)
			s := h.balance()
			equal(t, "pending", s.Pending, 0)
			equal(t, "requests", s.Requests, 1) // the test's own
			equal(t, "dead letters", s.DeadLetters, 0)
		})
	}
}

// TestAccepted: messages just within the limits of TestRefusals are accepted.
func TestAccepted(t *testing.T) {
	for name, f := range map[string]func(guest.Host) error{
		"empty payload":      func(g guest.Host) error { return g.Send("a/echo", nil) },
		"largest payload":    func(g guest.Host) error { return g.Send("a/echo", make([]byte, 1000)) },
		"longest timeout":    func(g guest.Host) error { _, err := g.Request("a/echo", nil, core.MaxTimeout); return err },
		"granted namespace":  func(g guest.Host) error { return g.Send("a/echo", nil) },
		"request, timeout 0": func(g guest.Host) error { _, err := g.Request("a/echo", nil, 0); return err },
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, host.Config{})
			h.deploy("a/echo", echo)
			d := deployment("a/sender", nil)
			d.Capabilities = host.Capabilities{Send: grant(t, "a/*"), Request: grant(t, "a/echo")}
			d.Limits.MessageSize = 1000
			check(t, h.try(d, f))
			h.balance()
		})
	}
}

func TestPureResponderCannotRequest(t *testing.T) {
	h := start(t, host.Config{})
	h.deploy("a/echo", echo)
	got := make(chan error, 1)
	h.deploy("a/pure", pure{got})
	h.do("a/pure")
	isError(t, "request of a component without handle-callback", <-got, guest.ErrInvalidArgument)
}

type pure struct{ got chan error }

func (p pure) HandleMessage(h guest.Host, _ string, _ []byte) ([]byte, error) {
	_, err := h.Request("a/echo", nil, 0)
	p.got <- err
	return nil, nil
}

// TestMessageQuota: a message that is refused for another reason takes no token of
// the quota, and tokens come back with time.
func TestMessageQuota(t *testing.T) {
	h := start(t, host.Config{})
	h.deploy("a/echo", echo)
	d := deployment("a/sender", nil)
	d.Quota = host.Quota{MessagesPerSecond: 100, Burst: 5}
	err := h.try(d, func(g guest.Host) error {
		for range 10 { // refused before the quota is checked
			isError(t, "unknown target", g.Send("a/nobody", nil), guest.ErrTargetNotFound)
		}
		for range 5 {
			check(t, g.Send("a/echo", nil))
		}
		err := g.Send("a/echo", nil)
		isError(t, "the message after the burst", err, guest.ErrQuotaExceeded)
		for begin := time.Now(); errors.Is(g.Send("a/echo", nil), guest.ErrQuotaExceeded); {
			if time.Since(begin) > 10*time.Second {
				t.Fatal("no token came back")
			}
		}
		return err
	})
	contains(t, "refusal", fmt.Sprint(err), "messages_per_second")
	h.balance()
}

// TestBurstAfterPause: after a pause of any length there is one burst, and not another
// one for the pause.
func TestBurstAfterPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, host.Config{})
		h.deploy("a/echo", echo)
		<-time.After(time.Hour) // in the bubble, where that takes no time
		d := deployment("a/sender", nil)
		d.Quota = host.Quota{MessagesPerSecond: 1, Burst: 5}
		isError(t, "the message after the burst", h.try(d, func(g guest.Host) error {
			for range 5 {
				check(t, g.Send("a/echo", nil))
			}
			return g.Send("a/echo", nil)
		}), guest.ErrQuotaExceeded)
		h.balance()
	})
}

// TestQuotaRefund: if a message is refused after the check of the quota, its token
// comes back.
func TestQuotaRefund(t *testing.T) {
	h := start(t, host.Config{})
	full := deployment("a/full", responder(func([]byte) ([]byte, error) { return nil, nil }))
	full.Limits.MessageSize = 1
	check(t, h.Deploy(within(t), full))
	d := deployment("a/sender", nil)
	d.Quota = host.Quota{MessagesPerSecond: 1, Burst: 1, PendingRequests: 1}
	check(t, h.try(d, func(g guest.Host) error {
		for range 10 {
			isError(t, "too large", g.Send("a/full", []byte("xx")), guest.ErrInvalidArgument)
			_, err := g.Request("a/full", []byte("xx"), 0)
			isError(t, "too large", err, guest.ErrInvalidArgument)
		}
		return g.Send("a/full", []byte("x"))
	}))
	equal(t, "pending", h.balance().Pending, 0)
}

func TestPendingQuota(t *testing.T) {
	h := start(t, host.Config{})
	release := make(chan struct{})
	h.deploy("a/slow", responder(func([]byte) ([]byte, error) { <-release; return nil, nil }))
	o := newOutcomes()
	var refused, canceled error
	d := deployment("a/asker", behaviour{callback: o.callback, message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
		var last guest.RequestID
		for range 2 {
			id, err := g.Request("a/slow", nil, 0)
			check(t, err)
			last = id
		}
		_, refused = g.Request("a/slow", nil, 0)
		canceled = g.Cancel(last) // makes room for one
		_, err := g.Request("a/slow", nil, 0)
		return nil, err
	}})
	d.Quota.PendingRequests = 2
	check(t, h.Deploy(within(t), d))
	h.do("a/asker")
	isError(t, "third pending request", refused, guest.ErrQuotaExceeded)
	contains(t, "refusal", refused.Error(), "pending_requests")
	check(t, canceled)
	close(release)
	equal(t, "outcome", receive(t, "callback", o.got), "ok ")
	equal(t, "outcome", receive(t, "callback", o.got), "ok ")
	h.balance()
	h.do("a/asker") // there is room again
	h.balance()
}

// TestRoutesFollowConfiguration: a sender's routes hold only until a component is
// deployed or undeployed.
func TestRoutesFollowConfiguration(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		var got error
		h.deploy("a/sender", behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
			got = g.Send("a/target", nil)
			return nil, nil
		}})
		for range 3 {
			h.do("a/sender")
			isError(t, "send before the target is there", got, guest.ErrTargetNotFound)
			h.deploy("a/target", echo)
			h.do("a/sender")
			check(t, got)
			h.quiesce()
			check(t, h.Undeploy(within(t), id("a/target")))
		}
		h.balance()
	})
}

// TestManyTargets: a sender may try more targets than it keeps routes.
func TestManyTargets(t *testing.T) {
	h := start(t, host.Config{})
	h.deploy("a/echo", echo)
	d := deployment("a/sender", nil)
	d.Limits.HandlerTime = time.Minute
	check(t, h.try(d, func(g guest.Host) error {
		for n := range 10_000 {
			isError(t, "send", g.Send(fmt.Sprintf("n/%d", n), nil), guest.ErrTargetNotFound)
		}
		return g.Send("a/echo", nil)
	}))
	h.balance()
}

// TestErrorThatNobodyGets: the log has the error of a fire-and-forget message, which its sender
// does not get.
func TestErrorThatNobodyGets(t *testing.T) {
	h := start(t, host.Config{})
	h.deploy("a/shop", behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { return nil, guest.InvalidMessage("no price") }})
	check(t, h.Send(id("a/shop"), nil))
	_, err := h.request("a/shop", "")
	isError(t, "request", err, core.ErrRequestFailed)
	check(t, h.Stop(within(t)))
	contains(t, "log", h.log.String(), `msg="message failed" component=a/shop sender=airhost/host pattern=fire-and-forget reason="invalid-message: no price"`)
	equal(t, "records", strings.Count(h.log.String(), "message failed"), 1)
}

// TestAudit: the log has a record of every refusal, or the host counts it as
// dropped.
func TestAudit(t *testing.T) {
	h := start(t, host.Config{})
	d := deployment("a/sender", nil)
	d.Capabilities = host.Capabilities{}
	d.Limits.HandlerTime = time.Minute
	const attempts = 5000
	isError(t, "refusal", h.try(d, func(g guest.Host) error {
		for range attempts - 1 {
			_ = g.Send("shop/till", nil)
		}
		return g.Send("shop/till", nil)
	}), guest.ErrCapabilityDenied)
	check(t, h.Stop(within(t)))
	record := `msg="message refused" component=a/sender target=shop/till pattern=fire-and-forget reason="capability-denied: shop/till"`
	contains(t, "audit", h.log.String(), record)
	s := h.Snapshot()
	equal(t, "refused", s.Refused["capability-denied"], attempts)
	written := uint64(strings.Count(h.log.String(), "message refused"))
	equal(t, "records written and dropped", written+s.AuditDropped, attempts)
}
