package wasi

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
)

// fileFunc is a function of preview 1 for an open file or directory, its first argument.
type fileFunc func(in *Instance, d *descriptor, args []uint64) errno

// fileFuncs are those functions by name. For standard input and output there are others of some names.
var fileFuncs = map[string]fileFunc{
	"fd_advise":               fdAdvise,
	"fd_allocate":             fdAllocate,
	"fd_close":                fdClose,
	"fd_datasync":             fdSync,
	"fd_fdstat_get":           fdFileStat,
	"fd_fdstat_set_flags":     fdSetFlags,
	"fd_fdstat_set_rights":    func(*Instance, *descriptor, []uint64) errno { return notsup },
	"fd_filestat_get":         fdStatus,
	"fd_filestat_set_size":    fdSetSize,
	"fd_filestat_set_times":   fdSetTimes,
	"fd_pread":                fdPread,
	"fd_prestat_dir_name":     fdPrestatName,
	"fd_prestat_get":          fdPrestat,
	"fd_pwrite":               fdPwrite,
	"fd_read":                 fdReadFile,
	"fd_readdir":              fdReadDir,
	"fd_renumber":             fdRenumber,
	"fd_seek":                 fdSeek,
	"fd_sync":                 fdSync,
	"fd_tell":                 fdTell,
	"fd_write":                fdWriteFile,
	"path_create_directory":   onPath(core.FileMakeDirectory),
	"path_filestat_get":       pathStatus,
	"path_filestat_set_times": pathSetTimes,
	"path_link":               pathLink,
	"path_open":               pathOpen,
	"path_readlink":           pathReadLink,
	"path_remove_directory":   onPath(core.FileRemoveFolder),
	"path_rename":             pathRename,
	"path_unlink_file":        onPath(core.FileRemove),
}

// firstFile is the first file descriptor that is none of the standard ones.
const firstFile = 3

// onFile makes a function one for files, too. Others get standard, or badf.
func onFile(of fileFunc, standard preview1Func) preview1Func {
	return func(in *Instance, args []uint64) errno {
		if d := in.descriptor(uint32(args[0])); d != nil {
			return of(in, d, args)
		}
		if standard == nil {
			return badf
		}
		return standard(in, args)
	}
}

// descriptor returns the file of a file descriptor, or nil.
func (in *Instance) descriptor(fd uint32) *descriptor {
	if fd < firstFile {
		return nil
	}
	in.beginFiles()
	if table := in.files.table; uint64(fd-firstFile) < uint64(len(table)) {
		return table[fd-firstFile]
	}
	return nil
}

// errnos are the numbers of preview 1, in the order of the error-code of WASI 0.2.
var errnos = [...]errno{
	2, 6, 7, 8, 10, 16, 19, 20, 22, 25, 26, 27, 28, 29, 31, 32, 34, 35, 37, 43, 44, 46, 48, 51, 54, 55, 56, 58, 59, 60,
	61, 63, 64, 69, 70, 74, 75,
}

// Numbers of errors that only files have.
const (
	ilseq       errno = 25
	nametoolong errno = 37
)

// errnoFor returns the number of an error of a file.
func errnoFor(err error) errno {
	if err == nil {
		return success
	}
	return errnos[core.AsFileError(err).Code]
}

// types1 are the file types of preview 1, in the order of those of WASI 0.2.
var types1 = [...]byte{0, 1, 2, 3, 0, 7, 4, 6}

// Rights of preview 1.
const (
	rightsReading  = 1<<0 | rightRead | 1<<2 | 1<<3 | 1<<4 | 1<<5 | 1<<7 | 1<<13 | 1<<14 | 1<<15 | 1<<18 | 1<<21 | 1<<27
	rightsChanging = rightWrite | 1<<8 | 1<<9 | 1<<10 | 1<<16 | 1<<17 | 1<<19 | 1<<20 | 1<<22 | 1<<23 | 1<<24 | 1<<25 | 1<<26
	rightsOfFiles  = 1<<0 | rightRead | 1<<2 | 1<<3 | 1<<4 | 1<<5 | rightWrite | 1<<7 | 1<<8 | 1<<21 | 1<<22 | 1<<23 | 1<<27
)

// rights returns the rights of a file, and those of files that are opened in it.
func (d *descriptor) rights() (own, inherited uint64) {
	rights := uint64(0)
	if d.read {
		rights |= rightsReading
	}
	if d.write {
		rights |= rightsChanging
	}
	if !d.directory {
		return rights & rightsOfFiles, 0
	}
	return rights &^ (rightRead | rightWrite | 1<<2 | 1<<5 | 1<<8 | 1<<22), rights
}

// Flags of a file descriptor, of which only the first does something: others would have to be kept.
const (
	flagAppend   = 1 << 0
	flagNonblock = 1 << 2 // no file makes a guest wait
)

func fdFileStat(in *Instance, d *descriptor, args []uint64) errno {
	b, ok := in.memory().read(uint32(args[1]), 24)
	if !ok {
		return fault
	}
	clear(b)
	b[0] = types1[core.FileTypeRegular]
	if d.directory {
		b[0] = types1[core.FileTypeDirectory]
	}
	if d.atEnd {
		b[2] = flagAppend
	}
	own, inherited := d.rights()
	binary.LittleEndian.PutUint64(b[8:], own)
	binary.LittleEndian.PutUint64(b[16:], inherited)
	return success
}

func fdSetFlags(_ *Instance, d *descriptor, args []uint64) errno {
	if args[1]&0xffff&^(flagAppend|flagNonblock) != 0 {
		return notsup
	}
	d.atEnd = args[1]&flagAppend != 0
	return success
}

func fdAdvise(_ *Instance, d *descriptor, args []uint64) errno {
	switch {
	case d.directory:
		return badf
	case uint32(args[3]) > 5 || int64(args[1]) < 0 || int64(args[2]) < 0:
		return inval
	}
	return success
}

func fdAllocate(in *Instance, d *descriptor, args []uint64) errno {
	at, size := args[1], args[2]
	if size == 0 || at > math.MaxInt64 || size > math.MaxInt64-at {
		return inval
	}
	in.fileCall(core.FileAllocate).Size = int64(at + size)
	return errnoFor(in.do(d))
}

func fdClose(in *Instance, d *descriptor, args []uint64) errno {
	in.files.table[uint32(args[0])-firstFile] = nil
	in.unuse(d)
	return success
}

func fdSync(in *Instance, d *descriptor, _ []uint64) errno {
	in.fileCall(core.FileSync)
	return errnoFor(in.do(d))
}

func fdStatus(in *Instance, d *descriptor, args []uint64) errno {
	stat, err := in.status(d)
	if err != nil {
		return errnoFor(err)
	}
	return in.putStatus(uint32(args[1]), stat)
}

func (in *Instance) putStatus(at uint32, stat *core.FileStat) errno {
	b, ok := in.memory().read(at, 64)
	if !ok {
		return fault
	}
	clear(b)
	b[16] = types1[stat.Type]
	for place, v := range map[int]uint64{
		0: stat.Device, 8: stat.Inode, 24: stat.Links, 32: uint64(stat.Size),
		40: nanoseconds(stat.Accessed), 48: nanoseconds(stat.Modified), 56: nanoseconds(stat.Changed),
	} {
		binary.LittleEndian.PutUint64(b[place:], v)
	}
	return success
}

func fdSetSize(in *Instance, d *descriptor, args []uint64) errno {
	if args[1] > math.MaxInt64 {
		return inval
	}
	in.fileCall(core.FileSetSize).Size = int64(args[1])
	return errnoFor(in.do(d))
}

func fdSetTimes(in *Instance, d *descriptor, args []uint64) errno {
	return in.setTimes(d, in.fileCall(core.FileSetTimes), args[1], args[2], args[3])
}

// Flags of times.
const (
	setAccessed = 1 << iota
	setAccessedNow
	setModified
	setModifiedNow
)

// setTimes sets times as the flags say.
func (in *Instance) setTimes(d *descriptor, call *core.FileCall, accessed, modified, flags uint64) errno {
	flags &= 0xffff
	if flags&(setAccessed|setAccessedNow) == setAccessed|setAccessedNow || flags&(setModified|setModifiedNow) == setModified|setModifiedNow || flags > 15 {
		return inval
	}
	now := in.guest.Now()
	if flags&setAccessedNow != 0 {
		accessed = now
	}
	if flags&setModifiedNow != 0 {
		modified = now
	}
	if flags&(setAccessed|setAccessedNow) != 0 {
		call.Accessed = timeOf(accessed)
	}
	if flags&(setModified|setModifiedNow) != 0 {
		call.Modified = timeOf(modified)
	}
	return errnoFor(in.do(d))
}

func fdPrestat(in *Instance, d *descriptor, args []uint64) errno {
	if d.as == "" {
		return badf
	}
	if m := in.memory(); !m.write32(uint32(args[1]), 0) || !m.write32(uint32(args[1])+4, uint32(len(d.as))) {
		return fault
	}
	return success
}

func fdPrestatName(in *Instance, d *descriptor, args []uint64) errno {
	switch {
	case d.as == "":
		return badf
	case uint32(args[2]) < uint32(len(d.as)):
		return nametoolong
	}
	b, ok := in.memory().read(uint32(args[1]), uint32(len(d.as)))
	if !ok {
		return fault
	}
	copy(b, d.as)
	return success
}

// fdRenumber makes a file descriptor another one's file. Those of granted directories stay.
func fdRenumber(in *Instance, d *descriptor, args []uint64) errno {
	from, to := uint32(args[0]), uint32(args[1])
	over := in.descriptor(to)
	switch {
	case over == nil && to >= firstFile:
		return badf
	case over == nil || d.as != "" || over.as != "":
		return notsup
	case from == to:
		return success
	}
	in.unuse(over)
	in.files.table[to-firstFile], in.files.table[from-firstFile] = d, nil
	return success
}

func fdSeek(in *Instance, d *descriptor, args []uint64) errno {
	if d.directory {
		return badf
	}
	by, from := int64(args[1]), int64(0)
	switch uint32(args[2]) {
	case 0:
	case 1:
		from = d.at
	case 2:
		stat, err := in.status(d)
		if err != nil {
			return errnoFor(err)
		}
		from = stat.Size
	default:
		return inval
	}
	if by > 0 && from > math.MaxInt64-by || from+by < 0 {
		return inval
	}
	d.at = from + by
	return in.put64(uint32(args[3]), uint64(d.at))
}

func fdTell(in *Instance, d *descriptor, args []uint64) errno {
	if d.directory {
		return badf
	}
	return in.put64(uint32(args[1]), uint64(d.at))
}

func fdReadFile(in *Instance, d *descriptor, args []uint64) errno {
	n, e := in.transfer(in.readFile, d, args, d.at, uint32(args[3]))
	d.at += int64(n)
	return e
}

func fdPread(in *Instance, d *descriptor, args []uint64) errno {
	if args[3] > math.MaxInt64 {
		return inval
	}
	_, e := in.transfer(in.readFile, d, args, int64(args[3]), uint32(args[4]))
	return e
}

func fdWriteFile(in *Instance, d *descriptor, args []uint64) errno {
	at := d.at
	if d.atEnd {
		at = core.AtEnd
	}
	n, e := in.transfer(in.writeFile, d, args, at, uint32(args[3]))
	if d.at += int64(n); d.atEnd && e == success {
		if stat, err := in.status(d); err == nil {
			d.at = stat.Size
		}
	}
	return e
}

func fdPwrite(in *Instance, d *descriptor, args []uint64) errno {
	if args[3] > math.MaxInt64 {
		return inval
	}
	_, e := in.transfer(in.writeFile, d, args, int64(args[3]), uint32(args[4]))
	return e
}

// transfer reads or writes the buffers of a list, and writes how many bytes that were. An error counts if
// there was none before it.
func (in *Instance) transfer(do func(*descriptor, []byte, int64) (int, error), d *descriptor, args []uint64, at int64, result uint32) (sum int, e errno) {
	count := min(uint32(args[2]), maxBuffers)
	list, err := abi.LiftBytes(in.guest.Memory(), uint32(args[1]), 8*count, "buffers")
	if _, ok := in.memory().read(result, 4); err != nil || !ok {
		return 0, fault
	}
	first := true
	for ; len(list) > 0 && sum < maxFileRead; list = list[8:] {
		b, err := abi.LiftBytes(in.guest.Memory(), binary.LittleEndian.Uint32(list), binary.LittleEndian.Uint32(list[4:]), "buffer")
		if err != nil {
			return sum, fault
		}
		b = b[:min(len(b), maxFileRead-sum)]
		if len(b) == 0 && (!first || len(list) > 8) {
			continue
		}
		n, err := do(d, b, at)
		if err != nil && first {
			return 0, errnoFor(err)
		}
		first = false
		if sum += n; err != nil || n < len(b) {
			break
		}
		if at != core.AtEnd {
			at += int64(n)
		}
	}
	in.memory().write32(result, uint32(sum))
	return sum, success
}

// pathAt returns a path in the guest's memory.
func (in *Instance) pathAt(at, size uint64) (string, errno) {
	b, ok := in.memory().read(uint32(at), uint32(size))
	switch {
	case !ok:
		return "", fault
	case len(b) > maxPath:
		return "", nametoolong
	case !utf8.Valid(b):
		return "", ilseq
	}
	return string(b), success
}

// maxPath is the longest path that is copied out of the guest's memory, in bytes.
const maxPath = 4096
