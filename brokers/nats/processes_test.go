//go:build unix

package nats_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
)

// BenchmarkProcesses compares the way between two hosts with the bare client of NATS. The server
// and the two places are a process each. Each place has a client and a host. One iteration is a
// round: so many operations of the client, and as many of the host. The metrics are the medians
// of the rounds, and the CPU time of the three processes together.
//
// A place that sends with the bare client publishes one message each, and goes on when the other
// place has told that it has the message of 8,192 before.
func BenchmarkProcesses(b *testing.B) {
	url := newPlace(b, "server", "").ask(b, "url")
	far, near := newPlace(b, "far", url), newPlace(b, "near", url)
	for _, size := range []int{64, 1024} {
		b.Run(fmt.Sprintf("request/%d", size), func(b *testing.B) {
			compare(b, 200, func(with string, n int) { near.ask(b, "request %s %d %d", with, size, n) })
		})
		b.Run(fmt.Sprintf("send/%d", size), func(b *testing.B) {
			compare(b, 40_000, func(with string, n int) {
				far.ask(b, "expect %s %d", with, n)
				near.ask(b, "send %s %d %d", with, size, n)
				far.ask(b, "await %s", with)
			})
		})
	}
}

// compare measures rounds of n operations with the bare client and with hosts, in turns.
func compare(b *testing.B, n int, round func(with string, n int)) {
	ways := [2]string{"nats", "airhost"}
	var times [2][]float64
	var cpu [2]time.Duration
	for _, with := range ways {
		round(with, n) // not measured
	}
	for i := 0; b.Loop(); i++ {
		for j := range ways {
			way := (i + j) % 2 // no way is always the first
			used, began := usedByPlaces(b), time.Now()
			round(ways[way], n)
			times[way] = append(times[way], float64(time.Since(began).Nanoseconds())/float64(n))
			cpu[way] += usedByPlaces(b) - used
		}
	}
	var median [2]float64
	for i, with := range ways {
		slices.Sort(times[i])
		median[i] = times[i][len(times[i])/2]
		b.ReportMetric(median[i], with+"-ns/op")
		b.ReportMetric(float64(cpu[i].Nanoseconds())/float64(n*len(times[i])), with+"-cpu-ns/op")
	}
	b.ReportMetric(median[1]/median[0], "time-ratio")
	b.ReportMetric(float64(cpu[1])/float64(cpu[0]), "cpu-ratio")
	b.ReportMetric(0, "ns/op")
}

// place is a process of the benchmark: it answers each line by a line.
type place struct {
	to   io.WriteCloser
	from *bufio.Reader
}

var places []*place // of the benchmark that runs

const partVariable = "AIRHOST_NATS_PART"

func newPlace(b *testing.B, part, url string) *place {
	exe, err := os.Executable()
	check(b, err)
	c := exec.Command(exe, "-test.run=^TestPlace$", "-test.timeout=0")
	c.Env, c.Stderr = append(os.Environ(), partVariable+"="+part+" "+url), os.Stderr
	to, err := c.StdinPipe()
	check(b, err)
	from, err := c.StdoutPipe()
	check(b, err)
	check(b, c.Start())
	p := &place{to, bufio.NewReader(from)}
	places = append(places, p)
	b.Cleanup(func() {
		places = nil
		check(b, to.Close())
		check(b, c.Wait())
	})
	p.ask(b, "cpu") // it is there
	return p
}

func (p *place) ask(b *testing.B, format string, args ...any) string {
	_, err := fmt.Fprintf(p.to, format+"\n", args...)
	check(b, err)
	answer, err := p.from.ReadString('\n')
	check(b, err)
	return strings.TrimSpace(answer)
}

// usedByPlaces returns the CPU time that all places have used.
func usedByPlaces(b *testing.B) (sum time.Duration) {
	for _, p := range places {
		used, err := time.ParseDuration(p.ask(b, "cpu"))
		check(b, err)
		sum += used
	}
	return sum
}

// TestPlace is a place, in a process that the benchmark has started. It answers lines until there
// are no more.
func TestPlace(t *testing.T) {
	part, url, is := strings.Cut(os.Getenv(partVariable), " ")
	if !is {
		return
	}
	answers := map[string]func(args []string) string{"cpu": func([]string) string {
		var used syscall.Rusage
		check(t, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
		return time.Duration(used.Utime.Nano() + used.Stime.Nano()).String()
	}}
	switch part {
	case "server":
		url := serve(t, nil).ClientURL()
		answers["url"] = func([]string) string { return url }
	case "far":
		playFar(t, url, answers)
	case "near":
		playNear(t, url, answers)
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Fields(lines.Text())
		fmt.Println(answers[words[0]](words[1:]))
	}
}

const (
	clientWindow = 8192 // messages that a client sends without a word of the other one
	clientWords  = 1024 // messages from one word to the next
)

// sink counts messages up to a number.
type sink struct {
	got, want atomic.Int64
	all       chan struct{}
}

func newSink() *sink { return &sink{all: make(chan struct{}, 1)} }

func (s *sink) expect(n int64) { s.got.Store(0); s.want.Store(n) }

func (s *sink) came() int64 {
	n := s.got.Add(1)
	if n == s.want.Load() {
		s.all <- struct{}{}
	}
	return n
}

// playFar makes a place to which messages go.
func playFar(t *testing.T, url string, answers map[string]func(args []string) string) {
	sinks := map[string]*sink{"nats": newSink(), "airhost": newSink()}
	c := dial(t, url)
	subscribe(t, c, "x.echo", func(in *natsgo.Msg) { _ = in.Respond(in.Data) })
	subscribe(t, c, "x.sink", func(*natsgo.Msg) {
		if n := sinks["nats"].came(); n%clientWords == 0 {
			_ = c.Publish("x.words", nil)
		}
	})
	m := join(t, url, "far")
	m.deploy(t, "a/echo", component(echo), nil)
	m.deploy(t, "a/sink", component(func(guest.Host, []byte) ([]byte, error) { sinks["airhost"].came(); return nil, nil }), nil)
	answers["expect"] = func(args []string) string { sinks[args[0]].expect(int64(number(t, args[1]))); return "" }
	answers["await"] = func(args []string) string { <-sinks[args[0]].all; return "" }
}

// playNear makes a place that messages come from.
func playNear(t *testing.T, url string, answers map[string]func(args []string) string) {
	c := dial(t, url)
	words := make(chan struct{}, 1<<20)
	subscribe(t, c, "x.words", func(*natsgo.Msg) { words <- struct{}{} })
	m := join(t, url, "near")
	m.deploy(t, "b/sender", component(func(h guest.Host, text []byte) ([]byte, error) {
		args := strings.Fields(string(text))
		payload := make([]byte, number(t, args[0]))
		for range number(t, args[1]) {
			err := h.Send("a/sink", payload)
			for ; errors.Is(err, guest.ErrQueueFull); err = h.Send("a/sink", payload) {
				<-time.After(10 * time.Microsecond)
			}
			if err != nil {
				return nil, err
			}
		}
		return nil, nil
	}), nil)
	ways := map[string]func(args []string){
		"request nats": func(args []string) {
			payload := make([]byte, number(t, args[0]))
			for range number(t, args[1]) {
				if _, err := c.Request("x.echo", payload, time.Minute); err != nil {
					t.Fatal(err)
				}
			}
		},
		"request airhost": func(args []string) {
			payload := make([]byte, number(t, args[0]))
			for range number(t, args[1]) {
				if _, err := m.Request(context.Background(), echoID, payload); err != nil {
					t.Fatal(err)
				}
			}
		},
		"send nats": func(args []string) {
			payload := make([]byte, number(t, args[0]))
			for len(words) > 0 {
				<-words
			}
			free := clientWindow
			for range number(t, args[1]) {
				if free == 0 {
					<-words
					free = clientWords
				}
				if err := c.Publish("x.sink", payload); err != nil {
					t.Fatal(err)
				}
				free--
			}
		},
		"send airhost": func(args []string) {
			_, err := m.Request(context.Background(), core.MustComponentID("b/sender"), []byte(strings.Join(args, " ")))
			check(t, err)
		},
	}
	for _, what := range []string{"request", "send"} {
		answers[what] = func(args []string) string { ways[what+" "+args[0]](args[1:]); return "" }
	}
}

// subscribe makes a client handle all messages to a subject.
func subscribe(t *testing.T, c *natsgo.Conn, subject string, handle natsgo.MsgHandler) {
	s, err := c.Subscribe(subject, handle)
	check(t, err)
	check(t, s.SetPendingLimits(-1, -1))
	check(t, c.Flush())
}

func number(t *testing.T, text string) int {
	n, err := strconv.Atoi(text)
	check(t, err)
	return n
}
