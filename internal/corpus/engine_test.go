package corpus

import (
	"errors"
	"fmt"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// engine is an engine that the tests compare.
type engine interface {
	name() string
	// check returns the reason why the engine refuses a module, or nil.
	check(binary []byte) error
	// open returns a store. The instances of one store can be linked to each other.
	open() store
	close()
}

// store holds instances until it is closed.
type store interface {
	compile(code *code) (compiled, error)
	close()
}

// compiled is code that can be instantiated repeatedly.
type compiled interface {
	instantiate(imports linker) (instance, error)
}

// linker provides a module's imports: from other instances of the store, by name,
// and from the host.
type linker struct {
	instances map[string]instance
	host      func(in instance, module, name string, args []uint64) ([]uint64, error)
	tank      *tank // nil if the meter added nothing
}

// instance is a running module.
type instance interface {
	// call returns the results in slots of 64 bits, two per vector. kindOf returns
	// the kind of an error.
	call(export string, args []uint64) ([]uint64, error)
	// exported returns the value of an exported global.
	exported(name string) ([]uint64, error)
	setCounter(name string, value int64)
	counter(name string) int64
	// memory returns the instance's own or imported memory, or nil.
	memory() []byte
	// globals returns the values of the module's numeric globals.
	globals() []uint64
}

// code is a module after a build.
type code struct {
	binary []byte       // for engines that can read an instance's internals
	made   *wasm.Module // for engines to which the internals must be exported
	plain  *wasm.Module // the module before the build, with the types of its exports
	result meter.Result // the meter's additions to the module
}

// Names for the kinds of traps that engines name differently.
const (
	trapStack     = "stack overflow"
	trapTable     = "invalid table access" // or a null reference in a table
	trapSignature = "indirect call type mismatch"
	trapMemory    = "out of bounds memory access"
)

// The host's reasons to end a call: two of the meter, and one of a host function.
var (
	errTooDeep = errors.New("corpus: too deep")
	errNoFuel  = errors.New("corpus: no fuel left")
	errHost    = errors.New("corpus: ended by the host")
)

// kindOfOwn returns the kind of one of the host's own reasons.
func kindOfOwn(known error) string {
	if known == errTooDeep {
		return trapStack
	}
	return known.Error()
}

// trap is an engine's error with a known kind.
type trap struct {
	kind  string
	cause error
}

func (t *trap) Error() string { return fmt.Sprintf("%s: %v", t.kind, t.cause) }

// kindOf returns the kind of a trap, or "" for nil.
func kindOf(err error) string {
	if err == nil {
		return ""
	}
	if known := new(trap); errors.As(err, &known) {
		return known.kind
	}
	return "other error"
}
