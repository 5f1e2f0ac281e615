package web_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/guesttest"
	"github.com/airhost/airhost/guest/web"
)

// site answers by the path.
func site() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /echo/{name}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		w.Header().Set("X-Name", r.PathValue("name"))
		fmt.Fprint(w, r.Host, r.URL.RawQuery, len(body), string(body[:min(len(body), 5)]), r.ContentLength, err, r.RemoteAddr, web.Sender(r.Context()))
	})
	mux.HandleFunc("/log", func(_ http.ResponseWriter, r *http.Request) {
		web.Host(r.Context()).Log(guest.LogInfo, "a request")
	})
	mux.HandleFunc("/header", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("A", "b\r\nC: d")
		w.Header().Set("E f", "g")
		w.Header().Set("Content-Length", "77")
		w.Header().Set("Connection", "close")
		w.WriteHeader(103)
		w.WriteHeader(201)
		w.WriteHeader(500)
		w.Header().Set("Late", "h")
	})
	mux.HandleFunc("/none", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(204)
		if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrBodyNotAllowed) {
			panic(err)
		}
	})
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "<html>")
	})
	mux.HandleFunc("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("on purpose") })
	mux.HandleFunc("/status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(1) })
	return mux
}

// TestHandler: a handler of net/http answers messages.
func TestHandler(t *testing.T) {
	c, host := web.Handler(site()), &guesttest.Host{}
	long := strings.Repeat("x", 10000)
	for message, want := range map[string]string{
		"POST /echo/a%20b?q=1 HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.2.3.4\r\nContent-Length: 5\r\n\r\nhello": "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX-Name: a b\r\nContent-Length: 39\r\n\r\nhq=15hello5 <nil>1.2.3.4airhost/gateway",
		"POST /echo/x HTTP/1.1\r\nHost: h\r\n\r\n":                                                               "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX-Name: x\r\nContent-Length: 24\r\n\r\nh00 <nil>airhost/gateway",
		"POST /echo/x HTTP/1.1\r\nHost: h\r\n\r\n" + long:                                                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX-Name: x\r\nContent-Length: 37\r\n\r\nh10000xxxxx10000 <nil>airhost/gateway",
		"GET /header HTTP/1.1\r\nHost: h\r\n\r\n":                                                                "HTTP/1.1 201 Created\r\nA: b  C: d\r\nContent-Length: 0\r\n\r\n",
		"GET /none HTTP/1.1\r\nHost: h\r\n\r\n":                                                                  "HTTP/1.1 204 No Content\r\n\r\n",
		"GET /page HTTP/1.1\r\nHost: h\r\n\r\n":                                                                  "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 6\r\n\r\n<html>",
		"HEAD /page HTTP/1.1\r\nHost: h\r\n\r\n":                                                                 "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 6\r\n\r\n",
		"GET /log HTTP/1.1\r\nHost: h\r\n\r\n":                                                                   "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	} {
		response, err := c.HandleMessage(host, "airhost/gateway", []byte(message))
		if err != nil || string(response) != want {
			t.Errorf("%.60q:\ngot  %q, %v\nwant %q", message, response, err, want)
		}
	}
	if len(host.Logs) != 1 {
		t.Errorf("got the log %v", host.Logs)
	}
	response, err := c.HandleMessage(host, "a/b", []byte("POST /echo/x HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"))
	if err != nil || !strings.HasSuffix(string(response), "<nil>a/b") {
		t.Errorf("the address that another component gives: %q, %v", response, err)
	}
}

// TestHandlerErrors: a message that is no request is the sender's fault, and a panic is that of the component.
func TestHandlerErrors(t *testing.T) {
	c, host := web.Handler(site()), &guesttest.Host{}
	for _, message := range []string{"", "hello", "GET / HTTP/1.1\r\n"} {
		_, err := c.HandleMessage(host, "a/b", []byte(message))
		if !errors.Is(err, &guest.ComponentError{Case: guest.CaseInvalidMessage}) {
			t.Errorf("%q: got %v", message, err)
		}
	}
	if _, err := c.HandleMessage(host, "a/b", []byte("GET /abort HTTP/1.1\r\n\r\n")); !errors.Is(err, http.ErrAbortHandler) {
		t.Errorf("got %v", err)
	}
	for _, path := range []string{"/panic", "/status"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", path)
				}
			}()
			_, _ = c.HandleMessage(host, "a/b", []byte("GET "+path+" HTTP/1.1\r\n\r\n"))
		}()
	}
	if web.Host(t.Context()) != nil || web.Sender(t.Context()) != "" {
		t.Error("a context of nobody has a host")
	}
}
