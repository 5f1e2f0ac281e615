package component

// Prim is a primitive type. Its values are the format's.
type Prim byte

// The primitive types, and two marks for the other values of a [ValType].
const (
	None         Prim = 0 // no type
	Indexed      Prim = 1 // a type of the index space
	ErrorContext Prim = 0x64
	String       Prim = 0x73
	Char         Prim = 0x74
	F64          Prim = 0x75
	F32          Prim = 0x76
	U64          Prim = 0x77
	S64          Prim = 0x78
	U32          Prim = 0x79
	S32          Prim = 0x7a
	U16          Prim = 0x7b
	S16          Prim = 0x7c
	U8           Prim = 0x7d
	S8           Prim = 0x7e
	Bool         Prim = 0x7f
)

// prims are the primitive types' names in WIT.
var prims = map[Prim]string{
	ErrorContext: "error-context", String: "string", Char: "char", F64: "f64", F32: "f32", U64: "u64", S64: "s64",
	U32: "u32", S32: "s32", U16: "u16", S16: "s16", U8: "u8", S8: "s8", Bool: "bool",
}

// ValType is the type of a value: a primitive type, or that of a type index. The zero
// value is no type.
type ValType struct {
	Prim  Prim
	Index uint32 // Indexed
}

// Defined is a type of values. Kind selects the fields.
type Defined struct {
	Kind   Kind
	Fields []Field // Record, Variant, Tuple, Flags, Enum: in this order
	Elem   ValType // List, Option, Stream, Future; of Result the value, of Map the key
	Second ValType // of Result the error, of Map the value
	Index  uint32  // Own, Borrow: the type of a resource
	Len    uint32  // List: the fixed length, if Fixed
	Fixed  bool
}

// Field is a field, a case, a label, or a parameter of a function. Those of a tuple have
// no name, and a case may have no type.
type Field struct {
	Name string
	Type ValType
}

// Kind is a kind of [Defined]. Its values are the format's.
type Kind byte

// The kinds. FixedList is read as List.
const (
	Map       Kind = 0x63
	Future    Kind = 0x65
	Stream    Kind = 0x66
	FixedList Kind = 0x67
	Borrow    Kind = 0x68
	Own       Kind = 0x69
	Result    Kind = 0x6a
	Option    Kind = 0x6b
	Enum      Kind = 0x6d
	Flags     Kind = 0x6e
	Tuple     Kind = 0x6f
	List      Kind = 0x70
	Variant   Kind = 0x71
	Record    Kind = 0x72
)

// FuncType is the type of a function.
type FuncType struct {
	Async  bool
	Params []Field
	Result ValType // None if there is none
}

// ComponentType is the type of a component: definitions of types, aliases, [*Import] and
// [*Export].
type ComponentType struct{ Decls []Def }

// InstanceType is the type of an instance. It has no [*Import].
type InstanceType struct{ Decls []Def }

// Resource is a type of resource that the component itself has. Its destructor, if any,
// is a core function.
type Resource struct {
	Rep  byte // the value type's encoding
	Dtor *uint32
}

func (Prim) sort() (Sort, bool)           { return Type, true }
func (*Defined) sort() (Sort, bool)       { return Type, true }
func (*FuncType) sort() (Sort, bool)      { return Type, true }
func (*ComponentType) sort() (Sort, bool) { return Type, true }
func (*InstanceType) sort() (Sort, bool)  { return Type, true }
func (*Resource) sort() (Sort, bool)      { return Type, true }
