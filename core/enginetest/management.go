package enginetest

import "github.com/airhost/airhost/core"

var managementPromises = []promise{
	{"initialize", "initialize is given the configuration's pairs in order", testInitialize},
	{"initialize-none", "initialize is called without configuration too", testInitializeNone},
	{"initialize-error", "an error of initialize is a ComponentError with its case and text", testInitializeError},
	{"initialize-services", "services answer while initialize runs", testInitializeServices},
	{"health", "health is the guest's status", testHealth},
	{"shutdown", "shutdown runs the guest's", testShutdown},
	{"unmanaged", "without component-management nothing is asked, and health is healthy", testUnmanaged},
}

func testInitialize(t *trial) {
	in, _ := t.actor()
	t.must("initialize", in.Initialize([]core.ConfigPair{
		{Key: "zone", Value: "eu"}, {Key: "", Value: "no key"}, {Key: "no value", Value: ""},
		{Key: "snow", Value: "☃"}, {Key: "alpha", Value: "last"}, {Key: "zone", Value: "us"},
	}))
	want(t, "configuration", string(t.ask(in, "g")), "zone=eu\n=no key\nno value=\nsnow=☃\nalpha=last\nzone=us\n")
}

func testInitializeNone(t *trial) {
	in, _ := t.actor()
	t.must("initialize", in.Initialize(nil))
	want(t, "calls, the one that asks included", t.ask(in, "n"), number(2))
	want(t, "configuration", string(t.ask(in, "g")), "")
}

func testInitializeError(t *trial) {
	for _, failure := range componentErrors {
		in, _ := t.actor()
		err := in.Initialize([]core.ConfigPair{{Key: "f", Value: string(rune('0'+failure.Case)) + failure.Text}})
		t.wantComponentError("initialize that fails", err, failure)
	}
}

func testInitializeServices(t *trial) {
	in, host := t.actor()
	t.must("initialize", in.Initialize([]core.ConfigPair{{Key: "s", Value: "suite/tgt"}}))
	t.asked("services", host, `send suite/tgt "hello"`)
}

func testHealth(t *trial) {
	in, _ := t.actor()
	for status := core.HealthHealthy; status.Valid(); status++ {
		t.ask(in, "h", byte(status))
		got, err := in.Health()
		t.must("health", err)
		want(t, "health", got, status)
	}
}

func testShutdown(t *trial) {
	in, host := t.actor()
	t.must("shutdown", in.Shutdown())
	t.asked("services", host, `log info "shutdown"`)
}

func testUnmanaged(t *trial) {
	in, host := t.responder()
	t.must("initialize", in.Initialize([]core.ConfigPair{{Key: "f", Value: "0"}}))
	status, err := in.Health()
	t.must("health", err)
	want(t, "health", status, core.HealthHealthy)
	t.must("shutdown", in.Shutdown())
	t.asked("services", host)
}
