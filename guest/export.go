package guest

// exported is the component of this program.
var exported Component

// Export makes c the component of a WebAssembly module. Call it once, from an init
// function, because main does not run in a module that is built with
// -buildmode=c-shared. In other builds Export has no further effect.
func Export(c Component) {
	if c == nil {
		panic("guest.Export: the component is nil")
	}
	if exported != nil {
		panic("guest.Export: called twice; a module is one component")
	}
	exported = c
}
