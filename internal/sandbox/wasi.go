package sandbox

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
)

// errno is WASI's error number.
type errno uint32

const (
	success errno = 0
	badf    errno = 8 // no such file descriptor: the answer to most calls
	fault   errno = 21
	inval   errno = 28
	nosys   errno = 52
	notsup  errno = 58
	spipe   errno = 70
)

// wasiFunc is a function of WASI preview 1. A guest has no directories, sockets or
// files: a function that needs one, or a file descriptor other than the three
// standard ones, returns badf. Unlike host services, a guest may call these
// functions in any phase.
type wasiFunc func(s *State, args []uint64) errno

var wasiFuncs = map[string]wasiFunc{
	"args_get":            func(*State, []uint64) errno { return success },
	"args_sizes_get":      noStrings,
	"environ_get":         func(*State, []uint64) errno { return success },
	"environ_sizes_get":   noStrings,
	"clock_res_get":       clockResolution,
	"clock_time_get":      clockTime,
	"random_get":          randomGet,
	"sched_yield":         func(*State, []uint64) errno { return success },
	"poll_oneoff":         pollOneoff,
	"proc_exit":           procExit,
	"proc_raise":          func(*State, []uint64) errno { return nosys },
	"fd_close":            standard(func(*State, []uint64) errno { return success }),
	"fd_fdstat_get":       standard(fdStat),
	"fd_fdstat_set_flags": standard(func(*State, []uint64) errno { return success }),
	"fd_filestat_get":     standard(fileStat),
	"fd_read":             standard(fdRead),
	"fd_write":            standard(fdWrite),
	"fd_seek":             standard(func(*State, []uint64) errno { return spipe }),
	"fd_tell":             standard(func(*State, []uint64) errno { return spipe }),
}

// wasi returns the function of [abi.WASI] with this name.
func wasi(name string) Func {
	do, ok := wasiFuncs[name]
	if !ok {
		do = func(*State, []uint64) errno { return badf }
	}
	return func(s *State, stack []uint64) {
		stack[0] = uint64(do(s, stack))
	}
}

// GrantsWASI reports whether a function of [abi.WASI] does more than return badf.
func GrantsWASI(name string) bool {
	_, ok := wasiFuncs[name]
	return ok
}

// standard returns badf unless the file descriptor is standard input, output or
// error.
func standard(f wasiFunc) wasiFunc {
	return func(s *State, args []uint64) errno {
		if uint32(args[0]) > 2 {
			return badf
		}
		return f(s, args)
	}
}

// noStrings reports that there are no arguments and no environment variables.
func noStrings(s *State, args []uint64) errno {
	if !s.memory().write32(uint32(args[0]), 0) || !s.memory().write32(uint32(args[1]), 0) {
		return fault
	}
	return success
}

// Clocks of WASI.
const (
	clockRealtime  = 0
	clockMonotonic = 1
)

// began is the origin of the monotonic clock.
var began = time.Now()

func (s *State) clock(id uint32) (nanos uint64, e errno) {
	switch id {
	case clockRealtime:
		defer hostPanicked()
		return s.Env.Host.Now(), success
	case clockMonotonic:
		return uint64(time.Since(began)), success
	default:
		return 0, notsup
	}
}

func clockTime(s *State, args []uint64) errno {
	now, e := s.clock(uint32(args[0]))
	if e != success {
		return e
	}
	return s.put64(uint32(args[2]), now)
}

func clockResolution(s *State, args []uint64) errno {
	if _, e := s.clock(uint32(args[0])); e != success {
		return e
	}
	return s.put64(uint32(args[1]), uint64(time.Microsecond))
}

func (s *State) put64(at uint32, v uint64) errno {
	if !s.memory().write64(at, v) {
		return fault
	}
	return success
}

// randomChunk is the number of random bytes between two checks for an interrupt.
const randomChunk = 64 << 10

func randomGet(s *State, args []uint64) errno {
	b, ok := s.memory().read(uint32(args[0]), uint32(args[1]))
	if !ok {
		return fault
	}
	for len(b) > 0 {
		s.GoOn()
		n := min(len(b), randomChunk)
		_, _ = rand.Read(b[:n]) // it never fails
		b = b[n:]
	}
	return success
}

func procExit(_ *State, args []uint64) errno {
	panic(&core.TrapError{Kind: core.TrapFault, Text: fmt.Sprintf("it exited with code %d", uint32(args[0]))})
}

// Rights and types of the standard file descriptors: they are character devices, one
// for reading and two for writing.
const (
	characterDevice = 2
	rightRead       = 1 << 1
	rightWrite      = 1 << 6
)

func fdStat(s *State, args []uint64) errno {
	b, ok := s.memory().read(uint32(args[1]), 24)
	if !ok {
		return fault
	}
	clear(b)
	b[0] = characterDevice
	rights := uint64(rightWrite)
	if uint32(args[0]) == 0 {
		rights = rightRead
	}
	binary.LittleEndian.PutUint64(b[8:], rights)
	return success
}

func fileStat(s *State, args []uint64) errno {
	b, ok := s.memory().read(uint32(args[1]), 64)
	if !ok {
		return fault
	}
	clear(b)
	b[16] = characterDevice
	return success
}

// fdRead reads nothing: standard input is at its end.
func fdRead(s *State, args []uint64) errno {
	if uint32(args[0]) != 0 {
		return badf
	}
	if !s.memory().write32(uint32(args[3]), 0) {
		return fault
	}
	return success
}

// Bounds of one fd_write. The guest writes the rest in further calls.
const (
	maxBuffers = 1024
	maxWrite   = 64 << 10
)

// fdWrite logs the guest's standard output and standard error.
func fdWrite(s *State, args []uint64) errno {
	fd, count := uint32(args[0]), min(uint32(args[2]), maxBuffers)
	mem := s.lower.Memory()
	list, err := abi.LiftBytes(mem, uint32(args[1]), 8*count, "buffers")
	if fd == 0 {
		return badf
	}
	var written int
	for ; err == nil && len(list) > 0 && written < maxWrite; list = list[8:] {
		var b []byte
		b, err = abi.LiftBytes(mem, binary.LittleEndian.Uint32(list), binary.LittleEndian.Uint32(list[4:]), "buffer")
		b = b[:min(len(b), maxWrite-written)]
		s.write(fd, b)
		written += len(b)
	}
	s.yieldFor(max(written, int(8*count)))
	if err != nil || !s.memory().write32(uint32(args[3]), uint32(written)) {
		return fault
	}
	return success
}

func (s *State) write(fd uint32, b []byte) {
	defer hostPanicked()
	to := &s.stdout
	if fd == 2 {
		to, s.needsCleanUp = &s.stderr, true
	}
	to.write(s.Env.Host, b)
}
