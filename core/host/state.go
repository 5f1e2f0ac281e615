package host

import "fmt"

// status is the state of a component. The goroutine that moved it to running or
// claimed is its owner: nobody else may touch its instance and its sending side.
type status uint8

const (
	claimed status = iota // owned by a goroutine that deploys, stops or removes it
	idle                  // nothing to do
	queued                // its run entry is in the shared queue, or is about to be
	running               // owned by a worker, or by the goroutine of a Go program's request
	spread                // the front of several instances: its members run
	down                  // without an instance, until a restart is due, if ever; or without running time
	removed               // undeployed
)

func (s status) String() string {
	return [...]string{"claimed", "idle", "queued", "running", "spread", "down", "removed"}[s]
}

// transitions are the statuses that may follow each one. docs/architecture.md
// draws the usual changes.
var transitions = [...][]status{
	claimed: {idle, queued, spread, down, claimed, removed},
	idle:    {queued, running, claimed, down},
	queued:  {running, claimed},
	running: {idle, queued, down, claimed},
	spread:  {claimed},
	down:    {queued, running, claimed},
	removed: {},
}

// checked makes the host check its own states. Tests set it.
var checked bool

// become changes the status, and is the only code that does. The component's lock is
// held. In tests a change that is not in transitions panics.
func (s *schedule) become(next status) {
	if checked {
		s.checkTransition(next)
	}
	s.status = next
}

func (s *schedule) checkTransition(next status) {
	for _, allowed := range transitions[s.status] {
		if allowed == next {
			return
		}
	}
	panic(fmt.Sprintf("host: a component that is %v must not become %v", s.status, next))
}
