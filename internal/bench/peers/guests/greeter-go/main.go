//go:build wasip1

// Command greeter-go is the plug-in of ../src/greeter.c as knqyf263/go-plugin's
// users write it: in Go, with the code that its generator wrote.
package main

import (
	"context"
	"strconv"

	"github.com/knqyf263/go-plugin/examples/helloworld/greeting"
)

type echo struct{ handled uint64 }

// Greet returns the name; for an empty one, the number of other names so far.
func (e *echo) Greet(_ context.Context, request *greeting.GreetRequest) (*greeting.GreetReply, error) {
	if request.GetName() == "" {
		return &greeting.GreetReply{Message: strconv.FormatUint(e.handled, 10)}, nil
	}
	e.handled++
	return &greeting.GreetReply{Message: request.GetName()}, nil
}

func init() { greeting.RegisterGreeter(new(echo)) }

func main() {}
