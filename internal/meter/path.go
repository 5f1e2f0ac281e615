package meter

// path is what the dearest way from a function's entry or a loop's header to a
// place costs.
type path struct {
	uncounted int64 // since the last charge
	untested  int64 // since the last test
	unwound   int64 // since a function was called and no test followed, plus 1; 0 without
}

func (p path) max(q path) path {
	return path{max(p.uncounted, q.uncounted), max(p.untested, q.untested), max(p.unwound, q.unwound)}
}

// block is a block, loop, if or try_table that is open.
type block struct {
	loop  bool // branches lead to its start
	try   bool // a try_table
	join  bool // its end is reached from elsewhere than the instruction before
	dead  bool // it is never entered
	catch bool // exceptions may lead to its label

	params, results int64 // that it takes and leaves

	number int  // a loop: which of the function's it is
	cached bool // what is in it reads the copy of the counter

	// base is what the ways to the headers of the loops around and of this
	// block, if it is one, have uncounted. Paths inside do not have it.
	base int64

	in    path // an if: the way to it
	out   path // the dearest of the branches to its label
	patch int  // a loop, the function: where in the code its charge stands
}

// carries returns how many values branches to the block's label have.
func (b *block) carries() int64 {
	if b.loop {
		return b.params
	}
	return b.results
}
