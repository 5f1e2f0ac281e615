package topics_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/examples/topics"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/guesttest"
	"github.com/airhost/airhost/trackers/slab"
)

// TestShop: the shop publishes an order on the topic of its article.
func TestShop(t *testing.T) {
	host := new(guesttest.Host)
	shop := topics.New()
	if err := shop.(guest.Initializer).Initialize(host, guest.Config{{Key: "role", Value: "shop"}}); err != nil {
		t.Fatal(err)
	}
	if got, err := shop.HandleMessage(host, "shop/http", []byte("tea 2")); string(got) != "taken: tea 2" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if want := []guesttest.Publication{{Topic: "orders.tea", Payload: "tea 2"}}; !slices.Equal(host.Published, want) {
		t.Errorf("published %v, want %v", host.Published, want)
	}
	host.Refusal = guest.ErrCapabilityDenied
	if _, err := shop.HandleMessage(host, "shop/http", []byte("tea 2")); !errors.Is(err, guest.ErrCapabilityDenied) {
		t.Errorf("without the capability: %v", err)
	}
	if err := shop.(guest.Initializer).Initialize(host, nil); !errors.Is(err, guest.ErrFailed) {
		t.Errorf("without a role: %v", err)
	}
}

// TestOnHost: clerks get the orders to which they have subscribed.
func TestOnHost(t *testing.T) {
	h := start(t)
	deploy := func(id, role string, publish []core.TopicPattern, subscribe ...host.Subscription) core.ComponentID {
		d := host.Deployment{
			ID: core.MustComponentID(id), Engine: native.Name, Source: native.Source(topics.New), Config: []core.ConfigPair{{Key: "role", Value: role}},
			Capabilities: host.Capabilities{Publish: publish}, Subscribe: subscribe, Limits: core.Limits{HandlerTime: time.Minute},
		}
		if err := h.Deploy(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		return d.ID
	}
	orders, tea := core.MustTopicPattern("orders.*"), core.MustTopicPattern("orders.tea")
	shop := deploy("shop/orders", "shop", []core.TopicPattern{orders})
	audit := deploy("shop/audit", "clerk", nil, host.Subscription{Topic: orders})
	teas := deploy("shop/tea", "clerk", nil, host.Subscription{Topic: tea})
	for _, order := range []string{"tea 2", "cake 1", "tea 1"} {
		if _, err := h.Request(t.Context(), shop, []byte(order)); err != nil {
			t.Error(err)
		}
	}
	if err := h.Quiesce(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[core.ComponentID]string{audit: "tea 2\ncake 1\ntea 1", teas: "tea 2\ntea 1"} {
		if got, err := h.Request(t.Context(), id, []byte("report")); string(got) != want || err != nil {
			t.Errorf("%s has noted %q, %v, want %q", id, got, err, want)
		}
	}
}

func start(t *testing.T) *host.Host {
	t.Helper()
	engine, err1 := native.New(native.Config{})
	broker, err2 := inproc.New(inproc.Config{})
	tracker, err3 := slab.New(slab.Config{})
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	h, err := host.New(host.Config{Logger: slog.New(slog.DiscardHandler)}, broker, tracker, engine)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h
}
