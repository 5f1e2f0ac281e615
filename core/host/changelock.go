package host

import "context"

// changeLock lets one goroutine at a time change a component: deploy, replace, update,
// restart or remove it. Others wait for their turn.
type changeLock chan struct{}

func newChangeLock() changeLock { return make(changeLock, 1) }

// lock waits for the turn until ctx ends.
func (l changeLock) lock(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	default:
	}
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l changeLock) unlock() { <-l }
