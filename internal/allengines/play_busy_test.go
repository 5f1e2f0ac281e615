package allengines

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/hosttest"
)

// TestPlayersWhileAllChanges: players take turns, in rings and in crowds. Meanwhile the
// host removes them, deploys them anew, and interrupts them. It loses no message and
// handles none twice, each request ends once, and all players go on.
func TestPlayersWhileAllChanges(t *testing.T) {
	house := newHouse(t)
	rounds := uint64(3)
	if testing.Short() {
		rounds = 1
	}
	for _, s := range stages() {
		if s.engines[0] == interpreter {
			continue // it is too slow for its handler time
		}
		t.Run(s.name, func(t *testing.T) {
			for seed := range rounds {
				change(t, s, house, seed)
			}
		})
	}
}

// changing is a host on which goroutines do things at the same time.
type changing struct {
	t           *testing.T
	host        *host.Host
	deployments []host.Deployment
	stage       stage
	ended       atomic.Uint64 // requests of this program that were taken and not canceled
}

func change(t *testing.T, s stage, house *house, seed uint64) {
	broker, err := newInproc()
	check(t, err)
	tracker, err := newSlab()
	check(t, err)
	var engines []core.Engine
	for _, name := range s.all() {
		engines = append(engines, house.engine(name))
	}
	log := new(hosttest.Log)
	h, err := host.New(host.Config{Workers: 2, RequestTimeout: time.Second, Logger: slog.New(slog.NewTextHandler(log, nil))}, broker, tracker, engines...)
	check(t, err)
	check(t, h.Start(t.Context()))
	p := play{player: player{crowd: true, wild: !s.tame}}
	c := &changing{t: t, host: h, deployments: p.deployments(s, house.code), stage: s}
	for i := range c.deployments {
		if d := &c.deployments[i]; d.Engine != native.Name {
			d.Limits.HandlerTime, d.Limits.HandlerWallTime = 20*time.Millisecond, time.Hour
		}
		check(t, h.Deploy(within(t), c.deployments[i]))
	}
	var all sync.WaitGroup
	for n := range uint64(4) {
		all.Go(func() { c.act(rand.New(rand.NewPCG(seed, n))) })
	}
	all.Wait()
	c.finish(log)
}

// act does things at random.
func (c *changing) act(r *rand.Rand) {
	p := &player{Rand: r, crowd: r.IntN(2) == 0, wild: !c.stage.tame, fuel: !c.stage.tame}
	for range 30 {
		n := r.IntN(len(c.deployments))
		target := c.deployments[n].ID
		switch r.IntN(8) {
		case 0:
			_ = c.host.Undeploy(within(c.t), target) // another goroutine has removed it
			_ = c.host.Deploy(within(c.t), c.deployments[n])
		case 3:
			_ = c.host.Replace(within(c.t), c.deployments[n])
		case 4:
			_ = c.host.Restart(within(c.t), target)
		case 1, 2:
			ctx, cancel := anyTime(r)
			_ = c.ask(ctx, target, p.script(1)) // it may be removed, or ctx may end
			cancel()
		default:
			_ = c.host.Send(target, p.script(most)) // it may be removed now
		}
	}
}

// ask sends a request, and counts it if it has ended.
func (c *changing) ask(ctx context.Context, target core.ComponentID, script []byte) error {
	_, err := c.host.Request(ctx, target, script)
	if err == nil || errors.As(err, new(*core.RequestError)) {
		c.ended.Add(1)
	}
	return err
}

// finish checks that the host's books balance, and that all players go on.
func (c *changing) finish(log *hosttest.Log) {
	t := c.t
	check(t, c.host.Quiesce(within(t)))
	for _, d := range c.deployments {
		_ = c.host.Deploy(within(t), d) // it is there already
		err := c.ask(within(t), d.ID, []byte("E"))
		for tries := 0; err != nil && tries < 1000; tries++ { // it may use up its last trap
			err = c.ask(within(t), d.ID, []byte("E"))
		}
		check(t, err)
	}
	check(t, c.host.Stop(context.Background()))
	s := c.host.Snapshot()
	var refused uint64
	for _, n := range s.Refused {
		refused += n
	}
	if s.Sent != s.Handled+s.Expired+s.DeadLetters+refused || s.Pending != 0 || s.Waiting != 0 {
		t.Errorf("messages do not add up: %+v", s)
	}
	if asked := s.Callbacks + s.Orphans + s.Canceled + c.ended.Load(); s.Requests != asked {
		t.Errorf("%d requests have ended, of %d: %+v", asked, s.Requests, s)
	}
	if at := strings.Index(log.String(), "broken order"); at >= 0 {
		t.Errorf("the guest's functions or messages came in a wrong order: %.200s", log.String()[at:])
	}
}
