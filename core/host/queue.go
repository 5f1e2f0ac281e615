package host

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

// pushFirst adds a value before all others.
func (q *queue[T]) pushFirst(value T) {
	var zero T
	q.push(zero) // makes room
	q.first = (q.first - 1) & (len(q.ring) - 1)
	q.ring[q.first] = value
}

// peek returns the oldest value; the queue must not be empty.
func (q *queue[T]) peek() T { return q.at(0) }

// at returns the value before which there are i.
func (q *queue[T]) at(i int) T { return q.ring[(q.first+i)&(len(q.ring)-1)] }

// pop takes the oldest value; the queue must not be empty.
func (q *queue[T]) pop() T {
	var zero T
	value := q.ring[q.first]
	q.ring[q.first] = zero
	q.first = (q.first + 1) & (len(q.ring) - 1)
	q.length--
	return value
}
