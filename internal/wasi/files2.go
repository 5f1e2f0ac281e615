package wasi

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"time"

	"github.com/airhost/airhost/core"
)

// fileMethods are those of wasi:filesystem/types.
var fileMethods = map[string]method{
	"filesystem-error-code":                               fileErrorCode,
	"[method]descriptor.read-via-stream":                  readStream,
	"[method]descriptor.write-via-stream":                 writeStream,
	"[method]descriptor.append-via-stream":                appendStream,
	"[method]descriptor.advise":                           advise,
	"[method]descriptor.sync-data":                        onFile2(core.FileSync),
	"[method]descriptor.sync":                             onFile2(core.FileSync),
	"[method]descriptor.get-flags":                        fileFlags,
	"[method]descriptor.get-type":                         fileType,
	"[method]descriptor.set-size":                         onFile2(core.FileSetSize, size2),
	"[method]descriptor.set-times":                        onFile2(core.FileSetTimes, times2(1)),
	"[method]descriptor.read":                             readFile2,
	"[method]descriptor.write":                            writeFile2,
	"[method]descriptor.read-directory":                   readDirectory,
	"[method]descriptor.create-directory-at":              onFile2(core.FileMakeDirectory, path2(1)),
	"[method]descriptor.stat":                             status2,
	"[method]descriptor.stat-at":                          statusAt,
	"[method]descriptor.set-times-at":                     onFile2(core.FileSetTimes, followPath2, times2(3)),
	"[method]descriptor.link-at":                          onFile2(core.FileLink, path2(2), to2(3, 4)),
	"[method]descriptor.open-at":                          openAt,
	"[method]descriptor.readlink-at":                      readLinkAt,
	"[method]descriptor.remove-directory-at":              onFile2(core.FileRemoveFolder, path2(1)),
	"[method]descriptor.rename-at":                        onFile2(core.FileRename, path2(1), to2(2, 3)),
	"[method]descriptor.symlink-at":                       onFile2(core.FileSymlink, path2(2), target2),
	"[method]descriptor.unlink-file-at":                   onFile2(core.FileRemove, path2(1)),
	"[method]descriptor.is-same-object":                   sameObject,
	"[method]descriptor.metadata-hash":                    metadataHash,
	"[method]descriptor.metadata-hash-at":                 metadataHashAt,
	"[method]directory-entry-stream.read-directory-entry": nextEntry,
}

// getDirectories returns a handle for each directory that the guest was granted.
func getDirectories(c *call) any {
	c.beginFiles()
	list := []any{}
	for _, d := range c.files.roots {
		d.uses++
		list = append(list, []any{d, d.as})
	}
	return list
}

func (d *descriptor) dropped(in *Instance) { in.unuse(d) }

func descriptorOf(borrowed any) *descriptor { return borrowed.(*handle).value.(*descriptor) }

// fileFailed returns the error of a file as a result.
func fileFailed(err error) any {
	return failed(variant{number: uint32(core.AsFileError(err).Code)})
}

// fileResult returns a result, or an error.
func fileResult(v any, err error) any {
	if err != nil {
		return fileFailed(err)
	}
	return ok(v)
}

// argument puts an argument of a function into the call of a file.
type argument func(c *call, of *core.FileCall) error

// onFile2 returns a function of a descriptor without a result of its own.
func onFile2(kind core.FileCallKind, arguments ...argument) method {
	return func(c *call) any {
		d := descriptorOf(c.args[0])
		of := c.fileCall(kind)
		for _, a := range arguments {
			if err := a(c, of); err != nil {
				return fileFailed(err)
			}
		}
		return fileResult(nil, c.do(d))
	}
}

var (
	errNoPath   = &core.FileError{Code: core.FileNoEntry}
	errTooLarge = &core.FileError{Code: core.FileTooLarge}
)

// path2 takes a path.
func path2(i int) argument {
	return func(c *call, of *core.FileCall) error {
		if of.Path = c.args[i].(string); of.Path == "" {
			return errNoPath
		}
		return nil
	}
}

// followPath2 takes the flags of a path, and the path.
func followPath2(c *call, of *core.FileCall) error {
	of.Follow = c.args[1].(uint64)&follow != 0
	return path2(2)(c, of)
}

// to2 takes another directory, and the path there.
func to2(directory, path int) argument {
	return func(c *call, of *core.FileCall) error {
		of.ToPath = c.args[path].(string)
		return c.other(descriptorOf(c.args[directory]))
	}
}

func target2(c *call, of *core.FileCall) error {
	of.Text = c.args[1].(string)
	return nil
}

func size2(c *call, of *core.FileCall) error {
	size := c.args[1].(uint64)
	if size > math.MaxInt64 {
		return errTooLarge
	}
	of.Size = int64(size)
	return nil
}

// times2 takes two times, from an argument on.
func times2(i int) argument {
	return func(c *call, of *core.FileCall) error {
		of.Accessed, of.Modified = c.newTime(c.args[i]), c.newTime(c.args[i+1])
		return nil
	}
}

// newTime returns the time of a new-timestamp.
func (c *call) newTime(v any) time.Time {
	switch given := v.(variant); given.number {
	case 1:
		return timeOf(c.guest.Now())
	case 2:
		parts := given.value.([]any)
		return time.Unix(int64(min(parts[0].(uint64), math.MaxInt32<<8)), int64(parts[1].(uint64)))
	}
	return time.Time{}
}

func advise(c *call) any {
	if descriptorOf(c.args[0]).directory {
		return fileFailed(&core.FileError{Code: core.FileBadDescriptor})
	}
	return ok(nil)
}

// Flags of descriptor-flags.
const (
	fileReads        = 1 << 0
	fileWrites       = 1 << 1
	directoryChanges = 1 << 5
)

func fileFlags(c *call) any {
	d, flags := descriptorOf(c.args[0]), uint64(0)
	if d.read {
		flags |= fileReads
	}
	switch {
	case d.write && d.directory:
		flags |= directoryChanges
	case d.write:
		flags |= fileWrites
	}
	return ok(flags)
}

func fileType(c *call) any {
	if descriptorOf(c.args[0]).directory {
		return ok(variant{number: uint32(core.FileTypeDirectory)})
	}
	return ok(variant{number: uint32(core.FileTypeRegular)})
}

// chunk returns the buffer of this call.
func (in *Instance) chunk(n uint64) []byte {
	if in.files.chunk == nil {
		in.files.chunk = make([]byte, maxStreamed)
	}
	return in.files.chunk[:min(n, maxStreamed)]
}

func readFile2(c *call) any {
	n, at := c.args[1].(uint64), c.args[2].(uint64)
	if at > math.MaxInt64 {
		return fileFailed(&core.FileError{Code: core.FileInvalid})
	}
	b := c.chunk(n)
	got, err := c.readFile(descriptorOf(c.args[0]), b, int64(at))
	return fileResult([]any{b[:got], got < len(b)}, err)
}

func writeFile2(c *call) any {
	b, at := c.args[1].([]byte), c.args[2].(uint64)
	if at > math.MaxInt64 {
		return fileFailed(errTooLarge)
	}
	n, err := c.writeFile(descriptorOf(c.args[0]), b[:min(len(b), maxFileRead)], int64(at))
	return fileResult(uint64(n), err)
}

func openAt(c *call) any {
	in, flags, kinds := descriptorOf(c.args[0]), c.args[3].(uint64), c.args[4].(uint64)
	mode := core.FileMode{
		Read: kinds&fileReads != 0, Write: kinds&fileWrites != 0,
		Create: flags&openCreate != 0, Directory: flags&openDirectory != 0, Exclusive: flags&openExclusive != 0, Truncate: flags&openTruncate != 0,
	}
	of := c.fileCall(core.FileOpen)
	of.Mode = mode
	if err := followPath2(c, of); err != nil {
		return fileFailed(err)
	}
	if err := c.do(in); err != nil {
		return fileFailed(err)
	}
	d, err := c.opened(mode)
	if err != nil {
		return fileFailed(err)
	}
	if d.directory {
		d.read, d.write = true, in.write
	}
	return ok(d)
}

func readLinkAt(c *call) any {
	if err := path2(1)(c, c.fileCall(core.FileReadLink)); err != nil {
		return fileFailed(err)
	}
	err := c.do(descriptorOf(c.args[0]))
	return fileResult(c.files.one.Text, err)
}

func status2(c *call) any {
	stat, err := c.status(descriptorOf(c.args[0]))
	return fileResult(statusOf(stat), err)
}

// statAt returns the properties of the file of a path.
func (c *call) statAt() (*core.FileStat, error) {
	if err := followPath2(c, c.fileCall(core.FileStatus)); err != nil {
		return nil, err
	}
	err := c.do(descriptorOf(c.args[0]))
	return &c.files.one.Stat, err
}

func statusAt(c *call) any {
	stat, err := c.statAt()
	if err != nil {
		return fileFailed(err)
	}
	return ok(statusOf(stat))
}

func statusOf(stat *core.FileStat) []any {
	return []any{
		variant{number: uint32(stat.Type)}, stat.Links, uint64(stat.Size),
		optionalTime(stat.Accessed), optionalTime(stat.Modified), optionalTime(stat.Changed),
	}
}

func optionalTime(t time.Time) variant {
	if t.IsZero() || t.Unix() < 0 {
		return none
	}
	return some([]any{uint64(t.Unix()), uint64(t.Nanosecond())})
}

func sameObject(c *call) any {
	a, err := c.status(descriptorOf(c.args[0]))
	if err != nil {
		return false
	}
	device, inode := a.Device, a.Inode
	b, err := c.status(descriptorOf(c.args[1]))
	return err == nil && b.Device == device && b.Inode == inode
}

func metadataHash(c *call) any {
	stat, err := c.status(descriptorOf(c.args[0]))
	return fileResult(hashOf(stat), err)
}

func metadataHashAt(c *call) any {
	stat, err := c.statAt()
	if err != nil {
		return fileFailed(err)
	}
	return ok(hashOf(stat))
}

// hashOf returns a number that stays with a file, since C libraries take it for its inode, and one
// that changes with the file.
func hashOf(stat *core.FileStat) []any {
	return []any{hash(stat.Device, stat.Inode), hash(uint64(stat.Size), nanoseconds(stat.Modified))}
}

func hash(numbers ...uint64) uint64 {
	h := fnv.New64a()
	for _, n := range numbers {
		_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, n)) // it does not fail
	}
	return h.Sum64()
}

// entryStream is the resource directory-entry-stream.
type entryStream struct {
	of    *descriptor
	place int64
}

func (s *entryStream) dropped(in *Instance) { in.unuse(s.of) }

func readDirectory(c *call) any {
	d := descriptorOf(c.args[0])
	if !d.directory {
		return fileFailed(&core.FileError{Code: core.FileNotDirectory})
	}
	d.uses++
	return ok(&entryStream{of: d})
}

func nextEntry(c *call) any {
	s := c.args[0].(*handle).value.(*entryStream)
	c.fileCall(core.FileList).Offset = s.place
	if err := c.do(s.of); err != nil {
		return fileFailed(err)
	}
	entries := c.files.one.Entries
	if len(entries) == 0 {
		return ok(none)
	}
	s.place++
	return ok(some([]any{variant{number: uint32(entries[0].Type)}, entries[0].Name}))
}
