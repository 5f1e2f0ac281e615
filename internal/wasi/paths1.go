package wasi

import (
	"encoding/binary"

	"github.com/airhost/airhost/core"
)

// onPath returns a function that has a path and no other argument.
func onPath(kind core.FileCallKind) fileFunc {
	return func(in *Instance, d *descriptor, args []uint64) errno {
		path, e := in.pathAt(args[1], args[2])
		if e != success {
			return e
		}
		in.fileCall(kind).Path = path
		return errnoFor(in.do(d))
	}
}

// follow is the flag of a path that goes on from a symbolic link at its end.
const follow = 1

// Flags of path_open.
const (
	openCreate = 1 << iota
	openDirectory
	openExclusive
	openTruncate
)

func pathOpen(in *Instance, d *descriptor, args []uint64) errno {
	path, e := in.pathAt(args[2], args[3])
	if e != success {
		return e
	}
	flags, rights, fdFlags := args[4], args[5], args[7]&0xffff
	if fdFlags&^(flagAppend|flagNonblock) != 0 {
		return notsup
	}
	mode := core.FileMode{
		Read: rights&(rightRead|1<<14) != 0, Write: rights&rightWrite != 0 && flags&openDirectory == 0,
		Create: flags&openCreate != 0, Directory: flags&openDirectory != 0, Exclusive: flags&openExclusive != 0, Truncate: flags&openTruncate != 0,
	}
	if _, ok := in.memory().read(uint32(args[8]), 4); !ok {
		return fault
	}
	call := in.fileCall(core.FileOpen)
	call.Path, call.Follow, call.Mode = path, args[1]&follow != 0, mode
	if err := in.do(d); err != nil {
		return errnoFor(err)
	}
	made, err := in.opened(mode)
	if err != nil {
		return errnoFor(err)
	}
	if made.directory {
		made.read, made.write = true, d.write
	}
	made.atEnd = fdFlags&flagAppend != 0
	in.memory().write32(uint32(args[8]), in.number(made))
	return success
}

// number returns the lowest file descriptor that is free, and makes it one of d.
func (in *Instance) number(d *descriptor) uint32 {
	table := in.files.table
	for i, taken := range table {
		if taken == nil {
			table[i] = d
			return firstFile + uint32(i)
		}
	}
	in.files.table = append(table, d)
	return firstFile + uint32(len(table))
}

func pathStatus(in *Instance, d *descriptor, args []uint64) errno {
	path, e := in.pathAt(args[2], args[3])
	if e != success {
		return e
	}
	call := in.fileCall(core.FileStatus)
	if call.Path, call.Follow = path, args[1]&follow != 0; path == "" {
		return errnoFor(&core.FileError{Code: core.FileNoEntry})
	}
	if err := in.do(d); err != nil {
		return errnoFor(err)
	}
	return in.putStatus(uint32(args[4]), &in.files.one.Stat)
}

func pathSetTimes(in *Instance, d *descriptor, args []uint64) errno {
	path, e := in.pathAt(args[2], args[3])
	if e != success {
		return e
	}
	call := in.fileCall(core.FileSetTimes)
	if call.Path, call.Follow = path, args[1]&follow != 0; path == "" {
		return errnoFor(&core.FileError{Code: core.FileNoEntry})
	}
	return in.setTimes(d, call, args[4], args[5], args[6])
}

// between runs a call from a path to another one, which may be in another directory.
func (in *Instance) between(kind core.FileCallKind, d *descriptor, path, to []uint64) errno {
	from, e := in.pathAt(path[0], path[1])
	if e != success {
		return e
	}
	target, e := in.pathAt(to[1], to[2])
	if e != success {
		return e
	}
	other := in.descriptor(uint32(to[0]))
	if other == nil {
		return badf
	}
	call := in.fileCall(kind)
	call.Path, call.ToPath = from, target
	if err := in.other(other); err != nil {
		return errnoFor(err)
	}
	return errnoFor(in.do(d))
}

func pathRename(in *Instance, d *descriptor, args []uint64) errno {
	return in.between(core.FileRename, d, args[1:], args[3:])
}

func pathLink(in *Instance, d *descriptor, args []uint64) errno {
	return in.between(core.FileLink, d, args[2:], args[4:])
}

// pathSymlink has the directory as its third argument.
func pathSymlink(in *Instance, args []uint64) errno {
	d := in.descriptor(uint32(args[2]))
	if d == nil {
		return badf
	}
	target, e := in.pathAt(args[0], args[1])
	if e != success {
		return e
	}
	path, e := in.pathAt(args[3], args[4])
	if e != success {
		return e
	}
	call := in.fileCall(core.FileSymlink)
	call.Path, call.Text = path, target
	return errnoFor(in.do(d))
}

func pathReadLink(in *Instance, d *descriptor, args []uint64) errno {
	path, e := in.pathAt(args[1], args[2])
	if e != success {
		return e
	}
	b, ok := in.memory().read(uint32(args[3]), uint32(args[4]))
	if _, fits := in.memory().read(uint32(args[5]), 4); !ok || !fits {
		return fault
	}
	in.fileCall(core.FileReadLink).Path = path
	if err := in.do(d); err != nil {
		return errnoFor(err)
	}
	n := copy(b, in.files.one.Text) // a longer one is cut, as preview 1 has it
	in.memory().write32(uint32(args[5]), uint32(n))
	return success
}

// entrySize is the size of an entry of fd_readdir without its name.
const entrySize = 24

// ownEntries are the entries that a directory has before all others.
var ownEntries = []core.FileEntry{{Name: ".", Type: core.FileTypeDirectory}, {Name: "..", Type: core.FileTypeDirectory}}

// fdReadDir writes the entries of a directory from a place on, until the buffer is full. The last one may
// be cut.
func fdReadDir(in *Instance, d *descriptor, args []uint64) errno {
	if !d.directory {
		return errnoFor(&core.FileError{Code: core.FileNotDirectory})
	}
	b, ok := in.memory().read(uint32(args[1]), min(uint32(args[2]), maxFileRead))
	if _, fits := in.memory().read(uint32(args[4]), 4); !ok || !fits {
		return fault
	}
	place, used := args[3], 0
	for used < len(b) {
		entries, err := in.entries(d, place)
		if err != nil {
			return errnoFor(err)
		}
		if len(entries) == 0 {
			break
		}
		for _, entry := range entries {
			place++
			used += putEntry(b[used:], entry, place)
		}
	}
	in.memory().write32(uint32(args[4]), uint32(used))
	return success
}

// entries returns some entries from a place on.
func (in *Instance) entries(d *descriptor, place uint64) ([]core.FileEntry, error) {
	if own := uint64(len(ownEntries)); place >= own {
		in.fileCall(core.FileList).Offset = int64(min(place-own, 1<<62))
		err := in.do(d)
		return in.files.one.Entries, err
	}
	return ownEntries[place:], nil
}

// putEntry writes as much of an entry as there is room for, and returns how much that is.
func putEntry(b []byte, entry core.FileEntry, next uint64) int {
	var head [entrySize]byte
	binary.LittleEndian.PutUint64(head[:], next)
	binary.LittleEndian.PutUint32(head[16:], uint32(len(entry.Name)))
	head[20] = types1[entry.Type]
	n := copy(b, head[:])
	return n + copy(b[n:], entry.Name)
}
