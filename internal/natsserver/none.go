//go:build !nats_server

package natsserver

import "errors"

// LeftOut is the reason for the absence of the server; empty if this build has it.
const LeftOut = "build it with go build -tags nats_server ./cmd/airhost, or run a nats-server beside it"

// Server is a server that runs.
type Server struct{}

// Start returns an error: this build has no server.
func Start(Config) (*Server, error) {
	return nil, errors.New("no NATS server in this build: " + LeftOut)
}

// Stop does nothing.
func (*Server) Stop() {}
