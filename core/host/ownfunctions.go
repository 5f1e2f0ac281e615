package host

import (
	"context"
	"fmt"
	"math"

	"github.com/airhost/airhost/core"
)

// ownFunction is a function of the host itself. Its name is of the namespace
// [core.HostNamespace], in which no other function is. [Capabilities] Call does not grant it.
type ownFunction struct {
	// permitted reports whether a component may call it. Others get denied, with refusal.
	permitted func(c *component) bool
	refusal   string
	// call is the function, on the goroutine that owns c. ctx ends as that of a [Function].
	call func(c *component, ctx context.Context, argument []byte) ([]byte, *core.CallError)
}

// ownFunctions has all of them by name.
var ownFunctions = map[string]*ownFunction{
	FetchFunction: {
		permitted: func(c *component) bool { return c.host.config.HTTP != nil && len(c.deployment.Capabilities.HTTP) > 0 },
		refusal:   "capabilities.http grants nothing, or the host has no client",
		call:      (*component).fetch,
	},
	SecretFunction: {
		permitted: func(c *component) bool { return len(c.deployment.Secrets) > 0 },
		refusal:   "the component has no secrets",
		call:      (*component).secret,
	},
}

// newOwnFunctions makes the functions of a host itself.
func newOwnFunctions() map[string]*function {
	all := make(map[string]*function, len(ownFunctions))
	for name, own := range ownFunctions {
		f := &function{own: own}
		f.set(name, FunctionOptions{MaxConcurrent: math.MaxInt32}) // the calls of a component bound it
		all[name] = f
	}
	return all
}

// permitOwn sets p to c's permission for a function of the host itself.
func (p *permission) permitOwn(c *component, name string) {
	p.function = c.host.own[name]
	switch {
	case p.function == nil:
		p.refusal = &core.CallError{Case: core.CallNotFound, Text: name}
	case !p.function.own.permitted(c):
		p.refusal = &core.CallError{Case: core.CallDenied, Text: name + ": " + p.function.own.refusal}
	}
}

// checkFunctionName checks the name of a function of a configuration.
func checkFunctionName(name string) error {
	id, err := core.ParseComponentID(name)
	switch {
	case err != nil:
		return fmt.Errorf("the name of a function is like an id: %w", err)
	case id.Namespace() == core.HostNamespace:
		return fmt.Errorf("the name of the function %q is in the namespace %s, which is the host's own: choose another", name, core.HostNamespace)
	}
	return nil
}
