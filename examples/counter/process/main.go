// Command counter is the example component as a process of its own.
package main

import (
	"github.com/airhost/airhost/examples/counter"
	"github.com/airhost/airhost/plugin"
)

func main() { plugin.Serve(counter.New()) }
