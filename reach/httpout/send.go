package httpout

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/airhost/airhost/core"
)

// send sends the request and follows redirects.
func (s *sending) send(ctx context.Context) (*core.HTTPResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, s.client.config.Timeout)
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	p := &pace{timeouts: s.timeouts, end: end}
	defer p.stop()
	request, err := http.NewRequestWithContext(context.WithValue(p.traced(ctx), requestKey{}, ctx), s.method, "http://unset/", bytes.NewReader(s.body))
	if err != nil {
		return nil, &core.HTTPError{Code: core.HTTPInternalError, Text: "the request cannot be made"}
	}
	request.URL, request.Host, request.Header = s.target.URL(), s.target.Authority(), s.header
	client := http.Client{Transport: s.client.transport, CheckRedirect: s.redirect}
	response, err := client.Do(request)
	if err != nil {
		return nil, p.explain(ctx, err)
	}
	defer func() { _ = response.Body.Close() }() // the rest of it is not wanted
	return s.read(ctx, p, response)
}

// read reads the whole response.
func (s *sending) read(ctx context.Context, p *pace, r *http.Response) (*core.HTTPResponse, error) {
	most := s.client.config.MaxBody
	switch {
	case r.StatusCode == http.StatusSwitchingProtocols:
		return nil, &core.HTTPError{Code: core.HTTPProtocolError, Text: "the server switches to another protocol"}
	case r.ContentLength > most && s.method != http.MethodHead:
		return nil, tooLarge(r.ContentLength, most)
	}
	body, err := io.ReadAll(io.LimitReader(&pacedReader{r.Body, p}, most+1))
	switch {
	case int64(len(body)) > most:
		return nil, tooLarge(0, most)
	case err != nil:
		return nil, p.explain(ctx, err)
	}
	return &core.HTTPResponse{Status: r.StatusCode, Header: fields(r.Header), Body: body, Trailer: fields(r.Trailer)}, nil
}

func tooLarge(size, most int64) *core.HTTPError {
	return &core.HTTPError{Code: core.HTTPResponseBodySize, Size: size, Text: fmt.Sprintf("the response's body has more than http.max_body, %d bytes", most)}
}

// fields returns the fields of a response, sorted by name, without those of the connection.
func fields(header http.Header) (all []core.HTTPField) {
	for name, values := range header {
		name = strings.ToLower(name)
		for _, value := range values {
			if !ofConnection[name] {
				all = append(all, core.HTTPField{Name: name, Value: value})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b core.HTTPField) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// ofOrigin are the fields that another origin does not get by a redirect.
var ofOrigin = []string{"Authorization", "Cookie", "Cookie2", "Www-Authenticate", "Referer", "Origin"}

// redirect checks a redirect as if it was a request of the component, and makes it what
// was checked. It implements CheckRedirect of [http.Client].
func (s *sending) redirect(next *http.Request, via []*http.Request) error {
	most := s.client.config.Redirects
	if most < 0 {
		return http.ErrUseLastResponse
	}
	if len(via) > most {
		return &core.HTTPError{Code: core.HTTPLoopDetected, Text: fmt.Sprintf("more than %d redirects (http.redirects)", most)}
	}
	target, err := parse(next.URL.String())
	switch {
	case err != nil:
		return denied("a redirect has a URL that is refused: %s", core.AsHTTPError(err).Text)
	case target.Scheme == "http" && via[len(via)-1].URL.Scheme == "https":
		return denied("a redirect goes from https to %s", target)
	case !s.rules.Match(target):
		return denied("a redirect goes to %s, which capabilities.http does not grant", target)
	}
	next.URL, next.Host = target.URL(), target.Authority()
	if first := via[0].URL; next.URL.Scheme != first.Scheme || next.URL.Host != first.Host {
		for _, name := range ofOrigin {
			next.Header.Del(name)
		}
	}
	return nil
}

func denied(format string, args ...any) *core.HTTPError {
	return &core.HTTPError{Code: core.HTTPRequestDenied, Text: core.CutText(fmt.Sprintf(format, args...), core.MaxErrorText)}
}
