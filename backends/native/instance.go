package native

import (
	"fmt"
	"sync/atomic"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
)

// How an instance has ended.
const (
	alive       uint32 = iota
	interrupted        // by Instance.Interrupt
	trapped            // with instance.trap
	closed             // by Instance.Close
)

// instance is one Go value that runs as a component.
type instance struct {
	ended   atomic.Uint32
	running bool // a method of value runs: only then services answer
	value   guest.Component
	host    core.Services
	id      string
	most    int    // bytes of a response
	scratch []byte // a target's bytes, for the length of a call to host
	trap    *core.TrapError

	limits      core.Limits
	initialized bool   // its start is over
	released    func() // called once it is closed
}

var _ core.Instance = (*instance)(nil)

func newInstance(env core.Environment) *instance {
	limits := env.Limits.WithDefaults()
	return &instance{host: env.Host, id: env.ID.String(), most: limits.MessageSize, limits: limits}
}

// start gives the instance its value; the constructor is its first guest code.
func (i *instance) start(c *component) (err error) {
	if err := i.enter(); err != nil {
		return err
	}
	value, trap := c.take()
	if trap != nil {
		return i.end(trap)
	}
	i.value = value
	return i.leave(nil)
}

// enter begins a call, unless the instance has ended.
func (i *instance) enter() error {
	if i.ended.Load() != alive {
		return i.refusal()
	}
	i.running = true
	return nil
}

func (i *instance) refusal() error {
	switch i.ended.Load() {
	case interrupted:
		return i.end(i.stopped())
	case trapped:
		return i.trap
	}
	return core.ErrClosed
}

// leave ends a call that returned err, in the guest's words.
func (i *instance) leave(err error) error {
	i.running = false
	if i.ended.Load() != alive {
		return i.refusal()
	}
	if err == nil {
		return nil
	}
	e := guest.AsComponentError(err)
	return &core.ComponentError{Case: core.ComponentErrorCase(e.Case), Text: e.Text}
}

// rescue, deferred, ends the instance of a call that panicked.
func (i *instance) rescue(err *error) {
	if r := recover(); r != nil {
		*err = i.end(panicked(r))
	}
}

func (i *instance) end(trap *core.TrapError) error {
	i.running = false
	i.trap = trap
	i.ended.Store(trapped)
	return trap
}

// stopped says why the host may have interrupted a call.
func (i *instance) stopped() *core.TrapError {
	name, limit := "limits.start_time", i.limits.StartTime
	if i.initialized {
		name, limit = "limits.handler_time", i.limits.HandlerTime
	}
	return &core.TrapError{Kind: core.TrapHandler, Text: fmt.Sprintf("not done within %s (%v), or the host ended it", name, limit)}
}

func (i *instance) Initialize(config []core.ConfigPair) (err error) {
	if err := i.enter(); err != nil {
		return err
	}
	defer i.rescue(&err)
	if c, ok := i.value.(guest.Initializer); ok {
		err = c.Initialize((*services)(i), guestConfig(config))
	}
	if err = i.leave(err); err == nil {
		i.initialized = true
	}
	return err
}

func guestConfig(config []core.ConfigPair) guest.Config {
	pairs := make(guest.Config, len(config))
	for n, pair := range config {
		pairs[n] = guest.ConfigPair(pair)
	}
	return pairs
}

func (i *instance) HandleMessage(sender core.ComponentID, message []byte, response *[]byte) (err error) {
	if err := i.enter(); err != nil {
		return err
	}
	defer i.rescue(&err)
	answer, err := i.value.HandleMessage((*services)(i), sender.String(), message)
	if err = i.leave(err); err != nil {
		return err
	}
	if response == nil {
		return nil
	}
	if len(answer) > i.most {
		return tooLarge(len(answer), i.most)
	}
	*response = append(*response, answer...)
	return nil
}

func tooLarge(size, most int) error {
	limit := core.LimitError{Limit: "quota.message_size", Got: uint64(size), Max: uint64(most), Unit: "bytes"}
	return &core.ComponentError{Case: core.CaseFailed, Text: "response too large: " + limit.Error()}
}

func (i *instance) HandleCallback(id core.RequestID, response []byte, failure *core.RequestError) (err error) {
	if err := i.enter(); err != nil {
		return err
	}
	defer i.rescue(&err)
	if c, ok := i.value.(guest.CallbackHandler); ok {
		err = c.HandleCallback((*services)(i), guest.RequestID(id), response, guestFailure(failure))
	}
	return i.leave(err)
}

// guestFailure returns an untyped nil where there is no failure.
func guestFailure(failure *core.RequestError) error {
	if failure == nil {
		return nil
	}
	return &guest.RequestError{Reason: guest.RequestErrorReason(failure.Reason), Text: failure.Text}
}

func (i *instance) Health() (status core.HealthStatus, err error) {
	if err := i.enter(); err != nil {
		return core.HealthUnhealthy, err
	}
	defer i.rescue(&err)
	if c, ok := i.value.(guest.HealthReporter); ok {
		status = core.HealthStatus(c.Health())
	}
	if !status.Valid() {
		return core.HealthUnhealthy, i.end(&core.TrapError{Kind: core.TrapABI, Text: "health returned a status that the contract does not have"})
	}
	return status, i.leave(nil)
}

func (i *instance) Shutdown() (err error) {
	if err := i.enter(); err != nil {
		return err
	}
	defer i.rescue(&err)
	if c, ok := i.value.(guest.Shutdowner); ok {
		c.Shutdown((*services)(i))
	}
	return i.leave(nil)
}

func (i *instance) Interrupt() { i.ended.CompareAndSwap(alive, interrupted) }

// Close lets go of the value; a component that kept its host is refused.
func (i *instance) Close() error {
	if i.ended.Swap(closed) != closed {
		i.value, i.scratch = nil, nil
		i.released()
	}
	return nil
}
