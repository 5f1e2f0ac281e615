package host

import "github.com/airhost/airhost/core"

// queue is a first-in, first-out queue that grows as it is needed. Its owner
// guards it.
type queue[T any] struct {
	ring   []T // of a power of two, or empty
	first  int
	length int
}

func (q *queue[T]) push(value T) {
	if q.length == len(q.ring) {
		ring := make([]T, max(4, 2*len(q.ring)))
		n := copy(ring, q.ring[q.first:])
		copy(ring[n:], q.ring[:q.first])
		q.ring, q.first = ring, 0
	}
	q.ring[(q.first+q.length)&(len(q.ring)-1)] = value
	q.length++
}

// peek returns the oldest value; the queue must not be empty.
func (q *queue[T]) peek() T { return q.ring[q.first] }

// pop takes the oldest value; the queue must not be empty.
func (q *queue[T]) pop() T {
	var zero T
	value := q.ring[q.first]
	q.ring[q.first] = zero
	q.first = (q.first + 1) & (len(q.ring) - 1)
	q.length--
	return value
}

// entry is one message in a mailbox.
type entry struct {
	message *core.Message
	outcome bool // of a request that the mailbox's owner sent
}

// mailbox is a component's queue. Outcomes do not count against its limit:
// their number is bounded by the quota of pending requests.
type mailbox struct {
	queue[entry]
	outcomes int // how many of the entries
}

func (b *mailbox) waiting() int { return b.length - b.outcomes }

func (b *mailbox) push(e entry) {
	b.queue.push(e)
	if e.outcome {
		b.outcomes++
	}
}

func (b *mailbox) pop() entry {
	e := b.queue.pop()
	if e.outcome {
		b.outcomes--
	}
	return e
}

// takeMessages removes all entries but outcomes, which keep their order.
func (b *mailbox) takeMessages() []*core.Message {
	var taken []*core.Message
	for range b.length {
		if e := b.pop(); e.outcome {
			b.push(e)
		} else {
			taken = append(taken, e.message)
		}
	}
	return taken
}
