package host

import "github.com/airhost/airhost/core"

// Raced says that this is a build with -race, which is slow.
const Raced = raced

func init() { checked = true }

// MaxDirect is the size of the largest payload in a chain.
const MaxDirect = maxDirect

// ChainSpare returns the size of the largest buffer that the host's workers keep for
// chains. All workers must wait.
func (h *Host) ChainSpare() (size int) {
	for _, w := range h.workers.workers() {
		size = max(size, cap(w.chain.payload))
	}
	return size
}

// ChainCalls returns how many calls the host's workers have made in chains, and one more
// for each chain that has ended.
func (h *Host) ChainCalls() (calls int64) {
	for block := &h.watch.first; block != nil; block = block.more.Load() {
		for i := range block.slots {
			if x := block.slots[i].chain.Load(); x != nil {
				calls += int64(x.turn.Load() >> 1)
			}
		}
	}
	return calls
}

// HasRoom reports whether other components may get a credit for the component of an id.
func (h *Host) HasRoom(id core.ComponentID) bool { return h.deployed(id).hasRoom.Load() }

// Formers returns how many earlier versions and instances a component keeps for their
// requests. Nobody may change it meanwhile.
func (h *Host) Formers(id core.ComponentID) (n int) {
	for _, guest := range h.deployed(id).guests() {
		n += len(guest.life.former)
	}
	return n
}

func (h *Host) deployed(id core.ComponentID) *component {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.components[id]
}

// RestartDue makes a timer of a component's supervisor fire that was stopped too late.
func (h *Host) RestartDue(id core.ComponentID) { h.deployed(id).restartDue() }

// WantsDuring makes the instance of a component want a turn in the moment in which move makes it
// another component's: it has found the former one already.
func (h *Host) WantsDuring(id core.ComponentID, move func()) {
	former := h.deployed(id).guest.services.wish(dueTurn)
	move()
	former.askFor(dueTurn)
}

// UpdateOfRemoved updates a component as if Stop, in a hurry, had removed it meanwhile.
func (h *Host) UpdateOfRemoved(d Deployment) error {
	c := h.deployed(d.ID)
	if err := h.Undeploy(h.background, d.ID); err != nil {
		return err
	}
	d.Source, c.deployment.Source = core.Source{}, core.Source{}
	if err := d.normalize(); err != nil {
		return err
	}
	return c.update(h.background, d)
}

// KnownTopics returns how many permissions to publish the component with most of them keeps.
// Nothing may be under way.
func KnownTopics(h *Host) (most int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.components {
		if c.publishing != nil {
			most = max(most, len(c.publishing.known))
		}
	}
	return most
}
