// Package cart keeps a shopping cart for each customer in the key-value store of the host. A message
// "CUSTOMER ARTICLE" puts an article into the cart, and the response is the cart.
package cart

import (
	"strings"

	"github.com/airhost/airhost/guest"
)

// New makes the component.
func New() guest.Component { return new(cart) }

type cart struct{}

// HandleMessage adds an article, also if other instances change the same cart meanwhile.
func (*cart) HandleMessage(host guest.Host, _ string, message []byte) (response []byte, err error) {
	customer, article, ok := strings.Cut(string(message), " ")
	if !ok {
		return nil, guest.InvalidMessage("want CUSTOMER ARTICLE")
	}
	carts, err := guest.OpenBucket(host, guest.DefaultBucket)
	if err != nil {
		return nil, err
	}
	err = carts.Update(customer, func(old []byte, found bool) ([]byte, error) {
		if found {
			old = append(old, ' ')
		}
		response = append(old, article...)
		return response, nil
	})
	return response, err
}
