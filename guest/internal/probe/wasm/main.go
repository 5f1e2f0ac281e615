// Command probe is the component of package probe as a WebAssembly module.
package main

import (
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/internal/probe"
)

func init() { guest.Export(&probe.Component{}) }
func main() {}
