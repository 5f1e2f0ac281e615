package admin

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/httpstatus"
)

// invalid returns the error for a request that is wrong.
func invalid(format string, args ...any) error {
	return &Error{Status: http.StatusBadRequest, Code: CodeInvalidRequest, Message: fmt.Sprintf(format, args...)}
}

// unsupported returns the error for a request that this program cannot answer.
func unsupported(what string) error {
	return &Error{Status: http.StatusNotImplemented, Code: CodeNotSupported, Message: "this host has no " + what}
}

// tooMany returns the error for a request for which there is no room now.
func tooMany(format string, args ...any) error {
	return &Error{Status: http.StatusTooManyRequests, Code: CodeTooMany, Message: fmt.Sprintf(format, args...)}
}

// statuses are those of the codes of a Manager's errors, which may have none.
var statuses = map[string]int{
	CodeInvalidRequest: http.StatusBadRequest, CodeInvalidConfiguration: http.StatusUnprocessableEntity, CodeUnauthorized: http.StatusUnauthorized,
	CodeNotFound: http.StatusNotFound, CodeConflict: http.StatusConflict, CodeTooLarge: http.StatusRequestEntityTooLarge,
	CodeTooMany: http.StatusTooManyRequests, CodeNotSupported: http.StatusNotImplemented, CodeStopping: http.StatusServiceUnavailable,
}

// errorOf returns an error as an answer.
func errorOf(err error) *Error {
	var known *Error
	var refused *core.MessagingError
	var failed *core.RequestError
	as := func(status int, code string) *Error {
		return &Error{Status: status, Code: code, Message: core.CutText(err.Error(), core.MaxDetails)}
	}
	switch {
	case errors.As(err, &known):
		e := *known
		e.Status = cmp.Or(e.Status, statuses[e.Code], http.StatusBadGateway)
		return &e
	case errors.Is(err, host.ErrNoDeadLetter):
		return as(http.StatusNotFound, CodeNotFound)
	case errors.Is(err, host.ErrCutDeadLetter):
		return as(http.StatusConflict, CodeConflict)
	case errors.Is(err, host.ErrNotRunning), errors.Is(err, context.Canceled): // or the client is gone
		return as(http.StatusServiceUnavailable, CodeStopping)
	case errors.As(err, &refused), errors.As(err, &failed):
		status, code, _ := httpstatus.Of(err)
		return as(status, code)
	case errors.Is(err, context.DeadlineExceeded):
		return as(http.StatusGatewayTimeout, "timeout")
	}
	return as(http.StatusBadGateway, CodeFailed)
}

// writeError writes an error as the body of a response.
func (s *Server) writeError(w http.ResponseWriter, e *Error) {
	if e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	s.writeJSON(w, e.Status, answer{e})
}

func (s *Server) writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil { // a float that JSON lacks
		status, body = http.StatusInternalServerError, []byte(`{"error":{"code":"failed","message":"the answer cannot be written as JSON"}}`)
	}
	s.write(w, status, "application/json", append(body, '\n'))
}

func (s *Server) writeText(w http.ResponseWriter, status int, text string) {
	s.write(w, status, "text/plain; charset=utf-8", []byte(text))
}

// write writes a response. A client that takes it too slowly is cut off.
func (s *Server) write(w http.ResponseWriter, status int, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	control := http.NewResponseController(w)
	for part := range slices.Chunk(body, 1<<20) {
		_ = control.SetWriteDeadline(time.Now().Add(s.config.WriteTimeout)) // all our connections have one
		if _, err := w.Write(part); err != nil {
			return // the client is gone
		}
	}
}

const (
	maxJSON          = 16 << 10
	maxConfiguration = 1 << 20
)

// readBody returns the body of a request, up to a size.
func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		return nil, bodyError(err)
	}
	return body, nil
}

// bodyError returns the error for a body that is too large, or that has not come as it should.
func bodyError(err error) error {
	status, code, text := httpstatus.Of(err)
	return &Error{Status: status, Code: code, Message: text}
}

// readJSON decodes the body of a request: one document with known fields.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := readBody(w, r, maxJSON)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(into)
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind):
		return invalid("%s must be %s and is %s", cmp.Or(kind.Field, "the body"), jsonKind(kind.Type), kind.Value)
	case errors.Is(err, io.EOF):
		return invalid("the body is empty, want a JSON object")
	case err != nil:
		return invalid("the body is not as it should be: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return invalid("the body has more than one document")
	}
	return nil
}

// jsonKind is JSON's word for a type.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Struct:
		return "an object"
	}
	return "a " + t.Kind().String()
}

// idOf returns the component of a path.
func idOf(r *http.Request) (core.ComponentID, error) {
	id, err := core.ParseComponentID(r.PathValue("ns") + "/" + r.PathValue("name"))
	if err != nil {
		return id, &Error{Status: http.StatusNotFound, Code: CodeNotFound, Message: err.Error()}
	}
	return id, nil
}

// numberOf returns the number of a path.
func numberOf(r *http.Request) (uint64, error) {
	n, err := strconv.ParseUint(r.PathValue("number"), 10, 64)
	if err != nil {
		return 0, &Error{Status: http.StatusNotFound, Code: CodeNotFound, Message: fmt.Sprintf("%q is no number of a dead letter", r.PathValue("number"))}
	}
	return n, nil
}
