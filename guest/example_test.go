package guest_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/guesttest"
)

// courier passes messages on to shop/orders. While that has no room it backs off and tries
// again: after 100 ms, then after 200 ms, and so on.
type courier struct{ delay time.Duration }

func (c *courier) HandleMessage(h guest.Host, sender string, message []byte) ([]byte, error) {
	switch err := h.Send("shop/orders", message); {
	case errors.Is(err, guest.ErrQueueFull):
		c.delay = min(max(100*time.Millisecond, 2*c.delay), 10*time.Second)
		_, err = guest.After(h, c.delay, message) // the message comes again, from this component
		return nil, err
	case err != nil:
		return nil, err
	}
	c.delay = 0
	return nil, nil
}

func ExampleAfter() {
	host, component := new(guesttest.Host), new(courier)
	host.Refusal = guest.ErrQueueFull
	for range 3 {
		_, _ = component.HandleMessage(host, "shop/cart", []byte("an order"))
	}
	host.Refusal = nil
	_, _ = component.HandleMessage(host, host.ID, []byte("an order"))
	for _, timer := range host.Timers {
		fmt.Println("waits", timer.Delay, "with", timer.Payload)
	}
	fmt.Println("sends", host.Sent[0].Payload)
	// Output:
	// waits 100ms with an order
	// waits 200ms with an order
	// waits 400ms with an order
	// sends an order
}
