package counter_test

import (
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

func TestConfigurationIsChecked(t *testing.T) {
	for _, key := range []string{"start", "enough"} {
		component := counter.New().(*counter.Component)
		if err := component.Initialize(&guesttest.Host{}, guest.Config{{Key: key, Value: "-1"}}); err == nil {
			t.Errorf("%s: -1 is accepted", key)
		}
	}
}
