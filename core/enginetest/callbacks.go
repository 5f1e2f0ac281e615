package enginetest

import (
	"bytes"
	"math"

	"github.com/airhost/airhost/core"
)

var callbackPromises = []promise{
	{"callback-response", "a callback brings the request's id and its response", testCallbackResponse},
	{"callback-failure", "a callback without response brings the fixed word and the details", testCallbackFailure},
	{"callback-error", "a callback's error is a ComponentError, and the instance goes on", testCallbackError},
}

func testCallbackResponse(t *trial) {
	in, _ := t.actor()
	for i, size := range []int{0, 1, 1000} {
		id, response := core.RequestID(math.MaxUint64-uint64(i)), bytes.Repeat([]byte("r"), size)
		t.must("handle-callback", in.HandleCallback(id, response, nil))
		want(t, "what the guest has seen", t.ask(in, "k"), bytesOf(uint64(id), byte(0), response))
	}
}

func testCallbackFailure(t *trial) {
	in, _ := t.actor()
	for reason := core.ReasonTimeout; reason <= core.ReasonUnavailable; reason++ {
		for _, details := range []string{"", "why ☃"} {
			failure := &core.RequestError{Reason: reason, Text: details}
			t.must("handle-callback", in.HandleCallback(9, nil, failure))
			want(t, "what the guest has seen", t.ask(in, "k"), bytesOf(uint64(9), byte(1), failure.Error()))
		}
	}
}

func testCallbackError(t *trial) {
	in, _ := t.actor()
	for _, failure := range componentErrors {
		err := in.HandleCallback(1, bytesOf("f", byte(failure.Case), failure.Text), nil)
		t.wantComponentError("handle-callback that fails", err, failure)
	}
	want(t, "next response", t.ask(in, "eon"), []byte("on"))
}
