package component

import "github.com/airhost/airhost/internal/wasm"

// Module is a core module. Its bytes alias the input.
type Module struct{ Data []byte }

// CoreInstance is a core instance: a module with arguments, or a list of exports.
type CoreInstance struct {
	Inline  bool   // Exports counts, and Module and Args do not
	Module  uint32 // a core module
	Args    []CoreArg
	Exports []CoreExport
}

// CoreArg gives the imports of a module name.
type CoreArg struct {
	Name     string
	Instance uint32 // a core instance
}

// CoreExport is an export of a core instance that is a list of exports.
type CoreExport struct {
	Name  string
	Sort  Sort
	Index uint32
}

// CoreFuncType is a core type: a function's signature. With Rec types, of which this is
// the first, it is a recursive group.
type CoreFuncType struct{ Type wasm.FuncType }

// ModuleType is the type of a core module.
type ModuleType struct{ Decls []ModuleDecl }

// ModuleDecl is a declaration in the type of a module. Kind selects the fields.
type ModuleDecl struct {
	Kind         DeclKind
	Module, Name string      // DeclImport: both; DeclExport: Name
	Extern       *CoreExtern // DeclImport, DeclExport
	Type         Node        // DeclType: a *CoreFuncType or *ModuleType
	Count, Index uint32      // DeclAlias: of a core type, Count scopes further out
}

// DeclKind is a kind of [ModuleDecl]. Its values are the format's.
type DeclKind byte

// The kinds.
const (
	DeclImport DeclKind = iota
	DeclType
	DeclAlias
	DeclExport
)

// CoreExtern is the type of an import or export of a core module.
type CoreExtern struct {
	Kind   wasm.Kind
	Type   uint32 // KindFunc, KindTag: a core type
	Table  wasm.Table
	Memory wasm.Limits
	Global wasm.GlobalType
}

// Instance is an instance: a component with arguments, or a list of exports.
type Instance struct {
	Inline    bool   // Exports counts, and Component and Args do not
	Component uint32 // a component
	Args      []Arg
	Exports   []InlineExport
}

// Arg gives one import of a component.
type Arg struct {
	Name  string
	Sort  Sort
	Index uint32
}

// InlineExport is an export of an instance that is a list of exports.
type InlineExport struct {
	Name  ExternName
	Sort  Sort
	Index uint32
}

// Alias gives an index to something that another definition or scope has.
type Alias struct {
	Sort   Sort
	Target Target
	Of     uint32 // an instance, a core instance, or for TargetOuter the number of scopes
	Index  uint32 // TargetOuter
	Name   string // of the export
}

// Target is where an alias leads. Its values are the format's.
type Target byte

// The targets.
const (
	TargetExport Target = iota
	TargetCoreExport
	TargetOuter
)

// Import is an import of a component, or a declaration of one in a component's type.
type Import struct {
	Name ExternName
	Type ExternType
}

// Export is an export of a component. It extends the index space of its sort.
type Export struct {
	Name  ExternName
	Sort  Sort
	Index uint32
	Type  *ExternType // nil if the type is that of the definition

	// Declared is true in the type of a component or instance. Then Type counts, and
	// Sort is that of Type, and Index does not count.
	Declared bool
}

// ExternName is the name of an import or export of a component.
type ExternName struct {
	Name       string
	Attributes []Attribute
}

// Attribute says more about an import or export, which stays the same without it.
type Attribute struct {
	Kind  AttributeKind
	Value string
}

// AttributeKind is a kind of [Attribute]. Its values are the format's.
type AttributeKind byte

// The kinds.
const (
	Implements    AttributeKind = iota // the name of an interface
	VersionSuffix                      // the rest of a version
	ExternalID
)

// ExternType is the type of an import or export of a component.
type ExternType struct {
	Sort  Sort    // CoreModule, Func, Value, Type, Comp or Inst
	Bound Bound   // Type and Value
	Index uint32  // all but BoundSub of Type and of Value
	Value ValType // Value with BoundSub
}

// Bound says whether a type or value is known. Its values are the format's.
type Bound byte

// The bounds.
const (
	BoundEq  Bound = iota // it is that of Index
	BoundSub              // a type is any resource, a value is any of its type
)

// Start calls a function when the component is instantiated. It is of a proposal.
type Start struct {
	Func    uint32
	Args    []uint32
	Results uint32
}

func (*Module) sort() (Sort, bool)       { return CoreModule, true }
func (*CoreInstance) sort() (Sort, bool) { return CoreInst, true }
func (*CoreFuncType) sort() (Sort, bool) { return CoreType, true }
func (*ModuleType) sort() (Sort, bool)   { return CoreType, true }
func (*Component) sort() (Sort, bool)    { return Comp, true }
func (*Instance) sort() (Sort, bool)     { return Inst, true }
func (a *Alias) sort() (Sort, bool)      { return a.Sort, true }
func (i *Import) sort() (Sort, bool)     { return i.Type.Sort, true }
func (e *Export) sort() (Sort, bool)     { return e.Sort, true }
func (*Start) sort() (Sort, bool)        { return 0, false }
