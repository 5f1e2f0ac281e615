package sampling

import "time"

// Options say how many samples are taken, and in which order.
type Options struct {
	// Samples is how many are taken of each subject, and at least 1.
	Samples int
	// MaxSamples is how many may be taken to get to Interval.
	MaxSamples int
	// Interval is how wide the 95 % interval of each median may be, as a share
	// of it, for the run to end before MaxSamples; 0 ends it after Samples.
	Interval float64
	// Warmup is for how long each subject runs before its first sample.
	Warmup time.Duration
	// Seed fixes the order within rounds.
	Seed uint64
	// Waited, if not nil, returns for how long threads of this process have been
	// ready to run without a processor so far.
	Waited func() time.Duration
	// Progress, if not nil, is called before each sample.
	Progress func(Progress)
}

// Size says how large the samples of a subject are.
type Size struct {
	// Time is how long a sample takes at least, as far as the warm-up can tell.
	Time time.Duration
	// Ops is how many operations a sample has at least.
	Ops int
	// TotalOps is how many operations all samples have at least.
	TotalOps int
}

// Sized is a subject with the size of its samples.
type Sized struct {
	Subject
	Size Size
}

// Progress is how far a run has come.
type Progress struct {
	// Subject is the index of the subject whose turn it is.
	Subject int
	// Samples are those that have been taken of it so far. They are not to be
	// changed.
	Samples []float64
	// Round counts from 1; in the warm-up it is 0.
	Round, Rounds int
	// Left estimates the time to the end; 0 while there is nothing to tell it by.
	Left time.Duration
}

// Series is what was measured of one subject.
type Series struct {
	// Samples are in the order taken: nanoseconds per operation, but of a
	// [Gauge] its values, and of a [Paced] subject 99.9th percentiles in
	// nanoseconds.
	Samples []float64
	Ops     int // operations in each sample
	// Tails has, of a [Paced] subject, what each sample is the percentile of.
	Tails []Tails
	// AllocsPerOp and BytesPerOp come from one more sample, which is not timed.
	AllocsPerOp, BytesPerOp float64
	// WaitShare is for which part of the samples' time threads of the process
	// waited for a processor; 0 where that is not known. It can be above 1.
	WaitShare float64
}
