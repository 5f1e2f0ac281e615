//go:build cgo && linux && (amd64 || arm64) && (race || asan || msan)

package wasmtime_test

// measures says whether the memory of the process is its own: a sanitizer keeps
// more of it the more has happened.
const measures = false
