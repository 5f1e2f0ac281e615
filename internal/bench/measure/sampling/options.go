package sampling

import "time"

// Options say how many samples a run takes, and in which order.
type Options struct {
	// Samples is the least number of samples of each subject, and at least 1.
	Samples int
	// MaxSamples is the most samples that may be taken to reach Interval.
	MaxSamples int
	// Interval is a width of the 95 % interval of a median, as a share of the median. A
	// run ends before MaxSamples once no interval is wider; with 0 it ends after
	// Samples.
	Interval float64
	// Warmup is the time for which each subject runs before its first sample.
	Warmup time.Duration
	// Seed fixes the order within rounds.
	Seed uint64
	// Waited, if not nil, returns the time for which threads of this process have been
	// ready to run without a processor so far.
	Waited func() time.Duration
	// Progress, if not nil, is called before each sample.
	Progress func(Progress)
}

// Size is the size of a subject's samples.
type Size struct {
	// Time is the least time of a sample, as far as the warm-up can tell.
	Time time.Duration
	// Ops is the least number of operations in a sample.
	Ops int
	// TotalOps is the least number of operations in all samples together.
	TotalOps int
}

// Sized is a subject with the size of its samples.
type Sized struct {
	Subject
	Size Size
}

// Progress is how far a run has come.
type Progress struct {
	// Subject is the index of the subject that is sampled next.
	Subject int
	// Samples are the subject's samples so far. The caller must not change them.
	Samples []float64
	// Round counts from 1; in the warm-up it is 0.
	Round, Rounds int
	// Left estimates the time to the end; 0 as long as there is no estimate.
	Left time.Duration
}

// Series holds the samples of one subject.
type Series struct {
	// Samples are in the order taken: nanoseconds per operation, values of a [Valued]
	// subject, or 99.9th percentiles in nanoseconds of a [Paced] subject.
	Samples []float64
	Ops     int // operations in each sample
	// Tails has the times behind each sample of a [Paced] subject.
	Tails []Tails
	// AllocsPerOp and BytesPerOp come from one more sample, which is not timed.
	AllocsPerOp, BytesPerOp float64
	// WaitShare is the time for which threads of the process waited for a processor, as
	// a share of the samples' time; 0 where the system does not tell. It can be above
	// 1.
	WaitShare float64
}
