package wasm

// Bounds of a module that Parse accepts. The reader and the engines take memory for
// each entry, up to 60 times as much as its encoding. A bound is checked before the
// memory is allocated.
const (
	maxFunctions  = 1_000_000 // as in browsers
	maxGlobals    = 250_000
	maxEntries    = 100_000   // of every other list
	maxParameters = 1000      // of a type, and as many results
	maxSignatures = 1_000_000 // parameters and results of all types together
	maxElements   = 1_000_000 // of all element segments together
	maxConstant   = 1000      // instructions of a constant expression
	maxNames      = 8 << 20   // bytes of all names of imports, exports and custom sections together
	maxLabels     = 65_520    // of a jump table, as in browsers
)

// atMost reports whether n is at most most, and fails if it is not.
func (r *reader) atMost(n, most int, what string) bool {
	if n > most && r.err == nil {
		r.limit = &LimitError{Limit: what, Got: uint64(n), Max: uint64(most)}
		r.fail(r.pos, "%s", r.limit)
	}
	return n <= most && r.err == nil
}

// signature reads the parameters or results of a type.
func (r *reader) signature(what string) []ValueType {
	types := shortList(r, 1, maxParameters, what, (*reader).valueType)
	r.parameters += len(types)
	r.atMost(r.parameters, maxSignatures, "parameters of all types")
	return types
}

// elementCount counts an element of a segment.
func (r *reader) elementCount() {
	r.elements++
	r.atMost(r.elements, maxElements, "elements of all segments")
}
