//go:build nats_server && !linux && !darwin

package natsserver

import "os"

// lockFile does nothing: on these systems nobody notices that two servers have a store.
func lockFile(*os.File) error { return nil }
