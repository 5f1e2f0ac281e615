package guesttest

import (
	"bufio"
	"bytes"
	"net/http"
	"net/http/httptest"

	"github.com/airhost/airhost/guest"
)

// fetch is the host's function for requests to the web.
const fetch = "airhost/fetch"

// fetch answers a request to the web by h.Web.
func (h *Host) fetch(argument []byte) ([]byte, error) {
	if h.Web == nil {
		return nil, &guest.CallError{Case: guest.CallDenied, Text: fetch}
	}
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(argument)))
	if err != nil {
		return nil, err
	}
	recorder := httptest.NewRecorder()
	h.Web.ServeHTTP(recorder, request)
	response := recorder.Result()
	response.ContentLength = int64(recorder.Body.Len())
	var message bytes.Buffer
	err = response.Write(&message)
	return message.Bytes(), err
}
