// Package state exports components with a state that a new version of them goes on with.
// A WebAssembly module with this package has the exports of component-state, in addition
// to those of package guest:
//
//	func init() { state.Export(&counter{}) }
//	func main() {}
package state

import (
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/internal/exports"
)

// Component is a component with state.
type Component interface {
	guest.Component
	guest.StateKeeper
}

func init() { exports.State = true }

// Export is [guest.Export] for components with state.
func Export(c Component) { guest.Export(c) }
