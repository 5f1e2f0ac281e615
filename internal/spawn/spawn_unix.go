//go:build unix

package spawn

import "syscall"

// mostDescriptors is the number of descriptors that are marked one by one. Marking
// them takes some milliseconds.
const mostDescriptors = 1 << 16

// closeOnExecEach does the work of closeOnExec if the system cannot mark all at
// once.
func closeOnExecEach() {
	for fd := 3; fd < mostDescriptors; fd++ {
		syscall.CloseOnExec(fd) // fails for a closed one, as most are
	}
}

// maxSocketPath is the longest path of a Unix socket, in bytes.
const maxSocketPath = len(syscall.RawSockaddrUnix{}.Path) - 1
