package httpout_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/reach/httpout"
)

// TestRedirects: a redirect is checked like a request.
func TestRedirects(t *testing.T) {
	names := local("a.example.com", "b.example.com", "other.example.net")
	names.names["private.example.com"] = []string{"10.0.0.1"}
	client := newClient(t, httpout.Config{Resolver: names, Allow: loopback})
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusTemporaryRedirect)
			return
		}
		echo(w, r)
	})
	granted := rules(t, "http://a.example.com:*/x/*", "http://b.example.com:*/*", "http://private.example.com/*", "https://a.example.com/*")
	start := "http://a.example.com:" + port + "/x/y?to="
	for _, test := range []struct {
		to, body string
		code     core.HTTPErrorCode
		text     string
	}{
		{to: "/x/z", body: "a.example.com:" + port + "/x/z hello"},
		{to: "../x/w", body: "a.example.com:" + port + "/x/w hello"},
		{to: "//b.example.com:" + port + "/", body: "b.example.com:" + port + "/ hello"},
		{to: "/admin", code: core.HTTPRequestDenied, text: "does not grant"},
		{to: "/x/../admin", code: core.HTTPRequestDenied, text: "does not grant"},
		{to: "/x/%252e%252e/admin", code: core.HTTPRequestDenied, text: "a redirect goes to http://a.example.com:" + port + "/x/%2e%2e/admin"},
		{to: "http://other.example.net:" + port + "/", code: core.HTTPRequestDenied, text: "does not grant"},
		{to: "http://127.0.0.1:" + port + "/", code: core.HTTPRequestDenied, text: "does not grant"},
		{to: "http://2130706433:" + port + "/", code: core.HTTPRequestDenied, text: "unusual form"},
		{to: "http://private.example.com/", code: core.HTTPDestinationProhibited, text: "10.0.0.1"},
		{to: "http://user:b@b.example.com:" + port + "/", code: core.HTTPRequestDenied, text: "credentials"},
		{to: "ftp://b.example.com/", code: core.HTTPRequestDenied, text: "scheme"},
		{to: "file:///etc/passwd", code: core.HTTPRequestDenied, text: "scheme"},
		{to: "javascript:alert(1)", code: core.HTTPRequestDenied, text: "scheme"},
		{to: "http:/%5cb.example.com/", code: core.HTTPRequestDenied, text: ""},
	} {
		if test.to == "/x/%252e%252e/admin" {
			test.text = "escaped slash or dot"
		}
		r, err := do(t, client, granted, core.HTTPRequest{Method: "POST", URL: start + test.to, Body: []byte("hello")})
		if test.body != "" {
			if err != nil || string(r.Body) != test.body {
				t.Errorf("%s: got %v, %v, want %s", test.to, r, err, test.body)
			}
			continue
		}
		refused(t, test.to, err, test.code, test.text)
	}
}

// TestRedirectsToPlain: a redirect from https to http is refused.
func TestRedirectsToPlain(t *testing.T) {
	server := newTLS(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.Host+"/", http.StatusFound)
	})
	client := newClient(t, httpout.Config{CAFile: server.ca})
	_, err := do(t, client, rules(t, "https://127.0.0.1:*/*", "http://127.0.0.1:*/*"), core.HTTPRequest{URL: server.url})
	refused(t, "to http", err, core.HTTPRequestDenied, "a redirect goes from https to http://127.0.0.1")
}

// TestRedirectsEnd: so many redirects are followed, and none if the configuration says so.
func TestRedirectsEnd(t *testing.T) {
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/xxx" {
			return
		}
		http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
	})
	granted, url := rules(t, "http://127.0.0.1:*/*"), "http://127.0.0.1:"+port+"/"
	_, err := do(t, newClient(t, httpout.Config{Redirects: 3}), granted, core.HTTPRequest{URL: url})
	check(t, err)
	_, err = do(t, newClient(t, httpout.Config{Redirects: 2}), granted, core.HTTPRequest{URL: url})
	refused(t, "a third redirect", err, core.HTTPLoopDetected, "more than 2 redirects")
	r, err := do(t, newClient(t, httpout.Config{Redirects: -1}), granted, core.HTTPRequest{URL: url})
	if err != nil || r.Status != http.StatusFound {
		t.Errorf("got %v, %v", r, err)
	}
}

// TestRedirectsDropSecrets: another origin gets no credentials, not even later, and no body of a
// POST that has become a GET.
func TestRedirectsDropSecrets(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		seen = append(seen, strings.Join([]string{r.Method, r.Host, r.Header.Get("Authorization"), r.Header.Get("Cookie"), r.Header.Get("Referer"), r.Header.Get("X-Kept"), string(body)}, " "))
		mu.Unlock()
		next := map[string]string{"a.example.com/": "http://sub.a.example.com", "sub.a.example.com/": "/2", "sub.a.example.com/2": "http://a.example.com"}
		host, port, _ := strings.Cut(r.Host, ":")
		switch to := next[host+r.URL.Path]; {
		case strings.HasPrefix(to, "/"):
			http.Redirect(w, r, to, http.StatusSeeOther)
		case to != "":
			path := map[bool]string{true: "/end", false: "/"}[r.URL.Path == "/2"]
			http.Redirect(w, r, to+":"+port+path, http.StatusSeeOther)
		}
	})
	client := newClient(t, httpout.Config{Resolver: local("a.example.com", "sub.a.example.com"), Allow: loopback})
	_, err := do(t, client, rules(t, "http://a.example.com:*/*", "http://*.a.example.com:*/*"), core.HTTPRequest{
		Method: "POST", URL: "http://a.example.com:" + port + "/", Body: []byte("secret"),
		Header: []core.HTTPField{{Name: "authorization", Value: "secret"}, {Name: "cookie", Value: "secret"}, {Name: "x-kept", Value: "kept"}},
	})
	check(t, err)
	if len(seen) != 4 || !strings.Contains(seen[0], "secret secret  kept secret") {
		t.Fatalf("the server saw %q", seen)
	}
	for _, other := range seen[1:3] {
		if strings.Contains(other, "secret") || !strings.HasPrefix(other, "GET sub.a.example.com") || !strings.Contains(other, "kept") || strings.Contains(other, "http") {
			t.Errorf("another origin got %q", other)
		}
	}
}
