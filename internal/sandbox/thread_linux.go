package sandbox

import (
	"syscall"
	"time"
	"unsafe"
)

// clockThread is Linux's CLOCK_THREAD_CPUTIME_ID.
const clockThread = 3

// readThread reads the processor time of the current thread. Its system calls do not
// block, so they need not tell Go's scheduler.
func readThread() threadTime {
	var t syscall.Timespec
	if _, _, failed := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockThread, uintptr(unsafe.Pointer(&t)), 0); failed != 0 {
		return threadTime{}
	}
	thread, _, _ := syscall.RawSyscall(syscall.SYS_GETTID, 0, 0, 0)
	return threadTime{thread: int(thread), used: time.Duration(t.Nano())}
}
