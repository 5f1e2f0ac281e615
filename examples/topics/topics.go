// Package topics are components that know nothing of each other: one publishes orders on
// topics, and others get those to which their configuration has subscribed them.
package topics

import (
	"strings"

	"github.com/airhost/airhost/guest"
)

// Component is a shop, or a clerk, as its configuration says.
type Component struct {
	clerk bool
	notes []string
}

// New returns a component without a role.
func New() guest.Component { return new(Component) }

// Initialize reads the role: shop or clerk.
func (c *Component) Initialize(host guest.Host, config guest.Config) error {
	role, _ := config.Get("role")
	c.clerk = role == "clerk"
	if role != "shop" && !c.clerk {
		return guest.Failed("role is %q, want shop or clerk", role)
	}
	return nil
}

// HandleMessage takes an order, or notes one.
func (c *Component) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	if c.clerk {
		return c.note(host, sender, string(message))
	}
	return take(host, message)
}

// take takes an order, such as "tea 2", and tells all who want to know of orders of tea.
func take(host guest.Host, order []byte) ([]byte, error) {
	article, _, _ := strings.Cut(string(order), " ")
	if err := host.Publish("orders."+article, order); err != nil {
		return nil, err
	}
	return append([]byte("taken: "), order...), nil
}

// note notes an order, and returns all notes if it is asked for them.
func (c *Component) note(host guest.Host, sender, message string) ([]byte, error) {
	if message == "report" {
		return []byte(strings.Join(c.notes, "\n")), nil
	}
	c.notes = append(c.notes, message)
	guest.Logf(host, guest.LogInfo, "%s has sold %s", sender, message)
	return nil, nil
}
