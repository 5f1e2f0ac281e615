package httpmessage

import (
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
)

// TestRequest: a request is read as it was written, without the fields of a connection.
func TestRequest(t *testing.T) {
	given := core.HTTPRequest{Method: "PUT", URL: "/a?b=c", Body: []byte("hello"), Header: []core.HTTPField{{Name: "host", Value: "x.org"}, {Name: "connection", Value: "close"}, {Name: "x-a", Value: "1"}, {Name: "x-a", Value: "2"}}}
	b := AppendRequest(nil, &given)
	want := "PUT /a?b=c HTTP/1.1\r\nhost: x.org\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: 5\r\n\r\nhello"
	if string(b) != want {
		t.Errorf("got %q, want %q", b, want)
	}
	r, err := ReadRequest(b)
	if err != nil {
		t.Fatal(err)
	}
	if r.Method != "PUT" || r.URL != "/a?b=c" || string(r.Body) != "hello" || len(r.Header) != 3 || r.Header[0] != (core.HTTPField{Name: "host", Value: "x.org"}) || r.Header[2].Value != "2" {
		t.Errorf("got %+v", r)
	}
}

// TestResponse: a response is read as it was written.
func TestResponse(t *testing.T) {
	b := AppendResponse(nil, &core.HTTPResponse{Status: 404, Header: []core.HTTPField{{Name: "content-type", Value: "text/plain"}}, Body: []byte("no")})
	r, err := ReadResponse(b)
	if err != nil || r.Status != 404 || string(r.Body) != "no" || len(r.Header) != 1 {
		t.Errorf("got %+v, %v from %q", r, err, b)
	}
}

// TestResponseToHEAD: the body may be missing or be there, and a length is not that of a body.
func TestResponseToHEAD(t *testing.T) {
	for text, want := range map[string]string{"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n": "", "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody": "body"} {
		r, err := ReadResponseTo("HEAD", []byte(text))
		if err != nil || string(r.Body) != want {
			t.Errorf("%q: got %+v, %v", text, r, err)
		}
	}
}

// TestConnection: the fields that Connection names are not part of a message.
func TestConnection(t *testing.T) {
	for _, tokens := range []string{"x-a, close", "close, X-A", "x-a"} {
		r, err := ReadResponse([]byte("HTTP/1.1 200 OK\r\nx-a: 1\r\nx-b: 2\r\nconnection: " + tokens + "\r\n\r\n"))
		if err != nil || len(r.Header) != 1 || r.Header[0].Name != "x-b" {
			t.Errorf("%s: got %+v, %v", tokens, r, err)
		}
		q, err := ReadRequest([]byte("GET / HTTP/1.1\r\nx-a: 1\r\nx-b: 2\r\nconnection: " + tokens + "\r\n\r\n"))
		if err != nil || len(q.Header) != 1 || q.Header[0].Name != "x-b" {
			t.Errorf("%s: got %+v, %v", tokens, q, err)
		}
	}
}

// TestStatus: a status is that of an answer.
func TestStatus(t *testing.T) {
	for _, status := range []string{"100", "101", "199", "600", "999"} {
		if r, err := ReadResponse([]byte("HTTP/1.1 " + status + " X\r\n\r\n")); err == nil {
			t.Errorf("%s is a status: %+v", status, r)
		}
	}
}

// TestBodyWithoutLength: the body is all that follows, unless a length or a coding says
// otherwise.
func TestBodyWithoutLength(t *testing.T) {
	for text, want := range map[string]string{
		"POST / HTTP/1.1\r\nhost: a\r\n\r\nall of it":                                           "all of it",
		"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nall of it":                      "all",
		"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nall\r\n0\r\n\r\n": "all",
	} {
		r, err := ReadRequest([]byte(text))
		if err != nil || string(r.Body) != want {
			t.Errorf("%q: got %+v, %v", text, r, err)
		}
	}
}

// TestMalformed: another text than a message is an error.
func TestMalformed(t *testing.T) {
	for _, text := range []string{"", "hello", "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc", "GET / HTTP/1.1\r\na b: c\r\n\r\n"} {
		if r, err := ReadRequest([]byte(text)); err == nil {
			t.Errorf("%q is a request: %+v", text, r)
		}
	}
	if _, err := ReadResponse([]byte("HTTP/1.1 2000 OK\r\n\r\n")); err == nil || !strings.Contains(err.Error(), "no HTTP response") {
		t.Errorf("got %v", err)
	}
}

func FuzzReadRequest(f *testing.F) {
	f.Add([]byte("POST /x?y HTTP/1.1\r\nhost: a\r\nx: 1\r\n\r\nbody"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ReadRequest(b)
		if err != nil {
			return
		}
		again, err := ReadRequest(AppendRequest(nil, r))
		if err != nil || string(again.Body) != string(r.Body) || again.Method != r.Method || again.URL != r.URL {
			t.Errorf("%q: %+v, then %+v, %v", b, r, again, err)
		}
	})
}
