//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

import "github.com/airhost/airhost/core"

// server is an instance that handles requests of HTTP in place of messages. It keeps no ledger.
type server struct{ *instance }

// HandleMessage implements [core.Instance].
func (s server) HandleMessage(_ core.ComponentID, message []byte, response *[]byte) error {
	return s.HandleHTTP(message, response)
}
