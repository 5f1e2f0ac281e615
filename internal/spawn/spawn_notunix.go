//go:build !unix

package spawn

import "net"

// maxSocketPath is 0: plug-ins listen on TCP here.
const maxSocketPath = 0

// BusyPoll returns conn: reading without blocking needs Unix.
func BusyPoll(conn net.Conn) net.Conn { return conn }

// closeOnExecEach does nothing: a Windows process inherits only the handles it is
// given.
func closeOnExecEach() {}
