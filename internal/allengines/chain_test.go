package allengines

import (
	"context"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// mid is a line of a guest's log, at which the last call of a chain is in progress.
const mid = "mid-chain"

// chainCase is a chain of t/one, t/two and t/three in which something happens. Script
// returns a script for t/one. The chain is made several times, at first without the thing.
type chainCase struct {
	name   string
	script func(now bool) script
	do     func(c *chainHost) // at the line mid; nil does nothing
	want   []string           // texts that the last observations must have
	stops  bool               // the host does not go on
	timed  bool               // the engines' clocks must go on while a guest runs
	ended  int                // calls that had ended at the line mid; -1 without one
}

func mark(s script) script { return append(s, 'l').text([]byte(mid)) }

// ending is a script that ends with a step if it is set.
func (s script) ending(now bool, step byte) script {
	if now {
		s = append(s, step)
	}
	return append(s, '.')
}

func (s script) sending(target byte, text script) script { return s.send(0, target, 0, text) }

func (s script) asking(target byte, text script) script { return s.request(0, target, 0, 0, text) }

var chainCases = []chainCase{
	{name: "a message traps", script: func(now bool) script {
		return script(nil).sending(1, script(nil).sending(2, mark(nil).ending(now, 'x')))
	}, want: []string{"Traps:1 ", "DeadLetters:1 ", "dead letter: t/two to t/three, request false"}},
	{name: "a request traps", script: func(now bool) script {
		return script(nil).sending(1, script(nil).asking(2, mark(nil).ending(now, 'x')))
	}, want: []string{"Traps:1 ", "DeadLetters:1 ", "dead letter: t/two to t/three, request true", "Pending:0"}},
	{name: "a callback traps", script: func(now bool) script {
		later := append(script(nil), 'h').text(mark(nil).ending(now, 'x'))
		return script(nil).sending(1, later.asking(2, nil))
	}, want: []string{"Traps:1 ", "DeadLetters:0 ", "Pending:0"}},
	{name: "a mailbox is full", script: func(bool) script {
		full := mark(nil).sending(3, nil).asking(3, nil)
		return script(nil).sending(1, script(nil).asking(2, full))
	}, do: func(c *chainHost) {
		for c.Send(id("t/four"), nil) == nil {
		}
	}, want: []string{"queue-full:3", "DeadLetters:0 ", "Pending:0"}}, // one of them is the Go program's
	{name: "a request is canceled", script: func(now bool) script {
		s := mark(nil).asking(3, nil)
		if now {
			s = append(s, 'c', 255)
		}
		return script(nil).sending(1, script(nil).asking(2, s))
	}, want: []string{"Canceled:1 ", "Expired:1 ", "Pending:0"}},
	{name: "a request by a credit is canceled", script: func(now bool) script {
		s := script(nil).asking(3, nil)
		if now {
			s = append(s, 'c', 255)
		}
		return script(nil).sending(1, script(nil).asking(2, s))
	}, want: []string{"Canceled:1 ", "Expired:1 ", "Pending:0"}},
	{name: "its first component is removed", script: func(bool) script {
		return script(nil).sending(1, script(nil).sending(2, mark(nil)))
	}, do: func(c *chainHost) { c.undeploy("t/one") }, want: []string{"Pending:0"}},
	{name: "a requester is removed", script: func(bool) script {
		return script(nil).sending(1, script(nil).asking(2, mark(nil)))
	}, do: func(c *chainHost) { c.undeploy("t/two") }, want: []string{"Pending:0", "Orphans:1 ", "Late:1 "}},
	{name: "the host stops", script: func(bool) script {
		return script(nil).sending(1, script(nil).asking(2, mark(nil)))
	}, do: func(c *chainHost) {
		go c.stop()
		synctest.Wait() // until Stop waits for the call
	}, want: []string{"Pending:0", "Handled:12 ", "Callbacks:4 ", "Components:0"}, stops: true},
	{name: "a call takes too long", script: func(now bool) script {
		return script(nil).sending(1, script(nil).asking(2, mark(nil).ending(now, 'o')))
	}, want: []string{"Traps:1 ", "DeadLetters:1 ", "handler-time", "Pending:0"}, timed: true},
}

// inChain reports whether the thing has happened in a chain, or, if there are none, in
// none. Calls of a chain end only with it.
func (c *chainCase) inChain(chains bool) bool { return c.ended < 0 || chains == (c.ended == 0) }

// chainStages are the engines of t/one, t/two, t/three and t/four, in turn. On a
// stage with an engine without a ledger there are no chains.
func chainStages() []stage {
	names := [][]string{{wazero.Name + asked}, {wazero.Name}, {native.Name}, {wazero.Name, native.Name}, {native.Name, wazero.Name}, {native.Name, wazero.Name + asked}}
	if wasmtime.Available {
		names = append(names, []string{wasmtime.Name},
			[]string{wazero.Name, wasmtime.Name, native.Name}, []string{native.Name, wazero.Name, wasmtime.Name},
			[]string{wasmtime.Name, native.Name, wazero.Name})
	}
	var all []stage
	for _, engines := range names {
		all = append(all, stage{name: strings.Join(engines, ", "), engines: engines})
	}
	return all
}

// TestChainsMakeNoDifference: whatever happens in a chain, it has the same outcome on all
// engines, and without chains.
func TestChainsMakeNoDifference(t *testing.T) {
	house := newHouse(t)
	for _, c := range chainCases {
		t.Run(c.name, func(t *testing.T) {
			var want []string
			for i, s := range chainStages() {
				chains := !slices.Contains(s.engines, wazero.Name+asked)
				got := c.follow(t, s, house)
				for tries := 0; !c.inChain(chains) && tries < 20; tries++ { // an engine breaks a chain if a call takes a millisecond
					got = c.follow(t, s, house)
				}
				if !c.inChain(chains) {
					t.Errorf("%s: %d calls have ended in mid-chain", s.name, c.ended)
				}
				if i == 0 {
					want = got
				}
				for n := range want {
					if got[n] != want[n] {
						t.Fatalf("observation %d on %s differs:\n%s", n, s.name, difference(got[n], want[n]))
					}
				}
			}
			last := strings.Join(want, "\n")
			for _, text := range c.want {
				if !strings.Contains(last, text) {
					t.Errorf("the observations do not have %q:\n%s", text, last)
				}
			}
		})
	}
}

// warmUps are how often a chain is made before something happens in it: the guests get
// their credit.
const warmUps = 3

// chainHost is a host that does a thing at the line mid.
type chainHost struct {
	*host.Host
	t       *testing.T
	of      *chainCase
	handled uint64 // before the chain began
	seen    int    // lines mid
	stopped chan error
}

// chainLog is the log of a chainHost.
type chainLog struct {
	slog.Handler
	host *chainHost
}

func (l chainLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return chainLog{l.Handler.WithAttrs(attrs), l.host}
}

func (l chainLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == mid {
		l.host.inChain()
	}
	return l.Handler.Handle(ctx, r)
}

// inChain is called on the worker's goroutine in the last call of a chain.
func (c *chainHost) inChain() {
	c.seen++
	if c.seen != warmUps+1 {
		return
	}
	c.of.ended = int(c.Snapshot().Handled - c.handled)
	if c.of.do != nil {
		c.of.do(c)
	}
}

// undeploy removes a component, on a goroutine of its own, and waits for it.
func (c *chainHost) undeploy(name string) {
	done := make(chan error)
	go func() { done <- c.Undeploy(context.Background(), id(name)) }()
	check(c.t, <-done)
}

func (c *chainHost) stop() { c.stopped <- c.Stop(context.Background()) }

// follow makes the chain on a stage, and returns observations.
func (c *chainCase) follow(t *testing.T, s stage, house *house) (seen []string) {
	t.Helper()
	follow := func(t *testing.T) {
		var engines []core.Engine
		for _, name := range s.all() {
			engines = append(engines, house.engine(name))
		}
		handler, log := logHandler()
		h := &chainHost{t: t, of: c, stopped: make(chan error, 1)}
		c.ended = -1
		// Where a call takes too long, a slow machine may take more than a second until its request ends.
		h.Host = startHost(t, host.Config{Workers: 1, RequestTimeout: time.Hour, Logger: slog.New(chainLog{handler, h}), Functions: goFunctions}, engines...)
		seen = c.makeChains(h, chainDeployments(s, house.code[0]))
		seen = append(seen, sorted(log.String()))
	}
	if c.timed {
		follow(t)
	} else {
		synctest.Test(t, follow)
	}
	for i := range seen {
		seen[i] = sameChainWords(seen[i])
	}
	return seen
}

// makeChains makes the chain several times, and stops the host. It returns the observation
// after each time from that on in which the thing happens, and after the end.
func (c *chainCase) makeChains(h *chainHost, deployments []host.Deployment) (seen []string) {
	for n := range warmUps + 2 {
		if c.stops && n > warmUps {
			break
		}
		for _, d := range deployments {
			_ = h.Deploy(h.t.Context(), d) // it is there unless it was removed
		}
		h.handled = h.Snapshot().Handled
		check(h.t, h.Send(id("t/one"), append(c.script(n == warmUps), '.')))
		switch {
		case c.stops && n == warmUps:
		case c.timed:
			check(h.t, h.Quiesce(within(h.t)))
		default:
			synctest.Wait()
			<-time.After(while) // in the bubble, where that takes no time
			synctest.Wait()
		}
		if n > warmUps || n == warmUps && !c.stops && !c.timed { // a restart takes its time
			seen = append(seen, observe(h.Host))
		}
	}
	if !c.stops {
		go h.stop()
	}
	check(h.t, <-h.stopped)
	return append(seen, observe(h.Host))
}

var overrun = regexp.MustCompile(`handler-time: [^"\n]*`)

// sameChainWords removes the differences in which engines are free.
func sameChainWords(seen string) string {
	seen = trapText.ReplaceAllString(seen, "fault: unreachable")
	return address.ReplaceAllString(overrun.ReplaceAllString(seen, "handler-time"), "0x")
}

// chainDeployments are the components of chains. With a limit of fuel they do not exchange.
func chainDeployments(s stage, code []byte) (deployments []host.Deployment) {
	names := []string{"t/one", "t/two", "t/three", "t/four"}
	for i, name := range names {
		config := []core.ConfigPair{{Key: "m", Value: string(rune('a' + i))}}
		for _, target := range names {
			config = append(config, core.ConfigPair{Key: "t", Value: target})
		}
		engine := s.engines[i%len(s.engines)]
		d := host.Deployment{
			ID: id(name), Engine: strings.TrimSuffix(engine, asked), Source: core.Source{Code: slices.Clone(code)}, Config: config, Capabilities: all(),
			Limits:  core.Limits{Mailbox: 16, Fuel: 1 << 50, HandlerTime: 300 * time.Millisecond},
			Quota:   host.Quota{MessagesPerSecond: 1e6, Burst: 1e6, PendingRequests: 100},
			Restart: host.Restart{MaxRestarts: -1, Backoff: time.Millisecond, MaxBackoff: time.Millisecond},
		}
		if engine == native.Name {
			d.Source, d.Limits.Fuel = native.Source(func() guest.Component { return new(nativePlayer) }), 0
		}
		deployments = append(deployments, d)
	}
	return deployments
}
