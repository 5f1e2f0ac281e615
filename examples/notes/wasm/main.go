// Command notes is the example component as a WebAssembly module.
package main

import (
	"github.com/airhost/airhost/examples/notes"
	"github.com/airhost/airhost/guest"
)

func init() { guest.Export(notes.New()) }
func main() {}
