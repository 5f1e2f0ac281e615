package result

import "time"

// Progress is how far a run has come.
type Progress struct {
	// Name is the name of the cell, or the part of one, that is measured now.
	Name string
	// Round counts from 1; in the warm-up it is 0.
	Round, Rounds int
	// Left estimates the time to the end; 0 as long as there is no estimate.
	Left time.Duration
	// Samples returns the samples of Name so far, in Unit.
	Samples func() []float64
	Unit    string
}
