package cart_test

import (
	"errors"
	"testing"

	"github.com/airhost/airhost/examples/cart"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/guesttest"
)

func TestCart(t *testing.T) {
	host := &guesttest.Host{Buckets: map[string]map[string][]byte{guest.DefaultBucket: {"eve": []byte("tea")}}}
	c := cart.New()
	for _, step := range []struct{ message, want string }{{"eve bread", "tea bread"}, {"bob milk", "milk"}, {"eve jam", "tea bread jam"}} {
		got, err := c.HandleMessage(host, "shop/web", []byte(step.message))
		if string(got) != step.want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", step.message, got, err, step.want)
		}
	}
	if got := string(host.Buckets[guest.DefaultBucket]["eve"]); got != "tea bread jam" {
		t.Errorf("the bucket has %q", got)
	}
	host.BucketRefusal = guest.ErrKeyValueOther
	if _, err := c.HandleMessage(host, "shop/web", []byte("eve x")); !errors.Is(err, guest.ErrKeyValueOther) {
		t.Errorf("the error is %v", err)
	}
	if _, err := c.HandleMessage(new(guesttest.Host), "shop/web", []byte("eve x")); !errors.Is(err, guest.ErrAccessDenied) {
		t.Errorf("the error is %v", err)
	}
}
