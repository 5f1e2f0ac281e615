package component

import (
	"errors"
	"fmt"

	"github.com/airhost/airhost/internal/wasm"
)

// The types of a component, with indices resolved. Two pointers may be of equal types: an
// import or export of a type makes a new one, which later imports and exports may name.

// valueType is the type of a value. fields, elem and the rest are by kind, as those of
// [Defined].
type valueType struct {
	name         string // for people
	prim         Prim   // Indexed if kind counts
	kind         Kind
	fields       []fieldType
	elem, second *valueType
	resource     *resourceType
	length       uint32
	fixed        bool

	depth       int
	size, align uint64 // of an element, with pointers of 8 bytes
	borrows     bool   // it has a borrow in it
	pointers    bool   // it has parts that lie in memory of their own
}

type fieldType struct {
	name string
	typ  *valueType // nil if a case has none
}

// identity is the same for equal types of resources.
type identity struct{ name string }

// resourceType is a type of resource.
type resourceType struct{ id *identity }

type funcType struct {
	async  bool
	params []fieldType
	result *valueType // nil for none
}

// instanceType is the type of an instance. fresh are resources that an instance of this
// type brings along; an instance that is there already has none.
type instanceType struct {
	exports []external
	byName  map[string]int
	fresh   []*identity
	depth   int
}

// componentType is the type of a component. It is for any resources that are imported,
// and each instance brings the defined ones along.
type componentType struct {
	imports, exports  []external
	imported, defined []*identity
	depth             int
	whole             *instanceType // of instances with just these exports, once there is one
}

// moduleType is the type of a core module.
type moduleType struct {
	imports map[[2]string]*coreType
	exports map[string]*coreType
}

// coreType is the type of an import or export of a core module.
type coreType struct {
	kind   wasm.Kind
	fn     *wasm.FuncType // KindFunc, KindTag
	table  wasm.Table
	memory wasm.Limits
	global wasm.GlobalType
}

// external is an import or export of a component. is is a *moduleType, *funcType,
// *instanceType or *componentType; of a type it is the type, which may be a *valueType or
// *resourceType too.
type external struct {
	name     string
	sort     Sort
	is       any
	abstract bool // any resource may be this type
}

// maxValueSize bounds the size of values, as the specification does.
const maxValueSize = 1 << 28

// maxTypeDepth bounds how deep types of values are nested, and how deep those of instances
// and components are: that many of them in each other.
const maxTypeDepth = 100

// deepest returns the depth of the deepest type of an instance or component in a list.
func deepest(list []external) (depth int) {
	for i := range list {
		depth = max(depth, depthOf(list[i].is))
	}
	return depth
}

// depthOf returns the depth of a type of an instance or component, or 0 for others.
func depthOf(is any) int {
	switch t := is.(type) {
	case *instanceType:
		return t.depth
	case *componentType:
		return t.depth
	}
	return 0
}

// primSizes are the sizes of primitive types, which are their alignments as well.
var primSizes = map[Prim]uint64{
	Bool: 1, S8: 1, U8: 1, S16: 2, U16: 2, S32: 4, U32: 4, S64: 8, U64: 8, F32: 4, F64: 8, Char: 4, ErrorContext: 4,
}

// primTypes are the primitive types.
var primTypes = func() map[Prim]*valueType {
	m := make(map[Prim]*valueType)
	for p := range prims {
		m[p] = &valueType{prim: p, size: primSizes[p], align: primSizes[p]}
	}
	m[String].size, m[String].align, m[String].pointers = 16, 8, true
	return m
}()

// cases returns the types of which a value is one, for variants of all kinds.
func (t *valueType) cases() []*valueType {
	switch t.kind {
	case Variant:
		all := make([]*valueType, len(t.fields))
		for i := range t.fields {
			all[i] = t.fields[i].typ
		}
		return all
	case Option:
		return []*valueType{nil, t.elem}
	case Result:
		return []*valueType{t.elem, t.second}
	}
	return nil
}

// parts returns the types in a type.
func (t *valueType) parts(each func(*valueType)) {
	for i := range t.fields {
		if p := t.fields[i].typ; p != nil {
			each(p)
		}
	}
	if t.elem != nil {
		each(t.elem)
	}
	if t.second != nil {
		each(t.second)
	}
}

// measure sets depth, size and so on of a new type, and checks their bounds.
func (t *valueType) measure() error {
	t.borrows, t.pointers = t.kind == Borrow, t.kind == List && !t.fixed || t.kind == Map
	t.parts(func(p *valueType) {
		t.depth = max(t.depth, p.depth+1)
		t.borrows = t.borrows || p.borrows
		t.pointers = t.pointers || p.pointers && t.kind != Stream && t.kind != Future
	})
	if t.depth > maxTypeDepth {
		return fmt.Errorf("a type is nested more than %d deep", maxTypeDepth)
	}
	switch t.kind {
	case Record, Tuple:
		t.align = 1
		for i := range t.fields {
			t.append(t.fields[i].typ)
		}
		t.size = alignUp(t.size, t.align)
	case Variant, Option, Result:
		t.measureCases(t.cases())
	case Enum:
		t.measureCases(make([]*valueType, len(t.fields)))
	case Flags:
		t.size = discriminant(1 << max(min(len(t.fields), 32)-1, 0))
		t.align = t.size
	case List, Map:
		t.size, t.align = 16, 8
		if t.fixed {
			t.size, t.align = t.elem.size*uint64(t.length), t.elem.align
		}
	default:
		t.size, t.align = 4, 4
	}
	if t.size >= maxValueSize {
		return errors.New("a value of this type may have more than 2^28 bytes")
	}
	return nil
}

func (t *valueType) append(field *valueType) {
	t.size = alignUp(t.size, field.align) + field.size
	t.align = max(t.align, field.align)
}

func (t *valueType) measureCases(cases []*valueType) {
	t.size = discriminant(uint64(len(cases)))
	t.align = t.size
	largest := uint64(0)
	for _, c := range cases {
		if c != nil {
			t.align, largest = max(t.align, c.align), max(largest, c.size)
		}
	}
	t.size = alignUp(alignUp(t.size, t.align)+largest, t.align)
}

func alignUp(n, align uint64) uint64 { return (n + align - 1) / align * align }

// discriminant returns the size of a number below n.
func discriminant(n uint64) uint64 {
	switch {
	case n <= 1<<8:
		return 1
	case n <= 1<<16:
		return 2
	}
	return 4
}
