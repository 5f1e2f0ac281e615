//go:build !race

package host

import "sync"

// raced says that this is a build with -race.
const raced = false

// mutex is a lock of a rank.
type mutex[R ranked] struct{ sync.Mutex }

// lockPartner is Lock for a second component, while the lock of the first is held: the
// watchdog takes the locks of both sides of an exchange, and a member that of its front,
// always in this order.
func (m *mutex[R]) lockPartner() { m.Lock() }
