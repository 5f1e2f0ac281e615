//go:build !(cgo && (linux || darwin) && (amd64 || arm64))

package wasmtime

import "github.com/airhost/airhost/core"

// Available says whether this build has Wasmtime.
const Available = false

// Engine is Wasmtime as a [core.Engine]. In this build there is none.
type Engine struct{ core.Engine }

// New returns [ErrLeftOut].
func New(Config) (*Engine, error) { return nil, ErrLeftOut }

// CodeVersion is empty: this build can use no code.
func CodeVersion() string { return "" }
