// Command counter is the example component as a WebAssembly module.
package main

import (
	"github.com/airhost/airhost/examples/counter"
	"github.com/airhost/airhost/guest/state"
)

func init() { state.Export(new(counter.Component)) }
func main() {}
