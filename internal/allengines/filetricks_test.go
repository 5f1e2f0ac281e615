//go:build unix

package allengines

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/airhost/airhost/core/host"
)

func sortedNames(names string) string {
	list := strings.Fields(names)
	slices.Sort(list)
	return strings.Join(append(list, ""), " ")
}

// trick is an attack on paths: operations, and the error of the last one.
type trick struct {
	name       string
	operations []string
	want       string
}

func fileTricks() []trick {
	const read, write = oRead, oRead | oWrite
	one := func(name, op, want string) trick { return trick{name, []string{op}, want} }
	return []trick{
		one("dot dot", open(0, read|oFollow, "../outside/secret.txt", 2), "not-permitted"),
		one("dot dot later", open(0, read|oFollow, "sub/../../outside/secret.txt", 2), "not-permitted"),
		one("dot dot alone", open(0, read|oFollow, "..", 2), "not-permitted"),
		one("dot dot and slash", open(0, read|oFollow|oDirectory, "sub/../..//", 2), "not-permitted"),
		one("dot dot and back in", open(0, read|oFollow, "../data/in.txt", 2), "not-permitted"),
		one("many dot dots", open(0, read|oFollow, strings.Repeat("../", 100)+"etc/passwd", 2), "not-permitted"),
		one("dot dots within", open(0, read|oFollow, strings.Repeat("sub/../", 200)+"../outside/secret.txt", 2), "name-too-long"),
		one("absolute", open(0, read|oFollow, "/etc/passwd", 2), "not-permitted"),
		one("absolute in the guest's words", open(0, read|oFollow, "/data/in.txt", 2), "not-permitted"),
		one("root", open(0, read|oFollow, "/", 2), "not-permitted"),
		one("two slashes", open(0, read|oFollow, "//etc/passwd", 2), "not-permitted"),
		one("proc", open(0, read|oFollow, "proc/etc/passwd", 2), "not-permitted"),
		one("proc by name", open(0, read|oFollow, "/proc/self/root/etc/passwd", 2), "not-permitted"),
		one("link to an absolute path", open(0, read|oFollow, "abs", 2), "not-permitted"),
		one("link out", open(0, read|oFollow, "out", 2), "not-permitted"),
		one("link to a directory out", open(0, read|oFollow, "outdir/secret.txt", 2), "not-permitted"),
		one("absolute link to a directory out", open(0, read|oFollow, "absdir/secret.txt", 2), "not-permitted"),
		one("directory out", open(0, read|oFollow|oDirectory, "outdir", 2), "not-permitted"),
		one("directory out with a slash", open(0, read|oFollow|oDirectory, "outdir/", 2), "not-permitted"),
		one("directory out with a dot", open(0, read|oFollow|oDirectory, "outdir/.", 2), "not-permitted"),
		one("chain of links", open(0, read|oFollow, "chain", 2), "not-permitted"),
		one("link with dots", open(0, read|oFollow, "dots", 2), "not-permitted"),
		one("link out and in again", open(0, read|oFollow, "around", 2), "not-permitted"),
		one("link that is not followed", open(0, read, "inlink", 2), "loop"),
		one("link out that is not followed", open(0, read, "out", 2), "loop"),
		one("loop", open(0, read|oFollow, "loop", 2), "loop"),
		one("file out by a dangling link", open(0, write|oFollow|oCreate, "dangling", 2), "not-permitted"),
		one("stat by a link out", do('f', 0, oFollow, "out"), "not-permitted"),
		one("stat of dot dot", do('f', 0, oFollow, ".."), "not-permitted"),
		one("times by a link out", do('t', 0, oFollow, "out"), "not-permitted"),
		one("times of a link", do('t', 0, 0, "out"), "unsupported"),
		one("directory in a directory out", do('m', 0, 0, "outdir/made"), "not-permitted"),
		one("directory above", do('m', 0, 0, "../made"), "not-permitted"),
		one("removal in a directory out", do('u', 0, 0, "outdir/secret.txt"), "not-permitted"),
		one("removal of a directory above", do('d', 0, 0, "../outside"), "not-permitted"),
		one("removal of all", do('d', 0, 0, "."), "invalid"),
		one("rename out", do('n', 0, 0, "in.txt", "../stolen.txt"), "not-permitted"),
		one("rename by a link out", do('n', 0, 0, "in.txt", "outdir/stolen.txt"), "not-permitted"),
		one("rename in", do('n', 0, 0, "../outside/secret.txt", "mine"), "not-permitted"),
		one("rename of dot", do('n', 0, 0, ".", "mine"), "invalid"),
		one("rename across directories", do('n', 0, 1, "in.txt", "in.txt"), "read-only"),
		one("hard link", do('l', 0, 0, "in.txt", "hard"), "not-permitted"),
		one("hard link of what is out", do('l', 0, 0, "../outside/secret.txt", "hard"), "not-permitted"),
		one("hard link from what is read only", do('l', 1, 0, "r.txt", "hard"), "read-only"),
		one("new link to an absolute path", do('s', 0, 0, "/etc/passwd", "passwd"), "not-permitted"),
		one("new link out", do('s', 0, 0, "../outside/secret.txt", "secret"), "not-permitted"),
		one("new link with dots within", do('s', 0, 0, "sub/../../outside", "secret"), "not-permitted"),
		one("new link in a directory out", do('s', 0, 0, "in.txt", "outdir/link"), "not-permitted"),
		one("target of a link out", do('k', 0, 0, "outdir/x"), "not-permitted"),
		one("zero byte", open(0, read|oFollow, "in.txt\x00.png", 2), "invalid"),
		one("zero byte first", open(0, read|oFollow, "\x00", 2), "invalid"),
		one("backslashes", open(0, read|oFollow, `..\outside\secret.txt`, 2), "no-entry"),
		one("another case", open(0, read|oFollow, "IN.TXT", 2), "no-entry"),
		one("empty", open(0, read|oFollow, "", 2), "no-entry"),
		one("empty stat", do('u', 0, 0, ""), "no-entry"),
		one("long name", open(0, write|oFollow|oCreate, strings.Repeat("n", 300), 2), "name-too-long"),
		one("long path", open(0, read|oFollow, strings.Repeat("sub/../", 1000), 2), "name-too-long"),
		one("deep path", open(0, read|oFollow, strings.Repeat("d/", 2000), 2), "no-entry"),
		one("slash behind a file", open(0, read|oFollow, "in.txt/", 2), "not-directory"),
		one("dot behind a file", open(0, read|oFollow, "in.txt/.", 2), "not-directory"),
		one("dot dot behind a file", open(0, read|oFollow, "in.txt/../in.txt", 2), "not-directory"),
		one("file as a directory", open(0, read|oFollow|oDirectory, "in.txt", 2), "not-directory"),
		one("directory for writing", open(0, write|oFollow, "sub", 2), "is-directory"),
		one("removal of a directory as a file", do('u', 0, 0, "sub"), "is-directory"),
		one("removal of a file as a directory", do('d', 0, 0, "in.txt"), "not-directory"),
		one("FIFO", open(0, read|oFollow, "fifo", 2), "not-permitted"),
		one("FIFO for writing", open(0, write|oFollow, "fifo", 2), "not-permitted"),
		one("FIFO as a directory", open(0, read|oFollow|oDirectory, "fifo", 2), "not-directory"),
		one("socket", open(0, read|oFollow, "socket", 2), "not-permitted"),
		one("writing what is read only", open(1, write|oFollow, "r.txt", 2), "read-only"),
		one("truncating what is read only", open(1, read|oFollow|oTruncate, "r.txt", 2), "read-only"),
		one("a new file in what is read only", open(1, read|oFollow|oCreate, "new.txt", 2), "read-only"),
		one("a directory in what is read only", do('m', 1, 0, "new"), "read-only"),
		one("removal in what is read only", do('u', 1, 0, "r.txt"), "read-only"),
		one("removal of a directory in what is read only", do('d', 1, 0, "sub"), "read-only"),
		one("times in what is read only", do('t', 1, oFollow, "r.txt"), "read-only"),
		one("rename in what is read only", do('n', 1, 1, "r.txt", "q.txt"), "read-only"),
		one("link in what is read only", do('s', 1, 0, "r.txt", "link"), "read-only"),
		{"times of an open file that is read only", []string{open(1, read, "r.txt", 2), do('t', 2, 0)}, "read-only"},
		{"size of an open file that is read only", []string{open(1, read, "r.txt", 2), do('z', 2, 0, strings.Repeat("\x00", 8))}, "read-only"},
		{"write to an open file that is read only", []string{open(1, read, "r.txt", 2), do('w', 2, 0, "x")}, "read-only"},
		{"write below a directory that is read only", []string{open(1, read|oDirectory, "sub", 2), open(2, write|oCreate, "more.txt", 3)}, "read-only"},
		{"up from a directory", []string{open(0, read|oDirectory, "sub", 2), open(2, read|oFollow, "../in.txt", 3)}, "not-permitted"},
		{"up from a directory by a link", []string{open(0, read|oDirectory, "sub", 2), open(2, read|oFollow, "up", 3)}, "not-permitted"},
		{"a removed directory", []string{do('m', 0, 0, "gone"), open(0, read|oDirectory, "gone", 2), do('d', 0, 0, "gone"), open(2, write|oCreate, "x", 3)}, "no-entry"},
		{"a directory that was moved", []string{do('m', 0, 0, "sub/moves"), open(0, read|oDirectory, "sub/moves", 2), do('n', 0, 0, "sub/moves", "moved"), open(2, read|oFollow, "../in.txt", 3)}, "not-permitted"},
		{"a file as a directory's handle", []string{open(0, read, "in.txt", 2), open(2, read, "in.txt", 3)}, "not-directory"},
		{"a file without the right to read", []string{open(0, oWrite, "in.txt", 2), do('r', 2, 0)}, "bad-descriptor"},
		{"a new file that is there", []string{open(0, write|oCreate|oExclusive, "in.txt", 2)}, "exist"},
		{"a new file by a link", []string{open(0, write|oCreate|oExclusive, "dangling", 2)}, "exist"},
	}
}

// policies are the errors by which the host refuses, beside those of the system.
var policies = []string{"not-permitted", "read-only", "access", "quota"}

// TestFileTricks: no path, link or mode leads out of a directory, or changes what is read only. The
// refusals are in the audit.
func TestFileTricks(t *testing.T) {
	eachFiles(t, func(t *testing.T, engine string, version int) {
		data, readOnly, outside := makeTree(t)
		specials(t, data)
		f := newFilesHost(t, engine, host.FileQuota{}, grants(data, readOnly)...)
		refused := 0
		for _, trick := range fileTricks() {
			outcomes := f.ask(version, trick.operations...)
			if got := outcomes[len(outcomes)-1]; got != trick.want {
				t.Errorf("%s: got %q, want %q", trick.name, outcomes, trick.want)
			}
			for i := range 2 { // nothing of it stays open
				if len(outcomes) > 1 || outcomes[0] == "0" {
					f.ask(version, do('x', 2+i, 0))
					break
				}
			}
			if slices.Contains(policies, trick.want) {
				refused++
			}
		}
		f.stop()
		if n := f.log.audited(); n != min(refused, 100) {
			t.Errorf("%d refusals are in the audit, want %d", n, refused)
		}
		if n := f.Snapshot().FailedFiles["denied"]; n != uint64(refused) {
			t.Errorf("%d refusals were counted, want %d", n, refused)
		}
		left, err := os.ReadDir(outside)
		check(t, err)
		secret, err := os.ReadFile(filepath.Join(outside, "secret.txt"))
		check(t, err)
		read, err := os.ReadFile(filepath.Join(readOnly, "r.txt"))
		check(t, err)
		if len(left) != 1 || string(secret) != "secret" || string(read) != "read" {
			t.Errorf("outside are %v, with %q, and %q is read only", left, secret, read)
		}
	})
}

// TestFileDescriptors: an instance has a bounded number of open files, and keeps its own numbers.
func TestFileDescriptors(t *testing.T) {
	eachFiles(t, func(t *testing.T, engine string, version int) {
		data, readOnly, _ := makeTree(t)
		f := newFilesHost(t, engine, host.FileQuota{}, grants(data, readOnly)...)
		for i := range host.MaxOpenFiles {
			if got := f.ask(version, open(0, oRead, "in.txt", byte(2+i)))[0]; got != "0" {
				t.Fatalf("file %d: %s", i, got)
			}
		}
		if got := f.ask(version, open(0, oRead, "in.txt", 100))[0]; got != "quota" {
			t.Errorf("one file too many: %s", got)
		}
		for _, c := range []struct {
			op, want string
		}{
			{do('x', 5, 0), "0"}, {open(1, oRead, "r.txt", 5), "0"}, {do('r', 5, 0), "read"}, {open(0, oRead, ".", 100), "quota"},
		} {
			if got := f.ask(version, c.op)[0]; got != c.want {
				t.Errorf("%q: got %s, want %s", c.op, got, c.want)
			}
		}
		if version == 1 {
			f.renumber()
		}
	})
}

// renumber tries what preview 1 can do with the numbers of files. Slot i has the number 1 + i then.
func (f *filesHost) renumber() {
	for i, c := range []struct{ op, want string }{
		{do('p', 4, 0), "unsupported"}, {do('p', 0, 4), "unsupported"}, {do('p', 4, 127), "unsupported"},
		{do('p', 5, 4), "0"}, {do('r', 4, 0), "read"}, {do('r', 5, 0), "bad-descriptor"}, {do('p', 4, 5), "bad-descriptor"},
		{do('x', 4, 0), "0"}, {do('x', 4, 0), "bad-descriptor"}, {do('x', 0, 0), "0"}, {open(0, oRead, "in.txt", 4), "bad-descriptor"},
	} {
		if got := f.ask(1, c.op)[0]; got != c.want {
			f.Errorf("operation %d with numbers: got %s, want %s", i, strconv.Quote(got), c.want)
		}
	}
}
