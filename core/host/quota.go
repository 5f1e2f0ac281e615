package host

import (
	"time"

	"github.com/airhost/airhost/core"
)

// bucket is a token bucket. It belongs to whoever runs its component.
type bucket struct {
	perSecond float64
	burst     float64
	tokens    float64
	lent      float64       // of the burst, to members of a crew
	filled    time.Duration // when tokens was right, on clock
	clock     *core.Clock
}

func newBucket(perSecond, burst int, clock *core.Clock) bucket {
	return bucket{perSecond: float64(perSecond), burst: float64(burst), tokens: float64(burst), clock: clock}
}

// newAccept returns the bucket of a limit of what comes in, or nil if there is none.
func newAccept(a Accept, clock *core.Clock) *bucket {
	if a.MessagesPerSecond == 0 {
		return nil
	}
	b := newBucket(a.MessagesPerSecond, a.Burst, clock)
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
		if b.tokens < n {
			return false
		}
	}
	b.tokens -= n
	return true
}

// has reports whether there are n tokens, but for a tick's worth. It fills the bucket
// first: a bucket that is filled only when it is empty gives its burst twice.
func (b *bucket) has(n float64) bool {
	b.fill(b.clock.Now())
	return b.tokens >= n
}

// available returns how many tokens there are.
func (b *bucket) available() float64 {
	b.fill(b.clock.Exact())
	return b.tokens
}

// refund gives tokens back that turned out not to be needed.
func (b *bucket) refund(n float64) { b.tokens += n }

func (b *bucket) fill(now time.Duration) {
	if now <= b.filled {
		return
	}
	b.tokens = min(b.burst-b.lent, b.tokens+b.perSecond*(now-b.filled).Seconds())
	b.filled = now
}
