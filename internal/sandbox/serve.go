package sandbox

import (
	"errors"
	"fmt"
	"net/url"
	"unicode/utf8"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/httpmessage"
)

// HandleHTTP handles a message for a guest whose [core.Traits] say HTTP. The message
// is a request of HTTP, and the response that the guest sets is appended to *response as one of HTTP.
func (s *State) HandleHTTP(message []byte, response *[]byte) error {
	if err := s.Enter(); err != nil {
		return err
	}
	r, err := requestIn(message)
	if err != nil {
		return &core.ComponentError{Case: core.CaseInvalidMessage, Text: core.CutText([]byte(err.Error()), core.MaxErrorText)}
	}
	w := s.wasiInstance()
	request, outparam, err := w.Serve(r)
	if trap := new(core.TrapError); errors.As(err, &trap) {
		return s.End(trap)
	} else if err != nil {
		return &core.ComponentError{Case: core.CaseFailed, Text: "the request does not fit into what the component may hold: " + err.Error()}
	}
	if err := s.guest.Call(abi.HandleHTTP, Handling, []uint64{uint64(request), uint64(outparam)}); err != nil {
		return err
	}
	answer, failure := w.Served()
	s.leftBehind = w.HoldsRequests()
	if failure == nil && response != nil {
		failure = s.Respond(httpmessage.AppendResponse(nil, answer), response)
	}
	return Failure(failure)
}

// LeftBehind reports whether the guest has kept resources of the last request.
func (s *State) LeftBehind() bool { return s.leftBehind }

// requestIn returns the request that a message is. Its URL is a path with a query.
func requestIn(message []byte) (*core.HTTPRequest, error) {
	r, err := httpmessage.ReadRequest(message)
	if err != nil {
		return nil, fmt.Errorf("%w: the component handles requests of HTTP: a route to it has pattern: http", err)
	}
	if r.URL[0] != '/' && r.URL != "*" {
		u, err := url.Parse(r.URL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" {
			return nil, errors.New("the target of the HTTP request is no path")
		}
		r.URL = u.RequestURI()
	}
	for _, f := range r.Header {
		if f.Name == "host" && !utf8.ValidString(f.Value) {
			return nil, errors.New("the host of the HTTP request is not UTF-8")
		}
	}
	if !utf8.ValidString(r.URL) {
		return nil, errors.New("the target of the HTTP request is not UTF-8: escape it by percent signs")
	}
	return r, nil
}
