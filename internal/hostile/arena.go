package hostile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/trackers/slab"
)

// Who there is in an arena.
var (
	neighbor = core.MustComponentID("good/echo")
	attacker = core.MustComponentID("evil/a")
	second   = core.MustComponentID("evil/b")
)

// HandlerTime is what the arena grants to attacks that are to outlive it.
const HandlerTime = 50 * time.Millisecond

// patience is what others get: they must not be stopped on a busy machine.
const patience = 10 * time.Second

// Arena is a running host with an innocent neighbour.
type Arena struct {
	Host   *host.Host
	engine *clocked
	log    *record
	events <-chan host.Event
	cancel func()
}

// NewArena starts a host that runs guests by an engine. It must be closed.
func NewArena(ctx context.Context, with Engine) (*Arena, error) {
	broker, err := inproc.New(inproc.Config{})
	if err != nil {
		return nil, err
	}
	tracker, err := slab.New(slab.Config{})
	if err != nil {
		return nil, err
	}
	engine, err := with.Open()
	if err != nil {
		return nil, err
	}
	a := &Arena{engine: &clocked{Engine: engine}, log: &record{}}
	a.Host, err = host.New(host.Config{Logger: slog.New(slog.NewTextHandler(a.log, nil))}, broker, tracker, a.engine)
	if err != nil {
		return nil, errors.Join(err, engine.Close(ctx))
	}
	if err := a.Host.Start(ctx); err != nil {
		return nil, errors.Join(err, engine.Close(ctx))
	}
	a.events, a.cancel = a.Host.Subscribe(1 << 12)
	return a, errors.Join(a.Host.Deploy(ctx, a.innocent()))
}

// EngineName is what deployments name the arena's engine.
func (a *Arena) EngineName() string { return a.engine.Name() }

// Close stops the host.
func (a *Arena) Close(ctx context.Context) error {
	a.cancel()
	return errors.Join(a.Host.Stop(ctx), a.engine.Close(ctx))
}

// innocent is the neighbour. Its handler time is beyond any deadline of its
// callers, so that they do not run it themselves but have a worker do it.
func (a *Arena) innocent() host.Deployment {
	return host.Deployment{
		ID: neighbor, Engine: a.engine.Name(), Source: core.Source{Path: "attacker.wasm", Code: Guest},
		Limits: core.Limits{HandlerTime: time.Hour},
	}
}

// deployment is that of an attacker.
func (a *Arena) deployment(id core.ComponentID, attack *Attack) host.Deployment {
	d := host.Deployment{
		ID: id, Engine: a.engine.Name(), Source: core.Source{Path: "attacker.wasm", Code: attack.Guest()},
		Limits:  core.Limits{Memory: guestMemory, HandlerTime: patience},
		Restart: host.Restart{MaxRestarts: -1, Backoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond},
		Config:  []core.ConfigPair{{Key: "peer", Value: attack.peer()}},
	}
	if attack.Kind == core.TrapHandler {
		d.Limits.HandlerTime, d.Limits.StartTime = HandlerTime, HandlerTime
	}
	if attack.Peer != "" {
		all, _ := core.ParseIDPattern("evil/*") // it is one
		d.Capabilities = host.Capabilities{Send: []core.IDPattern{all}, Request: []core.IDPattern{all}}
	}
	if attack.Config != "" {
		d.Config = append(d.Config, core.ConfigPair{Key: "attack", Value: attack.Config})
	}
	if attack.Tune != nil {
		attack.Tune(&d)
	}
	return d
}

// made returns the attack with its module in memory, so that making it is no part
// of what is measured.
func (a *Attack) made() *Attack {
	made, code := *a, Guest
	if a.Guest != nil {
		code = a.Guest()
	}
	made.Guest = func() []byte { return code }
	return &made
}

// peer is the id that the guest sends to.
func (a *Attack) peer() string {
	switch a.Peer {
	case "":
		return neighbor.String()
	case "a":
		return attacker.String()
	case "b":
		return second.String()
	}
	return a.Peer
}

// clocked is an engine that notes when it has compiled what it was given last.
type clocked struct {
	core.Engine
	compiled time.Time
}

func (c *clocked) Compile(ctx context.Context, src core.Source, limits core.Limits) (core.Component, error) {
	component, err := c.Engine.Compile(ctx, src, limits)
	if err == nil {
		c.compiled = time.Now()
	}
	return component, err
}

// Report is what an attack came to.
type Report struct {
	Stopped   time.Duration // from the attack's begin to its end
	Error     error         // what ended it, if anything did
	Latencies Latencies     // of the neighbour, meanwhile
	Memory    int64         // the process's peak above what it had before, in bytes; 0 if unknown
}

// Run runs one attack, and checks that it ends as it has to, that the neighbour
// answers, and that nothing of it is left. Its error says what went wrong, and
// the report is what was measured until then.
func (a *Arena) Run(ctx context.Context, attack *Attack) (r Report, err error) {
	attack = attack.made()
	a.forget()
	before := baseline()
	if err := a.prepare(ctx, attack); err != nil {
		return r, errors.Join(fmt.Errorf("before the attack: %w", err), a.clear(ctx, attack))
	}
	watch := a.watch(ctx)
	err = a.attack(ctx, attack, &r)
	var missed error
	r.Latencies, missed = watch.stop()
	r.Memory = max(0, peak()-before)
	return r, errors.Join(err, missed, a.clear(ctx, attack))
}

// forget drops the events and the log of what was before.
func (a *Arena) forget() {
	for len(a.events) > 0 {
		<-a.events
	}
	a.log.take()
}

// prepare deploys who attacks, unless that is the attack.
func (a *Arena) prepare(ctx context.Context, attack *Attack) error {
	if attack.Peer == "b" {
		if err := a.Host.Deploy(ctx, a.deployment(second, (&Attack{Peer: "a", Tune: attack.Tune}).made())); err != nil {
			return err
		}
	}
	if attack.By == ByLoad {
		return nil
	}
	if err := a.Host.Deploy(ctx, a.deployment(attacker, attack)); err != nil || attack.Arm == "" {
		return err
	}
	_, err := a.Host.Request(ctx, attacker, []byte(attack.Arm))
	return err
}

// attack begins the attack, and returns once it has ended as it should, and who
// attacked is sound again.
func (a *Arena) attack(ctx context.Context, attack *Attack, r *Report) error {
	if attack.By == ByLoad {
		d := a.deployment(attacker, attack)
		begin := time.Now()
		err := a.Host.Deploy(ctx, d)
		if attack.End == NotStarted {
			begin = a.engine.compiled
		}
		r.Stopped, r.Error = time.Since(begin), err
		return attack.verify(nil, err)
	}
	begin := time.Now()
	err := a.trigger(ctx, attack)
	r.Stopped, r.Error = time.Since(begin), err
	if err := a.verify(ctx, attack, err); err != nil {
		return err
	}
	if attack.End == Trapped && attack.By != ByShutdown {
		return a.replaced(ctx)
	}
	return nil
}

// answer is what a trigger returns where the attack was answered.
type answer struct{ response []byte }

func (answer) Error() string { return "answered" }

// trigger begins an attack and waits for its end.
func (a *Arena) trigger(ctx context.Context, attack *Attack) error {
	switch attack.By {
	case BySend:
		if err := a.Host.Send(attacker, attack.Message); err != nil || attack.End == GoesOn {
			return errors.Join(err, a.storm(ctx))
		}
		return a.ended(ctx)
	case ByHealth:
		return a.ended(ctx)
	case ByShutdown:
		return a.Host.Undeploy(ctx, attacker)
	}
	response, err := a.Host.Request(ctx, attacker, attack.Message)
	if err == nil {
		err = answer{response}
	}
	return err
}

// storm returns once the neighbour and those who attack have all worked for a
// while.
func (a *Arena) storm(ctx context.Context) error {
	for begin := a.Host.Snapshot().Handled; a.Host.Snapshot().Handled < begin+20_000; runtime.Gosched() {
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// ended waits until the attacker's instance has ended, and returns why.
func (a *Arena) ended(ctx context.Context) error {
	for {
		select {
		case e := <-a.events:
			if e.Kind == host.EventEnded && e.Component == attacker {
				return e.Reason
			}
		case <-ctx.Done():
			return fmt.Errorf("the attacker's instance has not ended: %w", ctx.Err())
		}
	}
}

// verify checks how an attack of a guest has ended.
func (a *Arena) verify(ctx context.Context, attack *Attack, err error) error {
	if attack.By == ByShutdown {
		return errors.Join(err, a.log.contains("shutdown failed", core.TrapHandler.String()))
	}
	if done, ok := err.(answer); ok {
		return attack.verify(done.response, nil)
	}
	if attack.By == ByRequest {
		if err := attack.verify(nil, err); err != nil || attack.End != Trapped {
			return err
		}
		err = a.ended(ctx)
	}
	if attack.End == Trapped {
		return attack.verifyTrap(err)
	}
	return err
}

// replaced checks that the attacker has a fresh instance that answers.
func (a *Arena) replaced(ctx context.Context) error {
	for {
		response, err := a.Host.Request(ctx, attacker, []byte("e alive"))
		switch {
		case errors.Is(err, core.ErrQueueFull):
			runtime.Gosched()
		case err != nil:
			return fmt.Errorf("the attacker's next instance: %w", err)
		case string(response) != "e alive":
			return fmt.Errorf("the attacker's next instance answered %q", response)
		default:
			return nil
		}
	}
}

// clear removes who attacked, and checks that nothing is left.
func (a *Arena) clear(ctx context.Context, attack *Attack) error {
	var errs []error
	if attack.End != GoesOn {
		errs = append(errs, a.Host.Quiesce(ctx))
	}
	for _, c := range a.Host.Components() {
		if c.ID != neighbor {
			errs = append(errs, a.Host.Undeploy(ctx, c.ID))
		}
	}
	errs = append(errs, a.Host.Quiesce(ctx), a.balanced())
	if attack.After != nil {
		errs = append(errs, attack.After(a.Host.Snapshot()))
	}
	if attack.Log != nil {
		errs = append(errs, attack.Log(a.log.take()))
	}
	return errors.Join(errs...)
}

// balanced checks that every message has ended once, and no request is pending.
func (a *Arena) balanced() error {
	s := a.Host.Snapshot()
	var refused uint64
	for _, n := range s.Refused {
		refused += n
	}
	if s.Sent != s.Handled+s.Expired+s.DeadLetters+refused || s.Pending != 0 || s.Waiting != 0 || s.Components != 1 {
		return fmt.Errorf("the host's books do not balance: %+v", s)
	}
	return nil
}
