package corpus

import (
	"errors"
	"fmt"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// engine is an engine on which code is compared.
type engine interface {
	name() string
	// check returns why the engine refuses a module, or nil.
	check(binary []byte) error
	// open returns a store, whose instances can be linked to each other.
	open() store
	close()
}

// store holds instances until it is closed.
type store interface {
	compile(code *code) (compiled, error)
	close()
}

// compiled is code that can be instantiated many times.
type compiled interface {
	instantiate(imports linker) (instance, error)
}

// linker gives what a module imports: another instance of the store by its name, or
// a function of the host.
type linker struct {
	instances map[string]instance
	host      func(in instance, module, name string, args []uint64) ([]uint64, error)
	tank      *tank // nil where nothing was added
}

// instance is a live module.
type instance interface {
	// call returns the results in slots of 64 bits, two for a vector. The error's
	// kind is kindOf(err).
	call(export string, args []uint64) ([]uint64, error)
	// exported returns the value of an exported global.
	exported(name string) ([]uint64, error)
	setCounter(name string, value int64)
	counter(name string) int64
	// memory returns the instance's memory, its own or an imported one, or nil.
	memory() []byte
	// globals returns the values of the module's globals that are numbers.
	globals() []uint64
}

// code is a module as a build has made it.
type code struct {
	binary []byte       // for engines that let one look at everything inside
	made   *wasm.Module // for engines for which this has to be exported
	plain  *wasm.Module // as it was: tells the types of what it exports
	result meter.Result // what was added to it, but for the module
}

// Kinds of traps that engines name differently.
const (
	trapStack     = "stack overflow"
	trapTable     = "invalid table access" // or a null reference in one
	trapSignature = "indirect call type mismatch"
	trapMemory    = "out of bounds memory access"
)

// The host's reasons to end a call: the meter's, and those of a call of the host.
var (
	errTooDeep = errors.New("corpus: too deep")
	errNoFuel  = errors.New("corpus: no fuel left")
	errHost    = errors.New("corpus: ended by the host")
)

// kindOfOwn returns the kind of an end that the host has brought about.
func kindOfOwn(known error) string {
	if known == errTooDeep {
		return trapStack
	}
	return known.Error()
}

// trap is an error of which the engine has told the kind.
type trap struct {
	kind  string
	cause error
}

func (t *trap) Error() string { return fmt.Sprintf("%s: %v", t.kind, t.cause) }

// kindOf returns the kind of a trap, "" for none.
func kindOf(err error) string {
	if err == nil {
		return ""
	}
	if known := new(trap); errors.As(err, &known) {
		return known.kind
	}
	return "other error"
}
