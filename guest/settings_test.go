package guest_test

import (
	"errors"
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
