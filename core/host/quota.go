package host

import (
	"math"
	"time"

	"github.com/airhost/airhost/core"
)

// bucket is a token bucket. It belongs to whoever runs its component.
type bucket struct {
	perSecond float64
	burst     float64
	tokens    float64
	lent      float64       // of the burst, to members of a crew or to senders of a budget
	filled    time.Duration // when tokens was right, on clock
	clock     *core.Clock

	budget   *budget // its tokens may be taken only with as many of the budget, or nil
	granted  float64 // tokens of the budget that may be taken without asking it
	borrowed float64 // granted in advance, by how the budget counts
}

func newBucket(perSecond, burst float64, clock *core.Clock) bucket {
	return bucket{perSecond: perSecond, burst: burst, tokens: burst, clock: clock}
}

func (q *Quota) newBucket(clock *core.Clock) bucket {
	return newBucket(float64(q.MessagesPerSecond), float64(q.Burst), clock)
}

// newAccept returns the bucket of a limit of what comes in, or nil if there is none.
func newAccept(a Accept, clock *core.Clock) *bucket {
	if a.MessagesPerSecond == 0 {
		return nil
	}
	b := newBucket(float64(a.MessagesPerSecond), float64(a.Burst), clock)
	return &b
}

// set changes the rate and the burst. Tokens are kept, as many as the burst allows.
func (b *bucket) set(q Quota) {
	b.fill(b.clock.Now())
	b.perSecond, b.burst = float64(q.MessagesPerSecond), float64(q.Burst)
	b.tokens = min(b.tokens, b.burst-b.lent)
}

// take takes n tokens, if there are as many.
func (b *bucket) take(n float64) bool {
	if !b.has(n) {
		// The coarse clock may hold back up to a tick's worth.
		b.fill(b.clock.Exact())
		if b.tokens < n || !b.isGranted(n) {
			return false
		}
	}
	b.spend(n)
	return true
}

// has reports whether there are n tokens, but for a tick's worth. It fills the bucket
// first: a bucket that is filled only when it is empty gives its burst twice.
func (b *bucket) has(n float64) bool {
	b.fill(b.clock.Now())
	return b.tokens >= n && b.isGranted(n)
}

// isGranted reports whether the budget, if there is one, allows n tokens.
func (b *bucket) isGranted(n float64) bool {
	return b.budget == nil || b.granted >= n || b.budget.grant(b, n)
}

// hasOne reports whether one token may be taken without looking at the clock or the budget.
func (b *bucket) hasOne() bool { return b.tokens >= 1 && (b.budget == nil || b.granted >= 1) }

// takeUpTo takes n tokens, or as many whole ones as there are at once.
func (b *bucket) takeUpTo(n float64) (taken float64) {
	if !b.has(1) {
		b.fill(b.clock.Exact())
	}
	n = min(n, b.tokens)
	if b.budget != nil && b.granted < n && !b.isGranted(1) {
		return 0
	}
	if b.budget != nil {
		n = min(n, b.granted)
	}
	n = max(0, math.Floor(n))
	b.spend(n)
	return n
}

// available returns how many tokens there are.
func (b *bucket) available() float64 {
	b.fill(b.clock.Exact())
	return b.tokens
}

// refund gives tokens back that turned out not to be needed.
func (b *bucket) refund(n float64) { b.spend(-n) }

func (b *bucket) spend(n float64) {
	b.tokens -= n
	if b.budget != nil {
		b.granted -= n
	}
}

func (b *bucket) fill(now time.Duration) {
	if now <= b.filled {
		return
	}
	b.tokens = min(b.burst-b.lent, b.tokens+b.perSecond*(now-b.filled).Seconds())
	b.filled = now
}
