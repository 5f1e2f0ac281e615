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
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/spawn/spawntest"
	"github.com/airhost/airhost/plugin"
)

func init() {
	roles["recorder"] = func() { plugin.Serve(newRecorder()) }
	roles["holder"] = func() { plugin.Serve(newRecorder()) }
	roles["host"] = runHost
}

// recorder writes the number in each message to a file, and then returns the
// message.
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

// TestLoadKilled kills a component's process again and again under load. Each
// request ends once, no message is handled twice, each process is restarted, and
// nothing grows or is left. AIRHOST_KILLS sets the number of kills.
func TestLoadKilled(t *testing.T) {
	kills := spawntest.Kills(t)
	record := filepath.Join(t.TempDir(), "record")
	spawntest.TempDir(t)
	// Another host opens the resources that stay open for the whole process.
	if err := loadedHarness(t, recorderCommand("recorder", os.DevNull), new(spawntest.Asker)).Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	before := spawntest.Measure(t)

	asker := &spawntest.Asker{Target: victimID.String()}
	r := loadedHarness(t, recorderCommand("recorder", record), asker)
	load := &load{host: r.Host, answered: make([]uint64, 0, 1<<20)}
	load.run(t, (kills+9)/10)
	steady := spawntest.Measure(t)
	load.run(t, kills-(kills+9)/10)
	steady.Flat(t, "after the kills")
	if err := r.Stop(context.Background()); err != nil {
		t.Error(err)
	}

	s := r.Snapshot()
	if s.Restarts != uint64(kills) || s.Traps != s.Restarts {
		t.Errorf("%d ends and %d restarts after %d kills", s.Traps, s.Restarts, kills)
	}
	full := s.Refused["queue-full"] // the senders of these got an error
	delete(s.Refused, "queue-full")
	if s.Sent != s.Handled+s.Expired+s.DeadLetters+full || len(s.Refused) > 0 || s.Pending != 0 {
		t.Errorf("messages are lost, refused or pending: %+v", s)
	}
	asker.Check(t)
	checkRecord(t, record, load.answered)
	t.Logf("in %d kills %d requests of a Go program's were answered and %d failed", kills, len(load.answered), load.failed.Load())
	load.answered = nil
	before.Flat(t, "after the host's end")
}

var askerID = core.MustComponentID("test/asker")

// loadedHarness returns a harness with the victim and an in-process component that
// sends requests to it.
func loadedHarness(t *testing.T, victim host.Deployment, asker *spawntest.Asker) harness {
	r := newHarness(t, slog.New(slog.DiscardHandler))
	r.deploy(t, victimID, victim)
	pattern, err := core.ParseIDPattern(victimID.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Deploy(t.Context(), host.Deployment{
		ID: askerID, Engine: native.Name, Source: core.Source{Value: func() guest.Component { return asker }},
		Capabilities: host.Capabilities{Request: []core.IDPattern{pattern}},
		Limits:       core.Limits{HandlerTime: time.Minute},
		Quota:        host.Quota{MessagesPerSecond: 1e9, Burst: 1e9, PendingRequests: 1e6},
	}); err != nil {
		t.Fatal(err)
	}
	return r
}

// load sends requests from many goroutines while a test kills the victim.
type load struct {
	host   *host.Host
	next   atomic.Uint64
	failed atomic.Int64
	over   atomic.Bool
	killer spawntest.Killer

	mu       sync.Mutex
	answered []uint64
}

// run kills the victim this many times and returns when the host is idle.
func (l *load) run(t *testing.T, kills int) {
	l.over.Store(false)
	progress := make(chan struct{}, 1)
	var senders sync.WaitGroup
	for range 64 {
		senders.Go(func() {
			for !l.over.Load() {
				l.tell(t)
				if !l.request(t) {
					<-time.After(time.Millisecond) // leave the processor to the next start
				}
				select {
				case progress <- struct{}{}:
				default:
				}
			}
		})
	}
	for range kills {
		if rand.N(4) > 0 { // otherwise the process may still be starting
			for range 1 + rand.N(2000) {
				<-progress
			}
		}
		l.killer.Kill(t)
	}
	l.over.Store(true)
	senders.Wait()
	l.killer.Await(t)
	spawntest.Await(t, "an answer after the last kill", func() bool { return l.request(t) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := l.host.Quiesce(ctx); err != nil {
		t.Error(err)
	}
}

// tell makes a component send a request to the victim. The message may be refused,
// since a component that gets no processor for a while has a full mailbox.
func (l *load) tell(t *testing.T) {
	err := l.host.Send(askerID, binary.LittleEndian.AppendUint64(nil, l.next.Add(1)))
	if err != nil && !errors.Is(err, core.ErrQueueFull) {
		t.Error(err)
	}
}

// request sends a request, which must end once, and reports whether it was answered.
// Otherwise it must have trapped, or been refused by a full mailbox.
func (l *load) request(t *testing.T) (answered bool) {
	number := l.next.Add(1)
	message := binary.LittleEndian.AppendUint64(nil, number)
	response, err := l.host.Request(context.Background(), victimID, message)
	switch {
	case errors.Is(err, core.ErrRequestTrapped), errors.Is(err, core.ErrQueueFull):
		l.failed.Add(1)
	case err != nil || !bytes.Equal(response, message):
		t.Errorf("request %d: %q, %v", number, response, err)
	default:
		l.mu.Lock()
		l.answered = append(l.answered, number)
		l.mu.Unlock()
		return true
	}
	return false
}

// checkRecord checks that no message was handled twice, and each answered one once.
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

// runHost runs a host with one component, prints when it is up, and waits to be
// killed.
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
	component, err := engine.Compile(context.Background(), recorderCommand("holder", os.Getenv(recordVariable)).Source, patient)
	if err != nil {
		return err
	}
	if _, err := component.Instantiate(context.Background(), core.Environment{ID: victimID}); err != nil {
		return err
	}
	fmt.Println("up")
	select {}
}

// TestHostKilled: a killed host leaves no process behind.
func TestHostKilled(t *testing.T) {
	// A living process holds the pipe open for writing.
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
	_ = cmd.Wait() // returns an error, since the host was killed
	if err := reader.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the plug-in still holds the pipe: %v", err)
	}
}
