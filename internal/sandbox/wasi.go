package sandbox

import (
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wasi"
)

// wasiFunc returns a function of WASI, or nil.
func wasiFunc(module, name string) Func {
	do := wasi.Find(module, name)
	if do == nil {
		return nil
	}
	return func(s *State, stack []uint64) { do(s.wasiInstance(), stack) }
}

// wasiInstance returns the guest's state of WASI, which a guest without WASI never has.
func (s *State) wasiInstance() *wasi.Instance {
	if s.wasi == nil {
		s.wasi = wasi.New((*wasiGuest)(s), &wasi.Grants{Arguments: s.Env.Arguments, Environment: s.Env.Variables})
	}
	return s.wasi
}

// wasiGuest is a State as package wasi uses it.
type wasiGuest State

var (
	_ wasi.Guest    = (*wasiGuest)(nil)
	_ core.KeyValue = (*wasiGuest)(nil)
	_ core.Files    = (*wasiGuest)(nil)
	_ core.HTTP     = (*wasiGuest)(nil)
	_ core.Settings = (*wasiGuest)(nil)
)

// Memory implements [wasi.Guest].
func (g *wasiGuest) Memory() []byte { return g.lower.Memory() }

// Realloc implements [wasi.Guest].
func (g *wasiGuest) Realloc(align, size uint32) (uint32, error) { return g.lower.Realloc(align, size) }

// Calling implements [wasi.Guest]. A guest may call WASI also while it starts.
func (g *wasiGuest) Calling(function string) {
	if g.Phase != Handling && g.Phase != Starting {
		(*State)(g).refuse(function)
	}
}

// GoOn implements [wasi.Guest].
func (g *wasiGuest) GoOn() { (*State)(g).GoOn() }

// Wait implements [wasi.Guest].
func (g *wasiGuest) Wait(d time.Duration, ends []<-chan struct{}) bool {
	return (*State)(g).waits(d, ends)
}

// Now implements [wasi.Guest].
func (g *wasiGuest) Now() uint64 {
	defer hostPanicked()
	return g.Env.Host.Now()
}

// Write implements [wasi.Guest].
func (g *wasiGuest) Write(fd uint32, b []byte) {
	defer hostPanicked()
	to := &g.stdout
	if fd == 2 {
		to, g.needsCleanUp = &g.stderr, true
	}
	to.write(g.Env.Host, b)
}
