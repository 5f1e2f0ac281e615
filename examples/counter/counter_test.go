package counter_test

import (
	"errors"
	"testing"

	"github.com/airhost/airhost/examples/counter"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/guesttest"
)

func TestCounter(t *testing.T) {
	host := &guesttest.Host{}
	component := counter.New().(*counter.Component)
	config := guest.Config{{Key: "start", Value: "40"}, {Key: "enough", Value: "42"}}
	if err := component.Initialize(host, config); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		message, count string
		health         guest.HealthStatus
	}{{"get", "40", guest.Healthy}, {"one", "41", guest.Healthy}, {"two", "42", guest.Degraded}, {"get", "42", guest.Degraded}} {
		response, err := component.HandleMessage(host, "demo/a", []byte(step.message))
		if err != nil || string(response) != step.count || component.Health() != step.health {
			t.Errorf("%s: %s, %v, %s, want %s, %s", step.message, response, err, component.Health(), step.count, step.health)
		}
	}
	component.Shutdown(host)
	want := "info: message 41, from demo/a: \"one\"\ninfo: message 42, from demo/a: \"two\"\ninfo: counted to 42"
	if got := host.LogText(); got != want {
		t.Errorf("log:\n%s\nwant:\n%s", got, want)
	}
}

func TestCountGoesOn(t *testing.T) {
	host := &guesttest.Host{}
	before, after := counter.New().(*counter.Component), counter.New().(*counter.Component)
	for range 3 {
		if _, err := before.HandleMessage(host, "demo/a", []byte("one")); err != nil {
			t.Fatal(err)
		}
	}
	state, err := before.Save(host)
	if err != nil {
		t.Fatal(err)
	}
	if err := after.Restore(host, state); err != nil {
		t.Fatal(err)
	}
	if got, err := after.HandleMessage(host, "demo/a", []byte("one")); err != nil || string(got) != "4" {
		t.Errorf("the new version counts to %s, %v, want 4", got, err)
	}
	if err := after.Restore(host, []byte("many")); !errors.Is(err, guest.ErrInvalidMessage) {
		t.Errorf("a state that is no number: got %v", err)
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for _, key := range []string{"start", "enough"} {
		component := counter.New().(*counter.Component)
		if err := component.Initialize(&guesttest.Host{}, guest.Config{{Key: key, Value: "-1"}}); err == nil {
			t.Errorf("%s: -1 is accepted", key)
		}
	}
}
