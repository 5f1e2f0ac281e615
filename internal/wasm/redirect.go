package wasm

// RedirectCalls replaces the callee of each direct call of a function in to by the
// function there, which must have the same type. References to a function do not change.
// The code's old expression does not change. The error is that of [Instructions].
func (c *Code) RedirectCalls(to map[uint32]uint32) error {
	var out []byte
	done := 0
	in := c.Instructions()
	for in.Next() {
		if in.Op != OpCall && in.Op != OpReturnCall {
			continue
		}
		callee, ok := to[in.Index]
		if !ok {
			continue
		}
		out = AppendIndex(append(out, c.Expr[done:in.IndexAt]...), callee)
		done = in.End
	}
	if done > 0 {
		c.Expr = append(out, c.Expr[done:]...)
	}
	return in.Err()
}
