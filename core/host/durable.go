package host

import (
	"errors"
	"fmt"

	"github.com/airhost/airhost/core"
)

// errDelivery is the error of a change of a component's delivery: messages that are stored for it would be
// forgotten, or come twice.
var errDelivery = errors.New("delivery cannot be changed while the component is deployed: undeploy it, and deploy it again")

// normalize checks d, also against the host's broker, and sets the defaults.
func (h *Host) normalize(d *Deployment) error {
	if err := d.normalize(); err != nil {
		return err
	}
	if err := h.checkFiles(d); err != nil {
		return err
	}
	if _, can := h.broker.(core.DurableBroker); !can && d.Delivery == DeliveryDurable {
		return fmt.Errorf("%w of %q: delivery is durable, and this host's broker keeps no messages: use the broker nats, with a server that has JetStream, or leave delivery out", ErrInvalidDeployment, d.ID)
	}
	return h.holdSecrets(d)
}

// takeNoMore ends the sources of messages that nobody sends now: timers, and the mail that the broker keeps, which
// can wait for the next start.
func (h *Host) takeNoMore() {
	if broker, can := h.broker.(core.DurableBroker); can {
		broker.Rest()
	}
	h.timers.close()
	h.endPauses()
}

// stored returns how many messages the broker keeps for a component.
func (h *Host) stored(id core.ComponentID) int {
	if broker, can := h.broker.(core.DurableBroker); can {
		return broker.Waiting(id)
	}
	return 0
}

// keeperOf returns the keeper of a message, or nil if it has none.
func keeperOf(m *core.Message) core.Keeper {
	if m.Origin == nil || m.IsRequest() {
		return nil
	}
	keeper, _ := m.Origin.(core.Keeper)
	return keeper
}

// handled ends a fire-and-forget message that has an origin and was handled.
func handled(m *core.Message) {
	if keeper := keeperOf(m); keeper != nil {
		keeper.Handled(m)
		return
	}
	m.Release()
}

// lost ends a fire-and-forget message on which c's instance has ended: it comes again if its
// broker keeps it, and otherwise is a dead letter.
func (c *component) lost(m *core.Message, trap error) {
	keeper := keeperOf(m)
	if keeper != nil && keeper.Failed(m, c.deployment.Restart.MaxDeliver) {
		return
	}
	c.host.deadLetter(m, trap)
}
