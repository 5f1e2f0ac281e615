// Command prices is the example component as a WebAssembly module.
package main

import (
	"github.com/airhost/airhost/examples/prices"
	"github.com/airhost/airhost/guest"
)

func init() { guest.Export(prices.New()) }
func main() {}
