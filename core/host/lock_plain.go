//go:build !race

package host

import "sync"

// raced says that this is a build with -race.
const raced = false

// mutex is a lock of a rank.
type mutex[R ranked] struct{ sync.Mutex }

// lockPartner is Lock for the second component of an exchange, while the lock of the
// first is held. Only the watchdog takes both, always in this order.
func (m *mutex[R]) lockPartner() { m.Lock() }
