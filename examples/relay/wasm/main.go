// Command relay is the example component as a WebAssembly module.
package main

import (
	"github.com/airhost/airhost/examples/relay"
	"github.com/airhost/airhost/guest"
)

func init() { guest.Export(relay.New()) }
func main() {}
