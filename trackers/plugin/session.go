package plugin

import (
	"sync"

	"github.com/airhost/airhost/core"
)

// The changes that end a request. All others are timeouts, in nanoseconds.
const (
	answered = 0
	canceled = -1
)

// maxWaiting is the number of changes that may wait for the process before new
// requests are refused.
const maxWaiting = 1 << 18

// session holds the changes for one run of the process. The tracker's lock guards it.
// The caller of a method with Locked at the end of its name holds that lock.
type session struct {
	some    *sync.Cond // signals changes, or that closing is set
	batch   uint64     // number of the batch in changes
	changes changes    // the batch that waits for the process
	closing bool
}

// changes is a batch of ids, each with its change.
type changes struct {
	ids  []uint64
	kind []int64 // a timeout, answered or canceled
}

// place is the position of a change: its batch, and its index in it.
type place struct {
	batch uint64
	index int
}

func (s *session) fullLocked() bool { return len(s.changes.ids) >= maxWaiting }

func (s *session) addLocked(id core.RequestID, kind int64) place {
	s.changes.ids = append(s.changes.ids, uint64(id))
	s.changes.kind = append(s.changes.kind, kind)
	s.some.Signal()
	return place{s.batch, len(s.changes.ids) - 1}
}

// endLocked adds the end of a request, answered or canceled. If the waiting batch also
// has the request's timeout, the process need not hear of the request: the last
// change of the batch takes the place of the timeout, and endLocked returns the id of
// the moved change.
func (s *session) endLocked(id core.RequestID, began place, kind int64) (moved core.RequestID) {
	if began.batch != s.batch {
		s.addLocked(id, kind)
		return 0
	}
	last := len(s.changes.ids) - 1
	moved = core.RequestID(s.changes.ids[last])
	s.changes.ids[began.index], s.changes.kind[began.index] = s.changes.ids[last], s.changes.kind[last]
	s.changes.ids, s.changes.kind = s.changes.ids[:last], s.changes.kind[:last]
	return moved
}

// take waits for changes and returns them. It begins the next batch in the memory of
// spare. The result is empty when the session is closing.
func (s *session) take(spare changes) changes {
	s.some.L.Lock()
	defer s.some.L.Unlock()
	for len(s.changes.ids) == 0 && !s.closing {
		s.some.Wait()
	}
	taken := s.changes
	s.changes = changes{spare.ids[:0], spare.kind[:0]}
	s.batch++
	return taken
}

// close makes take return no more changes.
func (s *session) close() {
	s.some.L.Lock()
	defer s.some.L.Unlock()
	s.closing = true
	s.some.Broadcast()
}
