package plugin

import (
	"sync"

	"github.com/airhost/airhost/core"
)

// The changes that are no timeout.
const (
	answered = 0
	canceled = -1
)

// maxWaiting is how many changes wait for the process until no request is taken
// any more.
const maxWaiting = 1 << 18

// session is what one life of the process has to be told. Its tracker's lock
// guards it.
type session struct {
	some    *sync.Cond // there are changes, or closing is set
	batch   uint64     // the number of the one that is being filled
	changes changes
	closing bool
}

// changes are ids, and what is to be said of each.
type changes struct {
	ids  []uint64
	what []int64
}

// place is where a change is: in which batch, and where in it.
type place struct {
	batch uint64
	index int
}

func (s *session) full() bool { return len(s.changes.ids) >= maxWaiting }

func (s *session) add(id core.RequestID, what int64) place {
	s.changes.ids = append(s.changes.ids, uint64(id))
	s.changes.what = append(s.changes.what, what)
	s.some.Signal()
	return place{s.batch, len(s.changes.ids) - 1}
}

// end tells the process how a request ended. Of one that began in the batch that
// is being filled it need not hear at all: the batch's last change takes its
// place, and that one's id is returned.
func (s *session) end(id core.RequestID, began place, how int64) (moved core.RequestID) {
	if began.batch != s.batch {
		s.add(id, how)
		return 0
	}
	last := len(s.changes.ids) - 1
	moved = core.RequestID(s.changes.ids[last])
	s.changes.ids[began.index], s.changes.what[began.index] = s.changes.ids[last], s.changes.what[last]
	s.changes.ids, s.changes.what = s.changes.ids[:last], s.changes.what[:last]
	return moved
}

// take waits for changes and begins a new batch with the memory of spare. What it
// returns is empty when the session is closing.
func (s *session) take(spare changes) changes {
	s.some.L.Lock()
	defer s.some.L.Unlock()
	for len(s.changes.ids) == 0 && !s.closing {
		s.some.Wait()
	}
	taken := s.changes
	s.changes = changes{spare.ids[:0], spare.what[:0]}
	s.batch++
	return taken
}

// close has the sender end.
func (s *session) close() {
	s.some.L.Lock()
	defer s.some.L.Unlock()
	s.closing = true
	s.some.Broadcast()
}
