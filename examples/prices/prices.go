// Package prices is a component that answers with data of its host: within a request it
// asks the host's function price/lookup for the price of each article.
package prices

import (
	"errors"
	"strconv"
	"strings"

	"github.com/airhost/airhost/guest"
)

// Component has no state.
type Component struct{}

// New returns a component that adds up prices.
func New() guest.Component { return Component{} }

// HandleMessage returns the price of an order, in cents. The order has a line for each
// article: its name and how many, such as "tea 2".
func (Component) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	sum := 0
	for line := range strings.Lines(string(message)) {
		article, many, _ := strings.Cut(strings.TrimSpace(line), " ")
		count, err := strconv.Atoi(many)
		if err != nil {
			return nil, guest.InvalidMessage("the line %q is not an article and a number", line)
		}
		price, err := host.Call("price/lookup", []byte(article))
		if errors.Is(err, guest.ErrCallFailed) {
			return nil, guest.InvalidMessage("%v", err)
		}
		if err != nil {
			return nil, err
		}
		cents, err := strconv.Atoi(string(price))
		if err != nil {
			return nil, err
		}
		sum += count * cents
	}
	return strconv.AppendInt(nil, int64(sum), 10), nil
}
