package guest_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/guesttest"
)

// TestSecret: a secret comes by its key, and the errors are those of the host.
func TestSecret(t *testing.T) {
	host := &guesttest.Host{}
	if _, err := guest.Secret(host, "KEY"); !errors.Is(err, guest.ErrCallDenied) {
		t.Errorf("without secrets: %v", err)
	}
	host.Secrets = map[string]string{"KEY": "of now"}
	if got, err := guest.Secret(host, "KEY"); got != "of now" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := guest.Secret(host, "OTHER"); !errors.Is(err, guest.ErrCallNotFound) {
		t.Errorf("another key: %v", err)
	}
	host.Secrets["KEY"] = "of then"
	if got, _ := guest.Secret(host, "KEY"); got != "of then" {
		t.Errorf("after a change: %q", got)
	}
}

// pay is a component that signs in with a secret.
type pay struct{}

func (pay) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	token, err := guest.Secret(host, "PAYMENT_TOKEN")
	if err != nil {
		return nil, err
	}
	return []byte("Bearer " + token), nil
}

func ExampleSecret() {
	host := &guesttest.Host{Secrets: map[string]string{"PAYMENT_TOKEN": "of the test"}}
	response, err := pay{}.HandleMessage(host, "shop/cart", nil)
	fmt.Println(string(response), err)
	// Output: Bearer of the test <nil>
}
