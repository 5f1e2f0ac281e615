//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// Alive returns how many instances there are in this process.
func Alive() int { return instances.count() }
