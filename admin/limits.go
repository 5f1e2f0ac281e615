package admin

import "sync/atomic"

// room bounds a number of things that are in use at the same time.
type room struct {
	most  int
	taken atomic.Int64
}

// take takes so many, unless they are too many.
func (r *room) take(n int) bool {
	if r.taken.Add(int64(n)) <= int64(r.most) {
		return true
	}
	r.give(n)
	return false
}

func (r *room) give(n int) { r.taken.Add(int64(-n)) }
