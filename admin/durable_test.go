package admin_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/hosttest"
	"github.com/airhost/airhost/trackers/slab"
)

// keeping is a broker in a cluster that keeps messages.
type keeping struct {
	*hosttest.Keeping
	cluster joined
}

func (k *keeping) Cluster() core.ClusterStatus               { return k.cluster.Cluster() }
func (k *keeping) OnChange(tell func(core.ClusterChange))    { k.cluster.OnChange(tell) }
func (k *keeping) OnAsk(answer func(most int) []byte)        { k.cluster.OnAsk(answer) }
func (k *keeping) Ask(ctx context.Context) []core.HostAnswer { return k.cluster.Ask(ctx) }

// waits is a component that waits in its handler.
type waits chan struct{}

func (w waits) HandleMessage(guest.Host, string, []byte) ([]byte, error) {
	w <- struct{}{}
	<-w
	return nil, nil
}

// TestStored: a component with a durable mailbox is told apart from others, with the messages in it, to
// clients and to other hosts.
func TestStored(t *testing.T) {
	inner, err := inproc.New(inproc.Config{})
	check(t, err)
	tracker, err := slab.New(slab.Config{})
	check(t, err)
	engine, err := native.New(native.Config{})
	check(t, err)
	broker := &keeping{Keeping: &hosttest.Keeping{Broker: inner}}
	broker.cluster.status.Hosts = []core.HostInfo{self}
	h, err := host.New(host.Config{Logger: discard}, broker, tracker, engine)
	check(t, err)
	check(t, h.Start(t.Context()))
	t.Cleanup(func() { _ = h.Stop(context.Background()) })
	deploy(t, h)
	w, kept := make(waits), core.MustComponentID("a/kept")
	check(t, h.Deploy(t.Context(), host.Deployment{ID: kept, Engine: native.Name, Source: native.Source(func() guest.Component { return w }), Delivery: host.DeliveryDurable}))
	s := serve(t, func(c *admin.Config) { c.Host, c.Manager = h, nil })
	for range 2 {
		check(t, h.Send(kept, nil))
	}
	<-w
	all, err := s.Components(t.Context())
	check(t, err)
	if len(all) != 2 || all[0].Durable || all[0].Stored != 0 || !all[1].Durable || all[1].Stored != 2 {
		t.Errorf("got %+v", all)
	}
	var told admin.HostState
	check(t, json.Unmarshal(broker.cluster.answer(1<<20), &told))
	if one := told.Components; len(one) != 2 || one[0].Durable || !one[1].Durable || one[1].Stored != 2 {
		t.Errorf("others are told %+v", told)
	}
	_ = s.raw(t, "GET", "/v1/components", "")
	_ = s.raw(t, "GET", "/v1/cluster", "")
	w <- struct{}{}
	<-w
	w <- struct{}{}
}
