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
	filled    time.Duration // when tokens was right, on clock
	clock     *core.Clock
}

func newBucket(perSecond, burst int, clock *core.Clock) bucket {
	return bucket{perSecond: float64(perSecond), burst: float64(burst), tokens: float64(burst), clock: clock}
}

// take takes one token, if there is one.
func (b *bucket) take() bool {
	if b.tokens < 1 {
		b.fill(b.clock.Now())
		if b.tokens < 1 {
			// The coarse clock may hold back up to a tick's worth.
			b.fill(b.clock.Exact())
		}
		if b.tokens < 1 {
			return false
		}
	}
	b.tokens--
	return true
}

// refund gives a token back that turned out not to be needed.
func (b *bucket) refund() { b.tokens++ }

func (b *bucket) fill(now time.Duration) {
	if now <= b.filled {
		return
	}
	b.tokens = min(b.burst, b.tokens+b.perSecond*(now-b.filled).Seconds())
	b.filled = now
}
