package enginetest

import (
	"slices"

	"github.com/airhost/airhost/core"
)

func (i *fakeInstance) Save(dst []byte) (saved []byte, err error) {
	saved = dst
	err = i.call(func() error {
		switch {
		case i.responder && !i.has("everything has state"):
			return core.ErrNoState
		case i.responder:
			return nil
		case i.has("no services in save"):
			i.withoutServices()
		}
		state, err := i.actor.Save()
		switch {
		case err != nil && i.has("save cannot fail"):
			return nil
		case err != nil && i.has("failed saves clear the state"):
			saved = nil
		}
		if !i.has("saves any size") && err == nil {
			err = i.env.Limits.CheckState(uint64(len(state)))
		}
		if err != nil {
			return err
		}
		saved = i.keepState(dst, state)
		return nil
	})
	return saved, err
}

// keepState returns the state that was saved.
func (i *fakeInstance) keepState(dst, state []byte) []byte {
	switch {
	case i.has("states are cut"):
		state = state[:min(len(state), 1000)]
	case i.has("state replaces"):
		return slices.Clone(state)
	case i.has("saves once") && i.state == nil:
		i.state = state
	case i.has("saves once"):
		state = i.state
	}
	return append(dst, state...)
}

func (i *fakeInstance) Restore(state []byte) error {
	return i.call(func() error {
		switch {
		case i.responder && !i.has("everything has state"):
			return core.ErrNoState
		case i.responder:
			return nil
		case i.has("no services in restore"):
			i.withoutServices()
		}
		if err := i.env.Limits.CheckState(uint64(len(state))); err != nil && !i.has("restores any size") {
			return err
		}
		err := i.actor.Restore(state)
		switch {
		case i.has("restore cannot fail"):
			return nil
		case i.has("changes the state") && len(state) > 0:
			state[0]++
		case i.has("keeps the state"):
			i.actor.state = state
		}
		return err
	})
}

// withoutServices gives the actor a host that does nothing.
func (i *fakeInstance) withoutServices() {
	i.actor.Host = (*fakeHost)(&fakeInstance{fakeComponent: i.fakeComponent, env: core.Environment{Host: &Services{}}})
}
