package host

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/airhost/airhost/core"
)

// ownFunction is a function of the host itself. Its name is of the namespace
// [core.HostNamespace], in which no other function is. [Capabilities] Call does not grant it.
type ownFunction struct {
	// permitted reports whether a component may call it. Others get denied, with refusal.
	permitted func(d *Deployment) bool
	refusal   string
	// call is the function. It runs as a [Function], on the goroutine that owns c. An error that
	// is or wraps a [core.CallError] is the caller's as it is, any other one is failed.
	call func(ctx context.Context, c *component, argument []byte) ([]byte, error)
}

// ownFunctions has all of them by name.
var ownFunctions = map[string]*ownFunction{
	FetchFunction: {
		permitted: func(d *Deployment) bool { return len(d.Capabilities.HTTP) > 0 },
		refusal:   "capabilities.http grants nothing",
		call:      fetch,
	},
	secretFunction: {
		permitted: func(d *Deployment) bool { return len(d.Secrets) > 0 },
		refusal:   "the component has no secrets",
		call:      readSecret,
	},
}

// newOwnFunctions makes the functions of a host itself.
func newOwnFunctions() map[string]*function {
	all := make(map[string]*function, len(ownFunctions))
	for name, own := range ownFunctions {
		f := &function{own: own}
		f.set(name, FunctionOptions{MaxConcurrent: math.MaxInt32})
		all[name] = f
	}
	return all
}

// permitOwn sets p to c's permission for a function of the host itself.
func (p *permission) permitOwn(c *component, name string) {
	f := c.host.own[name]
	switch {
	case f == nil:
		p.refusal = &core.CallError{Case: core.CallNotFound, Text: name}
	case !f.own.permitted(&c.deployment):
		p.refusal = &core.CallError{Case: core.CallDenied, Text: name + ": " + f.own.refusal}
	}
	p.function = f
}

// failureOf returns the failure of a function in Go that has returned an error.
func (f *function) failureOf(err error) *core.CallError {
	var failure *core.CallError
	if f.own != nil && errors.As(err, &failure) {
		return &core.CallError{Case: failure.Case, Text: core.CutText(failure.Text, core.MaxErrorText)}
	}
	return failed(err.Error())
}

// invoke calls a function in Go.
func (c *component) invoke(f *function, ctx context.Context, argument []byte) ([]byte, error) {
	if f.own != nil {
		return f.own.call(ctx, c, argument)
	}
	return f.call(ctx, c.id, argument)
}

// checkFunctionName checks the name of a function of a configuration.
func checkFunctionName(name string) error {
	id, err := core.ParseComponentID(name)
	switch {
	case err != nil:
		return fmt.Errorf("the name of a function is like an id: %w", err)
	case id.Namespace() == core.HostNamespace:
		return fmt.Errorf("the function %q: the namespace %s is the host's own: choose another", name, core.HostNamespace)
	}
	return nil
}
