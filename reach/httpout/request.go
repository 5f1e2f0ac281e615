package httpout

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/idna"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// sending is a request that has been checked.
type sending struct {
	client   *Client
	rules    core.HTTPRules
	target   core.HTTPTarget
	method   string
	header   http.Header
	body     []byte
	timeouts core.HTTPTimeouts
}

// Prepare implements [host.HTTPClient].
func (c *Client) Prepare(r *core.HTTPRequest, rules core.HTTPRules) (host.SendHTTP, error) {
	s := &sending{client: c, rules: rules, method: r.Method, body: r.Body, timeouts: r.Timeouts}
	var err error
	if s.target, err = parse(r.URL); err != nil {
		return nil, err
	}
	if s.method == "" {
		s.method = http.MethodGet
	}
	switch {
	case !rules.Match(s.target):
		return nil, notGranted(s.target)
	case !httpguts.ValidHeaderFieldName(s.method), len(s.method) > maxMethod, s.method == http.MethodConnect, s.method == http.MethodTrace:
		return nil, &core.HTTPError{Code: core.HTTPRequestMethodInvalid, Text: core.CutText(s.method, core.MaxErrorText)}
	case int64(len(r.Body)) > c.config.MaxBody:
		return nil, &core.HTTPError{Code: core.HTTPRequestBodySize, Size: int64(len(r.Body)),
			Text: fmt.Sprintf("the body has %d bytes, and http.max_body is %d", len(r.Body), c.config.MaxBody)}
	}
	if s.header, err = s.fields(r); err != nil {
		return nil, err
	}
	return s.send, nil
}

const maxMethod = 32 // bytes

// parse parses a URL to its one form.
func parse(url string) (core.HTTPTarget, error) {
	return core.ParseHTTPTarget(url, idna.Lookup.ToASCII)
}

func notGranted(t core.HTTPTarget) *core.HTTPError {
	return &core.HTTPError{Code: core.HTTPRequestDenied, Text: core.CutText("capabilities.http does not grant "+t.String(), core.MaxErrorText)}
}

// ofConnection are the fields that a connection has, and not a request (RFC 9110, 7.6.1), with
// those that could make a server read another request than was sent.
var ofConnection = map[string]bool{
	"connection": true, "expect": true, "http2-settings": true, "keep-alive": true, "proxy-authenticate": true, "proxy-authorization": true,
	"proxy-connection": true, "te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
}

// fields checks the fields of a request and returns those that are sent.
func (s *sending) fields(r *core.HTTPRequest) (http.Header, error) {
	header, size := make(http.Header), 0
	for _, f := range r.Header {
		name := strings.ToLower(f.Name)
		size += len(f.Name) + len(f.Value) + len(": \r\n")
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			return nil, badField("the name of the field %.100q is none", f.Name)
		case !httpguts.ValidHeaderFieldValue(f.Value):
			return nil, badField("the value of the field %.100s has a control character", name)
		case ofConnection[name]:
			return nil, badField("the field %s is the host's to set", name)
		case name == "host":
			if !s.isHost(f.Value) {
				return nil, badField("the field host is %.100q, and the URL has %s", f.Value, s.target.Authority())
			}
		case name == "content-length":
			if f.Value != strconv.Itoa(len(r.Body)) {
				return nil, badField("the field content-length is %.20q, and the body has %d bytes", f.Value, len(r.Body))
			}
		default:
			header.Add(f.Name, f.Value)
		}
		if size > maxHeader {
			return nil, badField("the header has more than %d bytes", maxHeader)
		}
	}
	if header["User-Agent"] == nil {
		header.Set("User-Agent", "airhost") // otherwise net/http names itself
	}
	return header, nil
}

// isHost reports whether a field host says the same as the URL.
func (s *sending) isHost(value string) bool {
	t, err := parse(s.target.Scheme + "://" + value)
	return err == nil && t.Path == "/" && t.Query == "" && t.Host == s.target.Host && t.Port == s.target.Port
}

func badField(format string, args ...any) *core.HTTPError {
	return &core.HTTPError{Code: core.HTTPProtocolError, Text: core.CutText(fmt.Sprintf(format, args...), core.MaxErrorText)}
}
