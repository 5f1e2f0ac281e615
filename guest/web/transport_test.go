package web_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/guesttest"
	"github.com/airhost/airhost/guest/web"
)

// shop is a service in the web.
func shop(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/none" {
		http.NotFound(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Method", r.Method)
	_, _ = io.WriteString(w, r.Host+r.URL.Path+"?"+r.URL.RawQuery+" "+r.Header.Get("X-Given")+" "+string(body))
}

// unknown is a body of unknown length.
type unknown struct{ io.Reader }

// TestTransport: a client of net/http gets the answers of the web.
func TestTransport(t *testing.T) {
	host := &guesttest.Host{Web: http.HandlerFunc(shop)}
	client := http.Client{Transport: web.Transport(host)}
	for _, body := range []io.Reader{nil, strings.NewReader("hello"), unknown{strings.NewReader("hello")}} {
		r, err := http.NewRequest("PUT", "https://api.example.com:8443/a%2fb?c=d", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Given", "given")
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(answer.Body)
		want := "api.example.com:8443/a/b?c=d given "
		if body != nil {
			want += "hello"
		}
		if err != nil || string(got) != want || answer.Header.Get("X-Method") != "PUT" || answer.ContentLength != int64(len(want)) {
			t.Errorf("got %q, %v, %+v, want %q", got, err, answer, want)
		}
	}
	answer, err := client.Get("https://api.example.com/none")
	if err != nil || answer.StatusCode != http.StatusNotFound {
		t.Errorf("got %v, %v", answer, err)
	}
	if len(host.Calls) != 4 || !strings.HasPrefix(host.Calls[0].Argument, "PUT https://api.example.com:8443/a%2fb?c=d HTTP/1.1\r\n") {
		t.Errorf("the host was called by %q", host.Calls)
	}
}

// TestErrors: errors of the host come through, and a request that cannot be written is not sent.
func TestErrors(t *testing.T) {
	host := &guesttest.Host{}
	client := http.Client{Transport: web.Transport(host)}
	_, err := client.Get("https://api.example.com/")
	if !errors.Is(err, guest.ErrCallDenied) {
		t.Errorf("without capabilities: %v", err)
	}
	host.Functions = map[string]func([]byte) ([]byte, error){"airhost/fetch": func([]byte) ([]byte, error) { return []byte("hello"), nil }}
	if _, err = client.Get("https://api.example.com/"); err == nil || !strings.Contains(err.Error(), "the response cannot be read") {
		t.Errorf("a response that is none: %v", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	r, err := http.NewRequestWithContext(ended, "GET", "https://api.example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = client.Do(r); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
	r, err = http.NewRequest("GET", "https://api.example.com/", unknown{failing{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = client.Do(r); err == nil || !strings.Contains(err.Error(), "no body today") {
		t.Errorf("a body that fails: %v", err)
	}
	if _, err = web.Transport(host).RoundTrip(&http.Request{}); err == nil {
		t.Error("a request without a URL was sent")
	}
	if n := len(host.Calls); n != 2 {
		t.Errorf("%d calls of the host, want 2", n)
	}
}

type failing struct{}

// Read implements [io.Reader].
func (failing) Read([]byte) (int, error) { return 0, errors.New("no body today") }

// TestTrace: requests of a handler have the trace of the request that it handles, unless they have
// one of their own.
func TestTrace(t *testing.T) {
	var got []string
	host := &guesttest.Host{Web: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Traceparent")+" "+r.Header.Get("Tracestate"))
	})}
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		client := http.Client{Transport: web.Transport(host)}
		for _, own := range []string{"", "00-2-2-01"} {
			out, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "https://api.example.com/", nil)
			if err != nil {
				t.Fatal(err)
			}
			if own != "" {
				out.Header.Set("Traceparent", own)
			}
			if _, err := client.Do(out); err != nil {
				t.Error(err)
			}
		}
	})
	message := "GET / HTTP/1.1\r\nhost: a\r\ntraceparent: 00-1-1-01\r\ntracestate: a=b\r\n\r\n"
	if _, err := web.Serve(handler, host, "airhost/gateway", []byte(message)); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0] != "00-1-1-01 a=b" || got[1] != "00-2-2-01 " {
		t.Errorf("got %q", got)
	}
}
