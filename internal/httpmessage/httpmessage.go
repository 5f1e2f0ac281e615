// Package httpmessage writes requests and responses of HTTP as messages, and reads them: the
// form is that of HTTP/1.1 (RFC 9112, application/http). Since a message has an end, a body needs
// no length: without Content-Length and Transfer-Encoding it is all that follows the header.
package httpmessage

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/airhost/airhost/core"
)

// AppendRequest appends a request. It is the caller's that method and fields are valid.
func AppendRequest(b []byte, r *core.HTTPRequest) []byte {
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	b = append(append(append(b, method...), ' '), r.URL...)
	b = append(b, " HTTP/1.1\r\n"...)
	return appendRest(b, r.Header, r.Body)
}

// AppendResponse appends a response. Trailers are left out.
func AppendResponse(b []byte, r *core.HTTPResponse) []byte {
	b = strconv.AppendInt(append(b, "HTTP/1.1 "...), int64(r.Status), 10)
	b = append(append(append(b, ' '), http.StatusText(r.Status)...), "\r\n"...)
	return appendRest(b, r.Header, r.Body)
}

// framing are the fields that belong to a connection and not to a message with an end.
var framing = []string{"connection", "content-length", "keep-alive", "proxy-connection", "trailer", "transfer-encoding", "upgrade"}

func appendRest(b []byte, header []core.HTTPField, body []byte) []byte {
	for _, f := range header {
		if !slices.Contains(framing, strings.ToLower(f.Name)) {
			b = append(append(append(append(append(b, f.Name...), ": "...), f.Value...), '\r'), '\n')
		}
	}
	b = strconv.AppendInt(append(b, "content-length: "...), int64(len(body)), 10)
	return append(append(b, "\r\n\r\n"...), body...)
}

// ReadRequest reads a request that is all of b. Field names get lower-case letters, and Host
// is a field.
func ReadRequest(b []byte) (*core.HTTPRequest, error) {
	all := bytes.NewReader(b)
	rest := bufio.NewReader(all)
	r, err := http.ReadRequest(rest)
	if err != nil {
		return nil, fmt.Errorf("the message is no HTTP request: %w", unexpected(err))
	}
	body, err := readBody(r.Header, r.TransferEncoding, r.Body, rest)
	if err != nil {
		return nil, err
	}
	header := fields(r.Header)
	if r.Host != "" {
		header = slices.Insert(header, 0, core.HTTPField{Name: "host", Value: r.Host})
	}
	return &core.HTTPRequest{Method: r.Method, URL: r.RequestURI, Header: header, Body: body}, nil
}

// ReadResponse reads a response that is all of b.
func ReadResponse(b []byte) (*core.HTTPResponse, error) { return ReadResponseTo(http.MethodGet, b) }

// ReadResponseTo reads a response to a request of a method. With HEAD the body may be missing, or
// be that of GET.
func ReadResponseTo(method string, b []byte) (*core.HTTPResponse, error) {
	rest := bufio.NewReader(bytes.NewReader(b))
	r, err := http.ReadResponse(rest, &http.Request{Method: method})
	if err != nil {
		return nil, fmt.Errorf("the message is no HTTP response: %w", unexpected(err))
	}
	if r.StatusCode < 200 || r.StatusCode > 599 {
		return nil, fmt.Errorf("the message is no HTTP response: its status is %d, want one from 200 to 599", r.StatusCode)
	}
	if method == http.MethodHead {
		r.Header.Del("Content-Length")
		r.TransferEncoding = nil
	}
	if r.Close { // net/http has removed the field then
		r.Header["Connection"] = connection(b)
	}
	body, err := readBody(r.Header, r.TransferEncoding, r.Body, rest)
	if err != nil {
		return nil, err
	}
	return &core.HTTPResponse{Status: r.StatusCode, Header: fields(r.Header), Body: body}, nil
}

// isToken reports whether a name is one of RFC 9110, 5.6.2. This package is in programs that shall
// not download the library that has it.
func isToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(c rune) bool {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		return !letter && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
}

// isControl reports whether a character may not be in a value of a field.
func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// names reports whether lists of tokens have a token.
func names(lists []string, token string) bool {
	return slices.ContainsFunc(lists, func(list string) bool {
		for t := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
		return false
	})
}

// connection returns the values of Connection in a response.
func connection(b []byte) []string {
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(b)))
	_, _ = r.ReadLine()
	header, _ := r.ReadMIMEHeader() // it has been read before without an error
	return header.Values("Connection")
}

func readBody(header http.Header, encoding []string, framed io.Reader, rest io.Reader) ([]byte, error) {
	for name, values := range header {
		bad := func(value string) bool { return strings.ContainsFunc(value, isControl) }
		if !isToken(name) || slices.ContainsFunc(values, bad) {
			return nil, fmt.Errorf("the field %.100q of the HTTP message is malformed", name)
		}
	}
	if header.Get("Content-Length") == "" && len(encoding) == 0 {
		return io.ReadAll(rest)
	}
	body, err := io.ReadAll(framed)
	if err != nil {
		return nil, fmt.Errorf("the body of the HTTP message: %w", unexpected(err))
	}
	return body, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// fields returns the fields of a header, sorted by name, without those of the connection and
// those that it names as its own.
func fields(header http.Header) []core.HTTPField {
	all, named := []core.HTTPField{}, header.Values("Connection")
	for name, values := range header {
		name = strings.ToLower(name)
		if slices.Contains(framing, name) || names(named, name) {
			continue
		}
		for _, value := range values {
			all = append(all, core.HTTPField{Name: name, Value: value})
		}
	}
	slices.SortStableFunc(all, func(a, b core.HTTPField) int { return strings.Compare(a.Name, b.Name) })
	return all
}
