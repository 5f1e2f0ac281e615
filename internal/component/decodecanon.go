package component

// plainCanons are the definitions of operations that have no immediates. They are shared,
// since there may be one for each byte of the input.
var plainCanons = func() map[CanonOp]*Canon {
	m := make(map[CanonOp]*Canon)
	for op, o := range canonOps {
		if o.imm == 0 {
			m[op] = &Canon{Op: op}
		}
	}
	return m
}()

// canon reads a canonical definition.
func (d *decoder) canon() Node {
	at := d.Pos()
	op := CanonOp(d.Byte("a canonical definition"))
	if plain := plainCanons[op]; plain != nil {
		return plain
	}
	c := &Canon{Op: op}
	switch op {
	case Lift:
		d.fixed(0, "a function")
		c.Index, c.Options, c.Type = d.index(CoreFunc), d.options(), d.index(Type)
		return c
	case Lower:
		d.fixed(0, "a function")
		c.Index, c.Options = d.index(Func), d.options()
		return c
	}
	o, ok := canonOps[op]
	if !ok {
		d.Fail(at, "expected a canonical definition, got %#x", byte(op))
	}
	d.immediates(c, o.imm)
	return c
}

func (d *decoder) immediates(c *Canon, imm byte) {
	if imm&immFlag != 0 {
		c.Flag = d.flag("whether it is async, cancellable or shared")
	}
	if imm&immValue != 0 {
		c.Value = d.ValueType()
	}
	if imm&immResult != 0 {
		c.Result = d.results()
	}
	if imm&immIndex != 0 {
		c.Index = d.U32("an index")
	}
	if imm&immLastFlag != 0 {
		c.Flag = d.flag("whether it is async")
	}
	if imm&immTable != 0 {
		c.Type = d.index(CoreTable)
	}
	if imm&immOptions != 0 {
		c.Options = d.options()
	}
}

func (d *decoder) options() []CanonOption {
	return readList(d, 1, "options", func() CanonOption {
		at := d.Pos()
		o := CanonOption{Kind: OptionKind(d.Byte("an option"))}
		switch o.Kind {
		case OptUTF8, OptUTF16, OptLatin1, OptAsync:
		case OptMemory:
			o.Index = d.index(CoreMemory)
		case OptRealloc, OptPostReturn, OptCallback:
			o.Index = d.index(CoreFunc)
		default:
			d.Fail(at, "expected an option, 0 to 7, got %#x", byte(o.Kind))
		}
		return o
	})
}
