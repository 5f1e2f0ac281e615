// Package result has the file of a run: the cells that were measured, all samples,
// their summaries, and the machine and build that they came from. The file is JSON
// with the version of its schema. It is read as strictly as it is written.
package result

import "github.com/airhost/airhost/internal/bench/data/cells"

// Schema is the version of the file that this package writes and reads.
const Schema = 1

// File is one run.
type File struct {
	Schema      int         `json:"schema"`
	Environment Environment `json:"environment"`
	Cells       []Cell      `json:"cells"`
	// Cut says that the run was ended early. Cells hold the samples until then.
	Cut bool `json:"cut,omitempty"`
}

// Environment is the machine and the build that a run's figures came from. It holds
// neither a path nor a host name. A property that could not be found out is
// "unknown".
type Environment struct {
	CPU        string            `json:"cpu"`
	Cores      int               `json:"cores"` // logical processors the program may use
	GOMAXPROCS int               `json:"gomaxprocs"`
	Governor   string            `json:"governor"` // of the processor's frequency
	Kernel     string            `json:"kernel"`
	OS         string            `json:"os"`
	Arch       string            `json:"arch"`
	Go         string            `json:"go"`
	Modules    map[string]string `json:"modules"` // module path to version
	Commit     string            `json:"commit"`
	Modified   bool              `json:"modified"` // the commit's tree had changes
	// Build is the SHA-256 of the executable, in hexadecimal; "" in files of
	// builds that did not record it.
	Build   string   `json:"build,omitempty"`
	Flags   []string `json:"flags"` // as set, without those that name files
	Seed    uint64   `json:"seed"`
	Started string   `json:"started"` // RFC 3339, UTC
}

// Source names the commit in short. Where the commit alone does not identify the
// source, it adds the build.
func (e Environment) Source() string {
	text := e.Commit[:min(12, len(e.Commit))]
	if e.Modified {
		text += " with changes"
	}
	if (e.Modified || !e.knowsCommit()) && e.Build != "" {
		text += ", build " + e.Build[:min(12, len(e.Build))]
	}
	return text
}

func (e Environment) knowsCommit() bool { return e.Commit != "" && e.Commit != "unknown" }

// SameBuild reports whether both come from one executable, as far as is known.
func (e Environment) SameBuild(other Environment) bool {
	return e.Build != "" && e.Build == other.Build
}

// SameCommit reports whether both come from one commit, without changes.
func (e Environment) SameCommit(other Environment) bool {
	return e.knowsCommit() && e.Commit == other.Commit && !e.Modified && !other.Modified
}

// Status says whether a cell has figures.
type Status string

// The statuses.
const (
	Measured Status = "measured"
	LeftOut  Status = "left-out"
)

// Verdict says whether a target was met. Where the interval of the median
// crosses the target it is Undecided.
type Verdict string

// The verdicts.
const (
	Met       Verdict = "yes"
	Missed    Verdict = "no"
	Undecided Verdict = "undecided"
)

// VerdictOf says whether a median meets the target, whose 95 % interval is from low
// to high.
func VerdictOf(low, high, target float64) Verdict {
	switch {
	case high <= target:
		return Met
	case low > target:
		return Missed
	}
	return Undecided
}

// Percentile is a time that a share of all operations did not exceed.
type Percentile struct {
	Percent  float64 `json:"percent"`  // 50, 90, 99, 99.9, 99.99, or 100 for the largest
	Value    float64 `json:"value"`    // in the cell's unit
	CI95Low  float64 `json:"ci95_low"` // over the rounds, by bootstrap
	CI95High float64 `json:"ci95_high"`
}

// Cell is one cell of a run: its figures, or the reason why there are none.
type Cell struct {
	cells.Key
	Status Status `json:"status"`
	Reason string `json:"reason,omitempty"`
	// Figures is nil exactly where the cell was left out.
	*Figures
}

// Figures are the measured values of a cell. All but the counts are in Unit.
type Figures struct {
	Unit    string    `json:"unit"`
	Samples []float64 `json:"samples"` // in the order taken, none dropped
	// OpsPerSample is the number of operations of which each sample is the mean.
	OpsPerSample int     `json:"ops_per_sample"`
	Median       float64 `json:"median"`
	CI95Low      float64 `json:"ci95_low"` // of the median, by bootstrap
	CI95High     float64 `json:"ci95_high"`
	Mean         float64 `json:"mean"`
	Stddev       float64 `json:"stddev"` // of the sample, n-1
	MAD          float64 `json:"mad"`    // median absolute deviation, not scaled
	Q1           float64 `json:"q1"`
	Q3           float64 `json:"q3"`
	// Outliers is the number of samples that lie more than 1.5 interquartile ranges
	// outside the quartiles (Tukey).
	Outliers int `json:"outliers"`

	// Floor is the median of the engine's floor, measured in the same run, and
	// FloorMultiple is Median/Floor. Both are nil where there is no floor.
	Floor         *float64 `json:"floor,omitempty"`
	FloorMultiple *float64 `json:"floor_multiple,omitempty"`
	// Target is the most that the median should be, nil where there is none;
	// then WithinTarget is "".
	Target       *float64 `json:"target,omitempty"`
	WithinTarget Verdict  `json:"within_target,omitempty"`
	// TargetMultiple is the most that FloorMultiple should be, nil where there is no
	// such target; then WithinMultiple is "".
	TargetMultiple *float64 `json:"target_multiple,omitempty"`
	WithinMultiple Verdict  `json:"within_target_multiple,omitempty"`

	// Percentiles are those of all operations of a load cell, whose samples are one
	// round's 99.9th percentile each; nil in other modes. RatePerSecond is the rate of
	// the operations. LateSends is the number of operations that began more than a
	// millisecond after their time; the delay is part of their latency.
	Percentiles   []Percentile `json:"percentiles,omitempty"`
	RatePerSecond float64      `json:"rate_per_second,omitempty"`
	LateSends     int64        `json:"late_sends,omitempty"`

	AllocsPerOp float64  `json:"allocs_per_op"`
	BytesPerOp  float64  `json:"bytes_per_op"`
	Warnings    []string `json:"warnings"` // never null
}
