package wasi

import (
	"slices"
	"strings"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wit"
)

// served is a request of HTTP that the guest handles, and the resource response-outparam. After the
// call the guest may still hold both, and they do nothing.
type served struct {
	request  *incoming
	response *outgoing // that the guest has set, or nil
	failure  variant   // the error-code that the guest has set in its place
	set      bool
	over     bool // the call has ended
}

// Serve gives the guest a request that has come in, and returns the handles for
// incoming-handler's handle. [Instance.Served] must follow after the guest's call. An error says that
// the guest holds too much.
func (in *Instance) Serve(r *core.HTTPRequest) (request, outparam uint32, err error) {
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case *core.TrapError: // it holds too much
			err = cause
		default:
			panic(cause)
		}
	}()
	made, failure := in.newIncoming(slices.DeleteFunc(slices.Clone(r.Header), isForbidden), nil, r.Body)
	if failure != nil {
		return 0, 0, failure
	}
	made.parts[verb] = methodOf(r.Method)
	made.parts[path] = some(r.URL)
	made.parts[scheme], made.parts[authority] = some(variant{number: wit.SchemeHTTP}), none
	for _, f := range r.Header {
		switch {
		case f.Name == "host":
			made.parts[authority] = some(f.Value)
		case f.Name == "x-forwarded-proto" && f.Value == "https":
			made.parts[scheme] = some(variant{number: wit.SchemeHTTPS})
		}
	}
	in.served = &served{request: made}
	request = in.handles.add("incoming-request", made)
	return request, in.handles.add("response-outparam", in.served), nil
}

// isForbidden reports whether a field is not for guests, whose requests may not have it either.
func isForbidden(f core.HTTPField) bool { return slices.Contains(forbidden, f.Name) }

// methodOf returns a method as a variant.
func methodOf(name string) variant {
	if i := slices.Index(wit.Methods[:], name); i >= 0 {
		return variant{number: uint32(i)}
	}
	return variant{wit.MethodOther, name}
}

// Served ends the request of [Instance.Serve], and returns the response that the guest has set, or
// why there is none. What the guest still holds of both is empty from now on. The response is the
// caller's.
func (in *Instance) Served() (*core.HTTPResponse, *core.ComponentError) {
	s := in.served
	in.served, s.over = nil, true
	s.request.headers.dropped(in)
	s.request.body.free(in)
	if !s.set {
		return nil, unanswered("it has returned from handle and set no response (response-outparam.set)")
	}
	if s.response == nil {
		code := core.HTTPErrorCode(s.failure.number).String()
		if text := textIn(s.failure.value); text != "" {
			code += ": " + text
		}
		return nil, unanswered("it has set an error in place of a response: " + code)
	}
	defer s.response.dropped(in)
	b := s.response.body
	switch {
	case b.failure != nil:
		return nil, unanswered("the body of its response has failed: " + b.failure.Error())
	case s.response.taken && !b.finished:
		return nil, unanswered("it has returned from handle and not finished the body of its response (outgoing-body.finish)")
	}
	response := &core.HTTPResponse{Status: int(s.response.status), Body: b.bytes}
	for _, f := range s.response.headers.list {
		response.Header = append(response.Header, core.HTTPField{Name: strings.ToLower(f.name), Value: string(f.value)})
	}
	return response, nil
}

// ofRequests are the resources that a guest has of a request that it handles, and of its response.
var ofRequests = []string{"incoming-request", "incoming-body", "future-trailers", "response-outparam", "outgoing-response", "outgoing-body"}

// HoldsRequests reports whether the guest has any of them.
func (in *Instance) HoldsRequests() bool {
	return slices.ContainsFunc(in.handles.slots, func(h *handle) bool { return h != nil && slices.Contains(ofRequests, h.of) })
}

// unanswered is the failure of a request to which there is no response.
func unanswered(text string) *core.ComponentError {
	return &core.ComponentError{Case: core.CaseFailed, Text: core.CutText([]byte(text), core.MaxErrorText)}
}

// setResponse is the function set. A request that is over has no response any more.
func setResponse(c *call) any {
	s, result := c.args[0].(*served), c.args[1].(variant)
	response, given := result.value.(*outgoing)
	switch {
	case s.over && given:
		response.dropped(c.Instance)
	case given:
		s.response, s.set = response, true
	default:
		s.failure, s.set = result.value.(variant), true
	}
	return nil
}

// sendInformational takes the fields of an informational response, and drops them: a message has one
// response.
func sendInformational(c *call) any {
	c.drop(c.args[2])
	return ok(nil)
}
