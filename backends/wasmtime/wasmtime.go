// Package wasmtime runs guests that are WebAssembly modules by Wasmtime, whose
// compiler makes the fastest code. It needs cgo, and a platform for which
// wasmtime-go brings the library: Linux and macOS on amd64 and arm64. Without,
// [New] returns [ErrLeftOut], and everything else of airhost works.
//
// A guest's code is compiled as it is. Epochs stop it when its host interrupts
// it, Wasmtime's limits bound its memory, tables and stack, and where its fuel
// is counted, that is done by the same checks that the wazero engine adds, so
// that both count the same. Of WASI preview 1 it gets clocks, randomness, and a
// standard output and a standard error whose lines become log lines; everything
// else is there to link and refuses.
//
// A message costs one call into C, in which the guest allocates its arguments,
// handles them and cleans up: see guest.c.
package wasmtime

import (
	"errors"
	"log/slog"
)

// Name is the engine's name in configurations and results.
const Name = "wasmtime"

// ErrLeftOut is the error of [New] in a build without Wasmtime.
var ErrLeftOut = errors.New("this build has no Wasmtime: it takes cgo (CGO_ENABLED=1 and a C compiler) on Linux or macOS, on amd64 or arm64; use the engine wazero, or build it so")

// Config configures an engine. Its zero value keeps compiled code in memory.
type Config struct {
	// CacheDir is a directory in which compiled code is kept between runs; it is
	// made if it does not exist. "" keeps it in memory. Whoever can write to the
	// directory can run code in the host's process: where others than the user and
	// root can, it is not used. Whatever is wrong with it costs time and a warning.
	CacheDir string

	// Logger gets the warning of what is first found wrong with CacheDir;
	// slog.Default by default.
	Logger *slog.Logger

	// MaxModule is the largest module in bytes; 64 MiB by default.
	MaxModule int64
}
