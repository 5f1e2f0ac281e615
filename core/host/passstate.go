package host

import (
	"fmt"

	"github.com/airhost/airhost/core"
)

// passState hands the state of c's guest to next's, if both export component-state and c's
// has an instance. The caller owns both. After an error c goes on, or its
// instance has ended by a trap of save.
func (c *component) passState(next *component) error {
	if c.life.instance == nil || next.crew != nil || !c.traits.State || !next.traits.State {
		return nil
	}
	state, err := c.save()
	if err != nil {
		return fmt.Errorf("save of the old version: %w", err)
	}
	if err := next.restore(state); err != nil {
		return fmt.Errorf("restore of the new version: %w", err)
	}
	return nil
}

// save returns the state of c's guest. If it traps, c is restarted by its policy. The owner
// calls it.
func (c *component) save() (state []byte, err error) {
	err = c.callKeeper(func(keeper core.StateKeeper) error {
		state, err = keeper.Save(nil)
		return err
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.instance == nil {
		c.instanceEndedLocked(err)
		c.publishLocked()
	}
	return state, err
}

// restore hands c's guest a state. The owner calls it.
func (c *component) restore(state []byte) error {
	return c.callKeeper(func(keeper core.StateKeeper) error { return keeper.Restore(state) })
}

// callKeeper makes a call of c's instance, under the watchdog. The owner calls it. After an
// error that is no answer of the guest c has no instance any more.
func (c *component) callKeeper(call func(core.StateKeeper) error) error {
	instance := c.life.instance
	keeper, ok := instance.(core.StateKeeper)
	if !ok {
		return core.ErrNoState
	}
	slot := c.host.watch.acquire(c)
	defer slot.release()
	c.enter(instance)
	err := c.leave(call(keeper))
	if err != nil && c.host.bounds.answerOf(err) == nil {
		_ = instance.Close() // its memory is gone either way
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.life.instance, c.life.canExchange = instance, c.exchanges()
	return err
}
