package wasi

import (
	"encoding/binary"

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

// preview1Func is a function of WASI preview 1. A guest has the directories that it was
// granted, from the file descriptor 3 on, and no sockets: a function that needs one, or a
// file descriptor that there is not, returns badf. Unlike host services, a guest may call these
// functions in any phase, but for those that reach a file.
type preview1Func func(in *Instance, args []uint64) errno

var preview1Funcs = map[string]preview1Func{
	"adapter_open_badfd":  openBad,
	"adapter_close_badfd": closeBad,
	"args_get":            texts(arguments).get,
	"args_sizes_get":      texts(arguments).sizes,
	"environ_get":         texts(environment).get,
	"environ_sizes_get":   texts(environment).sizes,
	"clock_res_get":       clockResolution,
	"clock_time_get":      clockTime,
	"random_get":          randomGet,
	"sched_yield":         func(*Instance, []uint64) errno { return success },
	"poll_oneoff":         pollOneoff,
	"proc_exit":           procExit,
	"proc_raise":          func(*Instance, []uint64) errno { return nosys },
	"fd_close":            standard(func(*Instance, []uint64) errno { return success }),
	"fd_fdstat_get":       standard(fdStat),
	"fd_fdstat_set_flags": standard(func(*Instance, []uint64) errno { return success }),
	"fd_filestat_get":     standard(fileStat),
	"fd_read":             standard(fdRead),
	"fd_write":            standard(fdWrite),
	"fd_seek":             standard(func(*Instance, []uint64) errno { return spipe }),
	"fd_tell":             standard(func(*Instance, []uint64) errno { return spipe }),
	"path_symlink":        pathSymlink,
}

// bad is a file descriptor that no function takes. Programs of Rust and of wasi-libc get it from
// wit-component's adapter for what has no descriptor of preview 1, such as a socket of WASI 0.2.
const bad = 1<<31 - 1

func openBad(in *Instance, args []uint64) errno {
	if !in.memory().write32(uint32(args[0]), bad) {
		return fault
	}
	return success
}

func closeBad(_ *Instance, args []uint64) errno {
	if uint32(args[0]) != bad {
		return badf
	}
	return success
}

// preview1 returns the function of preview 1 with this name.
func preview1(name string) Func {
	do, ok := preview1Funcs[name]
	if of := fileFuncs[name]; of != nil {
		do, ok = onFile(of, do), true
	}
	if !ok {
		do = func(*Instance, []uint64) errno { return badf }
	}
	return func(in *Instance, stack []uint64) {
		stack[0] = uint64(do(in, stack))
	}
}

// standard returns badf unless the file descriptor is standard input, output or
// error.
func standard(f preview1Func) preview1Func {
	return func(in *Instance, args []uint64) errno {
		if uint32(args[0]) > 2 {
			return badf
		}
		return f(in, args)
	}
}

// texts are the arguments or the environment, as a guest reads them.
type texts func(in *Instance) []string

func arguments(in *Instance) []string { return in.grants.Arguments }

func environment(in *Instance) (lines []string) {
	for _, v := range in.grants.Environment {
		lines = append(lines, v.Key+"="+v.Value)
	}
	return lines
}

// sizes writes the number of texts, and of their bytes with a 0 after each.
func (t texts) sizes(in *Instance, args []uint64) errno {
	var size int
	list := t(in)
	for _, text := range list {
		size += len(text) + 1
	}
	in.yieldFor(size + len(list)*elementWork)
	if !in.memory().write32(uint32(args[0]), uint32(len(list))) || !in.memory().write32(uint32(args[1]), uint32(size)) {
		return fault
	}
	return success
}

// get writes the addresses of the texts, and the texts with a 0 after each.
func (t texts) get(in *Instance, args []uint64) errno {
	at, to := uint32(args[0]), uint32(args[1])
	for _, text := range t(in) {
		b, ok := in.memory().read(to, uint32(len(text)+1))
		if !ok || !in.memory().write32(at, to) {
			return fault
		}
		b[copy(b, text)] = 0
		at, to = at+4, to+uint32(len(b))
		in.yieldFor(len(b) + elementWork)
	}
	return success
}

// Clocks of WASI.
const (
	clockRealtime  = 0
	clockMonotonic = 1
)

func (in *Instance) clock(id uint32) (nanos uint64, e errno) {
	switch id {
	case clockRealtime:
		return in.guest.Now(), success
	case clockMonotonic:
		return uint64(monotonic()), success
	default:
		return 0, notsup
	}
}

func clockTime(in *Instance, args []uint64) errno {
	now, e := in.clock(uint32(args[0]))
	if e != success {
		return e
	}
	return in.put64(uint32(args[2]), now)
}

func clockResolution(in *Instance, args []uint64) errno {
	if _, e := in.clock(uint32(args[0])); e != success {
		return e
	}
	return in.put64(uint32(args[1]), resolution)
}

func (in *Instance) put64(at uint32, v uint64) errno {
	if !in.memory().write64(at, v) {
		return fault
	}
	return success
}

func randomGet(in *Instance, args []uint64) errno {
	b, ok := in.memory().read(uint32(args[0]), uint32(args[1]))
	if !ok {
		return fault
	}
	in.random(b)
	return success
}

func procExit(_ *Instance, args []uint64) errno {
	exit(uint32(args[0]))
	return success
}

// Rights and types of the standard file descriptors: they are character devices, one
// for reading and two for writing.
const (
	characterDevice = 2
	rightRead       = 1 << 1
	rightWrite      = 1 << 6
)

func fdStat(in *Instance, args []uint64) errno {
	b, ok := in.memory().read(uint32(args[1]), 24)
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

func fileStat(in *Instance, args []uint64) errno {
	b, ok := in.memory().read(uint32(args[1]), 64)
	if !ok {
		return fault
	}
	clear(b)
	b[16] = characterDevice
	return success
}

// fdRead reads nothing: standard input is at its end.
func fdRead(in *Instance, args []uint64) errno {
	if uint32(args[0]) != 0 {
		return badf
	}
	if !in.memory().write32(uint32(args[3]), 0) {
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
func fdWrite(in *Instance, args []uint64) errno {
	fd, count := uint32(args[0]), min(uint32(args[2]), maxBuffers)
	mem := in.guest.Memory()
	list, err := abi.LiftBytes(mem, uint32(args[1]), 8*count, "buffers")
	if fd == 0 {
		return badf
	}
	var written int
	for ; err == nil && len(list) > 0 && written < maxWrite; list = list[8:] {
		var b []byte
		b, err = abi.LiftBytes(mem, binary.LittleEndian.Uint32(list), binary.LittleEndian.Uint32(list[4:]), "buffer")
		b = b[:min(len(b), maxWrite-written)]
		in.guest.Write(fd, b)
		written += len(b)
	}
	in.yieldFor(max(written, int(8*count)))
	if err != nil || !in.memory().write32(uint32(args[3]), uint32(written)) {
		return fault
	}
	return success
}
