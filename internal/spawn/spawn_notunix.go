//go:build !unix

package spawn

import "net"

// maxSocketPath: plug-ins listen on TCP there.
const maxSocketPath = 0

// Attend returns conn: only Unix can look for data without waiting for them.
func Attend(conn net.Conn) net.Conn { return conn }

// closeOnExecEach: Windows hands no handle on that is not named.
func closeOnExecEach() {}
