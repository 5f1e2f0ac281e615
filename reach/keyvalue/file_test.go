package keyvalue

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/airhost/airhost/core/host"
)

// TestMain runs the writer of TestKill in a process of its own.
func TestMain(m *testing.M) {
	if path := os.Getenv(writerFile); path != "" {
		writeUntilKilled(path)
	}
	os.Exit(m.Run())
}

// TestReopen: all changes are there after the end of the store, with the usage.
func TestReopen(t *testing.T) {
	for _, sync := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "kv.db")
		s, err := OpenFile(FileConfig{Path: path, Sync: sync})
		if err != nil {
			t.Fatal(err)
		}
		x := tester{t: t, b: s.Bucket("shop/cart")}
		x.set("a", "1")
		x.set("b", "2")
		x.remove("a")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("a second Close: %v", err)
		}
		if _, err := x.b.Get(t.Context(), "b"); !errors.Is(err, ErrClosed) {
			t.Errorf("a Get after Close: %v", err)
		}
		x.b = openTest(t, path, sync).Bucket("shop/cart")
		x.has("b", "2")
		x.used(2, 1)
		if x.get("a").Version != 0 {
			t.Error("a key that was removed is there again")
		}
		if mode, err := os.Stat(path); err != nil || mode.Mode().Perm() != 0o600 {
			t.Errorf("the file's mode is %v, %v", mode.Mode(), err)
		}
	}
}

// TestInUse: a second host gets a clear error, and so does one with a file of something else.
func TestInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kv.db")
	openTest(t, path, false)
	_, err := OpenFile(FileConfig{Path: path})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "keyvalue.path") {
		t.Errorf("the error is %v", err)
	}
	path = filepath.Join(t.TempDir(), "else")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no store "), 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = OpenFile(FileConfig{Path: path}); err == nil || !strings.Contains(err.Error(), "no key-value store") {
		t.Errorf("the error is %v", err)
	}
	if _, err = OpenFile(FileConfig{Path: filepath.Join(path, "kv.db")}); err == nil {
		t.Error("a folder that does not exist was taken")
	}
}

// TestCompaction: a file that is mostly free is smaller after it was opened again, with the same
// values.
func TestCompaction(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kv.db")
	s, err := OpenFile(FileConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	x := tester{t: t, b: s.Bucket("b")}
	for i := range 100 {
		x.set(fmt.Sprint("key", i), strings.Repeat("x", 100<<10))
	}
	if err := s.(*file).settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < 100; i++ {
		x.remove(fmt.Sprint("key", i))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(path)
	if err := os.WriteFile(path+".compact", []byte("of a host that was killed"), 0o600); err != nil {
		t.Fatal(err)
	}
	x.b = openTest(t, path, true).Bucket("b")
	after, _ := os.Stat(path)
	if before.Size() < 8<<20 || after.Size() > before.Size()/4 {
		t.Errorf("the file has %d bytes, and had %d", after.Size(), before.Size())
	}
	x.has("key0", strings.Repeat("x", 100<<10))
	x.used(4+100<<10, 1)
	if _, err := os.Stat(path + ".compact"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy is there still: %v", err)
	}
	if _, err := OpenFile(FileConfig{Path: path}); !errors.Is(err, ErrInUse) {
		t.Errorf("the new file is not locked: %v", err)
	}
}

// TestFailureSync: a change that could not be written is undone, and so are those made of it; its
// caller learns of it.
func TestFailureSync(t *testing.T) {
	f := openTest(t, filepath.Join(t.TempDir(), "kv.db"), true).(*file)
	x := tester{t: t, b: f.Bucket("b")}
	x.set("a", "kept")
	fail := f.breaks()
	outcomes := make(chan error)
	for _, key := range []string{"a", "b"} {
		go func() {
			_, err := x.b.Write(context.Background(), host.BucketWrite{Key: key, Data: []byte("lost"), Quota: host.NoBucketQuota})
			outcomes <- err
		}()
	}
	fail <- true
	first := <-outcomes
	select {
	case second := <-outcomes: // was written with the first
		first = errors.Join(first, second)
	case fail <- true:
		first = errors.Join(first, <-outcomes)
	}
	if n := strings.Count(fmt.Sprint(first), "cannot write"); n != 2 {
		t.Errorf("the errors are %v", first)
	}
	x.has("a", "kept")
	x.used(5, 1)
	close(fail)
	x.set("c", "again")
	x.has("c", "again")
}

// TestFailure: without Sync changes that were taken are kept until they can be written, and no
// others are taken meanwhile.
func TestFailure(t *testing.T) {
	f := openTest(t, filepath.Join(t.TempDir(), "kv.db"), false).(*file)
	x := tester{t: t, b: f.Bucket("b")}
	fail := f.breaks()
	x.set("a", "old")
	f.mu.RLock()
	first := f.waiting
	f.mu.RUnlock()
	fail <- true
	<-first.done
	if _, err := x.try(host.BucketWrite{Key: "b", Data: []byte("1")}); err == nil || !strings.Contains(err.Error(), "cannot write") {
		t.Errorf("the error is %v", err)
	}
	if err := f.settle(t.Context()); err == nil {
		t.Error("there is no error")
	}
	x.has("a", "old")
	f.mu.RLock()
	again := f.waiting
	f.mu.RUnlock()
	close(fail)
	if err := f.await(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	x.set("b", "1")
	if v := f.bucket("b").stored(t, "a"); v != "old" {
		t.Errorf("the file has %q", v)
	}
}

// breaks makes each writing wait for an entry, and fail. After the end of the channel they
// succeed.
func (f *file) breaks() (fail chan bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fail, right := make(chan bool), f.update
	f.update = func(do func(tx *bbolt.Tx) error) error {
		if <-fail {
			return errors.New("no space left on device")
		}
		return right(do)
	}
	return fail
}

// stored returns the value of a key in the file.
func (b *fileBucket) stored(t *testing.T, key string) (data string) {
	t.Helper()
	v, err := b.read(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(v.Data)
}

// writerFile is the variable with the file of a process that writes until it is killed.
const writerFile = "AIRHOST_TEST_KV_WRITER"

const killedWriters = 4

// writeUntilKilled writes numbers, and prints each one that was taken.
func writeUntilKilled(path string) {
	s, err := OpenFile(FileConfig{Path: path, Sync: true})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	for w := range killedWriters {
		all.Go(func() {
			b := s.Bucket(fmt.Sprint("b", w%2))
			for {
				done, err := b.Write(context.Background(), host.BucketWrite{Kind: host.WriteIncrement, Key: fmt.Sprint("n", w), Delta: 1, Quota: host.NoBucketQuota})
				if err == nil {
					_, err = b.Write(context.Background(), host.BucketWrite{
						Kind: host.WriteSet, Key: fmt.Sprintf("k%d-%d", w, done.Number%50), Data: bytes.Repeat([]byte{byte(w)}, int(done.Number*997%5000)), Quota: host.NoBucketQuota,
					})
				}
				mu.Lock()
				if err != nil {
					fmt.Println("error", err)
					os.Exit(1)
				}
				fmt.Println(w, done.Number)
				mu.Unlock()
			}
		})
	}
	all.Wait()
}

// TestKill kills a process that writes, at a random moment, again and again: all that it has been
// told to be kept is there, and the file opens. AIRHOST_KILLS says how often.
func TestKill(t *testing.T) {
	kills := 5
	if text := os.Getenv("AIRHOST_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "kv.db")
	var last [killedWriters]int64
	for range kills {
		killWriter(t, path, &last)
		s, err := OpenFile(FileConfig{Path: path, Sync: true})
		if err != nil {
			t.Fatal(err)
		}
		for w, n := range last {
			x := tester{t: t, b: s.Bucket(fmt.Sprint("b", w%2))}
			got, _ := strconv.ParseInt(string(x.get(fmt.Sprint("n", w)).Data), 10, 64)
			if got < n || got > n+1 {
				t.Errorf("writer %d: the file has %d, and %d was taken", w, got, n)
			}
			if data := x.get(fmt.Sprintf("k%d-%d", w, n%50)).Data; got == n && len(data) != int(n*997%5000) {
				t.Errorf("writer %d: the value of %d has %d bytes", w, n, len(data))
			}
			last[w] = got
		}
		checkUsage(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Error(err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// killWriter starts a writer, and kills it after some of its lines and a while.
func killWriter(t *testing.T, path string, last *[killedWriters]int64) {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), writerFile+"="+path)
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	left, lines := 1+rand.IntN(60), bufio.NewScanner(out)
	for lines.Scan() {
		var w int
		var n int64
		if _, err := fmt.Sscan(lines.Text(), &w, &n); err != nil {
			t.Error(lines.Text())
			break
		}
		last[w] = n
		if left--; left == 0 {
			time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, func() { _ = command.Process.Kill() })
		}
	}
	_ = command.Process.Kill()
	_ = command.Wait() // it was killed
}

// checkUsage compares the usage that is kept with the keys and values.
func checkUsage(t *testing.T, s Store) {
	t.Helper()
	names, err := s.Buckets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		var bytes, keys int64
		if err := s.Export(t.Context(), name, func(key string, data []byte) error {
			bytes, keys = bytes+int64(len(key)+len(data)), keys+1
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		tester{t: t, b: s.Bucket(name)}.used(bytes, keys)
	}
}
