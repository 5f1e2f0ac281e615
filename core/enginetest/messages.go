package enginetest

import (
	"bytes"
	"strings"

	"github.com/airhost/airhost/core"
)

var messagePromises = []promise{
	{"round-trip", "messages and responses arrive as they are, whatever their size", testRoundTrip},
	{"empty", "an empty message arrives as such", testEmpty},
	{"append", "the response is appended to the slice", testAppend},
	{"no-response", "with a nil response the guest's is dropped", testNoResponse},
	{"in-place", "the response may take the message's place", testInPlace},
	{"message-kept", "an engine does not change the message", testMessageKept},
	{"sender", "the guest sees who sent the message", testSender},
	{"guest-error", "a guest's error is a ComponentError with its case and text, and the instance goes on", testGuestError},
	{"error-no-response", "an error leaves the response as it is", testErrorNoResponse},
	{"large-response", "a response above the message size is failed, and the instance goes on", testLargeResponse},
	{"many", "the memory of a message is freed", testMany},
}

func testRoundTrip(t *trial) {
	in, _ := t.actor()
	for _, size := range []int{0, 1, 64, 1 << 10, 1 << 20} {
		payload := bytes.Repeat([]byte("0123456789abcde\xff\x00"), size/17+1)[:size]
		want(t, "response", t.ask(in, "e", payload), payload)
	}
}

func testEmpty(t *trial) {
	actor, _ := t.actor()
	want(t, "the actor's response", t.ask(actor), []byte{})
	responder, _ := t.responder()
	want(t, "the responder's response", t.ask(responder), []byte{})
	want(t, "the responder's response to one byte", t.ask(responder, "x"), []byte("x"))
}

func testAppend(t *trial) {
	in, _ := t.actor()
	response := []byte("before ")
	t.must("handle-message", in.HandleMessage(other, []byte("eafter"), &response))
	want(t, "response", string(response), "before after")
}

func testNoResponse(t *trial) {
	in, _ := t.actor()
	t.must("handle-message without response", in.HandleMessage(other, []byte("efirst"), nil))
	t.must("handle-message with a response that is too large", in.HandleMessage(other, bytesOf("b", uint64(2<<20)), nil))
	want(t, "next response", t.ask(in, "esecond"), []byte("second"))
}

func testInPlace(t *trial) {
	in, _ := t.actor()
	message := append(make([]byte, 0, 64), "e in place"...)
	response := message[:0]
	t.must("handle-message", in.HandleMessage(other, message, &response))
	want(t, "response", string(response), " in place")
}

func testMessageKept(t *trial) {
	in, _ := t.actor()
	message, response := []byte("e kept"), []byte{}
	t.must("handle-message", in.HandleMessage(other, message, &response))
	want(t, "the message afterwards", string(message), "e kept")
	copy(response, "XXXXXX")
	want(t, "the message after the response was overwritten", string(message), "e kept")
}

func testSender(t *trial) {
	in, _ := t.actor()
	longest := strings.Repeat("a", core.MaxIDPart) + "/" + strings.Repeat("b", core.MaxIDPart)
	for _, id := range []string{"n/m", longest, "suite/other"} {
		var response []byte
		t.must("handle-message", in.HandleMessage(core.MustComponentID(id), []byte("w"), &response))
		want(t, "sender", string(response), id)
	}
}

// componentErrors has an error of each case.
var componentErrors = []*core.ComponentError{
	{Case: core.CaseInvalidMessage, Text: "not understood"},
	{Case: core.CaseComponentUnavailable, Text: ""},
	{Case: core.CaseFailed, Text: "naïve — ☃"},
}

func testGuestError(t *trial) {
	in, _ := t.actor()
	for _, failure := range componentErrors {
		_, err := try(in, "f", byte(failure.Case), failure.Text)
		t.wantComponentError("handle-message that fails", err, failure)
	}
	want(t, "next response", t.ask(in, "eon"), []byte("on"))
}

func (t *trial) wantComponentError(what string, got error, failure *core.ComponentError) {
	t.Helper()
	e, ok := got.(*core.ComponentError)
	if !ok || *e != *failure {
		t.broken("%s: got %T: %v\nwant %T: %v", what, got, got, failure, failure)
	}
}

func testErrorNoResponse(t *trial) {
	in, _ := t.actor()
	response := []byte("before")
	err := in.HandleMessage(other, bytesOf("f", byte(core.CaseFailed), "text"), &response)
	t.wantError("handle-message that fails", err, core.ErrFailed)
	want(t, "response", string(response), "before")
}

func testLargeResponse(t *trial) {
	limits := core.Limits{MessageSize: 1000}
	in, _ := t.instance(t.theActor(), limits)
	want(t, "size of the largest response", len(t.ask(in, "b", uint64(1000))), 1000)
	_, err := try(in, "b", uint64(1001))
	t.wantError("handle-message with a response of 1001 bytes", err, core.ErrFailed)
	want(t, "next response", t.ask(in, "eon"), []byte("on"))
}

func testMany(t *trial) {
	in, _ := t.actor()
	large := bytes.Repeat([]byte("y"), 1<<20)
	for range 100 {
		want(t, "size of the response", len(t.ask(in, "e", large)), len(large))
		t.must("handle-callback", in.HandleCallback(1, large, nil))
	}
}
