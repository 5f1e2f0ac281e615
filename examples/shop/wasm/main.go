// Command shop is the example component as a WebAssembly module.
package main

import (
	"github.com/airhost/airhost/examples/shop"
	"github.com/airhost/airhost/guest"
)

func init() { guest.Export(shop.New()) }
func main() {}
