package native

import (
	"fmt"
	"sync/atomic"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
)

// The states of an instance. It is alive until it has ended, between calls and in a
// call.
const (
	alive       uint32 = iota
	interrupted        // by Instance.Interrupt
	trapped            // the reason is in instance.trap
	closed             // by Instance.Close
)

// instance is one Go value that runs as a component.
type instance struct {
	state   atomic.Uint32
	busy    bool // a method of value runs; only then does the host serve it
	value   guest.Component
	host    core.Services
	timers  core.Timers
	id      string
	most    int    // largest response in bytes
	scratch []byte // holds a target's bytes during a call of the host
	trap    *core.TrapError

	ledger     *core.Ledger // nil if the host passes none
	creditLeft bool         // the ledger may answer a message or request of the call in progress

	limits      core.Limits
	functions   core.Functions
	keyValue    core.KeyValue
	files       core.Files
	publisher   core.Publisher
	initialized bool   // initialize has returned: the start is over
	released    func() // called when the instance is closed
}

var _ core.StateKeeper = (*instance)(nil)

func newInstance(env core.Environment) *instance {
	limits := env.Limits.WithDefaults()
	return &instance{host: env.Host, timers: core.TimersOf(&env), functions: core.FunctionsOf(&env), keyValue: core.KeyValueOf(&env), files: core.FilesOf(&env), publisher: core.PublisherOf(&env), id: env.ID.String(), most: limits.MessageSize, limits: limits, ledger: env.Ledger}
}

// start creates the instance's value. The constructor is the first code of the
// guest.
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

// enter begins a call. It returns an error if the instance has ended.
func (i *instance) enter() error {
	if i.state.Load() != alive {
		return i.endReason()
	}
	i.busy = true
	return nil
}

// endReason returns the reason why the instance has ended. It turns an interrupt into
// a trap.
func (i *instance) endReason() error {
	switch i.state.Load() {
	case interrupted:
		return i.end(i.interruption())
	case trapped:
		return i.trap
	}
	return core.ErrClosed
}

// leave ends a call that returned err, and translates err into package core's
// errors.
func (i *instance) leave(err error) error {
	i.busy, i.creditLeft = false, false
	if i.state.Load() != alive {
		return i.endReason()
	}
	if err == nil {
		return nil
	}
	e := guest.AsComponentError(err)
	return &core.ComponentError{Case: core.ComponentErrorCase(e.Case), Text: e.Text}
}

// recoverPanic is deferred in each call. It ends the instance if the call panicked.
func (i *instance) recoverPanic(err *error) {
	if !i.busy {
		return // the call has left; recover costs more than this question
	}
	if r := recover(); r != nil {
		*err = i.end(panicked(r))
	}
}

func (i *instance) end(trap *core.TrapError) error {
	i.busy, i.creditLeft = false, false
	i.trap = trap
	i.state.Store(trapped)
	return trap
}

// interruption returns the trap for a call that the host has interrupted. It names
// the limit that the call has probably exceeded.
func (i *instance) interruption() *core.TrapError {
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
	defer i.recoverPanic(&err)
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
	defer i.recoverPanic(&err)
	i.creditLeft = i.ledger != nil
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
	defer i.recoverPanic(&err)
	i.creditLeft = i.ledger != nil
	if c, ok := i.value.(guest.CallbackHandler); ok {
		err = c.HandleCallback((*services)(i), guest.RequestID(id), response, guestFailure(failure))
	}
	return i.leave(err)
}

// guestFailure returns an untyped nil if there is no failure.
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
	defer i.recoverPanic(&err)
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
	defer i.recoverPanic(&err)
	if c, ok := i.value.(guest.Shutdowner); ok {
		c.Shutdown((*services)(i))
	}
	return i.leave(nil)
}

func (i *instance) Save(dst []byte) (saved []byte, err error) {
	if err := i.enter(); err != nil {
		return dst, err
	}
	defer i.recoverPanic(&err)
	saved = dst
	c, ok := i.value.(guest.StateKeeper)
	if !ok {
		return dst, i.leave(guest.Unavailable("%s", core.ErrNoState.Text))
	}
	state, err := c.Save((*services)(i))
	if err = i.leave(err); err == nil {
		err = i.limits.CheckState(uint64(len(state)))
	}
	if err != nil {
		return dst, err
	}
	return append(dst, state...), nil
}

func (i *instance) Restore(state []byte) (err error) {
	if err := i.limits.CheckState(uint64(len(state))); err != nil {
		return err
	}
	if err := i.enter(); err != nil {
		return err
	}
	defer i.recoverPanic(&err)
	c, ok := i.value.(guest.StateKeeper)
	if !ok {
		return i.leave(guest.Unavailable("%s", core.ErrNoState.Text))
	}
	return i.leave(c.Restore((*services)(i), state))
}

func (i *instance) Interrupt() { i.state.CompareAndSwap(alive, interrupted) }

// Close drops the value. A component that still uses its host is refused from now
// on.
func (i *instance) Close() error {
	if i.state.Swap(closed) != closed {
		i.value, i.scratch = nil, nil
		i.released()
	}
	return nil
}
