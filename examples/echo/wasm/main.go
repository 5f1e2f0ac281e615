// Command echo is the example component as a WebAssembly module.
package main

import (
	"github.com/airhost/airhost/examples/echo"
	"github.com/airhost/airhost/guest"
)

func init() { guest.Export(echo.New()) }
func main() {}
