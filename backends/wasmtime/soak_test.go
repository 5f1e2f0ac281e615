//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
)

// soakLimits end a guest that has overwritten its own code's data.
var soakLimits = core.Limits{Fuel: 2_000_000, Memory: 4 << 20, MessageSize: 6000}

// TestSoak runs random scripts on both engines, Wasmtime's with a ledger, and compares
// them. AIRHOST_SOAK is the duration, such as 1m: soak.sh sets it and runs the test with
// a sanitizer.
func TestSoak(t *testing.T) {
	both := engines(t)
	wz, wt := compile(t, both[wazero.Name], scriptWasm, soakLimits), compile(t, both[wasmtime.Name], scriptWasm, soakLimits)
	enough := func(seed uint64) bool { return seed >= 150 }
	if text := os.Getenv("AIRHOST_SOAK"); text != "" {
		duration, err := time.ParseDuration(text)
		must(t, err)
		end := time.Now().Add(duration)
		enough = func(uint64) bool { return time.Now().After(end) }
	}
	before := wasmtime.Alive()
	for seed := uint64(0); !enough(seed) && !t.Failed(); seed++ {
		random := rand.New(rand.NewPCG(seed, 0))
		host := newLedgerHost()
		host.ID = host.ledger.Sides[0].Requests[0]
		asked := &enginetest.Services{ID: host.ID}
		p := pair{begin(t, wz, core.Environment{Host: asked, Limits: soakLimits}), begin(t, wt, host.environment(soakLimits)), asked, host}
		live(t, fmt.Sprint("seed ", seed), random, p)
	}
	equal(t, "instances that are alive", wasmtime.Alive(), before)
}

func begin(t *testing.T, c core.Component, env core.Environment) core.Instance {
	t.Helper()
	env.ID = self
	in, err := c.Instantiate(context.Background(), env)
	must(t, err)
	return in
}

// pair is the same guest on both engines.
type pair struct {
	wazero, wasmtime core.Instance
	asked            *enginetest.Services
	host             *ledgerHost // of wasmtime
}

// live makes the same calls of both until they end.
func live(t *testing.T, what string, random *rand.Rand, p pair) {
	t.Helper()
	defer p.wazero.Close()
	defer func() { must(t, p.wasmtime.Close()) }()
	for step := range 30 {
		if random.IntN(8) == 0 {
			p.host.ledger.Sides[0].Credit = &core.Credit{Target: targets[random.IntN(3)], Messages: random.IntN(4) > 0, MaxSize: random.IntN(6000)}
		}
		call := randomCall(random)
		want, got := call(p.wazero), call(p.wasmtime)
		if got != want {
			t.Errorf("%s, call %d: got\n%s\nwant, as of wazero's,\n%s", what, step, got, want)
		}
		if seen := p.host.asPlain(); !slices.Equal(seen, p.asked.Asked) {
			t.Errorf("%s, call %d: the host was asked\n%.3000q\nwant, as by wazero's,\n%.3000q", what, step, seen, p.asked.Asked)
		}
		p.host.Asked, p.asked.Asked = nil, nil
		if strings.Contains(want, "trapped") || t.Failed() {
			return
		}
	}
}

// asPlain returns the entries as of a host without a ledger.
func (h *ledgerHost) asPlain() []string {
	h.ended()
	var all []string
	target := h.ledger.Sides[0].Credit.Target
	for _, entry := range h.Asked {
		entry = strings.Replace(entry, "sent message", "send "+target, 1)
		all = append(all, strings.Replace(entry, "sent request", "request "+target, 1))
	}
	return all
}

var targets = []string{stock, "shop/audit", "a/b", "", "shop/\xff"}

// randomCall returns a call of an instance, which returns its result as text.
func randomCall(random *rand.Rand) func(core.Instance) string {
	message := randomScript(random).message()
	switch random.IntN(10) {
	case 0:
		failure := &core.RequestError{Reason: core.ReasonFailed, Text: "a\xffb"}
		return func(in core.Instance) string { return fmt.Sprint(in.HandleCallback(3, nil, failure)) }
	case 1, 2:
		message = append([]byte("!"), message...)
		return func(in core.Instance) string { return fmt.Sprint(in.HandleCallback(70, message, nil)) }
	case 3:
		return func(in core.Instance) string { return fmt.Sprint(in.Health()) }
	case 4:
		return func(in core.Instance) string { return fmt.Sprint(in.HandleMessage(self, message, nil)) }
	}
	return func(in core.Instance) string {
		response := []byte("so far: ")
		err := in.HandleMessage(self, message, &response)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%q", response)
	}
}

func randomScript(random *rand.Rand) *script {
	s := new(script)
	for range random.IntN(6) {
		target, payload := targets[random.IntN(len(targets))], randomBytes(random)
		switch random.IntN(12) {
		case 0, 1, 2:
			s.sendAt(target, payload, randomArea(random))
		case 3, 4, 5:
			s.requestAt(target, payload, randomTimeout(random), randomArea(random))
		case 6:
			s.cancel(core.RequestID(random.IntN(3)))
		case 7:
			s.named("l", payload)
		case 8:
			s.named("e", payload)
		case 9:
			s.step("ik")
		case 10:
			s.step(string("ikfxo"[random.IntN(5)]))
		default:
			return s.later(randomScript(random))
		}
	}
	return s
}

// randomBytes sometimes exceeds C's buffer, and sometimes the quota.
func randomBytes(random *rand.Rand) []byte {
	size := random.IntN(100)
	if random.IntN(6) == 0 {
		size = 1500 + random.IntN(4000)
	}
	return bytes.Repeat([]byte{byte('a' + random.IntN(26))}, size)
}

func randomTimeout(random *rand.Rand) uint64 {
	if random.IntN(5) == 0 {
		return random.Uint64() >> random.IntN(64)
	}
	return uint64(random.IntN(100))
}

// randomArea is usually 0, for the guest's own area.
func randomArea(random *rand.Rand) uint32 {
	switch random.IntN(30) {
	case 0:
		return random.Uint32()
	case 1:
		return 1024 + uint32(random.IntN(200_000))
	case 2:
		return 1024 + 8*uint32(random.IntN(20_000))
	}
	return 0
}
