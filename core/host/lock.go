package host

// The locks of a host are taken in this order: a goroutine that holds one may take
// only locks of a later rank. Builds with -race check it.
type (
	ofHost      struct{} // Host.mu
	ofWaits     struct{} // waits.mu
	ofComponent struct{} // component.mu
	ofWorkers   struct{} // workers.mu
	ofLeaf      struct{} // the locks of directory, events, audit, deadLetters, timers, topics, budgets, exchanges and secrets
)

// ranked is the type of a rank.
type ranked interface{ rank() int }

func (ofHost) rank() int      { return 1 }
func (ofWaits) rank() int     { return 2 }
func (ofComponent) rank() int { return 3 }
func (ofWorkers) rank() int   { return 4 }
func (ofLeaf) rank() int      { return 5 }
