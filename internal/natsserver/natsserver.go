// Package natsserver runs a NATS server in the process of a host, in builds with the tag nats_server:
//
//	go build -tags nats_server ./cmd/airhost
//
// Other builds do not have the server, which is 13 MB of a program.
package natsserver

import "log/slog"

// Config are the settings of a server.
type Config struct {
	// Address is host:port, at which the server listens.
	Address string
	// Store is the folder for the files of the server. Another server must not have it.
	Store string
	// Name and Password are those that clients must know. Name alone is a token.
	Name, Password string
	// NKey is the public key of an nkey that clients must have.
	NKey string
	// Certificate and Key are files with the certificate of the server. With CA, a file, clients
	// must show a certificate for which it vouches. The files are read again for each client.
	Certificate, Key, CA string
	// Logger gets the log of the server.
	Logger *slog.Logger
}

// Error says which key of a server's configuration is to blame: address, store or tls.
type Error struct {
	Key string
	Err error
}

// Error returns the reason.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }
