package wasi

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wit"
)

// Bounds of the arguments of a call.
const (
	maxTexts    = 1 << 20 // bytes of all texts, and of all lists of bytes within lists
	maxElements = 4096    // of all other lists
)

// elementWork is the work of an element of a list, or of a field that is looked at, in bytes
// that are copied in the same time.
const elementWork = 16

// call is a call of a function of WASI 0.2. A guest has one at a time: it can't call from
// within cabi_realloc.
//
// An argument is a bool, a uint64 for each kind of number and for flags, a string, a []byte
// for a list of bytes, a []any for another list and for a tuple, a variant, a *handle for a
// borrowed resource, or the value of an owned one. A []byte is a view of the memory. A
// result is the same; in place of a string it may be a []byte, and in place of a []byte a
// filling.
type call struct {
	*Instance
	name     string // for messages
	args     []any
	texts    int // bytes that may still be lifted
	elements int
}

// variant is a value of a variant, an option, a result or an enum.
type variant struct {
	number uint32
	value  any // nil in a case without
}

// method is a function of WASI 0.2 between its arguments and its result.
type method func(c *call) any

const dropPrefix = "[resource-drop]"

// bind returns the function as core modules call it.
func bind(f *wit.Func) Func {
	do, ok := methods[f.Interface][f.Name]
	if strings.HasPrefix(f.Name, dropPrefix) {
		do = func(c *call) any { c.drop(c.args[0]); return nil }
	} else if !ok {
		do = unreachable
	}
	_, short, found := strings.Cut(f.Name, "]")
	if !found {
		short = f.Name
	}
	name := f.Interface + " " + short
	if do := quick[f.Name]; do != nil {
		return do(f, name)
	}
	return func(in *Instance, stack []uint64) {
		c := in.begin(name)
		used := 0
		for _, p := range f.Params {
			c.args = append(c.args, c.lift(p, stack[used:]))
			used += len(p.Flat)
		}
		area := uint32(0)
		if f.InMemory {
			area = uint32(stack[used])
			must(abi.CheckArea(in.guest.Memory(), area, f.Result.Size, f.Result.Align, name))
		}
		result := do(c)
		switch {
		case f.InMemory:
			c.store(f.Result, area, result)
		case f.Result != nil:
			stack[0] = c.lower(f.Result, result)
		}
		clear(c.args)
	}
}

// unreachable is a function of a resource that no guest can have: it ended when the
// argument was lifted.
func unreachable(c *call) any {
	violated("it called %s, which needs what it does not have", c.name)
	return nil
}

// lift reads a value from core values.
func (c *call) lift(t *wit.Type, flat []uint64) any {
	switch t.Kind {
	case wit.String:
		return c.text(uint32(flat[0]), uint32(flat[1]))
	case wit.List:
		return c.list(t.Of[0], uint32(flat[0]), uint32(flat[1]))
	case wit.Tuple:
		fields := make([]any, len(t.Of))
		for i, f := range t.Of {
			fields[i] = c.lift(f, flat)
			flat = flat[len(f.Flat):]
		}
		return fields
	case wit.Variant:
		v := c.variant(t, uint32(flat[0]))
		if of := t.Of[v.number]; of != nil {
			v.value = c.lift(of, flat[1:])
		}
		return v
	}
	return c.scalar(t, flat[0])
}

// scalar reads a value from one core value, of which only the bits of its type are valid.
func (c *call) scalar(t *wit.Type, v uint64) any {
	switch t.Kind {
	case wit.Bool:
		return uint32(v) != 0
	case wit.U8:
		return uint64(uint8(v))
	case wit.U16:
		return uint64(uint16(v))
	case wit.U32:
		return uint64(uint32(v))
	case wit.Flags:
		return uint64(uint32(v)) & (1<<t.Count - 1)
	case wit.Own:
		return c.handles.take(t.Resource, uint32(v), c.name)
	case wit.Borrow:
		found := c.handles.find(t.Resource, uint32(v), c.name)
		if f, ok := found.value.(fieldsView); ok {
			c.yieldFor(len(f.list) * elementWork)
		}
		return found
	}
	return v
}

func (c *call) variant(t *wit.Type, number uint32) variant {
	if uint64(number) >= uint64(len(t.Of)) {
		violated("it passed case %d to %s, of a variant that has %d", number, c.name, len(t.Of))
	}
	return variant{number: number}
}

// view returns a part of the memory, which is valid until the guest's code runs.
func (c *call) view(at, size uint32) []byte {
	mem := c.guest.Memory()
	if end := uint64(at) + uint64(size); end <= uint64(len(mem)) {
		return mem[at:end:end]
	}
	b, err := abi.LiftBytes(mem, at, size, "an argument of "+c.name) // says what is wrong
	must(err)
	return b
}

// spend counts bytes that are copied or kept.
func (c *call) spend(size uint32) {
	if c.texts -= int(min(size, maxTexts+1)); c.texts < 0 {
		tooMuch("it passed texts of more than 1 MiB to %s", c.name)
	}
	c.yieldFor(int(size))
}

func (c *call) text(at, size uint32) string {
	b := c.view(at, size)
	if c.spend(size); !utf8.Valid(b) {
		violated("an argument of %s is not UTF-8", c.name)
	}
	return string(b)
}

// list reads a list of n elements.
func (c *call) list(of *wit.Type, at, n uint32) any {
	if of.Kind == wit.U8 {
		return c.view(at, n)
	}
	if at&(of.Align-1) != 0 {
		violated("a list of %s at %#x is not aligned to %d bytes", c.name, at, of.Align)
	}
	if c.elements -= int(min(n, maxElements+1)); c.elements < 0 {
		tooMuch("it passed lists of more than 4,096 elements to %s", c.name)
	}
	c.view(at, n*of.Size)
	c.yieldFor(int(n) * elementWork)
	elements := make([]any, n)
	for i := range elements {
		elements[i] = c.load(of, at+uint32(i)*of.Size)
	}
	return elements
}

// load reads a value from the memory.
func (c *call) load(t *wit.Type, at uint32) any {
	switch t.Kind {
	case wit.String:
		b := c.view(at, 8)
		return c.text(binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]))
	case wit.List:
		b := c.view(at, 8)
		n := binary.LittleEndian.Uint32(b[4:])
		if t.Of[0].Kind == wit.U8 {
			c.spend(n)
		}
		return c.list(t.Of[0], binary.LittleEndian.Uint32(b), n)
	case wit.Tuple:
		fields, offset := make([]any, len(t.Of)), uint32(0)
		for i, f := range t.Of {
			offset = wit.AlignTo(offset, f.Align)
			fields[i] = c.load(f, at+offset)
			offset += f.Size
		}
		return fields
	case wit.Variant:
		v := c.variant(t, uint32(c.number(at, t.Discriminant())))
		if of := t.Of[v.number]; of != nil {
			v.value = c.load(of, at+t.Payload())
		}
		return v
	}
	return c.scalar(t, c.number(at, t.Size))
}

// number reads a number of up to 8 bytes.
func (c *call) number(at, size uint32) uint64 {
	var b [8]byte
	copy(b[:], c.view(at, size))
	return binary.LittleEndian.Uint64(b[:])
}
