//go:build !unix

package spawn

import "net"

// Attend returns conn: only Unix can look for data without waiting for them.
func Attend(conn net.Conn) net.Conn { return conn }
