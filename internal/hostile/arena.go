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
	"github.com/airhost/airhost/reach/files"
	"github.com/airhost/airhost/reach/keyvalue"
	"github.com/airhost/airhost/trackers/slab"
)

// The components of an arena.
var (
	neighbor = core.MustComponentID("good/echo")
	attacker = core.MustComponentID("evil/a")
	second   = core.MustComponentID("evil/b")
)

// HandlerTime is the handler time limit of attacks that exceed it.
const HandlerTime = 50 * time.Millisecond

// patience is the handler time limit of other attacks, long enough for a busy
// machine.
const patience = 10 * time.Second

// Arena is a running host with an innocent neighbour, the component that attacks may
// harm.
type Arena struct {
	Host   *host.Host
	engine *clocked
	log    *record
	store  keyvalue.Store
	reach  *outside
	events <-chan host.Event
	cancel func()
}

// NewArena starts a host with the given engine. The caller must close the arena.
func NewArena(ctx context.Context, with Engine) (*Arena, error) {
	broker, err := inproc.New(inproc.Config{})
	if err != nil {
		return nil, err
	}
	tracker, err := slab.New(slab.Config{})
	if err != nil {
		return nil, err
	}
	reach, err := newOutside()
	if err != nil {
		return nil, err
	}
	engine, err := with.Open()
	if err != nil {
		return nil, errors.Join(err, reach.close())
	}
	a := &Arena{engine: &clocked{Engine: engine}, log: &record{}, store: keyvalue.NewMemory(), reach: reach}
	a.Host, err = host.New(host.Config{
		Logger: slog.New(slog.NewTextHandler(a.log, nil)), KeyValue: a.store, Buckets: map[string]host.BucketQuota{shared: {}},
		Files: files.New(), HTTP: reach.client,
	}, broker, tracker, a.engine)
	if err == nil {
		err = a.Host.Start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, engine.Close(ctx), reach.close())
	}
	a.events, a.cancel = a.Host.Subscribe(1 << 12)
	return a, errors.Join(a.Host.Deploy(ctx, a.neighborDeployment()))
}

// EngineName returns the engine's name, as deployments use it.
func (a *Arena) EngineName() string { return a.engine.Name() }

// Close stops the host.
func (a *Arena) Close(ctx context.Context) error {
	a.cancel()
	return errors.Join(a.Host.Stop(ctx), a.engine.Close(ctx), a.reach.close())
}

// neighborDeployment returns the neighbour's deployment. Its handler time is longer
// than any deadline of its callers, so a worker runs it and not its caller.
func (a *Arena) neighborDeployment() host.Deployment {
	return host.Deployment{
		ID: neighbor, Engine: a.engine.Name(), Source: core.Source{Path: "attacker.wasm", Code: Guest},
		Limits: core.Limits{HandlerTime: time.Hour},
	}
}

// deployment returns the deployment of an attacker.
func (a *Arena) deployment(id core.ComponentID, attack *Attack) (host.Deployment, error) {
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
		all, _ := core.ParseIDPattern("evil/*") // the pattern is valid
		d.Capabilities = host.Capabilities{Send: []core.IDPattern{all}, Request: []core.IDPattern{all}}
	}
	if attack.Config != "" {
		d.Config = append(d.Config, core.ConfigPair{Key: "attack", Value: attack.Config})
	}
	if attack.Tune != nil {
		attack.Tune(&d)
	}
	if attack.Reaches {
		return d, a.reach.grant(&d)
	}
	return d, nil
}

// deploy deploys an attacker.
func (a *Arena) deploy(ctx context.Context, id core.ComponentID, attack *Attack) error {
	d, err := a.deployment(id, attack)
	if err != nil {
		return err
	}
	return a.Host.Deploy(ctx, d)
}

// prepared returns a copy of the attack with its module in memory, so that no
// measurement includes the making of the module.
func (a *Attack) prepared() *Attack {
	made, code := *a, Guest
	if a.Guest != nil {
		code = a.Guest()
	}
	made.Guest = func() []byte { return code }
	return &made
}

// peer returns the id that the guest sends to.
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

// clocked is an engine that records the time of its last compilation.
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

// Report is the result of an attack.
type Report struct {
	Stopped   time.Duration // from the start of the attack to its end
	Error     error         // the error that ended it, or nil
	Latencies Latencies     // of the neighbour during the attack
	Memory    int64         // growth of the process's peak memory, in bytes; 0 if unknown
}

// Run runs one attack. It checks that the attack ends as expected, that the
// neighbour answers, and that nothing of the attack is left. If a check fails, it
// returns an error and the measurements up to that point.
func (a *Arena) Run(ctx context.Context, attack *Attack) (r Report, err error) {
	attack = attack.prepared()
	a.reset()
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

// reset drops earlier events and log lines.
func (a *Arena) reset() {
	for len(a.events) > 0 {
		<-a.events
	}
	a.log.take()
}

// prepare deploys the attacking components, unless their deployment is the attack.
func (a *Arena) prepare(ctx context.Context, attack *Attack) error {
	if attack.Peer == "b" {
		if err := a.deploy(ctx, second, (&Attack{Peer: "a", Tune: attack.Tune}).prepared()); err != nil {
			return err
		}
	}
	if attack.By == ByLoad {
		return nil
	}
	first := *attack
	if attack.By == ByReplace {
		first.Config = ""
	}
	if err := a.deploy(ctx, attacker, &first); err != nil || attack.Arm == "" {
		return err
	}
	_, err := a.Host.Request(ctx, attacker, []byte(attack.Arm))
	return err
}

// attack starts the attack. It returns when the attack has ended as expected and the
// attacker works again.
func (a *Arena) attack(ctx context.Context, attack *Attack, r *Report) error {
	if attack.By == ByLoad {
		begin := time.Now()
		err := a.deploy(ctx, attacker, attack)
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
	if (attack.End == Trapped || attack.End == Afterwards || attack.By == ByReplace) && attack.By != ByShutdown {
		return a.replaced(ctx)
	}
	return nil
}

// answer is the error that trigger returns for an answered request.
type answer struct{ response []byte }

func (answer) Error() string { return "answered" }

// trigger starts an attack and waits for its end.
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
	case ByReplace:
		d, err := a.deployment(attacker, attack)
		if err != nil {
			return err
		}
		return a.Host.Replace(ctx, d)
	}
	response, err := a.Host.Request(ctx, attacker, attack.Message)
	if err == nil {
		err = answer{response}
	}
	return err
}

// storm returns when the neighbour and the attackers have all worked for a while.
func (a *Arena) storm(ctx context.Context) error {
	for begin := a.Host.Snapshot().Handled; a.Host.Snapshot().Handled < begin+20_000; runtime.Gosched() {
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// ended waits until the attacker's instance has ended, and returns the reason.
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

// verify checks how a guest's attack has ended.
func (a *Arena) verify(ctx context.Context, attack *Attack, err error) error {
	if attack.By == ByShutdown {
		return errors.Join(err, a.log.contains("shutdown failed", core.TrapHandler.String()))
	}
	if done, ok := err.(answer); ok {
		if err := attack.verify(done.response, nil); err != nil || attack.End != Afterwards {
			return err
		}
		return attack.verifyTrap(a.ended(ctx))
	}
	if attack.By == ByReplace {
		return attack.verify(nil, err)
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

// replaced checks that the attacker has a new instance, which answers.
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

// clear undeploys the attackers and checks that nothing is left of them.
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
	errs = append(errs, a.Host.Quiesce(ctx), a.balanced(), a.emptyBuckets(ctx), a.reach.left(ctx))
	if attack.After != nil {
		errs = append(errs, attack.After(a.Host.Snapshot()))
	}
	if attack.Log != nil {
		errs = append(errs, attack.Log(a.log.take()))
	}
	return errors.Join(errs...)
}

// balanced checks that each message has ended once and that no request is pending.
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
