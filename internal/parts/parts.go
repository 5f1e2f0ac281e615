// Package parts is the table of the engines, brokers and trackers of this project. The
// programs airhost and benchrunner, and the schema of configuration files, read it: a
// new part is its own folder and one entry here.
package parts

import (
	"crypto/ed25519"
	"log/slog"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/core"
)

// Settings are the settings of all parts that a program may choose. A part takes those
// that it knows.
type Settings struct {
	// CacheDir is the directory where engines keep compiled code; "" keeps none.
	CacheDir string
	// TrustedKeys are the keys of precompiled code that engines may run.
	TrustedKeys []ed25519.PublicKey
	// Interpreter makes wazero interpret guests instead of compiling them.
	Interpreter bool
	// Native is the configuration of the engine native: the Go components that it has.
	Native native.Config
	// NATS is the configuration of the broker nats.
	NATS nats.Config
	// Logger takes the log of the parts; slog.Default() if nil.
	Logger *slog.Logger
}

// Part is an implementation that a program can choose by its name.
type Part[P any] struct {
	// Name is the part's name in configuration files and on command lines.
	Name string
	// About completes the sentence that begins with Name.
	About string
	// LeftOut is the reason why this build lacks the part; empty if it has it.
	LeftOut string
	// New makes the part, unless it is left out.
	New func(Settings) (P, error)
}

// Engine is an engine with the properties that its users must know.
type Engine struct {
	Part[core.Engine]
	// Runs is the kind of guests that the engine runs.
	Runs Kind
	// Caches says that the engine keeps compiled code in Settings.CacheDir.
	Caches bool
	// CodeVersion names the compiler whose code the engine can use; nil if Caches is false.
	CodeVersion func() string
	// Library is the path of the Go module that is the engine, if it is another's.
	Library string
}

// Kind is a kind of guests.
type Kind uint8

const (
	// WebAssembly are core modules.
	WebAssembly Kind = iota
	// Go are components in the program itself.
	Go
	// Processes are executables.
	Processes
)
