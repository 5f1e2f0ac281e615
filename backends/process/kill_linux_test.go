package process_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/plugin"
)

func init() {
	roles["recorder"] = func() { plugin.Serve(newRecorder()) }
	roles["holder"] = func() { plugin.Serve(newRecorder()) }
	roles["host"] = runHost
}

// recorder writes the number in each message to a file, and then returns the
// message. An empty message it answers with its process's number.
type recorder struct{ file *os.File }

const recordVariable = "AIRHOST_TEST_RECORD"

func newRecorder() recorder {
	file, err := os.OpenFile(os.Getenv(recordVariable), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		panic(err)
	}
	return recorder{file}
}

func (r recorder) HandleMessage(_ guest.Host, _ string, message []byte) ([]byte, error) {
	if len(message) == 0 {
		return strconv.AppendInt(nil, int64(os.Getpid()), 10), nil
	}
	if _, err := r.file.Write(message); err != nil {
		return nil, err
	}
	return message, nil
}

func recorderCommand(role, file string) host.Deployment {
	c := command(role)
	c.Env = append(c.Env, recordVariable+"="+file)
	return host.Deployment{Source: process.Source(c), Restart: quickly}
}

// TestLoadKilled kills a component's process again and again under load. How
// often is in AIRHOST_KILLS.
func TestLoadKilled(t *testing.T) {
	kills := 5
	if text := os.Getenv("AIRHOST_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	record := filepath.Join(t.TempDir(), "record")
	dir, err := os.MkdirTemp("", "kill")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	t.Setenv("TMPDIR", dir)
	first, _ := start(t, command("responder"), core.Limits{}) // opens what stays open for good
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	files, heap := openFiles(t), heapInUse()

	r := newRig(t, slog.New(slog.DiscardHandler))
	r.deploy(t, victimID, recorderCommand("recorder", record))
	load := &load{host: r.Host, kills: kills}
	load.run(t)
	if err := r.Stop(context.Background()); err != nil {
		t.Error(err)
	}

	s := r.Snapshot()
	if s.Restarts != uint64(kills) || s.Traps != s.Restarts {
		t.Errorf("%d ends and %d restarts after %d kills", s.Traps, s.Restarts, kills)
	}
	if s.Sent != s.Handled+s.DeadLetters || len(s.Refused) > 0 {
		t.Errorf("messages are lost or refused: %+v", s)
	}
	checkRecord(t, record, load.answered)
	t.Logf("%d requests were answered, %d trapped, in %d kills", len(load.answered), load.trapped.Load(), kills)
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left in the directory of sockets: %v, %v", left, err)
	}
	if now := openFiles(t); now > files {
		t.Errorf("%d files are open, %d before", now, files)
	}
	if children := children(t); len(children) > 0 {
		t.Errorf("child processes are left: %s", children)
	}
	if now := heapInUse(); now > heap+16<<20 {
		t.Errorf("%d bytes of heap are in use, %d before", now, heap)
	}
}

// load sends requests from many goroutines, and kills.
type load struct {
	host    *host.Host
	kills   int
	next    atomic.Uint64
	trapped atomic.Int64
	over    atomic.Bool
	killed  string // the last process that was

	mu       sync.Mutex
	answered []uint64
}

func (l *load) run(t *testing.T) {
	progress := make(chan struct{}, 1)
	var senders sync.WaitGroup
	for range 64 {
		senders.Go(func() {
			for !l.over.Load() {
				l.request(t)
				select {
				case progress <- struct{}{}:
				default:
				}
			}
		})
	}
	for range l.kills {
		for range 1 + rand.N(2000) {
			<-progress
		}
		l.kill(t)
	}
	l.over.Store(true)
	senders.Wait()
	l.living(t)
}

// request sends one, which must end once, by its response or as trapped.
func (l *load) request(t *testing.T) {
	number := l.next.Add(1)
	message := binary.LittleEndian.AppendUint64(nil, number)
	response, err := l.host.Request(context.Background(), victimID, message)
	switch {
	case errors.Is(err, core.ErrRequestTrapped):
		l.trapped.Add(1)
	case err != nil || !bytes.Equal(response, message):
		t.Errorf("request %d: %q, %v", number, response, err)
	default:
		l.mu.Lock()
		l.answered = append(l.answered, number)
		l.mu.Unlock()
	}
}

// kill kills the process of the moment.
func (l *load) kill(t *testing.T) {
	l.killed = l.living(t)
	killProcess(t, l.killed)
}

// living returns the number of a process that has not been killed.
func (l *load) living(t *testing.T) string {
	for {
		pid, err := l.host.Request(context.Background(), victimID, nil)
		if err == nil && string(pid) != l.killed {
			return string(pid)
		}
		if err != nil && !errors.Is(err, core.ErrRequestTrapped) {
			t.Fatal(err)
		}
	}
}

// checkRecord checks that no message was handled twice, and each that was
// answered once.
func checkRecord(t *testing.T, file string, answered []uint64) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	handled := map[uint64]bool{}
	for number := range slices.Chunk(data, 8) {
		n := binary.LittleEndian.Uint64(number)
		if handled[n] {
			t.Errorf("message %d was handled twice", n)
		}
		handled[n] = true
	}
	for _, n := range answered {
		if !handled[n] {
			t.Errorf("message %d was answered and not handled", n)
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// children are those of any of the process's threads, zombies included.
func children(t *testing.T) []byte {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, file := range files {
		pids, _ := os.ReadFile(file) // the thread may have ended
		all = append(all, pids...)
	}
	return all
}

func heapInUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapInuse
}

// runHost is a host with one component, which says when it is up and then waits
// to be killed.
func runHost() {
	if err := hostUntilKilled(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func hostUntilKilled() error {
	engine, err := newEngine()
	if err != nil {
		return err
	}
	component, err := engine.Compile(context.Background(), recorderCommand("holder", os.Getenv(recordVariable)).Source, core.Limits{})
	if err != nil {
		return err
	}
	if _, err := component.Instantiate(context.Background(), core.Environment{ID: victimID}); err != nil {
		return err
	}
	fmt.Println("up")
	select {}
}

// TestHostKilled: a host that is killed leaves no process behind.
func TestHostKilled(t *testing.T) {
	// A process holds the pipe open for writing as long as it lives.
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	dir := t.TempDir()
	cmd.Env = []string{noRaceSleep, roleVariable + "=host", recordVariable + "=" + pipe, "TMPDIR=" + dir}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 3)
	if _, err := io.ReadFull(output, line); err != nil || string(line) != "up\n" {
		rest, _ := io.ReadAll(output)
		t.Fatalf("the host says %q, %v", append(line, rest...), err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if err := reader.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the plug-in still holds the pipe: %v", err)
	}
}
