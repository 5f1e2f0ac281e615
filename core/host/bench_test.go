package host_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// BenchmarkFireAndForget sends a message to and fro between two native components.
// It measures the host's own cost of a hop.
func BenchmarkFireAndForget(b *testing.B) {
	h := start(b, host.Config{})
	done := make(chan struct{})
	left := b.N
	player := func(peer string) behaviour {
		return behaviour{message: func(h guest.Host, _ string, message []byte) ([]byte, error) {
			if left--; left <= 0 {
				close(done)
				return nil, nil
			}
			return nil, h.Send(peer, message)
		}}
	}
	h.deploy("bench/a", player("bench/b"))
	h.deploy("bench/b", player("bench/a"))
	b.ReportAllocs()
	b.ResetTimer()
	check(b, h.Send(id("bench/a"), make([]byte, 64)))
	<-done
}

// BenchmarkRequestResponse is one request in flight between two native
// components.
func BenchmarkRequestResponse(b *testing.B) {
	h := start(b, host.Config{})
	done := make(chan struct{})
	left := b.N
	payload := make([]byte, 64)
	h.deploy("bench/b", echo)
	h.deploy("bench/a", behaviour{
		message: func(h guest.Host, _ string, message []byte) ([]byte, error) {
			_, err := h.Request("bench/b", payload, 0)
			return nil, err
		},
		callback: func(h guest.Host, _ guest.RequestID, response []byte, failure error) error {
			if left--; left <= 0 {
				close(done)
				return nil
			}
			_, err := h.Request("bench/b", response, 0)
			return err
		},
	})
	b.ReportAllocs()
	b.ResetTimer()
	check(b, h.Send(id("bench/a"), nil))
	<-done
}

// BenchmarkCall is a Go program's request to an idle native component, with room for
// the response.
func BenchmarkCall(b *testing.B) {
	h := start(b, host.Config{})
	h.deploy("bench/echo", echo)
	ctx, target, payload := context.Background(), id("bench/echo"), make([]byte, 64)
	response := make([]byte, 0, len(payload))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.AppendRequest(ctx, response, target, payload); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRequestMany is BenchmarkCall for a caller with many requests at a time, by
// their number. An operation is one request.
func BenchmarkRequestMany(b *testing.B) {
	h := start(b, host.Config{})
	h.deploy("bench/echo", echo)
	for _, n := range []int{1, 8, 32, 256} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			requests := make([]host.Request, n)
			for i := range requests {
				requests[i] = host.Request{Payload: make([]byte, 64), Response: make([]byte, 0, 64)}
			}
			ctx, target := context.Background(), id("bench/echo")
			b.ReportAllocs()
			for left := b.N; left > 0; left -= n {
				if err := h.RequestMany(ctx, target, requests[:min(n, left)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
