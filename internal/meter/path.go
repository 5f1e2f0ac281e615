package meter

// path is the fuel of the dearest path from a function's entry or a loop's header to a
// place.
type path struct {
	uncounted int64 // since the last charge
	untested  int64 // since the last test
	unwound   int64 // since a call that no test has followed, plus 1; 0 without one
}

func (p path) max(q path) path {
	return path{max(p.uncounted, q.uncounted), max(p.untested, q.untested), max(p.unwound, q.unwound)}
}

// block is an open block, loop, if or try_table.
type block struct {
	loop  bool // branches lead to its start
	try   bool // a try_table
	join  bool // several paths may lead to its end
	dead  bool // it is never entered
	catch bool // exceptions may lead to its label

	params, results int64 // numbers of values

	number int  // of a loop in the function
	cached bool // the code inside reads the copy of the counter

	// base is the uncounted fuel of the paths to the headers of the enclosing loops,
	// with this block if it is a loop. It is not part of paths inside of the block.
	base int64

	in    path // to the beginning, for an if
	out   path // the dearest of the branches to the label
	patch int  // the offset of its charge in the code, for a loop and the function
}

// carries returns the number of values of a branch to the block's label.
func (b *block) carries() int64 {
	if b.loop {
		return b.params
	}
	return b.results
}
