package trackertest

import (
	"time"

	"github.com/airhost/airhost/core"
)

// Reserve implements [core.Reserver].
func (r *reference) Reserve(w core.Waiter, ids []core.RequestID) error {
	defer r.locked()()
	if r.closed && !r.has("reserves after close") {
		return core.ErrClosed
	}
	for i, id := range ids {
		if i > 0 && r.has("reserves only the first") {
			return nil
		}
		if err := r.giveUpLocked(id, w); err != nil {
			if r.has("gives back the rest") {
				for _, rest := range ids[i:] {
					delete(r.reserved, rest)
				}
			}
			return err
		}
		if id != 0 && r.has("replaces by the same") {
			continue
		}
		ids[i] = r.setAsideLocked(w)
		if r.has("does not reserve anew") {
			delete(r.reserved, ids[i])
		}
	}
	return nil
}

// giveUpLocked ends the reservation of id, unless it is 0. The caller holds the lock.
func (r *reference) giveUpLocked(id core.RequestID, w core.Waiter) error {
	if id == 0 || r.has("replaces any id") {
		return nil
	}
	if err := r.refusal(id, w, 1); err != nil {
		return err
	}
	if !r.has("keeps replaced ids") {
		delete(r.reserved, id)
	}
	if r.has("makes replaced ids pending") {
		r.start(id, w, time.Hour)
	}
	return nil
}

// setAsideLocked reserves an id for w. The caller holds the lock.
func (r *reference) setAsideLocked(w core.Waiter) core.RequestID {
	id := r.last
	if !r.has("reserves pending ids") || r.pending[id] == nil {
		r.last++
		id = r.last
	}
	if r.has("reserves one for all") {
		id = 1 << 50
	}
	r.reserved[id] = w
	if r.has("gives away reserved ids") {
		r.last--
	}
	if r.has("makes reserved ids pending") {
		r.start(id, w, time.Hour)
	}
	if r.has("expires reserved ids") {
		time.AfterFunc(time.Second, func() { w.Expired(id, core.ErrTimeout) })
	}
	return id
}

// RegisterReserved implements [core.Reserver].
func (r *reference) RegisterReserved(id core.RequestID, w core.Waiter, timeout time.Duration) (core.RequestID, error) {
	defer r.locked()()
	if err := r.refusal(id, w, timeout); err != nil {
		if r.has("gives back refused ids") {
			delete(r.reserved, id)
		}
		return 0, err
	}
	if !r.has("takes used ids") {
		delete(r.reserved, id)
	}
	if r.has("registers under another id") {
		r.last++
		id = r.last
	}
	r.start(id, w, max(timeout, 1))
	switch {
	case r.has("reserves nothing next"):
		return 0, nil
	case r.has("reserves the same next"):
		r.reserved[id] = w
		return id, nil
	}
	return r.setAsideLocked(w), nil
}

// refusal returns the error for a request that must not be registered, or nil.
func (r *reference) refusal(id core.RequestID, w core.Waiter, timeout time.Duration) error {
	owner, ok := r.reserved[id]
	switch {
	case r.closed && !r.has("registers after close"):
		return core.ErrClosed
	case timeout <= 0 && r.has("takes a reserved timeout of 0"):
	case timeout > core.MaxTimeout && r.has("takes any reserved timeout"):
	case timeout <= 0 || timeout > core.MaxTimeout:
		return core.ErrInvalidArgument
	}
	if r.has("takes any id") || ok && (owner == w || r.has("takes another's")) {
		return nil
	}
	return core.ErrInvalidArgument
}

// giveBackLocked gives back the ids that are reserved for w. It returns ids only for a fault
// that takes them for pending. The caller holds the lock.
func (r *reference) giveBackLocked(w core.Waiter) (ids []core.RequestID) {
	for id, owner := range r.reserved {
		if owner != w && !r.has("gives back all") {
			continue
		}
		if !r.has("keeps reserved ids") {
			delete(r.reserved, id)
		}
		if r.has("removes reserved ids") {
			ids = append(ids, id)
		}
	}
	return ids
}
