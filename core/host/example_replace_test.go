package host_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"strconv"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/trackers/slab"
)

// tally counts its messages. It hands the count to its next version.
type tally struct {
	name  string
	count int
}

func (t *tally) HandleMessage(guest.Host, string, []byte) ([]byte, error) {
	t.count++
	return fmt.Appendf(nil, "%s: %d", t.name, t.count), nil
}

func (t *tally) Save(guest.Host) ([]byte, error) {
	return strconv.AppendInt(nil, int64(t.count), 10), nil
}

func (t *tally) Restore(_ guest.Host, state []byte) (err error) {
	t.count, err = strconv.Atoi(string(state))
	return err
}

// A new version takes the place of a component while messages come in. Its state goes
// along.
func ExampleHost_Replace() {
	ctx := context.Background()
	broker, _ := inproc.New(inproc.Config{})
	tracker, _ := slab.New(slab.Config{})
	engine, _ := native.New(native.Config{})
	h, _ := host.New(host.Config{Logger: slog.New(slog.DiscardHandler)}, broker, tracker, engine)
	_ = h.Start(ctx)
	defer engine.Close(ctx)
	defer h.Stop(ctx)

	version := func(name string) host.Deployment {
		source := native.Source(func() guest.Component { return &tally{name: name} })
		return host.Deployment{ID: core.MustComponentID("demo/tally"), Engine: native.Name, Source: source}
	}
	_ = h.Deploy(ctx, version("old"))
	for range 2 {
		response, _ := h.Request(ctx, core.MustComponentID("demo/tally"), nil)
		fmt.Println(string(response))
	}
	if err := h.Replace(ctx, version("new")); err != nil {
		log.Fatal(err)
	}
	response, _ := h.Request(ctx, core.MustComponentID("demo/tally"), nil)
	fmt.Println(string(response))
	// Output:
	// old: 1
	// old: 2
	// new: 3
}
