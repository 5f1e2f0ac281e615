// Package wasi serves WASI to guests, in its two versions: preview 1, and 0.2 as core
// modules import it by the component model's canonical ABI. Both engines link guests
// with it.
//
// A guest gets clocks, randomness, streams into its log, its [Grants], the directories that it was
// granted, and the requests of HTTP that its host sends. There are no sockets: a function that needs
// them cannot be reached, or refuses with the error that WASI has for it. The resources that a
// guest makes itself, such as the fields of an HTTP request, are real.
package wasi

import (
	"fmt"
	"strings"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
)

// Guest is a running guest. Each method but Memory may panic with the reason why the guest
// ends.
type Guest interface {
	abi.Guest
	// Calling ends a guest that must not call the function now.
	Calling(function string)
	// GoOn ends a guest that has been interrupted or has used up its time.
	GoOn()
	// Wait puts the guest to sleep for d, or until one of ends is closed: then it returns true. It returns
	// early if the guest must not go on. The time counts as waiting.
	Wait(d time.Duration, ends []<-chan struct{}) bool
	// Now returns the host's time.
	Now() uint64
	// Write logs the guest's standard output, 1, or standard error, 2.
	Write(fd uint32, b []byte)
}

// Grants are the things that one guest gets and others do not. The zero value has none.
type Grants struct {
	Arguments   []string
	Environment []core.ConfigPair
}

// Instance is the state of WASI of one guest.
type Instance struct {
	guest   Guest
	grants  *Grants
	handles handles
	held    int // bytes of HTTP fields and other texts: see maxHeld
	work    int // since the guest's time was last checked: see yieldFor
	buckets core.KeyValue
	config  core.Settings
	files   files
	call    call

	http   core.HTTP
	bodies int                  // bytes of bodies of HTTP: see maxBodies
	sent   map[*future]struct{} // requests with an exchange, until the guest has got the response
	served *served              // the request that it handles, or nil
}

// New returns the state of a guest that has called nothing yet. Without grants it has
// none. A guest that is a [core.KeyValue] has buckets, one that is a [core.HTTP] sends requests, and
// one that is a [core.Settings] has settings.
func New(g Guest, grants *Grants) *Instance {
	if grants == nil {
		grants = &Grants{}
	}
	none := &core.Environment{}
	in := &Instance{guest: g, grants: grants, buckets: core.KeyValueOf(none), http: core.HTTPOf(none), config: core.SettingsOf(none)}
	if own, ok := g.(core.KeyValue); ok {
		in.buckets = own
	}
	if own, ok := g.(core.Files); ok {
		in.files.granted = own
	}
	if own, ok := g.(core.HTTP); ok {
		in.http = own
	}
	if own, ok := g.(core.Settings); ok {
		in.config = own
	}
	return in
}

// Func is a function of WASI. It reads its arguments from stack and writes its result
// there. If it panics with an error, the guest's call and the guest end.
type Func func(in *Instance, stack []uint64)

// Find returns a function of preview 1, which is the module [abi.WASI], or of WASI 0.2. It
// returns nil for an unknown one.
func Find(module, name string) Func {
	if module == abi.WASI {
		return preview1(name)
	}
	of := abi.FindWASI2(module)
	if of == nil {
		return nil
	}
	for _, f := range of.Funcs {
		if f.Name == name {
			return bind(f)
		}
	}
	return nil
}

// NeedsFiles reports whether a function of WASI needs files: a guest without a grant has none.
func NeedsFiles(module, name string) bool {
	if module == abi.WASI {
		_, standard := preview1Funcs[name]
		return fileFuncs[name] != nil && !standard || name == "path_symlink"
	}
	of := abi.FindWASI2(module)
	return of != nil && of.Name == "wasi:filesystem/types" && !strings.HasPrefix(name, dropPrefix)
}

// Refused reports whether a function of WASI needs sockets, which no guest has.
func Refused(module, name string) bool {
	if module == abi.WASI {
		_, ok := preview1Funcs[name]
		return !ok && fileFuncs[name] == nil
	}
	of := abi.FindWASI2(module)
	if of == nil || strings.HasPrefix(name, dropPrefix) {
		return false
	}
	_, real := methods[of.Name][name]
	return strings.HasPrefix(of.Name, "wasi:sockets/") && !real || denied[name]
}

// longBytes is a size whose copying takes about as long as ten checks of the guest's time.
const longBytes = 4 << 10

// yieldFor is called by a function that takes or gives n bytes, or does as much other work.
// After enough of it, in one call or in many, it checks whether the guest may go on, since a
// guest that does little else would not yield for a second.
func (in *Instance) yieldFor(n int) {
	if in.work += n; in.work >= longBytes {
		in.work = 0
		in.guest.GoOn()
	}
}

// sleepSlice is the longest that a sleeping guest goes without checking whether it may go
// on. An interrupt wakes it before.
const sleepSlice = time.Second

// sleep waits for d, or until one of ends is closed.
func (in *Instance) sleep(d time.Duration, ends []<-chan struct{}) {
	for end := time.Now().Add(d); d > 0; d = time.Until(end) {
		if in.guest.GoOn(); in.guest.Wait(min(d, sleepSlice), ends) {
			return
		}
	}
}

// exit ends a guest that has asked for it.
func exit(code uint32) {
	panic(&core.TrapError{Kind: core.TrapFault, Text: fmt.Sprintf("it exited with code %d", code)})
}

// tooMuch ends a guest that has more than the host keeps for it.
func tooMuch(format string, args ...any) {
	panic(&core.TrapError{Kind: core.TrapFault, Text: fmt.Sprintf(format, args...)})
}

// violated ends a guest that breaks the canonical ABI or a rule of WASI.
func violated(format string, args ...any) {
	panic(&abi.Violation{Text: fmt.Sprintf(format, args...)})
}

// must ends the guest if err is not nil.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
