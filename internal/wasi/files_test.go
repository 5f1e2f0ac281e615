package wasi

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/abi"
	disk "github.com/airhost/airhost/reach/files"
)

// granted is a directory that a fake was granted.
type granted struct {
	system *disk.System
	path   string
	open   int // files and directories
}

func (f *granted) Directories() []core.FileDirectory {
	return []core.FileDirectory{{As: "/data", Write: true}}
}

func (f *granted) OpenDirectory(int) (core.File, error) {
	file, err := f.system.Open(host.FileGrant{Path: f.path, As: "/data", Write: true})
	if err != nil {
		return nil, err
	}
	f.open++
	return &counted{f, file}, nil
}

// counted is a file of a granted directory.
type counted struct {
	of *granted
	core.File
}

func (c *counted) Do(call *core.FileCall) error {
	call.MaxBytes, call.MaxFiles = 100, 100
	if to, ours := call.To.(*counted); ours {
		call.To = to.File
	}
	err := c.File.Do(call)
	if err == nil && call.Opened != nil {
		c.of.open++
		call.Opened = &counted{c.of, call.Opened}
	}
	return err
}

func (c *counted) Close() error {
	c.of.open--
	return c.File.Close()
}

// newFiler returns a fake with a directory, and the handle of this directory.
func newFiler(t *testing.T) (g *fake, in *granted, root uint32) {
	t.Helper()
	in = &granted{system: disk.New(), path: t.TempDir()}
	for name, text := range map[string]string{"a": "content", "b": ""} {
		if err := os.WriteFile(filepath.Join(in.path, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	g = newFake(t, nil)
	g.in.files.granted = in
	g.call("wasi:filesystem/preopens", "get-directories", area)
	want(t, "directories", g.u32(area+4), 1)
	list := g.u32(area)
	want(t, "its name", g.text(list+4), "/data")
	return g, in, g.u32(list)
}

const (
	fileTypes = "wasi:filesystem/types"
	ofFile    = "[method]descriptor."
)

// file opens a file.
func (g *fake) file(root uint32, name string, kinds int) uint32 {
	g.Helper()
	g.call(fileTypes, ofFile+"open-at", root, 1, name, 0, kinds)
	want(g, "opened "+name, g.u8(area), 0)
	return g.u32(area + 4)
}

// TestFileStreams: streams go on when their file has been dropped, and end with its errors.
func TestFileStreams(t *testing.T) {
	g, in, root := newFiler(t)
	a, b := g.file(root, "a", fileReads), g.file(root, "b", fileWrites)
	g.call(fileTypes, ofFile+"read-via-stream", a, uint64(3))
	from := g.u32(area + 4)
	g.call(fileTypes, ofFile+"append-via-stream", b)
	to := g.u32(area + 4)
	g.call(fileTypes, ofFile+"write-via-stream", a, uint64(0))
	want(t, "writing a file that is open for reading", core.FileErrorCode(g.u8(area+4)), core.FileBadDescriptor)
	g.call(fileTypes, "[resource-drop]descriptor", a)
	g.call(fileTypes, "[resource-drop]descriptor", b)
	g.call(streams, "[method]output-stream.blocking-splice", to, from, uint64(100))
	want(t, "spliced", g.u64(area+8), 4)
	g.call(streams, "[method]input-stream.blocking-read", from, uint64(1))
	want(t, "at the end", g.u8(area)+g.u8(area+4), 2)
	g.call(streams, "[method]output-stream.blocking-write-and-flush", to, make([]byte, 97))
	want(t, "too much", g.u8(area)<<4+g.u8(area+4), 1<<4)
	failure := g.u32(area + 8)
	g.call(fileTypes, "filesystem-error-code", failure)
	want(t, "the code", core.FileErrorCode(g.u8(area+1)), core.FileQuota)
	g.call("wasi:http/types", "http-error-code", failure)
	want(t, "the code of HTTP", g.u8(area), 0)
	want(t, "open", in.open, 3)
	g.call(streams, "[resource-drop]input-stream", from)
	g.call(streams, "[resource-drop]output-stream", to)
	want(t, "open without streams", in.open, 1)
	g.in.Close()
	want(t, "open at the end", in.open, 0)
	if text, err := os.ReadFile(filepath.Join(in.path, "b")); string(text) != "tent" || err != nil {
		t.Errorf("the file has %q, %v", text, err)
	}
}

// TestDescriptors: all that a descriptor tells about its file.
func TestDescriptors(t *testing.T) {
	g, _, root := newFiler(t)
	a, same, b := g.file(root, "a", fileReads), g.file(root, "a", fileReads|fileWrites), g.file(root, "b", fileWrites)
	for handle, flags := range map[uint32]uint8{root: fileReads | directoryChanges, a: fileReads, same: fileReads | fileWrites, b: fileWrites} {
		g.call(fileTypes, ofFile+"get-flags", handle)
		want(t, "flags", g.u8(area+1), flags)
	}
	want(t, "the same", g.call(fileTypes, ofFile+"is-same-object", a, same), 1)
	want(t, "another one", g.call(fileTypes, ofFile+"is-same-object", a, b), 0)
	hash := func() (id, state uint64) {
		g.call(fileTypes, ofFile+"metadata-hash", a)
		id, state = g.u64(area+8), g.u64(area+16)
		g.call(fileTypes, ofFile+"metadata-hash-at", root, 1, "a")
		want(t, "the hash by the path", [2]uint64{g.u64(area + 8), g.u64(area + 16)}, [2]uint64{id, state})
		return id, state
	}
	id, state := hash()
	g.call(fileTypes, ofFile+"set-size", same, uint64(2))
	if id2, state2 := hash(); id2 != id || state2 == state {
		t.Error("the hash does not change with the file, or not only a part of it")
	}
	g.call(fileTypes, ofFile+"set-size", same, uint64(1)<<63)
	want(t, "a size that is none", core.FileErrorCode(g.u8(area+1)), core.FileTooLarge)
	g.call(fileTypes, ofFile+"get-type", root)
	want(t, "its type", core.FileType(g.u8(area+1)), core.FileTypeDirectory)
	g.call(fileTypes, ofFile+"read-directory", a)
	want(t, "a file's entries", core.FileErrorCode(g.u8(area+4)), core.FileNotDirectory)
	g.call(fileTypes, ofFile+"advise", a, uint64(0), uint64(1), 1)
	want(t, "advice", g.u8(area), 0)
	g.ended("which does not exist", fileTypes, ofFile+"stat", uint32(77))
}

// TestPollOfFiles: a file is ready at once, and a number without one has an error.
func TestPollOfFiles(t *testing.T) {
	g, _, _ := newFiler(t)
	for i, fd := range []uint32{3, 9} {
		at := area + uint32(i)*subscriptionSize
		g.memory[at+8] = 1 // reading
		binary.LittleEndian.PutUint32(g.memory[at+16:], fd)
	}
	want(t, "poll_oneoff", g.errnoOf("poll_oneoff", area, area+512, 2, area+1024), success)
	want(t, "the directory", errno(g.u16(area+512+8)), success)
	want(t, "nothing", errno(g.u16(area+512+eventSize+8)), badf)
	want(t, "another directory's name", g.errnoOf("fd_prestat_get", 4, area), badf)
	want(t, "a name without room", g.errnoOf("fd_prestat_dir_name", 3, area, 2), nametoolong)
	want(t, "a path that is no text", g.errnoOf("path_create_directory", 3, "\xff"), ilseq)
	want(t, "a path out of range", g.errnoOf("path_create_directory", 3, 1<<20-1, 5), fault)
	want(t, "a result out of range", g.errnoOf("fd_filestat_get", 3, 1<<20-8), fault)
	want(t, "a list out of range", g.errnoOf("fd_read", 3, 1<<20-4, 1, area), fault)
	want(t, "times that contradict", g.errnoOf("fd_filestat_set_times", 3, uint64(0), uint64(0), 3), inval)
	if Find(abi.WASI, "path_symlink") == nil {
		t.Error("there is no path_symlink")
	}
}
