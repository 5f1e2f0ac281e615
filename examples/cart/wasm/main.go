// Command cart is the example component as a WebAssembly module.
package main

import (
	"github.com/airhost/airhost/examples/cart"
	"github.com/airhost/airhost/guest"
)

func init() { guest.Export(cart.New()) }
func main() {}
