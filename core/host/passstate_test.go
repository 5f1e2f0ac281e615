package host_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// counter answers with the number of its messages, and hands the number over. Functions that
// are not nil are called first in save and restore.
type counter struct {
	behaviour
	count         int
	save, restore func() error
}

func newCounter() *counter {
	c := new(counter)
	c.message = func(guest.Host, string, []byte) ([]byte, error) {
		c.count++
		return strconv.AppendInt(nil, int64(c.count), 10), nil
	}
	return c
}

func (c *counter) Save(guest.Host) ([]byte, error) {
	if c.save != nil {
		if err := c.save(); err != nil {
			return nil, err
		}
	}
	return strconv.AppendInt(nil, int64(c.count), 10), nil
}

func (c *counter) Restore(_ guest.Host, state []byte) (err error) {
	if c.restore != nil {
		if err := c.restore(); err != nil {
			return err
		}
	}
	c.count, err = strconv.Atoi(string(state))
	return err
}

// counterDeployment deploys a counter that is changed by functions.
func counterDeployment(change func(c *counter)) host.Deployment {
	d := deployment("a/counter", nil)
	d.Source = native.Source(func() guest.Component {
		c := newCounter()
		change(c)
		return c
	})
	return d
}

func unchanged(*counter) {}

// TestStateIsHandedOver: a counter counts right over 100 replacements, while requests come.
func TestStateIsHandedOver(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		d := patient(counterDeployment(unchanged))
		check(t, h.Deploy(within(t), d))
		stop := make(chan struct{})
		counted := background(func() error {
			for n := 1; ; n++ {
				select {
				case <-stop:
					return nil
				default:
				}
				if got, err := h.request("a/counter", ""); err != nil || got != strconv.Itoa(n) {
					return fmt.Errorf("request %d: got %s, %w", n, got, err)
				}
			}
		})
		for n := range 100 {
			handled := h.component("a/counter").Counters.Handled
			check(t, h.Replace(within(t), d))
			if n%10 == 0 && len(counted) == 0 {
				h.waitFor("the load", func() bool { return h.component("a/counter").Counters.Handled > handled || len(counted) > 0 })
			}
		}
		close(stop)
		check(t, <-counted)
		h.balance()
	})
}

// TestVersionWithoutState: if one of the versions has no state, the new one begins with
// none.
func TestVersionWithoutState(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		d := counterDeployment(unchanged)
		check(t, h.Deploy(within(t), d))
		h.do("a/counter")
		h.replace("a/counter", echo)
		got, err := h.request("a/counter", "hello")
		check(t, err)
		equal(t, "without a state", got, "hello")
		check(t, h.Replace(within(t), d))
		got, err = h.request("a/counter", "")
		check(t, err)
		equal(t, "count", got, "1")
	})
}

// TestStateFails: if the state cannot be handed over, the old version goes on with it, and
// may be asked for it again. If the old version traps, it is restarted.
func TestStateFails(t *testing.T) {
	boom := func() error { panic("boom") }
	fail := func() error { return guest.Failed("not now") }
	for _, test := range []struct {
		name          string
		save, restore func() error
		text          string
		count         string // of the next message
		events        string
		shutdowns     int // of the new version
	}{
		{"save answers", fail, nil, "save of the old version: failed: not now", "3", "replacing rolled-back", 1},
		{"save traps", boom, nil, "save of the old version: trapped", "1", "replacing ended rolled-back restarted", 1},
		{"restore answers", nil, fail, "restore of the new version: failed: not now", "3", "replacing rolled-back", 1},
		{"restore traps", nil, boom, "restore of the new version: trapped", "3", "replacing rolled-back", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			everyPart(t, func(t *testing.T, p parts) {
				h := p.start(t, host.Config{})
				fails, shutdowns := true, 0
				d := counterDeployment(func(c *counter) {
					c.save = func() error {
						if fails && test.save != nil {
							return test.save()
						}
						return nil
					}
				})
				check(t, h.Deploy(within(t), d))
				h.do("a/counter")
				h.do("a/counter")
				changes, cancel := h.Subscribe(10)
				defer cancel()
				next := counterDeployment(func(c *counter) { c.restore, c.shutdown = test.restore, func(guest.Host) { shutdowns++ } })
				err := h.Replace(within(t), next)
				contains(t, "replace", fmt.Sprint(err), test.text)
				got, err := h.request("a/counter", "")
				check(t, err)
				equal(t, "count", got, test.count)
				equal(t, "calls of the new version's shutdown", shutdowns, test.shutdowns)
				equal(t, "events", kinds(changes), test.events)
				fails = false
				check(t, h.Replace(within(t), counterDeployment(unchanged)))
				again, err := h.request("a/counter", "")
				check(t, err)
				count, _ := strconv.Atoi(test.count)
				equal(t, "count after the next replacement", again, strconv.Itoa(count+1))
				equal(t, "traps", h.balance().Traps, uint64(strings.Count(test.events, "ended")))
			})
		})
	}
}

// kinds returns the kinds of the events that have come.
func kinds(changes <-chan host.Event) string {
	var all []string
	for len(changes) > 0 {
		all = append(all, string((<-changes).Kind))
	}
	return strings.Join(all, " ")
}

// heavy has a state of some bytes.
type heavy struct {
	behaviour
	size int
}

func (c heavy) Save(guest.Host) ([]byte, error)  { return make([]byte, c.size), nil }
func (c heavy) Restore(guest.Host, []byte) error { return nil }

// TestStateIsTooLarge: a state that is larger than limits.memory is not handed over.
func TestStateIsTooLarge(t *testing.T) {
	h := start(t, host.Config{})
	h.deploy("a/b", heavy{echo, 32<<20 + 1})
	err := h.Replace(within(t), deployment("a/b", heavy{}))
	var limit *core.LimitError
	if !errors.As(err, &limit) || limit.Limit != "limits.memory" {
		t.Errorf("got the error %v, want limits.memory", err)
	}
	got, err := h.request("a/b", "hello")
	check(t, err)
	equal(t, "the old version's answer", got, "hello")
	equal(t, "traps", h.balance().Traps, 0)
}

// TestSlowStateIsInterrupted: save and restore have the time of a handler.
func TestSlowStateIsInterrupted(t *testing.T) {
	for slow, traps := range map[string]uint64{"save": 1, "restore": 0} {
		t.Run(slow, func(t *testing.T) {
			h := start(t, host.Config{})
			var keepers []*toyKeeper
			version := func(saves, restores bool) host.Deployment {
				k := &toyKeeper{toy: new(toy), slowSave: saves, slowRestore: restores}
				keepers = append(keepers, k)
				d := toyDeployment("a/b", nil)
				d.Source, d.Limits.HandlerTime = core.Source{Value: k}, 20*time.Millisecond
				return d
			}
			check(t, h.Deploy(within(t), version(slow == "save", false)))
			err := h.Replace(within(t), version(false, slow == "restore"))
			contains(t, "replace", fmt.Sprint(err), "interrupted")
			equal(t, "instances of the new version", keepers[1].toy.live.Load(), 0)
			h.do("a/b")
			equal(t, "instances of the old version", keepers[0].toy.live.Load(), 1)
			equal(t, "traps", h.balance().Traps, traps)
		})
	}
}

// toyKeeper is a toy with a state, that it may not hand over until it is interrupted.
type toyKeeper struct {
	*toy
	slowSave, slowRestore bool
}

func (k *toyKeeper) Traits() core.Traits { return core.Traits{Interruptible: true, State: true} }

func (k *toyKeeper) Instantiate(ctx context.Context, env core.Environment) (core.Instance, error) {
	starting := env.Starting
	env.Starting = func(core.Instance) {}
	in, err := k.toy.Instantiate(ctx, env)
	keeper := &keepingInstance{in.(*toyInstance), k}
	starting(keeper)
	return keeper, err
}

type keepingInstance struct {
	*toyInstance
	keeper *toyKeeper
}

func (i *keepingInstance) Save([]byte) ([]byte, error) {
	if i.keeper.slowSave {
		return nil, i.hang()
	}
	return nil, nil
}

func (i *keepingInstance) Restore([]byte) error {
	if i.keeper.slowRestore {
		return i.hang()
	}
	return nil
}
