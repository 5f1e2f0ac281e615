package host_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// numActors is the number of components in a program.
const numActors = 4

// defaultTimeout is the time of a request with a timeout of 0.
const defaultTimeout = 20 * time.Millisecond

func actorName(n int) string { return fmt.Sprintf("m/%d", n%numActors) }

// FuzzHost runs its input as a program, with a host and the model, and compares the
// two. The first byte chooses the broker, the tracker, the number of workers, and whether
// components have several instances.
// Each step of the program is three bytes.
func FuzzHost(f *testing.F) {
	for _, program := range programs() {
		for parts := range byte(2 * len(allParts)) {
			f.Add(append([]byte{parts}, program...))
			f.Add(append([]byte{parts | severalInstances}, program...))
		}
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) == 0 || len(program) > 400 {
			t.Skip("too short, or so long that it only takes time")
		}
		p := allParts[int(program[0]&^severalInstances>>1)%len(allParts)]
		for _, broken := range p.play(t, 1+int(program[0]&1), program[0]&severalInstances != 0, program[1:]) {
			t.Errorf("%s: %s", p.name, broken)
		}
	})
}

// severalInstances is the bit of a program's first byte for several instances.
const severalInstances = 0x80

// play runs a program, and returns the promises that the host broke.
func (p parts) play(t *testing.T, workers int, many bool, program []byte) (broken []string) {
	synctest.Test(t, func(t *testing.T) {
		broker, err := p.broker()
		check(t, err)
		tracker, err := p.tracker()
		check(t, err)
		engine, err := p.engine()
		check(t, err)
		h, err := host.New(host.Config{
			Workers: workers, RequestTimeout: defaultTimeout, DrainTimeout: 50 * time.Millisecond,
			Logger: slog.New(slog.DiscardHandler),
		}, broker, tracker, engine)
		check(t, err)
		check(t, h.Start(t.Context()))
		g := &player{h: h, w: newWorld(), many: many, ctx: t.Context(), actors: make(map[string]*actor)}
		for ; len(program) >= 3; program = program[3:] {
			g.step(program[0], program[1], program[2])
		}
		g.finish()
		broken = g.w.broken
	})
	return broken
}

// player runs a program. It stands for the Go program that embeds the host.
type player struct {
	h       *host.Host
	w       *world
	ctx     context.Context
	others  sync.WaitGroup
	stopped bool
	many    bool              // components have several instances
	actors  map[string]*actor // the last deployed one of each name
	made    []*actor          // all
}

// The steps of a program.
const (
	stepDeploy = iota
	stepUndeploy
	stepSend
	stepRequest
	stepSendAndWait
	stepRelease
	stepPass
	stepSettle
	stepQuiesce
	stepStop
	stepReplace
	stepRestart
	stepUpdate
	steps
)

func (g *player) step(step, a, b byte) {
	name := actorName(int(a))
	switch step % steps {
	case stepDeploy:
		g.deploy(name, b)
	case stepUndeploy:
		g.undeploy(name, b)
	case stepSend:
		g.send(name, a>>2, b)
	case stepSendAndWait:
		g.send(name, a>>2, b)
		synctest.Wait()
	case stepRequest:
		g.request(name, a>>2, b)
	case stepRelease:
		g.w.release(a == 0)
		g.w.locked(func() { g.w.open = false })
	case stepPass:
		<-time.After(time.Duration(a) * time.Duration(a) * 10 * time.Microsecond)
		g.pending()
	case stepSettle:
		g.pending()
	case stepQuiesce:
		_ = g.quiesce(time.Duration(a) * time.Millisecond) // an error means that it takes longer
	case stepReplace:
		g.replace(name, a>>2, b)
	case stepRestart:
		g.change(name, b, func(ctx context.Context) error { return g.h.Restart(ctx, id(name)) })
	case stepUpdate:
		d := g.deployment(name, nil, b)
		d.Source = core.Source{}
		g.change(name, b, func(ctx context.Context) error { return g.h.Update(ctx, d) })
	case stepStop:
		if b&7 == 0 { // rarely, so that most programs go on for longer
			g.stop(time.Duration(a) * time.Millisecond)
		}
	}
}

func (g *player) deploy(name string, b byte) {
	a := newActor(g.w, name, g.many)
	g.w.locked(func() { g.made = append(g.made, a) })
	if g.h.Deploy(g.ctx, g.deployment(name, a.component(), b)) != nil {
		return
	}
	if old := g.actors[name]; old != nil {
		g.w.locked(func() { old.removed = true })
	}
	g.actors[name] = a
}

func (g *player) deployment(name string, component guest.Component, b byte) host.Deployment {
	d := deployment(name, component)
	d.Limits = core.Limits{Mailbox: 1 + int(b&7), MessageSize: 64, HandlerTime: 48 * time.Hour, Timers: 1 + int(b&3)}
	if b&0x0f == 0x07 { // the mailbox has places for a few messages or outcomes only
		d.Limits.MailboxBytes = int64(1+b>>6) * (64 + core.MessageOverhead)
	}
	d.Quota = host.Quota{MessagesPerSecond: 100, Burst: 5 + int(b), PendingRequests: 1 + int(b>>3&3)}
	d.Restart = host.Restart{MaxRestarts: int(b>>5) - 1, Backoff: time.Millisecond, MaxBackoff: 8 * time.Millisecond}
	d.Capabilities = host.Capabilities{Send: patterns("m/*"), Request: patterns("m/*")}
	if g.many {
		d.Instances = 1 + int(b&3)
	}
	return d
}

// replace replaces a component by another version of its actor, with a deadline.
func (g *player) replace(name string, arg, b byte) {
	a := g.actors[name]
	if a == nil {
		return
	}
	version := a.component()
	if arg&1 == 1 {
		version = a.startsWith(b)
	}
	ctx, cancel := context.WithTimeout(g.ctx, time.Duration(b)*20*time.Microsecond)
	defer cancel()
	err := g.h.Replace(ctx, g.deployment(name, version, b))
	g.changed(name, err != nil, false)
}

// change restarts or updates a component: on a goroutine of its own, or with a deadline.
func (g *player) change(name string, b byte, change func(ctx context.Context) error) {
	if b&1 == 1 {
		ctx, cancel := context.WithTimeout(g.ctx, time.Duration(b)*20*time.Microsecond)
		defer cancel()
		g.changed(name, false, change(ctx) != nil)
		return
	}
	g.w.locked(func() { g.w.others++ })
	g.others.Go(func() {
		g.changed(name, false, change(g.ctx) != nil)
		g.w.locked(func() { g.w.others-- })
	})
}

// changed notes what a change may have done to actors of a name: a component that had failed
// may be back, a version may have been rolled back, and a start that failed counts as a trap.
func (g *player) changed(name string, rolledBack, ended bool) {
	g.w.locked(func() {
		for _, a := range g.made {
			if a.name != name {
				continue
			}
			if a.trapped = a.trapped || ended; a.trapped || rolledBack {
				a.forgets()
			}
		}
	})
}

func patterns(text string) []core.IDPattern {
	pattern, err := core.ParseIDPattern(text)
	if err != nil {
		panic(err)
	}
	return []core.IDPattern{pattern}
}

// undeploy removes a component: on a goroutine of its own, or with a deadline.
func (g *player) undeploy(name string, b byte) {
	if b&1 == 1 {
		ctx, cancel := context.WithTimeout(g.ctx, time.Duration(b)*10*time.Microsecond)
		defer cancel()
		_ = g.h.Undeploy(ctx, id(name)) // an error means that there is no such component, or that it does not end
		return
	}
	g.w.locked(func() { g.w.others++ })
	g.others.Go(func() {
		_ = g.h.Undeploy(g.ctx, id(name))
		g.w.locked(func() { g.w.others-- })
	})
}

func (g *player) send(name string, act, arg byte) {
	serial, message := g.w.newMessage("go", name, true, act, arg)
	g.w.sent(serial, g.h.Send(id(name), message))
}

// request sends a request on a goroutine of its own, with a deadline or without.
func (g *player) request(name string, act, arg byte) {
	serial, message := g.w.newMessage("go", name, false, act, arg)
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if arg&1 == 0 {
		ctx, cancel = context.WithTimeout(g.ctx, time.Duration(1+int(arg))*100*time.Microsecond)
	}
	g.w.locked(func() { g.w.others++ })
	g.others.Go(func() {
		defer cancel()
		response, err := g.h.Request(ctx, id(name), message)
		if refusal := new(core.MessagingError); errors.As(err, &refusal) {
			g.w.sent(serial, err)
		}
		g.w.expect(err != nil || string(response) == string(message[:4]), "request %d of Go got the response %x", serial, response)
		g.w.locked(func() { g.w.others-- })
	})
}

// alone reports whether no requests or undeployments of the Go program are in
// progress.
func (g *player) alone() (alone bool) {
	g.w.locked(func() { alone = g.w.others == 0 })
	return alone
}

// quiesce waits until the host is quiet, at most for d. If Quiesce says that it is
// quiet, the model must agree.
func (g *player) quiesce(d time.Duration) error {
	ctx, cancel := context.WithTimeout(g.ctx, d)
	defer cancel()
	alone, started := g.alone() && g.h.Snapshot().Timers == 0, g.timers()
	err := g.h.Quiesce(ctx)
	if err == nil && alone && g.timers() == started { // otherwise a timer may have fired since
		g.w.settled(g.h)
		g.complete()
	}
	return err
}

// complete checks the requests of all components that have not failed.
func (g *player) complete() {
	for _, status := range g.h.Components() {
		if status.State != "failed" {
			g.actors[status.ID.String()].complete()
		}
	}
}

// pending checks that no request is pending after its timeout, or after the removal
// of its sender.
func (g *player) pending() {
	synctest.Wait()
	most, mostTimers := 0, 0
	for _, status := range g.h.Components() {
		if status.State != "failed" {
			most += g.actors[status.ID.String()].awaited()
			mostTimers += g.actors[status.ID.String()].running()
		}
	}
	s := g.h.Snapshot()
	g.w.expect(s.Pending <= most || !g.alone(), "pending: %d, want at most %d", s.Pending, most)
	g.w.expect(s.Timers <= mostTimers || !g.alone(), "timers: %d, want at most %d", s.Timers, mostTimers)
}

// timers returns how many timers have been started.
func (g *player) timers() (n uint64) {
	g.w.locked(func() { n = g.w.timers })
	return n
}

// stop stops the host. After it, all requests have ended of components that have not
// trapped and are not left behind.
func (g *player) stop(d time.Duration) {
	var whole []*actor
	for _, status := range g.h.Components() {
		if a := g.actors[status.ID.String()]; g.alone() {
			whole = append(whole, a)
		}
	}
	ctx, cancel := context.WithTimeout(g.ctx, d)
	defer cancel()
	first := !g.stopped
	g.stopped = true
	if g.h.Stop(ctx) != nil || !first {
		return
	}
	for _, a := range whole {
		if !a.trapped {
			a.complete()
		}
	}
}

// enough is more time than any step takes that nothing blocks.
const enough = 10 * time.Second

// finish releases all handlers, stops the host, and checks that nothing is left.
func (g *player) finish() {
	g.w.release(true)
	ended := background(func() error { g.others.Wait(); return nil })
	select {
	case <-ended:
	case <-time.After(enough):
		g.w.expect(false, "requests or undeployments of Go do not end")
	}
	err := g.quiesce(enough)
	g.w.expect(err == nil, "the host does not come to rest: %v", err)
	g.stop(enough)
	synctest.Wait()
	g.w.settled(g.h)
	g.w.expect(g.h.Snapshot().Timers == 0, "timers are left in a stopped host")
	g.w.expect(len(g.h.Components()) == 0, "components are left in a stopped host: %v", g.h.Components())
}

// programs are the seeds: some are written by hand, and some are random.
func programs() [][]byte {
	all := []byte{stepDeploy, 0, 0xff, stepDeploy, 1, 0xff, stepDeploy, 2, 0x07, stepDeploy, 3, 0xe1}
	then := func(steps ...byte) []byte { return slices.Concat(all, steps) }
	var made [][]byte
	for act := range byte(acts) { // each act of a component, to others and to itself
		made = append(made, then(
			stepSend, act<<2, 0x01, stepSend, act<<2, 0x12, stepSend, act<<2, 0x28, stepRequest, act<<2, 0x3e,
			stepSettle, 0, 0, stepPass, 30, 0, stepRelease, 1, 0, stepQuiesce, 10, 0, stepSend, act<<2, 0x00))
	}
	made = append(made,
		then(stepSend, actWait<<2|1, 0, stepSend, actRequestMany<<2, 0x11, stepSend, actRequest<<2, 0x1d, stepPass, 200, 0, stepSend, actSendMany<<2, 1, stepSend, actSendMany<<2|2, 1),
		then(stepSend, actWait<<2|1, 0, stepSend, actRequest<<2, 0x31, stepSettle, 0, 0, stepUndeploy, 0, 0xff, stepSettle, 0, 0),
		then(stepSend, actRequest<<2, 0x3d, stepSettle, 0, 0, stepUndeploy, 0, 0xff, stepSettle, 0, 0), // its request is pending
		then(stepSend, actWait<<2, 0, stepUndeploy, 0, 0, stepSend, 0, 0, stepRequest, 0, 1, stepSettle, 0, 0, stepRelease, 0, 0, stepSettle, 0, 0, stepDeploy, 0, 0),
		then(stepSend, actWait<<2, 0, stepRequest, 0, 1, stepSend, actRequest<<2|1, 0x30, stepSettle, 0, 0, stepStop, 100, 0),
		then(stepSend, actRequestMany<<2, 0x3d, stepSend, actWait<<2|2, 0, stepStop, 200, 0, stepRelease, 0, 0),
	)
	for other := range byte(4) { // changes, while messages and requests are on their way
		made = append(made,
			then(stepSend, actWait<<2|1, 0, stepSend, actRequest<<2, 0x31, stepSettle, 0, 0, stepReplace, other|4, 0x31, stepSend, actRequest<<2, 0x31, stepRelease, 0, 0, stepReplace, other|4, 0x71, stepPass, 30, 0, stepQuiesce, 100, 0),
			then(stepSend, actTrap<<2|other, 0, stepSend, actRequestAndTrap<<2|other, 1, stepSend, actTrap<<2|other, 0, stepRestart, other, 0xff, stepSend, actRequest<<2|other, 1, stepUpdate, other, 0xe0, stepQuiesce, 100, 0),
			then(stepSend, actWait<<2, 0, stepReplace, 4, 0x40, stepRestart, 0, 0, stepUpdate, 0, 0x3e, stepUndeploy, 0, 0, stepRelease, 1, 0, stepQuiesce, 100, 0, stepDeploy, 0, 0xff, stepReplace, other, 0xff),
			then(stepSendAndWait, actTalk<<2, 0xfc|other, stepSend, actTalk<<2, 0xf8|other, stepReplace, other, 0xfb, stepRestart, 0, 0xff, stepReplace, 0, 0xfb, stepQuiesce, 100, 0, stepStop, 1, 0))
	}
	for delay := range byte(4) { // timers that other steps interrupt
		timers := then(stepSend, actTimerMany<<2, delay<<4, stepSendAndWait, actTimerAndCancel<<2|1, delay<<4|4, stepSend, actTimer<<2|2, delay<<4|12)
		made = append(made,
			slices.Concat(timers, []byte{stepPass, 10, 0, stepSend, actTimerMany << 2, 0x18, stepSend, actTrap << 2, 0, stepPass, 200, 0, stepSettle, 0, 0, stepQuiesce, 100, 0}),
			slices.Concat(timers, []byte{stepSend, actWait<<2 | 1, 0, stepSend, actTimerAndTrap << 2, 0x10, stepPass, 60, 0, stepUndeploy, 0, 0xff, stepDeploy, 0, 0xff, stepPass, 60, 0}),
			slices.Concat(timers, []byte{stepPass, 20, 0, stepStop, 100, 0, stepPass, 100, 0}))
	}
	for other := range byte(3) { // conversations that other steps interrupt
		made = append(made,
			then(stepSend, actTalk<<2, 0xfc|other, stepSendAndWait, actTalk<<2, 0xfc|other, stepSendAndWait, actTalk<<2|1, 0x7c),
			then(stepSendAndWait, actTalk<<2, 0xfc|other, stepSend, actTalk<<2, 0xf8|other, stepSend, other, 0, stepUndeploy, other, 0, stepDeploy, other, 0xff),
			then(stepSendAndWait, actTalk<<2, 0xfc|other, stepSend, actTalk<<2, 0xfc|other, stepStop, 1, 0))
	}
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 0))
		steps := make([]byte, 120)
		for i := range steps {
			steps[i] = byte(random.Uint32())
		}
		made = append(made, then(steps...))
	}
	return made
}
