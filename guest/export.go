package guest

import "github.com/airhost/airhost/guest/internal/exports"

// exported is the component of this program.
var exported Component

// Export makes c the component of a WebAssembly module. Call it once, from an init
// function, because main does not run in a module that is built with
// -buildmode=c-shared. In other builds Export has no further effect. It panics if c is a
// [StateKeeper]: package [github.com/airhost/airhost/guest/state] exports those.
func Export(c Component) {
	if c == nil {
		panic("guest.Export: the component is nil")
	}
	if _, keeps := c.(StateKeeper); keeps && !exports.State {
		panic("guest.Export: the component keeps state: call Export of package guest/state instead")
	}
	if exported != nil {
		panic("guest.Export: called twice; a module is one component")
	}
	exported = c
}
