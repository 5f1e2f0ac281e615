package httpout_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/hosttest"
	"github.com/airhost/airhost/reach/httpout"
)

// BenchmarkFetch is a request to a server of this machine, with a body of 64 bytes each way: by
// net/http alone, by the client, and by a component in Go with the host's function.
func BenchmarkFetch(b *testing.B) {
	port := serve(b, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	url, body := "http://127.0.0.1:"+port+"/", make([]byte, 64)
	granted := rules(b, "http://127.0.0.1:*/*")
	b.Run("net-http", func(b *testing.B) {
		transport := &http.Transport{DisableCompression: true}
		defer transport.CloseIdleConnections()
		client := http.Client{Transport: transport}
		b.ReportAllocs()
		for b.Loop() {
			r, err := client.Post(url, "text/plain", bytes.NewReader(body))
			check(b, err)
			_, err = io.ReadAll(r.Body)
			check(b, err)
			check(b, r.Body.Close())
		}
	})
	b.Run("client", func(b *testing.B) {
		client := newClient(b, httpout.Config{})
		b.ReportAllocs()
		for b.Loop() {
			_, err := do(b, client, granted, core.HTTPRequest{Method: "POST", URL: url, Body: body})
			check(b, err)
		}
	})
	b.Run("component", func(b *testing.B) {
		h := hosttest.Start(b, host.Config{HTTP: newClient(b, httpout.Config{}), Logger: slog.New(slog.DiscardHandler)})
		d := host.Deployment{ID: core.MustComponentID("a/poster"), Engine: "native", Source: core.Source{Value: func() guest.Component { return poster{url, body} }}}
		d.Capabilities.HTTP = granted
		check(b, h.Deploy(context.Background(), d))
		b.ReportAllocs()
		for b.Loop() {
			_, err := h.Request(context.Background(), d.ID, nil)
			check(b, err)
		}
	})
}

// poster is a component that posts a body.
type poster struct {
	url  string
	body []byte
}

// HandleMessage implements [guest.Component].
func (p poster) HandleMessage(h guest.Host, _ string, _ []byte) ([]byte, error) {
	return h.Call("airhost/fetch", append(fmt.Appendf(nil, "POST %s HTTP/1.1\r\nhost: unset\r\n\r\n", p.url), p.body...))
}
