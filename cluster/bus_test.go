package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/hosttest"
)

const leaseTime = 5 * time.Second

// bus is a directory in memory, with the hosts that use it.
type bus struct {
	t        testing.TB
	lease    time.Duration // of hosts that join
	mu       sync.Mutex
	values   map[string]entry
	revision uint64
	changed  chan struct{}
	hosts    map[string]*member
	most     map[core.ComponentID]uint64 // the highest fence that a component has run with
	wrong    []string
}

type entry struct {
	key      string
	value    []byte
	revision uint64
}

// member is one host of the bus. It implements all that a controller needs.
type member struct {
	c      *Controller
	bus    *bus
	name   string
	log    *hosttest.Log
	answer func(context.Context, []byte) []byte
	close  func(context.Context)

	// The following are guarded by bus.mu.
	cut       bool // nothing goes between it and the directory, or other hosts
	doubtful  bool // writes are made, and their answers are lost
	stuck     bool // nothing that runs stops
	watches   int  // that have begun
	deaf      int  // of these, those that tell nothing any more: the first ones
	running   map[core.ComponentID]bool
	paused    map[core.ComponentID]bool
	fences    map[core.ComponentID]uint64
	valid     map[core.ComponentID]func() bool
	state     map[core.ComponentID]string // that the component was started with
	fail      map[core.ComponentID]error  // of starts
	starts    map[core.ComponentID]int
	floor     map[core.ComponentID]uint64
	atAsk     func() // called before another host is asked
	atHand    func() // called while a component is handed over
	onArrival func() // called when a component is started that was handed over
}

var (
	_ Directory = (*member)(nil)
	_ Hosts     = (*member)(nil)
	_ Fences    = (*member)(nil)
	_ Runner    = (*member)(nil)

	errCut = errors.New("no connection")
)

func newBus(t testing.TB) *bus {
	return &bus{t: t, lease: leaseTime, values: map[string]entry{}, changed: make(chan struct{}), hosts: map[string]*member{}, most: map[core.ComponentID]uint64{}}
}

// join starts a host that can run components. It stops at the end of the test.
func (b *bus) join(name string, ids ...core.ComponentID) *member {
	m := &member{
		bus: b, name: name, log: new(hosttest.Log), running: map[core.ComponentID]bool{}, paused: map[core.ComponentID]bool{},
		fences: map[core.ComponentID]uint64{}, valid: map[core.ComponentID]func() bool{}, state: map[core.ComponentID]string{},
		fail: map[core.ComponentID]error{}, starts: map[core.ComponentID]int{}, floor: map[core.ComponentID]uint64{},
	}
	var err error
	m.c, err = New(Config{
		Host: name, Lease: b.lease, Directory: m, Hosts: m, Fences: m, Runner: m,
		Logger: slog.New(slog.NewTextHandler(m.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err == nil {
		b.mu.Lock()
		b.hosts[name] = m
		b.mu.Unlock()
		err = m.c.Start(b.t.Context())
	}
	if err != nil {
		b.t.Fatal(err)
	}
	m.c.Add(ids...)
	return m
}

// end ends all hosts, and reports the faults.
func (b *bus) end() {
	b.mu.Lock()
	for _, m := range b.hosts {
		m.stuck = false
	}
	b.mu.Unlock()
	for _, m := range b.hosts {
		m.c.Close()
	}
	for _, wrong := range b.wrong {
		b.t.Error(wrong)
	}
	if b.t.Failed() {
		for _, m := range b.hosts {
			b.t.Logf("the log of %s:\n%s", m.name, m.log)
		}
	}
}

func (b *bus) tellLocked() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// checkLocked notes components that several hosts run, each with a valid claim.
func (b *bus) checkLocked() {
	active := map[core.ComponentID][]string{}
	for _, m := range b.hosts {
		for id := range m.running {
			if valid := m.valid[id]; !m.paused[id] && valid() {
				active[id] = append(active[id], m.name)
			}
		}
	}
	for id, hosts := range active {
		if len(hosts) > 1 {
			b.wrong = append(b.wrong, fmt.Sprintf("%s runs on %v", id, hosts))
		}
	}
}

func (b *bus) do(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	b.tellLocked()
}

// await waits until ok, for so long at most, and checks all the time that one host runs each component.
func (b *bus) await(what string, most time.Duration, ok func() bool) time.Duration {
	b.t.Helper()
	began := time.Now()
	for {
		b.mu.Lock()
		b.checkLocked()
		done := ok()
		b.mu.Unlock()
		if done {
			return time.Since(began)
		}
		if time.Since(began) > most {
			b.end()
			b.t.Fatalf("%s: not within %v", what, most)
		}
		<-time.After(time.Millisecond)
	}
}

// pass lets time pass.
func (b *bus) pass(d time.Duration) {
	end := time.Now().Add(d)
	b.await("time passes", d+time.Second, func() bool { return !time.Now().Before(end) })
}

// onceEachLocked reports whether each of n components runs on one of the hosts that are not cut.
func (b *bus) onceEachLocked(n int) bool {
	got := map[core.ComponentID]int{}
	for _, m := range b.hosts {
		for id := range m.running {
			if !m.cut {
				got[id]++
			}
		}
	}
	for _, times := range got {
		if times != 1 {
			return false
		}
	}
	return len(got) == n
}

// reach waits for the way to the directory, or another host.
func (m *member) reach(ctx context.Context, also *member) error {
	select {
	case <-time.After(2 * time.Millisecond):
	case <-ctx.Done():
		return ctx.Err()
	}
	m.bus.mu.Lock()
	cut := m.cut || also != nil && also.cut
	m.bus.mu.Unlock()
	if cut {
		<-ctx.Done()
		return errCut
	}
	return nil
}

func (m *member) Update(ctx context.Context, key string, value []byte, last uint64) (uint64, bool, error) {
	if err := m.reach(ctx, nil); err != nil {
		return 0, false, err
	}
	b := m.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.values[key].revision != last {
		return 0, false, nil
	}
	b.revision++
	b.values[key] = entry{key, slices.Clone(value), b.revision}
	b.tellLocked()
	if m.doubtful {
		return 0, false, errCut
	}
	return b.revision, true, nil
}

func (m *member) Watch(ctx context.Context, tell func(string, []byte, uint64)) error {
	told, first := uint64(0), true
	m.bus.mu.Lock()
	m.watches++
	number := m.watches
	m.bus.mu.Unlock()
	for {
		m.bus.mu.Lock()
		changed := m.bus.changed
		var news []entry
		if !m.cut && number > m.deaf {
			for _, e := range m.bus.values {
				if e.revision > told {
					news = append(news, e)
				}
			}
		}
		cut := m.cut
		m.bus.mu.Unlock()
		slices.SortFunc(news, func(x, y entry) int { return int(x.revision) - int(y.revision) })
		for _, e := range news {
			tell(e.key, e.value, e.revision)
			told = e.revision
		}
		if first && !cut {
			tell("", nil, 0)
			first = false
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

func (m *member) AtClose(f func(context.Context)) { m.close = f }

func (m *member) Ask(ctx context.Context, host string, request []byte) ([]byte, error) {
	if m.atAsk != nil {
		m.atAsk()
	}
	m.bus.mu.Lock()
	other := m.bus.hosts[host]
	m.bus.mu.Unlock()
	if other == nil {
		return nil, errCut
	}
	if err := m.reach(ctx, other); err != nil {
		return nil, err
	}
	answer := other.answer(ctx, request)
	if err := m.reach(ctx, other); err != nil {
		return nil, err
	}
	return answer, nil
}

func (m *member) Answer(f func(context.Context, []byte) []byte) error {
	m.answer = f
	return nil
}

// MaxAsk is less than the state of a component.
func (m *member) MaxAsk() int { return askSlack + 1000 }

// stateOf is the state of a component.
func stateOf(id core.ComponentID) string { return strings.Repeat("the state of "+id.String()+" ", 100) }

func (m *member) Own(id core.ComponentID, fence, least uint64, valid func() bool) {
	m.bus.mu.Lock()
	defer m.bus.mu.Unlock()
	m.fences[id], m.valid[id] = fence, valid
}

func (m *member) Know(id core.ComponentID, least uint64) {
	m.bus.mu.Lock()
	defer m.bus.mu.Unlock()
	m.floor[id] = max(m.floor[id], least)
}

func (m *member) Start(ctx context.Context, id core.ComponentID, moving *core.Moving) error {
	b := m.bus
	if m.onArrival != nil && moving != nil {
		m.onArrival()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := m.fail[id]; err != nil {
		return err
	}
	if m.running[id] {
		b.wrong = append(b.wrong, fmt.Sprintf("%s is started on %s, where it runs", id, m.name))
	}
	if m.fences[id] <= b.most[id] && m.valid[id]() {
		b.wrong = append(b.wrong, fmt.Sprintf("%s is started on %s with fence %d after %d", id, m.name, m.fences[id], b.most[id]))
	}
	b.most[id] = max(b.most[id], m.fences[id])
	m.running[id] = true
	m.starts[id]++
	delete(m.state, id)
	if moving != nil {
		m.state[id] = string(moving.State)
	}
	b.checkLocked()
	b.tellLocked()
	return nil
}

func (m *member) Stop(ctx context.Context, id core.ComponentID) error {
	for {
		m.bus.mu.Lock()
		changed := m.bus.changed
		if !m.stuck {
			delete(m.running, id)
			m.bus.tellLocked()
			m.bus.mu.Unlock()
			return nil
		}
		m.bus.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *member) MoveAway(ctx context.Context, id core.ComponentID, hand func(context.Context, *core.Moving) error) error {
	m.bus.do(func() { m.paused[id] = true })
	if m.atHand != nil {
		m.atHand()
	}
	err := hand(ctx, &core.Moving{State: []byte(stateOf(id)), HasState: true})
	m.bus.do(func() {
		if delete(m.paused, id); err == nil {
			delete(m.running, id)
		} else if m.fences[id] < m.bus.most[id] && m.valid[id]() {
			m.bus.wrong = append(m.bus.wrong, fmt.Sprintf("%s goes on on %s with fence %d after %d", id, m.name, m.fences[id], m.bus.most[id]))
		} else {
			m.bus.most[id] = max(m.bus.most[id], m.fences[id])
		}
	})
	return err
}

func some(n int) []core.ComponentID {
	all := make([]core.ComponentID, n)
	for i := range all {
		all[i] = idOf(i)
	}
	return all
}

// whereLocked are the hosts that run a component.
func (b *bus) whereLocked(id core.ComponentID) (all []string) {
	for _, name := range slices.Sorted(maps.Keys(b.hosts)) {
		if b.hosts[name].running[id] {
			all = append(all, name)
		}
	}
	return all
}
