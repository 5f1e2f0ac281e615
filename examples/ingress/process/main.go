// Command ingress is the example component as a process of its own.
package main

import (
	"github.com/airhost/airhost/examples/ingress"
	"github.com/airhost/airhost/plugin"
)

func main() { plugin.Serve(ingress.New()) }
