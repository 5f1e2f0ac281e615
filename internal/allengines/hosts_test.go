package allengines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// planStep is a thing that a Go program does with a host.
type planStep struct {
	target   core.ComponentID
	payload  []byte
	request  bool          // of the Go program's own; else it only sends
	again    bool          // the target is deployed anew, before
	replaced bool          // the target is replaced, while requests and timers are pending
	pass     time.Duration // after it

	deployment host.Deployment // of the target
}

// Pauses after a step. In the short one everything ends, and a part of a quota comes
// back: no whole number of short pauses brings back exactly one token.
const (
	short = 23 * time.Millisecond
	long  = 20 * time.Second
)

// startWith returns a host of one worker with engines, its log, and a function that
// ends them all.
func startWith(t *testing.T, engines ...core.Engine) (h *host.Host, log *bytes.Buffer, stop func()) {
	t.Helper()
	handler, log := logHandler()
	h = startLogging(t, handler, engines...)
	return h, log, func() {
		check(t, h.Stop(context.Background()))
		for _, e := range engines {
			check(t, e.Close(context.Background()))
		}
	}
}

// logHandler returns a handler that leaves out the things in which hosts may differ, and
// the log that it writes.
func logHandler() (slog.Handler, *bytes.Buffer) {
	log := new(bytes.Buffer)
	return slog.NewTextHandler(log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "details" || a.Key == "engine" {
			return slog.Attr{}
		}
		return a
	}}), log
}

// goFunctions are the functions of the hosts: those of scripts that are there.
var goFunctions = map[string]host.Function{
	functions[0]: func(_ context.Context, caller core.ComponentID, argument []byte) ([]byte, error) {
		return fmt.Appendf(nil, "%s told %s", caller, argument), nil
	},
	functions[1]: func(_ context.Context, _ core.ComponentID, argument []byte) ([]byte, error) {
		return nil, errors.New(string(argument))
	},
}

// startLogging returns a host of one worker with engines.
func startLogging(t *testing.T, log slog.Handler, engines ...core.Engine) *host.Host {
	t.Helper()
	return startHost(t, host.Config{Workers: 1, RequestTimeout: time.Second, Logger: slog.New(log), Functions: goFunctions}, engines...)
}

// startHost starts a host with a broker and a tracker in the process. The caller stops it, and
// closes the engines.
func startHost(t testing.TB, config host.Config, engines ...core.Engine) *host.Host {
	t.Helper()
	broker, err := newInproc()
	check(t, err)
	tracker, err := newSlab()
	check(t, err)
	h, err := host.New(config, broker, tracker, engines...)
	check(t, err)
	check(t, h.Start(context.Background()))
	return h
}

// takeAll deploys components and takes steps with them, and returns the observation after
// each.
func takeAll(t *testing.T, h *host.Host, deployments []host.Deployment, steps []planStep) (seen []string) {
	t.Helper()
	byID := make(map[core.ComponentID]host.Deployment)
	for _, d := range deployments {
		byID[d.ID] = d
		check(t, h.Deploy(t.Context(), d))
	}
	for _, step := range steps {
		step.deployment = byID[step.target]
		if step.again {
			check(t, h.Undeploy(t.Context(), step.target))
			check(t, h.Deploy(t.Context(), byID[step.target]))
		}
		seen = append(seen, step.take(t, h))
	}
	return seen
}

// take takes a step, waits for its end, and returns its outcome and an observation.
func (s planStep) take(t *testing.T, h *host.Host) string {
	t.Helper()
	var outcome string
	if s.request {
		response, err := h.Request(t.Context(), s.target, s.payload)
		outcome = fmt.Sprintf("request to %s: %q, %v\n", s.target, response, err)
	} else {
		outcome = fmt.Sprintf("send to %s: %v\n", s.target, h.Send(s.target, s.payload))
	}
	synctest.Wait()
	if s.replaced {
		check(t, h.Replace(t.Context(), s.deployment))
	}
	<-time.After(s.pass) // in the bubble, where that takes no time
	synctest.Wait()
	return outcome + observe(h)
}

// observe returns all that a Go program can see of its host.
func observe(h *host.Host) string {
	var b strings.Builder
	s := h.Snapshot()
	s.WorkersHeldUp, s.AuditDropped, s.Memory = 0, 0, 0
	fmt.Fprintf(&b, "%+v\n", s)
	for _, c := range h.Components() {
		c.Engine, c.Memory = "", 0
		fmt.Fprintf(&b, "%+v\n", c)
	}
	for _, l := range h.DeadLetters() {
		fmt.Fprintf(&b, "dead letter: %s to %s, request %t, %d bytes %.60q: %s\n", l.Sender, l.Target, l.Request, l.Size, l.Payload, l.Reason)
	}
	return b.String()
}

// sorted sorts the lines of a log, since the audit's lines have no fixed place.
func sorted(log string) string {
	lines := strings.Split(log, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
