package hostile_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/hostile"
)

var (
	echo   = core.MustComponentID("good/echo")
	first  = core.MustComponentID("evil/a")
	second = core.MustComponentID("evil/b")
)

// evil deploys the attacking guest, with the right to send to its whole namespace.
func evil(t *testing.T, a *hostile.Arena, id core.ComponentID, change func(*host.Deployment)) error {
	t.Helper()
	all, err := core.ParseIDPattern("evil/*")
	if err != nil {
		t.Fatal(err)
	}
	d := host.Deployment{
		ID: id, Engine: a.EngineName(), Source: core.Source{Code: hostile.Guest}, Limits: core.Limits{HandlerTime: 10 * time.Second},
		Capabilities: host.Capabilities{Send: []core.IDPattern{all}, Request: []core.IDPattern{all}},
		Config:       []core.ConfigPair{{Key: "peer", Value: second.String()}},
	}
	change(&d)
	return a.Host.Deploy(within(t, 10*time.Second), d)
}

func ask(t *testing.T, h *host.Host, id core.ComponentID, message []byte) hostile.Counts {
	t.Helper()
	response, err := h.Request(within(t, 10*time.Second), id, message)
	if err != nil {
		t.Fatal(err)
	}
	var c hostile.Counts
	if _, err := binary.Decode(response, binary.LittleEndian, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// alive checks that the neighbour answers.
func alive(t *testing.T, h *host.Host) {
	t.Helper()
	response, err := h.Request(within(t, 10*time.Second), echo, []byte("e alive"))
	if err != nil || string(response) != "e alive" {
		t.Errorf("the neighbour answered %q, %v", response, err)
	}
}

// TestForeignRequest: a component that knows the id of another component's pending
// request cannot cancel it.
func TestForeignRequest(t *testing.T) { each(t, testForeignRequest) }

func testForeignRequest(t *testing.T, a *hostile.Arena) {
	h := a.Host
	keep := func(d *host.Deployment) {}
	for _, id := range []core.ComponentID{first, second} {
		if err := evil(t, a, id, keep); err != nil {
			t.Fatal(err)
		}
	}
	// The second component works for seconds, so the first one's request stays
	// pending. A third component knows its id.
	third := core.MustComponentID("evil/c")
	if err := evil(t, a, third, keep); err != nil {
		t.Fatal(err)
	}
	if err := h.Send(second, []byte("w")); err != nil {
		t.Fatal(err)
	}
	pending := ask(t, h, first, []byte("r\x01\x00\x00\x00"))
	cancel := binary.LittleEndian.AppendUint64([]byte{'y', 0, 0, 0, 0}, 0)
	binary.LittleEndian.PutUint32(cancel[1:], pending[6])
	binary.LittleEndian.PutUint32(cancel[5:], pending[7])
	if got := ask(t, h, third, cancel)[0]; got != 1+uint32(core.CaseRequestNotFound) {
		t.Errorf("canceling another's request: got case %d, want request-not-found", int(got)-1)
	}
	if err := h.Quiesce(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, h, first, []byte("C")); got[4] != 1 || got[5] != 0 {
		t.Errorf("its owner got %d callbacks, %d of them failures, want 1 and 0", got[4], got[5])
	}
}

// TestFailsForGood: a guest that keeps trapping is given up by its supervisor.
func TestFailsForGood(t *testing.T) { each(t, testFailsForGood) }

func testFailsForGood(t *testing.T, a *hostile.Arena) {
	h := a.Host
	if err := evil(t, a, second, func(d *host.Deployment) { d.Restart.Backoff = time.Millisecond }); err != nil {
		t.Fatal(err)
	}
	if err := evil(t, a, first, func(*host.Deployment) {}); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 6 {
		if _, err = h.Request(within(t, 10*time.Second), second, []byte("t")); !errors.Is(err, core.ErrRequestTrapped) {
			t.Errorf("got %v, want that it trapped", err)
		}
	}
	// The request is refused or, if the host has not seen the end yet, accepted and
	// returned.
	_, err = h.Request(within(t, 10*time.Second), second, []byte("e"))
	if !errors.Is(err, core.ErrUnavailable) && !errors.Is(err, core.ErrRequestUnavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	if got := ask(t, h, first, []byte("f\x01\x00\x00\x00")); got[1] != 1+uint32(core.CaseUnavailable) {
		t.Errorf("a guest that sends to it is refused with case %d, want unavailable", int(got[1])-1)
	}
	for _, c := range h.Components() {
		if want := map[core.ComponentID]string{second: "failed"}[c.ID]; want != "" && c.State != want {
			t.Errorf("%s is %s, want %s", c.ID, c.State, want)
		}
	}
	alive(t, h)
}

// TestDamagedModules loads the guest with missing parts and flipped bits. If the
// result is still a module, it runs within its limits.
func TestDamagedModules(t *testing.T) { each(t, testDamagedModules) }

func testDamagedModules(t *testing.T, a *hostile.Arena) {
	h := a.Host
	step := 37
	if testing.Short() {
		step = 293
	}
	for at := 8; at < len(hostile.Guest); at += step {
		flipped := bytes.Clone(hostile.Guest)
		flipped[at] ^= 1 << (at % 8)
		for _, code := range [][]byte{hostile.Guest[:at], flipped} {
			damaged(t, a, code)
		}
		alive(t, h)
	}
}

func damaged(t *testing.T, a *hostile.Arena, code []byte) {
	t.Helper()
	err := evil(t, a, first, func(d *host.Deployment) {
		d.Source.Code, d.Limits.HandlerTime, d.Limits.StartTime = code, 20*time.Millisecond, time.Second
	})
	var module *core.ModuleError
	var trap *core.TrapError
	var answer *core.ComponentError
	if err != nil {
		if !errors.As(err, &module) && !errors.As(err, &trap) && !errors.As(err, &answer) {
			t.Errorf("deployment of a damaged module: got %v", err)
		}
		return
	}
	_, err = a.Host.Request(within(t, 10*time.Second), first, []byte("e hello"))
	if errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a damaged module does not end: %v", err)
	}
	if err := a.Host.Undeploy(within(t, 10*time.Second), first); err != nil {
		t.Error(err)
	}
}

// TestChurn deploys, traps and removes guests that take all their memory, and checks
// that none of the memory is left in use.
func TestChurn(t *testing.T) { each(t, testChurn) }

func testChurn(t *testing.T, a *hostile.Arena) {
	h := a.Host
	before := heap()
	for range 8 {
		if err := evil(t, a, first, func(*host.Deployment) {}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := h.Request(within(t, 10*time.Second), first, []byte("T")); !errors.Is(err, core.ErrRequestTrapped) {
				t.Fatal(err)
			}
		}
		if err := h.Undeploy(within(t, 10*time.Second), first); err != nil {
			t.Fatal(err)
		}
	}
	checkHeap(t, before)
	alive(t, h)
}
