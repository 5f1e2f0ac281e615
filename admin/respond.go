package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
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

// errorOf returns an error as an answer.
func errorOf(err error) *Error {
	var known *Error
	var large *http.MaxBytesError
	var refused *core.MessagingError
	var failed *core.RequestError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &large):
		return &Error{Status: http.StatusRequestEntityTooLarge, Code: CodeTooLarge, Message: fmt.Sprintf("the body may have %d bytes at most", large.Limit)}
	case errors.Is(err, host.ErrNoDeadLetter):
		return &Error{Status: http.StatusNotFound, Code: CodeNotFound, Message: err.Error()}
	case errors.Is(err, host.ErrCutDeadLetter):
		return &Error{Status: http.StatusConflict, Code: CodeConflict, Message: err.Error()}
	case errors.Is(err, host.ErrNotRunning):
		return &Error{Status: http.StatusServiceUnavailable, Code: CodeStopping, Message: err.Error()}
	case errors.As(err, &refused), errors.As(err, &failed):
		status, code, _ := httpstatus.Of(err)
		return &Error{Status: status, Code: code, Message: err.Error()}
	}
	return &Error{Status: http.StatusBadGateway, Code: CodeFailed, Message: err.Error()}
}

// writeError writes an error as the body of a response.
func writeError(w http.ResponseWriter, e *Error) {
	if e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, e.Status, answer{e})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil { // a float that JSON lacks
		status, body = http.StatusInternalServerError, []byte(`{"error":{"code":"failed","message":"the answer cannot be written as JSON"}}`)
	}
	write(w, status, "application/json", append(body, '\n'))
}

func writeText(w http.ResponseWriter, status int, text string) {
	write(w, status, "text/plain; charset=utf-8", []byte(text))
}

// write writes a response. A client that takes it too slowly is cut off.
func write(w http.ResponseWriter, status int, kind string, body []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime)) // all our connections have one
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error means that the client is gone
}

const (
	maxJSON          = 16 << 10
	maxConfiguration = 1 << 20
)

// readBody returns the body of a request, up to a size.
func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil && !errors.As(err, new(*http.MaxBytesError)) {
		return nil, invalid("the body cannot be read: %v", err)
	}
	endReading(w)
	return body, err
}

// endReading takes back the time that the request had to come: its answer may take longer.
func endReading(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // all our connections have one
}

// readJSON decodes the body of a request: one document with known fields.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := readBody(w, r, maxJSON)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return invalid("the body is not as it should be: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return invalid("the body has more than one document")
	}
	return nil
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
