package shop_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"testing"

	"github.com/airhost/airhost/examples/shop"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/guesttest"
)

// lookup is a fake of the host's function.
func lookup(article []byte) ([]byte, error) {
	if string(article) != "tea" {
		return nil, fmt.Errorf("no price for %q", article)
	}
	return []byte("450"), nil
}

// rates is a fake of the web service.
func rates(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/USD" || r.Header.Get("authorization") != "Bearer abc" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	fmt.Fprint(w, "1.25")
}

// newHost is a host that grants all that the component asks for.
func newHost() *guesttest.Host {
	return &guesttest.Host{
		Functions:   map[string]func([]byte) ([]byte, error){"price/lookup": lookup},
		Buckets:     map[string]map[string][]byte{guest.DefaultBucket: {"eve": []byte("tea")}},
		Secrets:     map[string]string{"token": "abc"},
		Web:         http.HandlerFunc(rates),
		Directories: map[string]string{"/templates": "templates"},
	}
}

func newShop(t *testing.T, currency string) guest.Component {
	t.Helper()
	component := shop.New()
	config := guest.Config{{Key: "currency", Value: currency}, {Key: "rates", Value: "http://rates.test"}}
	if err := component.(guest.Initializer).Initialize(nil, config); err != nil {
		t.Fatal(err)
	}
	return component
}

func TestShop(t *testing.T) {
	host, component := newHost(), newShop(t, "USD")
	for _, step := range []struct{ message, want string }{
		{"bob", "bob has nothing in the cart, for 0.00 USD."},
		{"bob tea", "bob has tea in the cart, for 5.62 USD."},
		{"eve tea", "eve has tea, tea in the cart, for 11.25 USD."},
		{"eve", "eve has tea, tea in the cart, for 11.25 USD."},
	} {
		got, err := component.HandleMessage(host, "shop/http", []byte(step.message))
		if string(got) != step.want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", step.message, got, err, step.want)
		}
	}
	for _, message := range []string{"eve ", "eve gold", "eve tea tea"} {
		if got, err := component.HandleMessage(host, "shop/http", []byte(message)); !errors.Is(err, guest.ErrInvalidMessage) {
			t.Errorf("%q: got %q, %v", message, got, err)
		}
	}
	if got, err := newShop(t, "XXX").HandleMessage(host, "shop/http", []byte("eve")); !errors.Is(err, guest.ErrFailed) {
		t.Errorf("an unknown currency: got %q, %v", got, err)
	}
	if err := shop.New().(guest.Initializer).Initialize(host, nil); !errors.Is(err, guest.ErrFailed) {
		t.Errorf("without settings: %v", err)
	}
}

// TestNotGranted: without one of its capabilities the component fails, and names the reason.
func TestNotGranted(t *testing.T) {
	for name, test := range map[string]struct {
		take func(*guesttest.Host)
		want error
	}{
		"function": {func(h *guesttest.Host) {
			h.Functions["price/lookup"] = func([]byte) ([]byte, error) { return nil, guest.ErrCallDenied }
		}, guest.ErrCallDenied},
		"bucket":    {func(h *guesttest.Host) { h.Buckets = nil }, guest.ErrAccessDenied},
		"secret":    {func(h *guesttest.Host) { h.Secrets = nil }, guest.ErrCallDenied},
		"web":       {func(h *guesttest.Host) { h.Web = nil }, guest.ErrCallDenied},
		"directory": {func(h *guesttest.Host) { h.Directories = nil }, fs.ErrNotExist},
	} {
		host := newHost()
		test.take(host)
		if got, err := newShop(t, "USD").HandleMessage(host, "shop/http", []byte("eve")); !errors.Is(err, test.want) {
			t.Errorf("%s: got %q, %v, want %v", name, got, err, test.want)
		}
	}
}
