// Command topics is the example component as a WebAssembly module.
package main

import (
	"github.com/airhost/airhost/examples/topics"
	"github.com/airhost/airhost/guest"
)

func init() { guest.Export(topics.New()) }
func main() {}
