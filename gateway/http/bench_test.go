package http_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	gateway "github.com/airhost/airhost/gateway/http"
)

// BenchmarkGateway measures requests of 64 bytes from many clients at once: to a gateway in front
// of a component in Go that gets bodies, or whole requests, and to the same handler behind net/http alone.
func BenchmarkGateway(b *testing.B) {
	s := start(b, gateway.Config{Routes: []gateway.Route{
		{Path: "/", Target: id("a/echo")}, {Path: "/whole", Target: id("a/web"), Pattern: gateway.HTTP},
	}})
	s.deploy(b, "a/echo", func(_ string, m []byte) ([]byte, error) { return m, nil })
	s.deploy(b, "a/web", func(_ string, m []byte) ([]byte, error) {
		_, body, _ := bytes.Cut(m, []byte("\r\n\r\n"))
		return append([]byte("HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n\r\n"), body...), nil
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(b, err)
	plain := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(body)
	})}
	go func() { _ = plain.Serve(listener) }()
	defer plain.Close()
	for _, server := range []struct{ name, url string }{{"plain", "http://" + listener.Addr().String()}, {"gateway", s.url}, {"http", s.url + "/whole"}} {
		b.Run(server.name, func(b *testing.B) { load(b, server.url) })
	}
}

// load sends requests from 16 clients for each processor, and reports the 99th percentile.
func load(b *testing.B, url string) {
	const clients = 16
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var times []time.Duration
	b.SetParallelism(clients)
	b.RunParallel(func(next *testing.PB) {
		payload := bytes.Repeat([]byte("x"), 64)
		var own []time.Duration
		for next.Next() {
			began := time.Now()
			response, err := client.Post(url, "application/octet-stream", bytes.NewReader(payload))
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			own = append(own, time.Since(began))
		}
		mu.Lock()
		defer mu.Unlock()
		times = append(times, own...)
	})
	b.StopTimer()
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
}
