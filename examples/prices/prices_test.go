package prices_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/airhost/airhost/examples/prices"
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

func TestPrices(t *testing.T) {
	host := &guesttest.Host{Functions: map[string]func([]byte) ([]byte, error){"price/lookup": lookup}}
	for order, want := range map[string]string{"": "0", "tea 1": "450", "tea 2\ntea 1\n": "1350"} {
		if got, err := prices.New().HandleMessage(host, "shop/http", []byte(order)); string(got) != want || err != nil {
			t.Errorf("%q costs %s, %v, want %s", order, got, err, want)
		}
	}
	if len(host.Calls) != 3 || host.Calls[0].Function != "price/lookup" || host.Calls[0].Argument != "tea" {
		t.Errorf("calls %v", host.Calls)
	}
	for _, order := range []string{"tea", "tea x", "gold 1"} {
		if got, err := prices.New().HandleMessage(host, "shop/http", []byte(order)); !errors.Is(err, guest.ErrInvalidMessage) {
			t.Errorf("%q costs %s, %v", order, got, err)
		}
	}
}

// TestPricesNotGranted: without the capability the component fails, and names the reason.
func TestPricesNotGranted(t *testing.T) {
	host := &guesttest.Host{Functions: map[string]func([]byte) ([]byte, error){
		"price/lookup": func([]byte) ([]byte, error) { return nil, guest.ErrCallDenied },
	}}
	if got, err := prices.New().HandleMessage(host, "shop/http", []byte("tea 1")); !errors.Is(err, guest.ErrCallDenied) {
		t.Errorf("got %s, %v", got, err)
	}
}
