//go:build unix

package spawn

import "syscall"

// mostDescriptors is how many descriptors are marked one by one, which takes some
// milliseconds.
const mostDescriptors = 1 << 16

// closeOnExecEach is closeOnExec where the system can't mark all at once.
func closeOnExecEach() {
	for fd := 3; fd < mostDescriptors; fd++ {
		syscall.CloseOnExec(fd) // most are not open
	}
}

// maxSocketPath is the longest path of a Unix socket, in bytes.
const maxSocketPath = len(syscall.RawSockaddrUnix{}.Path) - 1
