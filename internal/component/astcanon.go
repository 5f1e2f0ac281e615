package component

import "github.com/airhost/airhost/internal/wasm"

// Canon is a canonical definition: a function lifted or lowered, or a built-in function.
type Canon struct {
	Op      CanonOp
	Flag    bool           // async, cancellable or shared
	Index   uint32         // Lift: a core function; Lower: a function; a built-in: a type, a slot or a memory
	Type    uint32         // Lift: a type; a built-in: a table
	Result  ValType        // TaskReturn
	Value   wasm.ValueType // ContextGet, ContextSet
	Options []CanonOption
}

// CanonOption is an option of a canonical definition.
type CanonOption struct {
	Kind  OptionKind
	Index uint32 // OptMemory, OptRealloc, OptPostReturn, OptCallback
}

// OptionKind is a kind of [CanonOption]. Its values are the format's.
type OptionKind byte

// The kinds.
const (
	OptUTF8 OptionKind = iota
	OptUTF16
	OptLatin1
	OptMemory
	OptRealloc
	OptPostReturn
	OptAsync
	OptCallback
)

var optionNames = [...]string{"utf8", "utf16", "latin1+utf16", "memory", "realloc", "post-return", "async", "callback"}

// String returns the option's name in the text format.
func (k OptionKind) String() string { return optionNames[k] }

// Option returns an option's index. ok is false if the definition has no such option.
func (c *Canon) Option(k OptionKind) (index uint32, ok bool) {
	for _, o := range c.Options {
		if o.Kind == k {
			return o.Index, true
		}
	}
	return 0, false
}

// CanonOp is an operation of the canonical ABI. Its values are the format's.
type CanonOp byte

// The operations that are not of a proposal, and some that are.
const (
	Lift         CanonOp = 0x00
	Lower        CanonOp = 0x01
	ResourceNew  CanonOp = 0x02
	ResourceDrop CanonOp = 0x03
	ResourceRep  CanonOp = 0x04
	TaskReturn   CanonOp = 0x09
	ContextGet   CanonOp = 0x0a
	ContextSet   CanonOp = 0x0b
)

// Immediates of an operation, in this order.
const (
	immFlag     = 1 << iota // async, cancellable or shared
	immValue                // a core value type
	immResult               // a list of results
	immIndex                // a type, a memory or a slot
	immLastFlag             // async, after a type
	immTable
	immOptions
)

// canonOps has the name and the immediates of each operation apart from lift and lower.
var canonOps = map[CanonOp]struct {
	name string
	imm  byte
}{
	ResourceNew: {"resource.new", immIndex}, ResourceDrop: {"resource.drop", immIndex}, ResourceRep: {"resource.rep", immIndex},
	0x05: {"task.cancel", 0}, 0x06: {"subtask.cancel", immFlag}, 0x0d: {"subtask.drop", 0},
	0x24: {"backpressure.inc", 0}, 0x25: {"backpressure.dec", 0},
	TaskReturn: {"task.return", immResult | immOptions},
	ContextGet: {"context.get", immValue | immIndex}, ContextSet: {"context.set", immValue | immIndex},
	0x0e: {"stream.new", immIndex}, 0x0f: {"stream.read", immIndex | immOptions}, 0x10: {"stream.write", immIndex | immOptions},
	0x11: {"stream.cancel-read", immIndex | immLastFlag}, 0x12: {"stream.cancel-write", immIndex | immLastFlag},
	0x13: {"stream.drop-readable", immIndex}, 0x14: {"stream.drop-writable", immIndex},
	0x15: {"future.new", immIndex}, 0x16: {"future.read", immIndex | immOptions}, 0x17: {"future.write", immIndex | immOptions},
	0x18: {"future.cancel-read", immIndex | immLastFlag}, 0x19: {"future.cancel-write", immIndex | immLastFlag},
	0x1a: {"future.drop-readable", immIndex}, 0x1b: {"future.drop-writable", immIndex},
	0x1c: {"error-context.new", immOptions}, 0x1d: {"error-context.debug-message", immOptions}, 0x1e: {"error-context.drop", 0},
	0x1f: {"waitable-set.new", 0}, 0x20: {"waitable-set.wait", immFlag | immIndex}, 0x21: {"waitable-set.poll", immFlag | immIndex},
	0x22: {"waitable-set.drop", 0}, 0x23: {"waitable.join", 0},
	0x26: {"thread.index", 0}, 0x27: {"thread.new-indirect", immIndex | immTable}, 0x28: {"thread.resume-later", 0},
	0x29: {"thread.suspend", immFlag}, 0x0c: {"thread.yield", immFlag},
	0x2a: {"thread.suspend-then-resume", immFlag}, 0x2b: {"thread.yield-then-resume", immFlag},
	0x2c: {"thread.suspend-then-promote", immFlag}, 0x2d: {"thread.yield-then-promote", immFlag},
	0x40: {"thread.spawn-ref", immFlag | immIndex}, 0x41: {"thread.spawn-indirect", immFlag | immIndex | immTable},
	0x42: {"thread.available-parallelism", immFlag},
}

// String returns the operation's name in the text format.
func (op CanonOp) String() string {
	switch op {
	case Lift:
		return "lift"
	case Lower:
		return "lower"
	}
	return canonOps[op].name
}

func (c *Canon) sort() (Sort, bool) {
	if c.Op == Lift {
		return Func, true
	}
	return CoreFunc, true
}
