package host_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// fakeWeb is a client that answers by a function.
type fakeWeb struct {
	answer func(ctx context.Context, r *core.HTTPRequest) (*core.HTTPResponse, error)
	sent   atomic.Int64
}

func (w *fakeWeb) Prepare(r *core.HTTPRequest, rules core.HTTPRules) (host.SendHTTP, error) {
	target, err := core.ParseHTTPTarget(r.URL, nil)
	if err != nil {
		return nil, err
	}
	if !rules.Match(target) {
		return nil, &core.HTTPError{Code: core.HTTPRequestDenied, Text: target.String()}
	}
	return func(ctx context.Context) (*core.HTTPResponse, error) {
		w.sent.Add(1)
		return w.answer(ctx, r)
	}, nil
}

func answering(body string) *fakeWeb {
	return &fakeWeb{answer: func(_ context.Context, r *core.HTTPRequest) (*core.HTTPResponse, error) {
		return &core.HTTPResponse{Status: 200, Body: []byte(body + " " + string(r.Body))}, nil
	}}
}

// silent is a client that answers when the request is canceled.
func silent(began chan<- struct{}) *fakeWeb {
	return &fakeWeb{answer: func(ctx context.Context, _ *core.HTTPRequest) (*core.HTTPResponse, error) {
		began <- struct{}{}
		<-ctx.Done()
		return nil, errors.New("broken off")
	}}
}

// surfer is a component that requests the URL of its message, and answers with the response.
func surfer() *toy {
	return &toy{answer: func(i *toyInstance, _ core.ComponentID, message []byte) ([]byte, error) {
		x, err := i.env.HTTP.StartHTTP(&core.HTTPRequest{URL: string(message)})
		if err != nil {
			return []byte(err.Error()), nil
		}
		<-x.Done()
		r, err := x.Result()
		if err != nil {
			return []byte(err.Error()), nil
		}
		return r.Body, nil
	}}
}

func surferDeployment(t testing.TB, component *toy) host.Deployment {
	d := toyDeployment("a/x", component)
	rule, err := core.ParseHTTPRule("https://example.com/*")
	check(t, err)
	d.Capabilities.HTTP = core.HTTPRules{rule}
	return d
}

// TestHTTP: a granted request is sent, and all others are refused, recorded and counted.
func TestHTTP(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		web := answering("hello")
		h := p.start(t, host.Config{HTTP: web})
		check(t, h.Deploy(within(t), surferDeployment(t, surfer())))
		h.calls("https://example.com/a?key=secret", "hello")
		h.calls("https://user:secret@example.com/a", "HTTP-request-URI-invalid: the URL has credentials")
		h.calls("https://example.org/?key=secret", "HTTP-request-denied: https://example.org/")
		for _, hidden := range []string{
			"https://user:a/secret@example.com/", "https://user:a?secret@example.com/", "https://user:a#secret@example.com/", `https://user:a\secret@example.com/`,
			"https:user:secret@example.com/", "//user:secret@example.com/", "user:secret@example.com", "secret:x@example.com", "https://example.com:x/?secret", "https:/user:secret@example.com/?key=secret",
		} {
			h.calls(hidden, "HTTP-request-")
		}
		if n := web.sent.Load(); n != 1 {
			t.Errorf("%d requests were sent, want 1", n)
		}
		s := h.Components()[0]
		if s.HTTPRequests != 13 || s.FailedHTTP != 12 {
			t.Errorf("%d requests and %d failed, want 13 and 12", s.HTTPRequests, s.FailedHTTP)
		}
		if all := h.Snapshot(); all.HTTPRequests != 13 || all.FailedHTTP["HTTP-request-denied"] != 1 || all.FailedHTTP["HTTP-request-URI-invalid"] != 11 {
			t.Errorf("got %d %v", all.HTTPRequests, all.FailedHTTP)
		}
		check(t, h.Quiesce(within(t)))
		check(t, h.Undeploy(within(t), id("a/x")))
		if all := h.Snapshot(); all.HTTPRequests != 13 || len(all.FailedHTTP) != 2 {
			t.Errorf("after the component's end: %d %v", all.HTTPRequests, all.FailedHTTP)
		}
		check(t, h.Stop(within(t)))
		log := h.log.String()
		for _, want := range []string{"pattern=http", "component=a/x", "target=https://example.com/a ", "target=https://example.org/ "} {
			contains(t, "the log", log, want)
		}
		if strings.Contains(log, "secret") {
			t.Errorf("the log has a secret: %s", log)
		}
	})
}

// TestNoHTTP: nothing is sent without a client, or without rules.
func TestNoHTTP(t *testing.T) {
	h := start(t, host.Config{})
	check(t, h.Deploy(within(t), surferDeployment(t, surfer())))
	h.calls("https://example.com/", "HTTP-request-denied: the host sends no requests")
	web := answering("hello")
	h = start(t, host.Config{HTTP: web})
	one := surfer()
	check(t, h.Deploy(within(t), toyDeployment("a/x", one)))
	h.calls("https://example.com/", "HTTP-request-denied: capabilities.http grants nothing")
	check(t, h.Update(within(t), surferDeployment(t, one)))
	h.calls("https://example.com/", "hello")
	check(t, h.Update(within(t), toyDeployment("a/x", one)))
	h.calls("https://example.com/", "HTTP-request-denied")
	if n := web.sent.Load(); n != 1 {
		t.Errorf("%d requests were sent, want 1", n)
	}
	d := surferDeployment(t, surfer())
	d.ID, d.Capabilities.HTTP = id("a/zero"), core.HTTPRules{{}}
	if err := h.Deploy(within(t), d); err == nil || !strings.Contains(err.Error(), "zero rule") {
		t.Errorf("the zero rule: %v", err)
	}
}

// TestQuietAfterHTTP: a component that has sent requests is quiet when they have ended, so that a host stops
// without waiting for its DrainTimeout.
func TestQuietAfterHTTP(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{HTTP: answering("hello")})
		for _, name := range []string{"a/x", "a/y"} {
			d := surferDeployment(t, surfer())
			d.ID = id(name)
			check(t, h.Deploy(within(t), d))
			for _, url := range []string{"https://example.com/", "https://example.org/"} {
				_, err := h.request(name, url)
				check(t, err)
			}
		}
		check(t, h.Undeploy(within(t), id("a/y")))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		check(t, h.Quiesce(ctx))
	})
}

// TestHTTPEndsWithItsCall: what a guest has not waited for is canceled when its call ends, and
// by Cancel.
func TestHTTPEndsWithItsCall(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		began := make(chan struct{}, 10)
		var left core.HTTPExchange
		leaves := &toy{answer: func(i *toyInstance, _ core.ComponentID, message []byte) ([]byte, error) {
			x, err := i.env.HTTP.StartHTTP(&core.HTTPRequest{URL: "https://example.com/"})
			if err != nil {
				return nil, err
			}
			<-began
			if left = x; string(message) == "cancel" {
				x.Cancel()
				<-x.Done()
			}
			return []byte("ok: "), nil
		}}
		h := p.start(t, host.Config{HTTP: silent(began)})
		check(t, h.Deploy(within(t), surferDeployment(t, leaves)))
		for _, how := range []string{"return", "cancel"} {
			h.calls(how, "ok")
			<-left.Done()
			if _, err := left.Result(); !errors.Is(err, &core.HTTPError{Code: core.HTTPConnectionTerminated}) {
				t.Errorf("%s: the request ended with %v", how, err)
			}
		}
	})
}

// TestHTTPCountsOfGone: a request that ends after its component is counted all the same.
func TestHTTPCountsOfGone(t *testing.T) {
	began, ends := make(chan struct{}, 1), make(chan struct{})
	deaf := &fakeWeb{answer: func(context.Context, *core.HTTPRequest) (*core.HTTPResponse, error) {
		began <- struct{}{}
		<-ends
		return nil, errors.New("broken off")
	}}
	var left core.HTTPExchange
	leaves := &toy{answer: func(i *toyInstance, _ core.ComponentID, _ []byte) (_ []byte, err error) {
		left, err = i.env.HTTP.StartHTTP(&core.HTTPRequest{URL: "https://example.com/"})
		<-began
		return nil, err
	}}
	h := start(t, host.Config{HTTP: deaf})
	check(t, h.Deploy(within(t), surferDeployment(t, leaves)))
	_, err := h.request("a/x", "go")
	check(t, err)
	check(t, h.Undeploy(within(t), id("a/x")))
	close(ends)
	<-left.Done()
	if s := h.Snapshot(); s.HTTPRequests != 1 || len(s.FailedHTTP) != 1 {
		t.Errorf("%d requests, failed: %v", s.HTTPRequests, s.FailedHTTP)
	}
}

// TestHTTPTime: a request ends with the request that its component handles.
func TestHTTPTime(t *testing.T) {
	ended := make(chan string, 1)
	waits := surfer()
	surf := waits.answer
	waits.answer = func(i *toyInstance, sender core.ComponentID, message []byte) ([]byte, error) {
		answer, err := surf(i, sender, message)
		ended <- string(answer)
		return answer, err
	}
	h := start(t, host.Config{HTTP: silent(make(chan struct{}, 10))})
	d := surferDeployment(t, waits)
	d.Limits.HandlerTime = 10 * time.Second
	check(t, h.Deploy(within(t), d))
	ctx, cancel := context.WithTimeout(within(t), 20*time.Millisecond)
	defer cancel()
	_, _ = h.Request(ctx, id("a/x"), []byte("https://example.com/")) // its timeout, or the answer
	contains(t, "the answer", <-ended, "HTTP-response-timeout: the call that sent the request has no time left")
}

// TestHTTPQuota: more requests than the quota are refused, and one that has ended makes room.
func TestHTTPQuota(t *testing.T) {
	began := make(chan struct{}, 10)
	greedy := &toy{answer: func(i *toyInstance, _ core.ComponentID, _ []byte) ([]byte, error) {
		var last core.HTTPExchange
		for range 3 {
			x, err := i.env.HTTP.StartHTTP(&core.HTTPRequest{URL: "https://example.com/"})
			if err != nil {
				return nil, err
			}
			last = x
		}
		_, err := i.env.HTTP.StartHTTP(&core.HTTPRequest{URL: "https://example.com/"})
		last.Cancel()
		<-last.Done()
		if _, after := i.env.HTTP.StartHTTP(&core.HTTPRequest{URL: "https://example.com/"}); after != nil {
			return nil, after
		}
		return []byte(err.Error()), nil
	}}
	h := start(t, host.Config{HTTP: silent(began)})
	d := surferDeployment(t, greedy)
	d.Quota.HTTPRequests = 3
	check(t, h.Deploy(within(t), d))
	h.calls("", "connection-limit-reached: quota.http_requests: 3 are under way")
}

// TestHTTPClientPanics: a panic of the client is an error of the request.
func TestHTTPClientPanics(t *testing.T) {
	h := start(t, host.Config{HTTP: &fakeWeb{answer: func(context.Context, *core.HTTPRequest) (*core.HTTPResponse, error) { panic("no web") }}})
	check(t, h.Deploy(within(t), surferDeployment(t, surfer())))
	h.calls("https://example.com/", "internal-error: panic: no web")
	contains(t, "the log", h.log.String(), "the HTTP client panicked")
}

// TestFetch: the host's own function sends a request that is a message.
func TestFetch(t *testing.T) {
	web := answering("hello")
	h := start(t, host.Config{HTTP: web})
	d := callerDeployment(t, "a/x", caller())
	d.Capabilities.Call = grant(t, "*")
	check(t, h.Deploy(within(t), d))
	const request = "airhost/fetch POST https://example.com/a HTTP/1.1\r\nhost: example.com\r\n\r\n"
	h.calls(request+"world", "denied: airhost/fetch: capabilities.http grants nothing")
	d.Capabilities.HTTP = surferDeployment(t, nil).Capabilities.HTTP
	d.Capabilities.Call = nil
	check(t, h.Update(within(t), d))
	h.calls(request+"world", "ok: HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello world")
	h.calls("airhost/fetch hello", "failed: the message is no HTTP request")
	h.calls("airhost/fetch GET https://example.org/ HTTP/1.1\r\nhost: example.org\r\n\r\n", "failed: HTTP-request-denied: https://example.org/")
	h.calls("airhost/other", "not-found: airhost/other")
	web.answer = func(context.Context, *core.HTTPRequest) (*core.HTTPResponse, error) {
		return nil, &core.HTTPError{Code: core.HTTPDNSError, Text: "no such host"}
	}
	h.calls(request, "failed: DNS-error: no such host")
	if s := h.Components()[0]; s.HTTPRequests != 4 || s.FailedHTTP != 3 || s.Calls != 6 {
		t.Errorf("%d requests, %d failed, %d calls", s.HTTPRequests, s.FailedHTTP, s.Calls)
	}
}

// TestFetchTime: the time of a request is that of a function: not the guest's, and bounded.
func TestFetchTime(t *testing.T) {
	h := start(t, host.Config{HTTP: silent(make(chan struct{}, 10))})
	d := surferDeployment(t, caller())
	d.Limits.HandlerTime = 20 * time.Millisecond // the wall time is ten times that
	check(t, h.Deploy(within(t), d))
	h.calls("airhost/fetch GET https://example.com/ HTTP/1.1\r\nhost: example.com\r\n\r\n", "unavailable: airhost/fetch did not end in time")
}

// TestOwnFunctions: a function of the host's own namespace is a mistake.
func TestOwnFunctions(t *testing.T) {
	broker, err := newInproc()
	check(t, err)
	tracker, err := newSlab()
	check(t, err)
	_, err = host.New(host.Config{Functions: map[string]host.Function{"airhost/fetch": upper}}, broker, tracker)
	if err == nil || !strings.Contains(err.Error(), "the host's own: choose another") {
		t.Errorf("got %v", err)
	}
}

// TestStopEndsHTTP: Stop ends requests, and none is left behind it.
func TestStopEndsHTTP(t *testing.T) {
	began := make(chan struct{}, 1)
	h := start(t, host.Config{HTTP: silent(began), DrainTimeout: time.Millisecond})
	check(t, h.Deploy(within(t), surferDeployment(t, surfer())))
	check(t, h.Send(id("a/x"), []byte("https://example.com/")))
	<-began
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	_ = h.Stop(ctx) // it interrupts the component
	if n := h.Snapshot().HTTPRequests; n != 1 {
		t.Errorf("%d requests", n)
	}
}
