package http_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gateway "github.com/airhost/airhost/gateway/http"
)

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, strings.Repeat("x", len(p))), nil }

// attacks are what an attacker does with one connection, until the gateway ends it.
var attacks = []struct {
	name string
	text func() io.Reader
	slow bool // one byte each tenth of a second
}{
	{name: "none"},
	{name: "flood", text: func() io.Reader { return strings.NewReader("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") }},
	{name: "slowloris", text: func() io.Reader { return io.MultiReader(strings.NewReader("GET / HTTP/1.1\r\nX: "), endless{}) }, slow: true},
	{name: "huge-header", text: func() io.Reader { return io.MultiReader(strings.NewReader("GET / HTTP/1.1\r\nX: "), endless{}) }},
	{name: "huge-body", text: func() io.Reader {
		return io.MultiReader(strings.NewReader("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n"), endless{})
	}},
	{name: "endless-chunk", text: func() io.Reader {
		return io.MultiReader(strings.NewReader("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n"), endless{})
	}},
}

// BenchmarkAttackedGateway measures clients that behave while others do not: 64 of them, or 900
// that are slow. It reports how many connections these had in a second, and prints what they got.
func BenchmarkAttackedGateway(b *testing.B) {
	for _, attack := range attacks {
		b.Run(attack.name, func(b *testing.B) {
			s := start(b, gateway.Config{ReadTimeout: time.Second, Routes: []gateway.Route{{Path: "/", Target: id("a/echo")}}})
			s.deploy(b, "a/echo", func(_ string, m []byte) ([]byte, error) { return m, nil })
			clients := 64
			if attack.slow {
				clients = 900
			}
			a := attacker{address: s.Addr().String(), slow: attack.slow, text: attack.text, answers: map[string]int{}}
			if attack.text != nil {
				a.begin(clients)
			}
			began := time.Now()
			load(b, s.url)
			b.ReportMetric(float64(a.connections.Load())/time.Since(began).Seconds(), "attacks/s")
			a.end(b)
		})
	}
}

// attacker attacks the server at an address.
type attacker struct {
	address     string
	text        func() io.Reader
	slow        bool
	ended       atomic.Bool
	connections atomic.Int64
	work        sync.WaitGroup
	mu          sync.Mutex
	answers     map[string]int
}

func (a *attacker) begin(clients int) {
	for range clients {
		a.work.Go(func() {
			for !a.ended.Load() {
				answer := a.attack()
				a.connections.Add(1)
				a.mu.Lock()
				a.answers[answer]++
				a.mu.Unlock()
			}
		})
	}
}

// attack makes one connection, and returns the first line of the answer.
func (a *attacker) attack() string {
	connection, err := net.Dial("tcp", a.address)
	if err != nil {
		return err.Error()
	}
	defer connection.Close()
	go func() {
		text, part := a.text(), make([]byte, 4096)
		if a.slow {
			part = part[:1]
		}
		for err := error(nil); err == nil; {
			n := 0
			if n, err = text.Read(part); err == nil {
				_, err = connection.Write(part[:n])
			}
			if a.slow {
				<-time.After(100 * time.Millisecond)
			}
		}
	}()
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return "the connection ends"
	}
	return strings.TrimSpace(line)
}

func (a *attacker) end(b *testing.B) {
	a.ended.Store(true)
	a.work.Wait()
	if len(a.answers) > 0 {
		b.Log(fmt.Sprint(a.answers))
	}
}
