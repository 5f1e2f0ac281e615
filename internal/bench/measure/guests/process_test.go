package guests_test

import (
	"os"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/bench/measure/guests"
)

func TestMain(m *testing.M) {
	if guests.ServeProcess() {
		return
	}
	os.Exit(m.Run())
}

func TestAsProcess(t *testing.T) {
	engine, err := process.New(process.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{guests.ProcessPingPong, guests.ProcessRoundTrip} {
		src, err := guests.ProcessSource(name)
		if err != nil {
			t.Fatal(err)
		}
		component, err := engine.Compile(t.Context(), src, core.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		limits := core.Limits{HandlerTime: time.Minute}
		in, err := component.Instantiate(t.Context(), core.Environment{ID: core.MustComponentID("bench/a"), Limits: limits})
		if err != nil {
			t.Fatal(err)
		}
		message, response := guests.NewMessage(guests.OpEcho, 3, 64), []byte{}
		if err := in.HandleMessage(core.HostID, message, &response); err != nil || string(response) != string(message) {
			t.Errorf("%s answers %x, %v, want its message", name, response, err)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	}
}
