package brokertest

import (
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/hosttest"
)

// brokenKeepers lists the faults that the case of each promise of durable brokers must find.
var brokenKeepers = map[string][]hosttest.Fault{
	"stored-arrives":        {hosttest.NoKeeper},
	"one-of-a-sender":       {hosttest.Floods},
	"handled-once":          {hosttest.HandlesTwice},
	"failed-again":          {hosttest.ForgetsFailures, hosttest.NeverGivesUp, hosttest.Overtakes},
	"undelivered-again":     {hosttest.DropsUndelivered, hosttest.CountsReturns, hosttest.Overtakes},
	"waits-while-away":      {hosttest.DropsWhileAway},
	"unhandled-comes-again": {hosttest.DropsUndelivered},
	"rests":                 {hosttest.NoRest},
}

func keeping(fault hosttest.Fault) Harness {
	return Harness{Direct: true, New: func() (core.Broker, error) {
		return &hosttest.Keeping{Broker: &reference{traits: traits{direct: true}}, Fault: fault}, nil
	}}
}

func TestDurablePartFailsBrokenBrokers(t *testing.T) {
	for _, p := range durablePromises {
		if len(brokenKeepers[p.name]) == 0 {
			t.Errorf("no broken broker for promise %q", p.name)
		}
		for _, fault := range brokenKeepers[p.name] {
			t.Run(p.name+"/"+strings.ReplaceAll(string(fault), " ", "-"), func(t *testing.T) {
				if failure := watch(t, p, keeping(fault)); !strings.Contains(failure, p.text) {
					t.Errorf("the case said %q, want it to fail and to say %q", failure, p.text)
				}
			})
		}
	}
}

func TestDurablePartPassesCorrectBrokers(t *testing.T) { RunDurable(t, keeping("")) }

func TestDurablePartNeedsADurableBroker(t *testing.T) {
	failure := watch(t, durablePromises[0], Harness{Direct: true, New: made(traits{direct: true})})
	if !strings.Contains(failure, "a core.DurableBroker") {
		t.Errorf("the case said %q", failure)
	}
}
