// Command rates is the example component as a WebAssembly module.
package main

import (
	"github.com/airhost/airhost/examples/rates"
	"github.com/airhost/airhost/guest"
)

func init() { guest.Export(rates.New()) }
func main() {}
