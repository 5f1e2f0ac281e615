//go:build unix

package allengines

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/reach/files"
)

// filesWasm uses files as its messages say: see testdata/files.c.
//
//go:embed testdata/files.wasm
var filesWasm []byte

// Bits of the argument of open.
const (
	oFollow = 1 << iota
	oCreate
	oDirectory
	oExclusive
	oTruncate
	oRead
	oWrite
)

// do is an operation of filesWasm.
func do(what byte, slot, extra int, texts ...string) string {
	texts = append(texts, "", "")
	b := []byte{what, 0, byte(slot), byte(extra)}
	for _, text := range texts[:2] {
		b = append(binary.LittleEndian.AppendUint16(b, uint16(len(text))), text...)
	}
	return string(b)
}

func open(slot, flags int, path string, into byte) string {
	return do('o', slot, flags, path, string(rune(into)))
}

// errnos1 are the numbers of preview 1, in the order of the codes of WASI 0.2.
var errnos1 = []int{
	2, 6, 7, 8, 10, 16, 19, 20, 22, 25, 26, 27, 28, 29, 31, 32, 34, 35, 37, 43, 44, 46, 48, 51, 54, 55, 56, 58, 59, 60,
	61, 63, 64, 69, 70, 74, 75,
}

// outcome returns the answer to an operation with the name of its error.
func outcome(version int, answer string) string {
	number, rest, _ := strings.Cut(answer, ":")
	n, err := strconv.Atoi(number)
	if err != nil || n == 0 {
		return strings.TrimPrefix(answer, "0:")
	}
	if version == 2 {
		return core.FileErrorCode(n - 100).String()
	}
	for code, errno := range errnos1 {
		if errno == n {
			return core.FileErrorCode(code).String()
		}
	}
	return "errno " + number + rest
}

// lines is a log, for many goroutines.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// audited returns how many refusals of files are in the log.
func (l *lines) audited() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), "pattern=files")
}

// filesHost is a host whose one component uses files.
type filesHost struct {
	testing.TB
	*host.Host
	log  *lines
	stop func()
	d    host.Deployment
}

func newFilesHost(t testing.TB, engine string, quota host.FileQuota, granted ...host.FileGrant) *filesHost {
	t.Helper()
	e, err := wazero.New(wazero.Config{})
	check(t, err)
	var used core.Engine = e
	if engine == wasmtime.Name {
		used, err = wasmtime.New(wasmtime.Config{})
		check(t, err)
	}
	broker, err := newInproc()
	check(t, err)
	tracker, err := newSlab()
	check(t, err)
	f := &filesHost{TB: t, log: new(lines)}
	f.Host, err = host.New(host.Config{Logger: slog.New(slog.NewTextHandler(f.log, nil)), Files: files.New(), RequestTimeout: time.Hour}, broker, tracker, used)
	check(t, err)
	check(t, f.Start(context.Background()))
	f.stop = sync.OnceFunc(func() {
		check(t, f.Stop(context.Background()))
		check(t, used.Close(context.Background()))
		check(t, e.Close(context.Background()))
	})
	t.Cleanup(f.stop)
	f.d = host.Deployment{
		ID: id("t/files"), Engine: engine, Source: core.Source{Code: filesWasm}, Capabilities: host.Capabilities{Files: granted},
		Limits: core.Limits{HandlerTime: time.Minute, HandlerWallTime: time.Hour}, Quota: host.Quota{Files: quota},
	}
	check(t, f.Deploy(within(t), f.d))
	return f
}

// ask runs operations by a version of WASI, and returns their outcomes.
func (f *filesHost) ask(version int, operations ...string) (outcomes []string) {
	f.Helper()
	for _, op := range operations {
		answer, err := f.Request(within(f), id("t/files"), []byte(op[:1]+string(rune(version))+op[2:]))
		if err != nil {
			f.Fatalf("%q: %v", op, err)
		}
		outcomes = append(outcomes, outcome(version, strings.TrimSuffix(string(answer), "\x00")))
	}
	return outcomes
}

// makeTree makes a directory for each grant, and one outside that nobody may reach.
func makeTree(t testing.TB) (data, readOnly, outside string) {
	t.Helper()
	top := t.TempDir()
	data, readOnly, outside = filepath.Join(top, "data"), filepath.Join(top, "ro"), filepath.Join(top, "outside")
	for path, text := range map[string]string{
		"data/in.txt": "inside", "data/sub/deep.txt": "deep", "ro/r.txt": "read", "ro/sub/more.txt": "more", "outside/secret.txt": "secret", "data/sub/dir/x": "x",
	} {
		check(t, os.MkdirAll(filepath.Dir(filepath.Join(top, path)), 0o755))
		check(t, os.WriteFile(filepath.Join(top, path), []byte(text), 0o644))
	}
	for name, target := range map[string]string{
		"abs": filepath.Join(outside, "secret.txt"), "out": "../outside/secret.txt", "outdir": "../outside", "absdir": outside,
		"chain": "chain2", "chain2": "sub/chain3", "sub/chain3": "../../outside/secret.txt", "loop": "loop",
		"inlink": "in.txt", "sub/up": "../in.txt", "proc": "/proc/self/root", "dangling": "../outside/new.txt", "nowhere": "made.txt",
		"around": "../data/in.txt", "dots": "sub/../../outside/secret.txt",
	} {
		check(t, os.Symlink(target, filepath.Join(data, name)))
	}
	return data, readOnly, outside
}

func grants(data, readOnly string) []host.FileGrant {
	return []host.FileGrant{{Path: data, As: "/data", Write: true}, {Path: readOnly, As: "/ro"}}
}

// eachFiles runs a test on each engine, by each version of WASI.
func eachFiles(t *testing.T, test func(t *testing.T, engine string, version int)) {
	for _, engine := range wasmEngines() {
		for version := 1; version <= 2; version++ {
			t.Run(engine+"/"+strconv.Itoa(version), func(t *testing.T) { test(t, engine, version) })
		}
	}
}

// TestFiles: a guest reads, writes and lists files.
func TestFiles(t *testing.T) {
	eachFiles(t, func(t *testing.T, engine string, version int) {
		data, readOnly, _ := makeTree(t)
		f := newFilesHost(t, engine, host.FileQuota{}, grants(data, readOnly)...)
		size := func(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }
		for _, c := range []struct{ op, want string }{
			{open(0, oRead, "in.txt", 2), "0"},
			{do('r', 2, 0), "inside"},
			{do('r', 2, 2), "side"},
			{do('r', 2, 200), ""},
			{do('i', 2, 2), "side"},
			{do('w', 2, 0, "x"), "bad-descriptor"},
			{do('x', 2, 0), "0"},
			{open(0, oRead|oFollow, "sub/up", 2), "0"},
			{do('r', 2, 0), "inside"},
			{open(0, oRead, "sub//.//deep.txt", 2), "0"},
			{do('r', 2, 0), "deep"},
			{open(0, oRead, "sub/../in.txt", 2), "0"},
			{do('r', 2, 0), "inside"},
			{open(0, oRead|oDirectory, "sub", 3), "0"},
			{open(3, oRead, "deep.txt", 2), "0"},
			{do('e', 3, 0), "chain3 deep.txt dir up "},
			{open(1, oRead, "r.txt", 2), "0"},
			{do('r', 2, 0), "read"},
			{do('f', 2, 0), map[int]string{1: "4 4 ", 2: "6 4 "}[version]},
			{do('f', 0, 0, "inlink"), map[int]string{1: "7 6 ", 2: "5 6 "}[version]},
			{do('k', 0, 0, "inlink"), "in.txt"},
			{open(0, oRead|oWrite|oCreate|oExclusive, "new.txt", 4), "0"},
			{do('w', 4, 2, "there"), "0"},
			{do('r', 4, 0), "\x00\x00there"},
			{do('A', 4, 0, " and more"), "0"},
			{do('r', 4, 2), "there and more"},
			{do('z', 4, 0, size(3)), "0"},
			{do('r', 4, 0), "\x00\x00t"},
			{do('t', 4, 0), "0"},
			{do('f', 0, oFollow, "new.txt"), map[int]string{1: "4 3 1000000007", 2: "6 3 1000000007"}[version]},
			{do('t', 0, oFollow, "in.txt"), "0"},
			{do('y', 4, 0), "0"},
			{do('y', 3, 0), "0"},
			{open(0, oWrite|oCreate|oTruncate, "new.txt", 4), "0"},
			{do('f', 4, 0), map[int]string{1: "4 0 ", 2: "6 0 "}[version]},
			{do('n', 0, 3, "new.txt", "moved.txt"), "0"},
			{do('n', 3, 0, "moved.txt", "in.txt"), "0"},
			{do('m', 0, 0, "folder"), "0"},
			{do('s', 0, 0, "in.txt", "link"), "0"},
			{do('s', 0, 0, "sub/deep.txt", "below"), "0"},
			{open(0, oRead|oFollow, "below", 2), "0"},
			{do('r', 2, 0), "deep"},
			{do('n', 0, 0, "sub/dir", "folder"), "0"},
			{do('d', 0, 0, "folder"), "not-empty"},
			{do('u', 0, 0, "folder/x"), "0"},
			{do('d', 0, 0, "folder"), "0"},
			{do('u', 0, 0, "link"), "0"},
			{open(0, oRead, "in.txt", 5), "0"},
			{do('u', 0, 0, "in.txt"), "0"},
			{do('r', 5, 0), ""},
			{open(0, oRead|oFollow|oWrite|oCreate, "nowhere", 5), "0"},
			{do('f', 0, 0, "made.txt"), map[int]string{1: "4 0 ", 2: "6 0 "}[version]},
		} {
			got := f.ask(version, c.op)[0]
			if strings.HasPrefix(c.op, "f") && strings.HasSuffix(c.want, " ") {
				got = got[:strings.LastIndexByte(got, ' ')+1] // without the time
			}
			if strings.HasPrefix(c.op, "e") {
				got = sortedNames(got)
			}
			if got != c.want {
				t.Errorf("%q: got %q, want %q", c.op, got, c.want)
			}
		}
		if n := f.Snapshot(); n.Files < 40 || n.FailedFiles["failed"] != 2 || n.FailedFiles["denied"] != 0 || f.Components()[0].Files != n.Files {
			t.Errorf("counted %d calls, %v failed", n.Files, n.FailedFiles)
		}
	})
}
