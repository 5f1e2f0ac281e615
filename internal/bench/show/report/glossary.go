package report

import (
	"slices"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

type term struct{ Word, Meaning string }

// glossary explains the report's words: those of all cells, those of each mode, and
// those of samples.
func glossary() []term {
	all := slices.Clone(cellWords)
	for _, mode := range cells.Modes() {
		for _, word := range mode.Glossary {
			all = append(all, term(word))
		}
	}
	return append(all, sampleWords...)
}

var cellWords = []term{
	{"Component", "A plug-in that is measured: a WebAssembly guest, a Go value, or a process of its own. Components can only send each other messages."},
	{"Back end", "A choice of engine (what runs components), broker (what takes a message to its receiver) and tracker (what keeps the requests that wait for a response)."},
	{"Fire-and-forget", "A component sends a message and goes on. One operation is one hop: the send, all checks, and the receiver's handler."},
	{"Request-response", "A component sends a request and gets the response in a callback. One operation is the whole round trip."},
	{"Call", "A Go program sends a request to an idle component and waits for the response. This is what most programs with plug-ins do."},
	{"Cell", "One back end with one pattern, payload and mode. All cells of a run are measured in turns, so that what disturbs the machine disturbs all of them alike."},
	{"Sample", "The mean of many operations, one after the other. It counts only if the guests' own counters agree that all of them happened."},
	{"Median", "Half of the samples are smaller, half are larger. It moves little when a few samples are disturbed."},
	{"95 % interval", "Where the median would lie in 95 of 100 repetitions under the same conditions, by bootstrap: from drawing the samples anew, many times. It says nothing about other machines, or about this one on another day."},
}

var sampleWords = []term{
	{"Warning: drift", "The second half of the samples differs from the first by more than chance. The machine, or the cell, changed while it was measured."},
	{"Warning: wide interval, too few samples", "The median is not known well enough to see small differences."},
	{"Warning: busy machine, busy processors", "Something else used the processors while the cell was measured. Figures may be too high."},
	{"Outlier", "A sample further from the quartiles than 1.5 times their distance (Tukey). Outliers are counted and kept: a pause that users see is part of the result."},
	{"Quartiles, MAD, standard deviation", "How far samples spread: the middle half lies between the quartiles; the median absolute deviation (MAD) is the middle of the distances from the median; the standard deviation weighs far samples more."},
	{"Allocation", "A piece of memory from Go's heap. Each costs time twice: when it is taken, and when the garbage collector finds it unused."},
}
