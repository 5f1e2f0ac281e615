//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

import "github.com/airhost/airhost/core"

// Alive returns how many instances there are in this process.
func Alive() int { return instances.count() }

// Memory returns the memory of an instance.
func Memory(in core.Instance) []byte { return (*guest)(in.(*instance)).Memory() }

// Resting reports whether the engine's ticker rests.
func (e *Engine) Resting() bool { return e.ticker.resting.Load() != 0 }
