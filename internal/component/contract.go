package component

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/nearest"
)

// interfaces are the interfaces of the contract, in the words of wit/airhost.wit and
// wit/deps. A test holds them against these files. The imports and exports of a
// component must have the same structure; its names for types do not matter.
var interfaces = []contractInterface{
	{"airhost:core/component-lifecycle", exporting, map[string]string{
		"handle-message":  "func(sender: component-id, message: list<u8>) -> result<list<u8>, component-error>",
		"handle-callback": "func(request-id: request-id, callback-result: result<list<u8>, string>) -> result<_, component-error>",
	}},
	{"airhost:core/component-management", exporting, map[string]string{
		"initialize": "func(config: list<tuple<string, string>>) -> result<_, component-error>",
		"health":     "func() -> health-status",
		"shutdown":   "func()",
	}},
	{"airhost:core/host-services", importing, map[string]string{
		"send-message":   "func(target: component-id, message: list<u8>) -> result<_, messaging-error>",
		"send-request":   "func(target: component-id, request: list<u8>, timeout-ms: u64) -> result<request-id, messaging-error>",
		"cancel-request": "func(request-id: request-id) -> result<_, messaging-error>",
		"self-id":        "func() -> component-id",
		"log":            "func(level: log-level, message: string)",
		"current-time":   "func() -> u64",
	}},
	{"airhost:state/component-state", exporting, map[string]string{
		"save":    "func() -> result<list<u8>, component-error>",
		"restore": "func(state: list<u8>) -> result<_, component-error>",
	}},
	{"airhost:timers/timers", importing, map[string]string{
		"after":  "func(milliseconds: u64, payload: list<u8>) -> result<timer-id, messaging-error>",
		"cancel": "func(timer: timer-id) -> bool",
	}},
	{"airhost:functions/host-functions", importing, map[string]string{
		"call": "func(name: string, argument: list<u8>) -> result<list<u8>, call-error>",
	}},
	{"airhost:pubsub/pubsub", importing, map[string]string{
		"publish": "func(topic: string, message: list<u8>) -> result<_, messaging-error>",
	}},
}

// contractTypes are the types that these functions name.
var contractTypes = map[string]string{
	"component-id":    "string",
	"request-id":      "u64",
	"timer-id":        "u64",
	"component-error": "variant { invalid-message(string), unavailable(string), failed(string) }",
	"messaging-error": "variant { capability-denied(component-id), quota-exceeded(string), target-not-found(component-id), " +
		"queue-full(component-id), invalid-argument(string), request-not-found, unavailable(string) }",
	"call-error":    "variant { denied(string), not-found(string), failed(string), unavailable(string) }",
	"health-status": "enum { healthy, degraded, unhealthy }",
	"log-level":     "enum { trace, debug, info, warn, error }",
}

// contractInterface is an interface that components import or export.
type contractInterface struct {
	name      string
	direction int
	functions map[string]string
}

// contractVersion matches the versions of the contract's interfaces that the host takes.
var contractVersion = regexp.MustCompile(`^0\.1(\.[0-9]{1,9})?$`)

// lifecycle is the interface that every component exports.
const lifecycle = "airhost:core/component-lifecycle"

// ContractError lists the differences between a component and the contract.
type ContractError struct{ Problems []string }

// Error lists the problems.
func (e *ContractError) Error() string {
	return "the component does not meet the contract: " + strings.Join(e.Problems, "; ")
}

// maxProblems bounds the list of problems.
const maxProblems = 20

// CheckContract compares the imports and exports of a component with the contract. It returns each difference as a line in the words of WIT.
func (t *Types) CheckContract() (problems []string) {
	c := &contractCheck{}
	found := false
	for i := range t.component.imports {
		c.external(&t.component.imports[i], importing)
	}
	for i := range t.component.exports {
		x := &t.component.exports[i]
		path, _, _ := strings.Cut(x.name, "@")
		found = found || path == lifecycle && x.sort == Inst || c.handler(x)
		c.external(x, exporting)
	}
	if !found {
		c.add("it does not export %s@0.1.0%s: build it for the world component of wit/airhost.wit, or for wasi:http/proxy@0.2", lifecycle, t.instead())
	}
	return c.problems
}

// handlerVersion matches the versions of wasi:http/incoming-handler that the host calls.
var handlerVersion = regexp.MustCompile(`^0\.2(\.[0-9]{1,9})?$`)

// handler reports whether an export is wasi:http/incoming-handler. Its function must be that of WASI.
func (c *contractCheck) handler(x *external) bool {
	path, version, _ := strings.Cut(x.name, "@")
	of, ok := x.is.(*instanceType)
	if path != abi.IncomingHandler || !ok || x.sort != Inst || !handlerVersion.MatchString(version) {
		return false
	}
	i, ok := of.byName["handle"]
	if !ok || of.exports[i].sort != Func {
		c.add("%.100s has no function handle", x.name)
		return true
	}
	f := of.exports[i].is.(*funcType)
	given := func(i int, resource string) bool {
		t := f.params[i].typ
		return t.kind == Own && t.prim == Indexed && t.resource.id.name == resource
	}
	if f.async || f.result != nil || len(f.params) != 2 || !given(0, "incoming-request") || !given(1, "response-outparam") {
		c.add("handle of %.100s is a %s, want func(request: own<incoming-request>, response-out: own<response-outparam>)", x.name, f)
	}
	return true
}

// instead names exports of a component.
func (t *Types) instead() string {
	var names []string
	for i := range t.component.exports {
		x := &t.component.exports[i]
		path, _, _ := strings.Cut(x.name, "@")
		switch {
		case path == "wasi:cli/run":
			return ", and is a program that runs once (it exports " + x.name + ")"
		case len(names) < 3 && len(x.name) <= maxShownName:
			names = append(names, x.name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ", but " + strings.Join(names, ", ")
}

// maxShownName bounds the names that are shown, in bytes.
const maxShownName = 100

type contractCheck struct{ problems []string }

func (c *contractCheck) add(format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, fmt.Sprintf(format, args...))
	}
}

// external checks an import or export, if it is of one of the contract's packages.
func (c *contractCheck) external(x *external, direction int) {
	path, version, _ := strings.Cut(x.name, "@")
	if !strings.HasPrefix(x.name, "airhost:") || len(c.problems) == maxProblems {
		return
	}
	instance, ok := x.is.(*instanceType)
	if !ok || x.sort != Inst {
		c.add("the %s %.100q is a %s, want an interface", directions[direction], x.name, x.sort)
		return
	}
	if path == "airhost:core/types" {
		return // it has no functions, and its types are compared where they are used
	}
	for i := range interfaces {
		known := &interfaces[i]
		if known.name != path || known.direction != direction {
			continue
		}
		if !contractVersion.MatchString(version) {
			c.add("the %s %.100q is of version %.100q, and this host has version 0.1", directions[direction], path, version)
			return
		}
		c.functions(known, instance)
		return
	}
	c.unknown(path, x.name, direction)
}

// unknown reports an interface that the contract does not have, or not in this direction.
func (c *contractCheck) unknown(path, name string, direction int) {
	var names []string
	for i := range interfaces {
		known := &interfaces[i]
		if known.name == path {
			c.add("it %ss %s, which a component %ss", directions[direction], path, directions[known.direction])
			return
		}
		if known.direction == direction {
			names = append(names, known.name)
		}
	}
	hint := ""
	if near := near(path, names); near != "" {
		hint = ", did you mean " + near + "?"
	}
	c.add("the %s %.100q is not in the contract%s", directions[direction], name, hint)
}

// near returns the one of names that is nearest to a name, or "".
func near(name string, names []string) string {
	if len(name) > maxShownName {
		return ""
	}
	return nearest.Of(name, names)
}

// functions compares the functions of an interface.
func (c *contractCheck) functions(known *contractInterface, got *instanceType) {
	for i := range got.exports {
		f, ok := got.exports[i].is.(*funcType)
		name := got.exports[i].name
		if !ok || got.exports[i].sort != Func {
			continue
		}
		text, ok := known.functions[name]
		if !ok {
			hint := ""
			names := make([]string, 0, len(known.functions))
			for n := range known.functions {
				names = append(names, n)
			}
			if near := near(name, names); near != "" {
				hint = ", did you mean " + near + "?"
			}
			c.add("%s has no function %.100q%s", known.name, name, hint)
			continue
		}
		if d := difference(f, parseFunc(text)); d != "" {
			c.add("%s: %s", name, d)
		}
	}
}
