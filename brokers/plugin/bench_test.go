package plugin

import (
	"context"
	"testing"

	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// BenchmarkRequest measures a guest's request and its response, both through a
// process.
func BenchmarkRequest(b *testing.B) {
	h := startHost(b, child(b, "exchange", Config{}), host.Config{})
	deploy(b, h, "test/echo", echo)
	for _, inFlight := range []int{1, 256} {
		b.Run(map[int]string{1: "inflight=1", 256: "inflight=256"}[inFlight], func(b *testing.B) {
			turns := make(chan struct{}, inFlight)
			for range inFlight {
				turns <- struct{}{}
			}
			failed := make(chan error, 1)
			d := behaviour{
				message: func(h guest.Host, message []byte) ([]byte, error) {
					_, err := h.Request("test/echo", message, 0)
					return nil, err
				},
				callback: func(_ guest.RequestID, _ []byte, err error) {
					if err != nil {
						select {
						case failed <- err:
						default:
						}
					}
					turns <- struct{}{}
				},
			}
			deploy(b, h, "test/asker", d)
			payload := make([]byte, 64)
			for b.Loop() {
				<-turns
				if err := h.Send(askerID, payload); err != nil {
					b.Fatal(err)
				}
			}
			for range inFlight {
				<-turns
			}
			b.StopTimer()
			if len(failed) > 0 {
				b.Fatal(<-failed)
			}
			if err := h.Undeploy(context.Background(), askerID); err != nil {
				b.Fatal(err)
			}
		})
	}
}
