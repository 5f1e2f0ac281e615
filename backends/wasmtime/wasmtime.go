// Package wasmtime runs guests that are WebAssembly modules on Wasmtime, the engine with
// the fastest code. It needs cgo, and a platform that wasmtime-go has the library for:
// Linux and macOS on amd64 and arm64. In other builds [New] returns [ErrLeftOut], and
// the rest of airhost works.
//
// The engine compiles a guest's code as it is. The host interrupts a guest by Wasmtime's
// epochs. Wasmtime's limits bound its memory, tables and stack. The engine counts fuel
// by the same checks that the engine wazero adds to the code, so that both count the
// same. Of WASI, preview 1 or 0.2, a guest gets clocks, randomness, and a standard output
// and a standard error, whose lines become log lines; it can import all other functions,
// which are refused.
//
// A message costs one call into C, in which the guest allocates its arguments, handles
// the message and cleans up: see guest.c. In an exchange ([core.Ledger]) one call into C
// runs many messages between two guests.
package wasmtime

import (
	"crypto/ed25519"
	"errors"
	"log/slog"
)

// Name is the engine's name in configurations and results.
const Name = "wasmtime"

// ErrLeftOut is the error of [New] in a build without Wasmtime.
var ErrLeftOut = errors.New("this build has no Wasmtime: it takes cgo (CGO_ENABLED=1 and a C compiler) on Linux or macOS, on amd64 or arm64; use the engine wazero, or build it so")

// Config configures an engine. Its zero value keeps compiled code in memory.
type Config struct {
	// CacheDir is a directory that keeps compiled code between runs. It is made if it
	// does not exist. With "" the code is kept in memory. A user with the right to write
	// to the directory can run code in the host's process: it is not used if others than
	// the process's user and root have that right. Anything wrong with the directory
	// costs time and a warning.
	CacheDir string

	// TrustedKeys are those who may give the engine code. A precompiled file, which
	// "airhost compile" writes, is compiled again unless one of them has signed it.
	TrustedKeys []ed25519.PublicKey

	// Logger gets the warning of the first problem with CacheDir, and of precompiled code
	// that was not used; slog.Default by default.
	Logger *slog.Logger

	// MaxModule is the largest module in bytes; 64 MiB by default.
	MaxModule int64
}
