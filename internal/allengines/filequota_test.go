//go:build unix

package allengines

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/hosttest"
	"github.com/airhost/airhost/reach/files"
)

func le64(n uint64) string {
	b := make([]byte, 8)
	for i := range b {
		b[i] = byte(n >> (8 * i))
	}
	return string(b)
}

// TestFileQuota: what is in a directory is counted, however it came there, and no more comes in.
func TestFileQuota(t *testing.T) {
	eachFiles(t, func(t *testing.T, engine string, version int) {
		data, readOnly := t.TempDir(), t.TempDir()
		check(t, os.WriteFile(filepath.Join(data, "old"), make([]byte, 60), 0o644))
		f := newFilesHost(t, engine, host.FileQuota{Bytes: 100, Files: 4}, grants(data, readOnly)...)
		const write = oRead | oWrite | oCreate
		for i, c := range []struct{ op, want string }{
			{open(0, write, "new", 2), "0"},
			{do('w', 2, 0, strings.Repeat("x", 40)), "0"},
			{do('w', 2, 40, "x"), "quota"},
			{do('w', 2, 10, "over"), "0"},
			{do('A', 2, 0, "x"), "quota"},
			{do('z', 2, 0, le64(41)), "quota"},
			{do('z', 2, 0, le64(1<<40)), "quota"},
			{do('z', 2, 0, le64(39)), "0"},
			{do('w', 2, 200, "x"), "quota"}, // it would be sparse
			{do('A', 2, 0, "x"), "0"},
			{open(0, write|oTruncate, "old", 3), "0"},
			{do('w', 3, 0, strings.Repeat("y", 60)), "0"},
			{do('w', 3, 60, "y"), "quota"},
			{do('u', 0, 0, "old"), "0"}, // it is open
			{do('w', 2, 40, "x"), "quota"},
			{do('w', 3, 60, "y"), "quota"},
			{do('x', 3, 0), "0"},
			{do('w', 2, 40, strings.Repeat("x", 60)), "0"},
			{do('m', 0, 0, "dir"), "0"},
			{do('s', 0, 0, "new", "link"), "0"},
			{open(0, write, "dir/fourth", 3), "0"},
			{open(0, write, "fifth", 4), "quota"},
			{do('m', 0, 0, "fifth"), "quota"},
			{do('s', 0, 0, "new", "fifth"), "quota"},
			{do('n', 0, 0, "dir/fourth", "link"), "0"}, // over another one
			{do('m', 0, 0, "fourth"), "0"},
			{do('d', 0, 0, "fourth"), "0"},
			{do('d', 0, 0, "dir"), "0"},
			{do('u', 0, 0, "new"), "0"},
			{do('x', 2, 0), "0"},
			{open(0, write, "all", 2), "0"},
			{do('w', 2, 0, strings.Repeat("z", 100)), "0"},
			{do('w', 2, 99, "zz"), "quota"},
		} {
			if got := f.ask(version, c.op)[0]; got != c.want {
				t.Fatalf("operation %d, %.20q: got %q, want %q", i, c.op, got, c.want)
			}
		}
		if version == 1 {
			if got := f.ask(1, do('a', 2, 0, le64(101)), do('z', 2, 0, le64(50)), do('a', 2, 0, le64(90)), do('f', 2, 0)); got[0] != "quota" || got[2] != "0" || !strings.HasPrefix(got[3], "4 90 ") {
				t.Errorf("allocated: %q", got)
			}
		}
		if size := bytesIn(t, data); size > 100 {
			t.Errorf("there are %d bytes", size)
		}
		f.stop()
		if !strings.Contains(f.log.text.String(), "quota.files_bytes is 100") || !strings.Contains(f.log.text.String(), "quota.files is 4") {
			t.Errorf("the audit has\n%s", &f.log.text)
		}
	})
}

// bytesIn returns the sizes of all files below a directory.
func bytesIn(t testing.TB, dir string) (sum int64) {
	check(t, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		sum += info.Size()
		return err
	}))
	return sum
}

// TestFileQuotaIsShared: components and instances that have the same directory, at the same time, have
// together no more than one of them may.
func TestFileQuotaIsShared(t *testing.T) {
	for _, engine := range wasmEngines() {
		data := t.TempDir()
		const most = 50_000
		f := newFilesHost(t, engine, host.FileQuota{Bytes: most}, host.FileGrant{Path: data, As: "/data", Write: true})
		for i := range 3 {
			d := f.d
			d.ID, d.Instances, d.Spread = id(fmt.Sprintf("t/more%d", i)), 2, host.SpreadAny
			check(t, f.Deploy(within(t), d))
		}
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				target := id(fmt.Sprintf("t/more%d", i%3))
				for j := range 40 {
					name := fmt.Sprintf("%d-%d", i, j%5)
					op := open(0, oRead|oWrite|oCreate, name, 2) + do('w', 2, j, strings.Repeat("x", 1000)) + do('x', 2, 0)
					if j%7 == 6 {
						op = do('u', 0, 0, name)
					}
					if _, err := f.Request(within(t), target, []byte(versioned(op))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if size := bytesIn(t, data); size > most || size < most/2 {
			t.Errorf("%s: there are %d bytes, want %d at most, and almost as many", engine, size, most)
		}
		if f.Snapshot().FailedFiles["quota"] == 0 {
			t.Error("nothing was refused")
		}
	}
}

// versioned makes operations those of preview 1.
func versioned(operations string) string {
	b := []byte(operations)
	for at := 0; at < len(b); {
		b[at+1] = 1
		at += 4
		for range 2 {
			at += 2 + int(b[at]) + int(b[at+1])<<8
		}
	}
	return string(b)
}

// TestFilesAreTaken: what is open is refused, and closed, from when its capability is gone; a mode changes
// at once; and what is new needs another instance.
func TestFilesAreTaken(t *testing.T) {
	eachFiles(t, func(t *testing.T, engine string, version int) {
		data, readOnly, _ := makeTree(t)
		f := newFilesHost(t, engine, host.FileQuota{}, grants(data, readOnly)...)
		opened := []string{open(0, oRead|oWrite, "in.txt", 2), open(0, oRead|oDirectory, "sub", 3), open(1, oRead, "r.txt", 4)}
		if got := f.ask(version, opened...); strings.Join(got, " ") != "0 0 0" {
			t.Fatalf("opened: %q", got)
		}
		update := func(granted ...host.FileGrant) error {
			f.d.Capabilities.Files = granted
			return f.Update(within(t), f.d)
		}
		both := grants(data, readOnly)
		both[0].Write = false
		check(t, update(both...))
		if got := f.ask(version, do('r', 2, 0), do('w', 2, 0, "x"), do('m', 3, 0, "x")); strings.Join(got, " ") != "inside read-only read-only" {
			t.Errorf("with mode ro: %q", got)
		}
		check(t, update(both[1]))
		if got := f.ask(version, do('r', 2, 0), open(3, oRead, "deep.txt", 5), open(0, oRead, "in.txt", 5), do('r', 4, 0)); strings.Join(got, " ") != "access access access read" {
			t.Errorf("without a directory: %q", got)
		}
		if err := update(both...); !errors.Is(err, host.ErrNeedsReplacement) {
			t.Errorf("update by a new directory: %v", err)
		}
		check(t, f.Replace(within(t), f.d))
		if got := f.ask(version, open(0, oRead, "in.txt", 2), do('r', 2, 0)); strings.Join(got, " ") != "0 inside" {
			t.Errorf("after the replacement: %q", got)
		}
		f.d.Capabilities.Files[0].Path = filepath.Join(data, "missing")
		if err := f.Replace(within(t), f.d); !errors.Is(err, host.ErrInvalidDeployment) || !strings.Contains(err.Error(), "missing") {
			t.Errorf("a directory that there is not: %v", err)
		}
	})
}

// buildFiler builds testdata/filer.
func buildFiler(t testing.TB) []byte {
	path := filepath.Join(t.TempDir(), "filer.wasm")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags=-s -w", "-o", path, "./testdata/filer")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if report, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, report)
	}
	code, err := os.ReadFile(path)
	check(t, err)
	return code
}

// TestFilesInGo: a program in Go uses package os as it does anywhere.
func TestFilesInGo(t *testing.T) {
	code, engines := buildFiler(t), wasmEngines()
	if testing.Short() {
		engines = engines[len(engines)-1:] // wasmtime compiles as fast under the race detector
	}
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			data, readOnly, _ := makeTree(t)
			f := newFilesHost(t, engine, host.FileQuota{}, grants(data, readOnly)...)
			f.d.Source, f.d.Limits = core.Source{Code: code}, core.Limits{Memory: 64 << 20, HandlerTime: time.Minute, HandlerWallTime: time.Hour}
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // to compile it
			defer cancel()
			check(t, f.Replace(ctx, f.d))
			for _, c := range []struct{ ask, want, failure string }{
				{ask: "read /ro/r.txt", want: "read"},
				{ask: "read /data/sub/up", want: "inside"},
				{ask: "root sub/deep.txt", want: "deep"},
				{ask: "root ../ro/r.txt", failure: "path escapes"},
				{ask: "list /ro", want: "/ro /ro/r.txt /ro/sub /ro/sub/more.txt"},
				{ask: "read /data/out", failure: "ot permitted"},
				{ask: "read /etc/passwd", failure: "open /etc/passwd"},
				{ask: "read /data/none", failure: "No such file"},
				{ask: "write /ro/x y", failure: "ead-only"},
				{ask: "write /data/x y", want: ""},
				{ask: "save kept", want: ""},
				{ask: "read /data/saved", want: "kept"},
				{ask: "work", want: "the end 16"},
				{ask: "start", want: "open /data/in.txt: Operation not permitted"}, // in a package variable
			} {
				answer, err := f.Request(within(t), id("t/files"), []byte(c.ask))
				if c.failure == "" && (string(answer) != c.want || err != nil) || c.failure != "" && (err == nil || !strings.Contains(err.Error(), c.failure)) {
					t.Errorf("%s: got %q, %v, want %q, %q", c.ask, answer, err, c.want, c.failure)
				}
			}
			kept, err := os.ReadFile(filepath.Join(data, "saved"))
			if string(kept) != "kept" || err != nil {
				t.Errorf("the host has %q, %v", kept, err)
			}
		})
	}
}

// reader is a component in Go that reads a file.
type reader struct{}

func (reader) HandleMessage(at guest.Host, _ string, message []byte) ([]byte, error) {
	path, name, _ := strings.Cut(string(message), " ")
	root, err := guest.OpenRoot(at, path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.ReadFile(name)
}

// TestFilesNative: a native component opens the directories that it was granted, and no others.
func TestFilesNative(t *testing.T) {
	data, _, _ := makeTree(t)
	h := hosttest.Start(t, host.Config{Files: files.New(), Logger: slog.New(slog.DiscardHandler)})
	d := host.Deployment{
		ID: id("t/reader"), Engine: native.Name, Source: native.Source(func() guest.Component { return reader{} }),
		Capabilities: host.Capabilities{Files: []host.FileGrant{{Path: data, As: "/data"}}},
	}
	check(t, h.Deploy(within(t), d))
	ask := func(message string) string {
		answer, err := h.Request(context.Background(), d.ID, []byte(message))
		if err != nil {
			return err.Error()
		}
		return string(answer)
	}
	if got := ask("/data in.txt"); got != "inside" {
		t.Errorf("got %q", got)
	}
	if got := ask("/data out"); !strings.Contains(got, "escapes") {
		t.Errorf("out of the directory: %q", got)
	}
	if got := ask("/other x"); !strings.Contains(got, "file does not exist") {
		t.Errorf("another directory: %q", got)
	}
	d.Capabilities.Files = nil
	check(t, h.Update(within(t), d))
	if got := ask("/data in.txt"); !strings.Contains(got, "permission denied") {
		t.Errorf("without the capability: %q", got)
	}
	d.ID, d.Capabilities.Files = id("t/other"), []host.FileGrant{{Path: data, As: "data"}}
	if err := h.Deploy(within(t), d); !errors.Is(err, host.ErrInvalidDeployment) || !strings.Contains(err.Error(), "want one such as /data") {
		t.Errorf("a wrong path: %v", err)
	}
	bare := hosttest.Start(t, host.Config{})
	d.Capabilities.Files[0].As = "/data"
	if err := bare.Deploy(within(t), d); !errors.Is(err, host.ErrInvalidDeployment) {
		t.Errorf("a host without files: %v", err)
	}
}
