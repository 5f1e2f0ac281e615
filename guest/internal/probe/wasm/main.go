// Command probe is the component of package probe as a WebAssembly module.
package main

import (
	"github.com/airhost/airhost/guest/internal/probe"
	"github.com/airhost/airhost/guest/state"
)

func init() { state.Export(&probe.Component{}) }
func main() {}
