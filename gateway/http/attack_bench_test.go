package http_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gateway "github.com/airhost/airhost/gateway/http"
)

// attacks are the bytes that an attacker sends on one connection. Then it waits for the gateway to end it.
var attacks = []struct {
	name, text string
	slow       bool // one byte each tenth of a second
}{
	{name: "none"},
	{name: "flood", text: "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"},
	{name: "slowloris", text: "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 1000), slow: true},
	{name: "huge-header", text: "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 128<<10)},
	{name: "huge-body", text: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n" + strings.Repeat("x", 128<<10)},
	{name: "huge-chunk", text: "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n" + strings.Repeat("x", 2<<20)},
}

// BenchmarkAttackedGateway measures clients that behave while others do not: 64 of them, or 900
// that are slow. It reports how many connections these had in a second, and prints the answers that they got.
func BenchmarkAttackedGateway(b *testing.B) {
	for _, attack := range attacks {
		b.Run(attack.name, func(b *testing.B) {
			s := start(b, gateway.Config{ReadTimeout: time.Second, Routes: []gateway.Route{{Path: "/", Target: id("a/echo")}}})
			s.deploy(b, "a/echo", func(_ string, m []byte) ([]byte, error) { return m, nil })
			clients := 64
			if attack.slow {
				clients = 900
			}
			a := attacker{address: s.Addr().String(), slow: attack.slow, text: []byte(attack.text), answers: map[string]int{}}
			if attack.text != "" {
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
	text        []byte
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
		text := a.text
		for a.slow && len(text) > 1 && err == nil {
			_, err = connection.Write(text[:1])
			text = text[1:]
			<-time.After(100 * time.Millisecond)
		}
		_, _ = connection.Write(text)
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
