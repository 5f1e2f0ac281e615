// Package remote runs the subjects of a measurement in another process: a program
// serves them on its standard input and output, and on the other side there are
// subjects that stand for them. So can cells have a process of their own, and so can
// other builds of the runner and other projects' hosts be measured in the same rounds.
//
// # Protocol
//
// Each message is one line of JSON. The program begins with {"protocol": 1},
// and answers each request with one line, in turn:
//
//	do         with                answer
//	offers                         offers: the cells that the program knows
//	open       key, floor          subject, a number; name; kind
//	run        subject, n          elapsed_ns; value or tails, by the kind
//	verify     subject, n
//	close      subject
//	collect
//	allocated                      objects, bytes
//	waited                         elapsed_ns
//	cancel     id                  none: ends the request of this id early
//
// Every request has an id, which the answer repeats. The answer to a request that
// failed has error; to one of a cell that the program cannot measure left_out, the
// reason. The end of its input ends the program.
//
// A program measures by its own clock, so that no figure has the cost of the pipe in
// it.
package remote

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
)

// Protocol is the version of the protocol.
const Protocol = 1

// Offer is a cell that a program knows.
type Offer struct {
	Key cells.Key `json:"key"`
	// Reason says why the cell cannot be measured, or is "".
	Reason string `json:"reason,omitempty"`
}

// hello is a program's first line.
type hello struct {
	Protocol int `json:"protocol"`
}

// The requests.
const (
	doOffers    = "offers"
	doOpen      = "open"
	doRun       = "run"
	doVerify    = "verify"
	doClose     = "close"
	doCollect   = "collect"
	doAllocated = "allocated"
	doWaited    = "waited"
	doCancel    = "cancel"
)

type request struct {
	ID      uint64     `json:"id"`
	Do      string     `json:"do"`
	Key     *cells.Key `json:"key,omitempty"`
	Floor   bool       `json:"floor,omitempty"`
	Subject int        `json:"subject,omitempty"`
	N       int        `json:"n,omitempty"`
}

// kind says how the samples of a subject are to be read.
type kind string

const (
	kindTime   kind = "time"
	kindValued kind = "gauge"
	kindPaced  kind = "paced"
)

type answer struct {
	ID        uint64  `json:"id"`
	Error     string  `json:"error,omitempty"`
	LeftOut   string  `json:"left_out,omitempty"`
	Offers    []Offer `json:"offers,omitempty"`
	Subject   int     `json:"subject,omitempty"`
	Name      string  `json:"name,omitempty"`
	Kind      kind    `json:"kind,omitempty"`
	ElapsedNS int64   `json:"elapsed_ns,omitempty"`
	Value     float64 `json:"value,omitempty"`
	Tails     *tails  `json:"tails,omitempty"`
	Objects   uint64  `json:"objects,omitempty"`
	Bytes     uint64  `json:"bytes,omitempty"`
}

// tails are [sampling.Tails]; the histogram has its own encoding (V2, base64).
type tails struct {
	Latency   []byte  `json:"latency"`
	PerSecond float64 `json:"per_second"`
	Late      int64   `json:"late,omitempty"`
}

func encodeTails(t sampling.Tails) (*tails, error) {
	latency, err := t.Latency.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, err
	}
	return &tails{latency, t.PerSecond, t.Late}, nil
}

func (t *tails) decode() (sampling.Tails, error) {
	latency, err := hdrhistogram.Decode(t.Latency)
	if err != nil {
		return sampling.Tails{}, err
	}
	return sampling.Tails{Latency: latency, PerSecond: t.PerSecond, Late: t.Late}, nil
}
