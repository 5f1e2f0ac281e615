//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// Alive returns how many instances there are in this process.
func Alive() int { return instances.count() }

// Resting reports whether the engine's ticker rests.
func (e *Engine) Resting() bool { return e.ticker.resting.Load() != 0 }
