package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/airhost/airhost/backends/native"
	brokerplugin "github.com/airhost/airhost/brokers/plugin"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/brokertest"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/plugin"
	"github.com/airhost/airhost/trackers/slab"
)

// TestMain runs the broker if a host has started the test's executable.
func TestMain(m *testing.M) {
	if os.Getenv("AIRHOST_PLUGIN") != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

const patience = 30 * time.Second

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not for %v: %s", patience, what)
		}
	}
}

// server is a Redis server of one test.
type server struct {
	t      *testing.T
	socket string
	cmd    *exec.Cmd
}

// startRedis starts a server that ends with the test.
func startRedis(t *testing.T) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed (Debian: redis-server)")
	}
	dir, err := os.MkdirTemp("", "redis") // a socket's path must be short
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &server{t: t, socket: filepath.Join(dir, "redis.sock")}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *server) start() {
	s.cmd = exec.Command("redis-server", "--port", "0", "--unixsocket", s.socket, "--save", "", "--appendonly", "no", "--dir", filepath.Dir(s.socket))
	check(s.t, s.cmd.Start())
	client := s.client()
	defer client.Close()
	waitFor(s.t, "an answer of the Redis server", func() bool { return client.Ping(s.t.Context()).Err() == nil })
}

// stop kills the server, if it runs. All its data is lost.
func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *server) url() string { return "unix://" + s.socket }

func (s *server) client() *redis.Client {
	options, err := redis.ParseURL(s.url())
	check(s.t, err)
	return redis.NewClient(options)
}

// broker returns a broker for a host. Its process is this program.
func (s *server) broker(args ...string) *brokerplugin.Broker {
	path, err := os.Executable()
	check(s.t, err)
	b, err := brokerplugin.New(brokerplugin.Config{
		Path: path, Args: args, Env: []string{"REDIS_URL=" + s.url(), "GORACE=atexit_sleep_ms=0"},
		Logger: slog.New(slog.DiscardHandler),
	})
	check(s.t, err)
	return b
}

func TestBroker(t *testing.T) {
	s := startRedis(t)
	cases := 0
	brokertest.Run(t, brokertest.Harness{Late: true, New: func() (core.Broker, error) {
		cases++ // a broker that was killed must not meet the next one
		return s.broker("--prefix", fmt.Sprintf("case-%d:", cases)), nil
	}})
	client := s.client()
	defer client.Close()
	keys, err := client.Keys(t.Context(), "*").Result()
	check(t, err)
	for _, key := range keys { // of a broker that was killed
		if left, err := client.PTTL(t.Context(), key).Result(); err != nil || left <= 0 {
			t.Errorf("%s is left behind for %v, %v; want it to end by itself", key, left, err)
		}
	}
}

func (s *server) host(args ...string) *host.Host {
	tracker, err := slab.New(slab.Config{})
	check(s.t, err)
	engine, err := native.New(native.Config{})
	check(s.t, err)
	h, err := host.New(host.Config{Logger: slog.New(slog.DiscardHandler), RequestTimeout: patience}, s.broker(args...), tracker, engine)
	check(s.t, err)
	check(s.t, h.Start(within(s.t)))
	s.t.Cleanup(func() { check(s.t, h.Stop(within(s.t))) })
	return h
}

// answer is a component that answers each request with its own name.
type answer string

func (a answer) HandleMessage(guest.Host, string, []byte) ([]byte, error) { return []byte(a), nil }

var stockID = core.MustComponentID("shop/stock")

func deploy(t *testing.T, h *host.Host, c guest.Component) {
	t.Helper()
	check(t, h.Deploy(within(t), host.Deployment{
		ID: stockID, Engine: native.Name, Source: core.Source{Value: func() guest.Component { return c }},
	}))
}

// TestTwoHosts: a component of another host answers a request. If two hosts have the
// component, each gets a share of the requests.
func TestTwoHosts(t *testing.T) {
	s := startRedis(t)
	a, b, c := s.host(), s.host(), s.host()
	if _, err := a.Request(within(t), stockID, nil); !errors.Is(err, core.ErrTargetNotFound) {
		t.Errorf("before anybody has it: got %v, want target-not-found", err)
	}
	deploy(t, b, answer("b"))
	waitFor(t, "an answer of host b", func() bool {
		got, err := a.Request(within(t), stockID, nil)
		return err == nil && string(got) == "b"
	})
	deploy(t, c, answer("c"))
	waitFor(t, "an answer of host c", func() bool {
		got, err := a.Request(within(t), stockID, nil)
		check(t, err)
		return string(got) == "c"
	})
	check(t, b.Undeploy(within(t), stockID))
	inARow := 0
	waitFor(t, "host c to answer all", func() bool {
		got, err := a.Request(within(t), stockID, nil) // b refuses the requests that it still gets
		if inARow++; err != nil || string(got) != "c" {
			inARow = 0
		}
		return inARow == 10
	})
}

// TestRedisGoesAway: while Redis is away, messages are refused with unavailable. When
// Redis is back, with its data lost, all works as before.
func TestRedisGoesAway(t *testing.T) {
	s := startRedis(t)
	a, b := s.host(), s.host()
	deploy(t, b, answer("b"))
	s.stop()
	if _, err := a.Request(within(t), stockID, nil); !errors.Is(err, core.ErrRequestUnavailable) || !strings.Contains(err.Error(), "Redis") {
		t.Errorf("without Redis: got %v, want unavailable, for Redis", err)
	}
	check(t, b.Undeploy(within(t), stockID)) // changes made meanwhile take effect later
	deploy(t, b, answer("b again"))
	s.start()
	waitFor(t, "an answer after Redis is back", func() bool {
		got, err := a.Request(within(t), stockID, nil)
		return err == nil && string(got) == "b again"
	})
}

// TestNoRedis: a host does not start without Redis, and names its address.
func TestNoRedis(t *testing.T) {
	s := &server{t: t, socket: filepath.Join(t.TempDir(), "nobody.sock")}
	err := s.broker().Open(within(t), nobody{})
	if err == nil || !strings.Contains(err.Error(), "reach Redis at "+s.socket) {
		t.Errorf("got %v, want the server's address", err)
	}
}

type nobody struct{}

func (nobody) Respond(*core.Message)            {}
func (nobody) Undelivered(*core.Message, error) {}

// TestBacklog: messages that no host reads wait until the stream is full, and messages
// past their deadline are not handed over.
func TestBacklog(t *testing.T) {
	s := startRedis(t)
	options, err := redis.ParseURL(s.url())
	check(t, err)
	arrived := make(chan string, 10)
	take := func(body []byte) error {
		arrived <- string(body)
		return nil
	}
	b := newBroker(options, "test:", 2, time.Minute)
	check(t, b.Open(t.Context(), "us", take))
	check(t, b.Subscribe("host/us"))
	// Another host had the component and has died.
	check(t, b.client.XGroupCreateMkStream(t.Context(), "test:component/a/b", group, "0").Err())
	late := plugin.Message{Topic: "component/a/b", Body: []byte("late"), Deadline: time.Unix(1, 0)}
	kept := plugin.Message{Topic: "component/a/b", Body: []byte("kept"), Deadline: time.Now().Add(time.Hour)}
	lost := plugin.Message{Topic: "component/a/c", Body: []byte("lost")}
	errs := b.Publish(t.Context(), []plugin.Message{late, kept, lost, kept})
	for i, want := range []error{nil, nil, core.ErrTargetNotFound, core.ErrQueueFull} {
		if !errors.Is(errs[i], want) {
			t.Errorf("message %d: got %v, want %v", i, errs[i], want)
		}
	}
	check(t, b.Subscribe("component/a/b"))
	if got := <-arrived; got != "kept" {
		t.Errorf("%q has arrived, want what is still of use", got)
	}
	if n, err := b.client.XLen(t.Context(), "test:component/a/b").Result(); err != nil || n != 0 {
		t.Errorf("%d messages are left, %v; want what was read to be removed first", n, err)
	}
	check(t, b.Close(t.Context()))
}
