//go:build unix

package files

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens a directory, until the end of the test.
func open(t testing.TB, s *System, path string, write bool) core.File {
	t.Helper()
	f, err := s.Open(host.FileGrant{Path: path, As: "/data", Write: write})
	check(t, err)
	t.Cleanup(func() { check(t, f.Close()) })
	return f
}

// do does a call with a quota that bounds nothing, unless it has one.
func do(f core.File, call core.FileCall) (*core.FileCall, error) {
	if call.MaxBytes == 0 {
		call.MaxBytes = math.MaxInt64
	}
	if call.MaxFiles == 0 {
		call.MaxFiles = math.MaxInt64
	}
	err := f.Do(&call)
	return &call, err
}

func fails(t testing.TB, what string, err error, code core.FileErrorCode) {
	t.Helper()
	if !errors.Is(err, &core.FileError{Code: code}) {
		t.Errorf("%s: got %v, want %v", what, err, code)
	}
}

// TestEscapes: the error for a path that leads out is known by its text alone.
func TestEscapes(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	check(t, err)
	defer root.Close()
	_, err = root.Open("..")
	var path *os.PathError
	if !errors.As(err, &path) || path.Err.Error() != escapes {
		t.Errorf("os.Root says %v, want %s", err, escapes)
	}
	fails(t, "the path", fileError(err), core.FileNotPermitted)
}

// TestGrants: a directory must be one, and two that are written to are apart.
func TestGrants(t *testing.T) {
	s, dir := New(), t.TempDir()
	check(t, os.MkdirAll(filepath.Join(dir, "a/b"), 0o755))
	check(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o644))
	check(t, os.Symlink("a", filepath.Join(dir, "link")))
	for path, want := range map[string]string{"a": "", "link": "", "file": "is no directory: name one that exists", "none": "cannot be used"} {
		err := s.Check(host.FileGrant{Path: filepath.Join(dir, path)})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
	open(t, s, filepath.Join(dir, "a"), true)
	open(t, s, filepath.Join(dir, "link"), true) // the same one
	open(t, s, filepath.Join(dir, "a/b"), false)
	_, err := s.Open(host.FileGrant{Path: filepath.Join(dir, "a/b"), Write: true})
	fails(t, "a directory within another one", err, core.FileNotPermitted)
	_, err = s.Open(host.FileGrant{Path: dir, Write: true})
	fails(t, "a directory around another one", err, core.FileNotPermitted)
	_, err = s.Open(host.FileGrant{Path: filepath.Join(dir, "none")})
	fails(t, "a directory that there is not", err, core.FileNoEntry)
}

// TestSwaps: while somebody else changes a name between a directory, a link out and a FIFO, nothing out of
// the directory is read or made, and no call hangs.
func TestSwaps(t *testing.T) {
	top := t.TempDir()
	data, outside := filepath.Join(top, "data"), filepath.Join(top, "outside")
	for _, dir := range []string{data, outside, filepath.Join(data, "real")} {
		check(t, os.Mkdir(dir, 0o755))
	}
	check(t, os.WriteFile(filepath.Join(outside, "x"), []byte("secret"), 0o644))
	check(t, os.WriteFile(filepath.Join(data, "real/x"), []byte("inside"), 0o644))
	check(t, os.Symlink("../outside", filepath.Join(data, "out")))
	fifo(t, filepath.Join(data, "fifo"))
	f := open(t, New(), data, true)
	stop := make(chan struct{})
	var swapper sync.WaitGroup
	swapper.Go(func() {
		name := filepath.Join(data, "swap")
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			kind := filepath.Join(data, []string{"real", "out", "fifo"}[i%3])
			_ = os.Rename(kind, name) // each may be in the way of another, for once
			_ = os.Rename(name, kind)
		}
	})
	read := 0
	for i := range 3000 {
		call, err := do(f, core.FileCall{Kind: core.FileOpen, Path: "swap/x", Follow: true, Mode: core.FileMode{Read: true}})
		if err == nil {
			read++
			got, err := do(call.Opened, core.FileCall{Kind: core.FileRead, Data: make([]byte, 10)})
			if string(got.Data[:got.N]) != "inside" || err != nil {
				t.Fatalf("read %q, %v", got.Data[:got.N], err)
			}
			check(t, call.Opened.Close())
		}
		for _, call := range []core.FileCall{
			{Kind: core.FileOpen, Path: "swap", Follow: true, Mode: core.FileMode{Read: true}},
			{Kind: core.FileOpen, Path: fmt.Sprint("swap/made", i%50), Mode: core.FileMode{Write: true, Create: true}},
			{Kind: core.FileMakeDirectory, Path: fmt.Sprint("swap/dir", i%50)}, {Kind: core.FileRemove, Path: "swap/x2"},
		} {
			if done, err := do(f, call); err == nil && done.Opened != nil {
				check(t, done.Opened.Close())
			}
		}
	}
	close(stop)
	swapper.Wait()
	entries, err := os.ReadDir(outside)
	check(t, err)
	if len(entries) != 1 {
		t.Errorf("outside are %v", entries)
	}
	t.Logf("%d of 3000 were read", read)
}

// TestCount: files count that others have put into a directory, and files that they have removed are found
// before a component is refused.
func TestCount(t *testing.T) {
	dir := t.TempDir()
	for i := range 10 {
		check(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), make([]byte, 10), 0o644))
	}
	check(t, os.Mkdir(filepath.Join(dir, "locked"), 0))
	f := open(t, New(), dir, true)
	made, err := do(f, core.FileCall{Kind: core.FileOpen, Path: "new", Mode: core.FileMode{Write: true, Create: true}, MaxFiles: 12})
	check(t, err)
	defer made.Opened.Close()
	full := core.FileCall{Kind: core.FileWrite, Data: []byte("x"), MaxBytes: 100}
	_, err = do(made.Opened, full)
	fails(t, "a byte too many", err, core.FileQuota)
	check(t, os.Remove(filepath.Join(dir, "0")))
	tree := f.(*directory).tree
	tree.mu.Lock()
	tree.counted = time.Now().Add(-time.Hour)
	tree.mu.Unlock()
	_, err = do(made.Opened, full)
	check(t, err)
	_, err = do(f, core.FileCall{Kind: core.FileMakeDirectory, Path: "more", MaxFiles: 11})
	fails(t, "a directory too many", err, core.FileQuota)
}

// TestOpenInAll: the files that are open are bounded over all directories, and one that was closed makes room.
func TestOpenInAll(t *testing.T) {
	if limit := openLimit(); limit < 16 || New().most > limit/2 {
		t.Errorf("%d files may be open, of %d", New().most, limit)
	}
	s := New()
	s.most = 3
	a, b := open(t, s, t.TempDir(), true), open(t, s, t.TempDir(), true)
	create := core.FileCall{Kind: core.FileOpen, Path: "x", Mode: core.FileMode{Write: true, Create: true}}
	made, err := do(a, create)
	check(t, err)
	_, err = do(b, create)
	fails(t, "a file too many", err, core.FileQuota)
	_, err = do(b, core.FileCall{Kind: core.FileStatus, Path: "x"})
	fails(t, "the file that was refused", err, core.FileNoEntry)
	_, err = do(b, core.FileCall{Kind: core.FileOpen, Path: "."})
	fails(t, "a directory too many", err, core.FileQuota)
	_, err = s.Open(host.FileGrant{Path: t.TempDir(), As: "/data"})
	fails(t, "a grant too many", err, core.FileQuota)
	check(t, made.Opened.Close())
	for range 10 {
		_, err = do(a, core.FileCall{Kind: core.FileOpen, Path: "missing"})
		fails(t, "a file that is not there", err, core.FileNoEntry)
	}
	made, err = do(b, create)
	check(t, err)
	check(t, made.Opened.Close())
}

// TestCountWithin: by a directory within it, too, all of a tree is counted: an empty one gives no
// room.
func TestCountWithin(t *testing.T) {
	f := open(t, New(), t.TempDir(), true)
	_, err := do(f, core.FileCall{Kind: core.FileMakeDirectory, Path: "empty"})
	check(t, err)
	call, err := do(f, core.FileCall{Kind: core.FileOpen, Path: "empty"})
	check(t, err)
	empty := call.Opened
	defer empty.Close()
	for i := range 4 {
		_, err = do(f, core.FileCall{Kind: core.FileMakeDirectory, Path: fmt.Sprint(i)})
		check(t, err)
	}
	for _, call := range []core.FileCall{
		{Kind: core.FileMakeDirectory, Path: "more"}, {Kind: core.FileSymlink, Path: "more", Text: "x"},
		{Kind: core.FileOpen, Path: "more", Mode: core.FileMode{Write: true, Create: true}},
	} {
		tree := f.(*directory).tree
		tree.mu.Lock()
		tree.counted = time.Now().Add(-time.Hour)
		tree.mu.Unlock()
		call.MaxFiles = 5
		_, err = do(empty, call)
		fails(t, "a file too many", err, core.FileQuota)
		if tree.entries != 5 {
			t.Errorf("the account has %d files, want 5", tree.entries)
		}
	}
}

// TestDeep: a tree of directories that are nested as deep as quota.files allows is counted without
// a path for each of them, which would take minutes.
func TestDeep(t *testing.T) {
	dir := t.TempDir()
	t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
	f := open(t, New(), dir, true)
	in, files := f, int64(0)
	for files < 10_000 {
		for _, call := range []core.FileCall{
			{Kind: core.FileMakeDirectory, Path: "b"}, {Kind: core.FileMakeDirectory, Path: "a"}, {Kind: core.FileSymlink, Path: "c", Text: "a"},
			{Kind: core.FileOpen, Path: "d", Mode: core.FileMode{Write: true, Create: true}},
		} {
			made, err := do(in, call)
			check(t, err)
			if files++; made.Opened != nil {
				_, err = do(made.Opened, core.FileCall{Kind: core.FileWrite, Data: []byte("x")})
				check(t, errors.Join(err, made.Opened.Close()))
			}
		}
		next, err := do(in, core.FileCall{Kind: core.FileOpen, Path: "a"})
		check(t, err)
		if in != f {
			check(t, in.Close())
		}
		in = next.Opened
	}
	check(t, in.Close())
	tree := f.(*directory).tree
	tree.bytes, tree.entries = 0, 0
	check(t, tree.countLocked())
	if tree.entries != files || tree.bytes != files/4 {
		t.Errorf("counted %d files with %d bytes, want %d and %d", tree.entries, tree.bytes, files, files/4)
	}
}

// TestIdle: a directory that is opened anew is counted again, but not at once.
func TestIdle(t *testing.T) {
	dir, err := realPath(t.TempDir())
	check(t, err)
	system := New()
	bytes := func(size int) int64 {
		check(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(size)), make([]byte, size), 0o644))
		f, err := system.Open(host.FileGrant{Path: dir, As: "/data", Write: true})
		check(t, err)
		defer f.Close()
		return f.(*directory).tree.bytes
	}
	if first, second := bytes(1), bytes(2); first != 1 || second != 1 {
		t.Errorf("counted %d and %d bytes, want 1 and the same", first, second)
	}
	if tree := system.trees[dir]; tree.written {
		t.Error("nobody has it open, and it is written")
	} else {
		tree.counted = time.Now().Add(-time.Hour)
	}
	if third := bytes(4); third != 7 {
		t.Errorf("counted %d bytes after an hour, want 7", third)
	}
	check(t, open(t, system, t.TempDir(), false).Close())
	system.trees[dir].counted = time.Time{}
	open(t, system, t.TempDir(), true)
	if len(system.trees) != 1 {
		t.Errorf("there are %d directories, want the one that is open", len(system.trees))
	}
}

// TestAccount: after any calls the account is the same as a new count.
func TestAccount(t *testing.T) {
	f := open(t, New(), t.TempDir(), true)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			var opened []core.File
			for j := range 300 {
				name, other := fmt.Sprint((i*7+j*3)%20), fmt.Sprint((i+j*5)%20)
				switch j % 6 {
				case 0, 1:
					mode := core.FileMode{Write: true, Create: true, Truncate: j%4 == 0}
					if call, err := do(f, core.FileCall{Kind: core.FileOpen, Path: name, Follow: true, Mode: mode}); err == nil {
						opened = append(opened, call.Opened)
					}
				case 2:
					_, _ = do(f, core.FileCall{Kind: core.FileRename, Path: name, To: f, ToPath: other})
				case 3:
					_, _ = do(f, core.FileCall{Kind: core.FileRemove, Path: name})
				case 4:
					_, _ = do(f, core.FileCall{Kind: core.FileSymlink, Path: name, Text: other})
				}
				for k, o := range opened {
					_, _ = do(o, core.FileCall{Kind: core.FileWrite, Data: make([]byte, j), Offset: int64(k) - 1})
					_, _ = do(o, core.FileCall{Kind: core.FileSetSize, Size: int64(j * k)})
				}
				if len(opened) > 5 {
					check(t, opened[0].Close())
					opened = opened[1:]
				}
			}
			for _, o := range opened {
				check(t, o.Close())
			}
		})
	}
	all.Wait()
	tree := f.(*directory).tree
	bytes, entries := tree.bytes, tree.entries
	check(t, tree.countLocked())
	if bytes != tree.bytes || entries != tree.entries || len(tree.nodes) != 0 {
		t.Errorf("the account has %d bytes and %d files, there are %d and %d; %d are open", bytes, entries, tree.bytes, tree.entries, len(tree.nodes))
	}
}

// TestList: entries come in parts, from any place, and those with other names than UTF-8 not at all.
func TestList(t *testing.T) {
	dir := t.TempDir()
	const most = 2*listAtOnce + 10
	for i := range most {
		check(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d", i)), nil, 0o644))
	}
	if err := os.WriteFile(filepath.Join(dir, "\xff"), nil, 0o644); err != nil {
		t.Log(err) // some systems have none
	}
	f := open(t, New(), dir, false)
	var names []string
	list := func(from int) []core.FileEntry {
		call, err := do(f, core.FileCall{Kind: core.FileList, Offset: int64(from)})
		check(t, err)
		return call.Entries
	}
	for {
		part := list(len(names))
		if len(part) == 0 {
			break
		}
		for _, e := range part {
			names = append(names, e.Name)
		}
	}
	if len(names) != most {
		t.Fatalf("there are %d names, want %d", len(names), most)
	}
	for _, place := range []int{most - 1, 300, 0, 255, 256, 257} {
		if got := list(place)[0].Name; got != names[place] {
			t.Errorf("place %d has %s, want %s", place, got, names[place])
		}
	}
	if got := list(1 << 40); len(got) != 0 {
		t.Errorf("far behind the end are %v", got)
	}
	_, err := do(f, core.FileCall{Kind: core.FileList, Offset: -5})
	fails(t, "a place before all", err, core.FileInvalid)
}

// TestBounds: sizes and offsets that no file has are errors.
func TestBounds(t *testing.T) {
	f := open(t, New(), t.TempDir(), true)
	call, err := do(f, core.FileCall{Kind: core.FileOpen, Path: "x", Mode: core.FileMode{Read: true, Write: true, Create: true}})
	check(t, err)
	x := call.Opened
	for what, c := range map[string]struct {
		call core.FileCall
		code core.FileErrorCode
	}{
		"a read before the file":   {core.FileCall{Kind: core.FileRead, Offset: -1, Data: make([]byte, 1)}, core.FileInvalid},
		"a write before the file":  {core.FileCall{Kind: core.FileWrite, Offset: -2, Data: []byte("x")}, core.FileInvalid},
		"a write behind all files": {core.FileCall{Kind: core.FileWrite, Offset: math.MaxInt64, Data: []byte("xx")}, core.FileTooLarge},
		"a negative size":          {core.FileCall{Kind: core.FileSetSize, Size: -1}, core.FileInvalid},
		"a path of a file":         {core.FileCall{Kind: core.FileStatus, Path: "y"}, core.FileNotDirectory},
		"a list of a file":         {core.FileCall{Kind: core.FileList}, core.FileNotDirectory},
	} {
		_, err := do(x, c.call)
		fails(t, what, err, c.code)
	}
	check(t, x.Close())
	check(t, x.Close())
	_, err = do(x, core.FileCall{Kind: core.FileStatus})
	fails(t, "a closed file", err, core.FileBadDescriptor)
	_, err = do(f, core.FileCall{Kind: core.FileRead, Data: make([]byte, 1)})
	fails(t, "the bytes of a directory", err, core.FileIsDirectory)
	other := open(t, New(), t.TempDir(), true)
	_, err = do(f, core.FileCall{Kind: core.FileRename, Path: "x", To: other, ToPath: "x"})
	fails(t, "a rename to another directory of the host", err, core.FileCrossDevice)
	_, err = do(f, core.FileCall{Kind: core.FileSymlink, Path: "l", Text: ""})
	fails(t, "a link to nothing", err, core.FileNoEntry)
}
