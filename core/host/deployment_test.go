package host_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

func TestDeploymentErrors(t *testing.T) {
	h := start(t, host.Config{})
	h.deploy("a/echo", echo)
	for name, test := range map[string]struct {
		change func(d *host.Deployment)
		want   string
	}{
		"no id":            {func(d *host.Deployment) { d.ID = core.ComponentID{} }, "the id is empty"},
		"the host's id":    {func(d *host.Deployment) { d.ID = core.HostID }, "the host's own"},
		"id taken":         {func(d *host.Deployment) { d.ID = id("a/echo") }, "there is a component of this id already"},
		"unknown engine":   {func(d *host.Deployment) { d.Engine = "v8" }, `unknown engine "v8", this host has: native, toy`},
		"unknown source":   {func(d *host.Deployment) { d.Source = core.Source{Path: "nothing"} }, "no such native component"},
		"unknown policy":   {func(d *host.Deployment) { d.Restart.Policy = "sometimes" }, "unknown restart policy"},
		"negative limit":   {func(d *host.Deployment) { d.Limits.Mailbox = -1 }, "limits.mailbox is -1"},
		"negative quota":   {func(d *host.Deployment) { d.Quota.Burst = -1 }, "quota.burst is -1"},
		"negative backoff": {func(d *host.Deployment) { d.Restart.Backoff = -1 }, "restart.backoff is -1"},
	} {
		d := deployment("a/new", echo)
		test.change(&d)
		err := h.Deploy(within(t), d)
		contains(t, name, fmt.Sprint(err), test.want)
	}
	equal(t, "components left", len(h.Components()), 1)
	h.do("a/echo")
}

// TestDeployErrorsAreDistinct: a program can distinguish the errors of Deploy by
// errors.Is, without reading their texts.
func TestDeployErrorsAreDistinct(t *testing.T) {
	h := start(t, host.Config{})
	h.deploy("a/echo", echo)
	sentinels := []error{
		host.ErrNotRunning, host.ErrInvalidDeployment, host.ErrAlreadyDeployed, host.ErrUnknownEngine, host.ErrLimitNotEnforced,
		core.ErrModuleRefused, core.ErrOutOfRange, core.ErrInvalidID, core.ErrFailed,
	}
	deploy := func(change func(d *host.Deployment)) error {
		d := deployment("a/new", echo)
		change(&d)
		return h.Deploy(within(t), d)
	}
	refuses := behaviour{start: func(guest.Host, guest.Config) error { return guest.Failed("no database") }}
	for name, test := range map[string]struct {
		err  error
		want []error
	}{
		"no id":        {deploy(func(d *host.Deployment) { d.ID = core.ComponentID{} }), []error{host.ErrInvalidDeployment, core.ErrInvalidID}},
		"the host's":   {deploy(func(d *host.Deployment) { d.ID = core.HostID }), []error{host.ErrInvalidDeployment, core.ErrInvalidID}},
		"id taken":     {deploy(func(d *host.Deployment) { d.ID = id("a/echo") }), []error{host.ErrAlreadyDeployed}},
		"engine":       {deploy(func(d *host.Deployment) { d.Engine = "v8" }), []error{host.ErrUnknownEngine}},
		"source":       {deploy(func(d *host.Deployment) { d.Source = core.Source{Path: "nothing"} }), []error{core.ErrModuleRefused}},
		"policy":       {deploy(func(d *host.Deployment) { d.Restart.Policy = "sometimes" }), []error{host.ErrInvalidDeployment}},
		"limit":        {deploy(func(d *host.Deployment) { d.Limits.Stack = 100 }), []error{host.ErrInvalidDeployment, core.ErrOutOfRange}},
		"quota":        {deploy(func(d *host.Deployment) { d.Quota.Burst = -1 }), []error{host.ErrInvalidDeployment, core.ErrOutOfRange}},
		"not enforced": {deploy(func(d *host.Deployment) { d.Limits.Fuel = 1 }), []error{host.ErrLimitNotEnforced}},
		"initialize":   {h.Deploy(within(t), deployment("a/new", refuses)), []error{core.ErrFailed}},
		"not running":  {newHost(t).Deploy(within(t), deployment("a/new", echo)), []error{host.ErrNotRunning}},
	} {
		for _, sentinel := range sentinels {
			if got := errors.Is(test.err, sentinel); got != slices.Contains(test.want, sentinel) {
				t.Errorf("%s: %v is %v: got %t", name, test.err, sentinel, got)
			}
		}
		if strings.Contains(fmt.Sprint(test.err), "\n") {
			t.Errorf("%s: more than one line: %v", name, test.err)
		}
	}
}

// newHost returns a host that has not been started.
func newHost(t *testing.T) *host.Host {
	t.Helper()
	broker, _ := newInproc()
	tracker, _ := newSlab()
	t.Cleanup(func() { check(t, tracker.Close()) })
	h, err := host.New(host.Config{}, broker, tracker)
	check(t, err)
	return h
}

// TestLimitsThatTheEngineCannotKeep: Deploy refuses a limit that the engine cannot
// keep. The error names the limit's key and the engine.
func TestLimitsThatTheEngineCannotKeep(t *testing.T) {
	h := start(t, host.Config{})
	for key, limits := range map[string]core.Limits{
		"limits.memory": {Memory: 32 << 20}, "limits.table_elements": {TableElements: 1}, "limits.stack": {Stack: 1 << 20},
		"limits.handler_wall_time": {HandlerWallTime: time.Minute}, "limits.fuel": {Fuel: 1},
		"limits.memory, limits.fuel": {Memory: 1 << 20, Fuel: 5, Mailbox: 7},
	} {
		for engine, source := range map[string]core.Source{"native": deployment("a/b", echo).Source, "toy": {Value: &toy{}}} {
			err := h.Deploy(within(t), host.Deployment{ID: id("a/" + engine), Engine: engine, Source: source, Limits: limits})
			isError(t, engine, err, host.ErrLimitNotEnforced)
			contains(t, engine, fmt.Sprint(err), "the engine "+engine+" cannot keep "+key+":")
		}
	}
	d := deployment("a/kept", echo)
	d.Limits = core.Limits{HandlerTime: time.Minute, StartTime: time.Minute, Mailbox: 7, MailboxBytes: 4 << 20, MessageSize: 1 << 10}
	check(t, h.Deploy(within(t), d)) // the host itself enforces these limits
	equal(t, "components", len(h.Components()), 1)
}
