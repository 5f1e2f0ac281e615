package frame_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/airhost/airhost/internal/frame"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestCallsAreProtobuf: the generated code decodes calls encoded by hand, and
// encodes the same bytes.
func TestCallsAreProtobuf(t *testing.T) {
	timeout, empty := "timeout", ""
	large := bytes.Repeat([]byte("x"), 300)
	for _, c := range []struct {
		byHand []byte
		want   *pluginv1.Call
	}{
		{frame.AppendMessage(nil, 1, "a/b", []byte("hi"), false), &pluginv1.Call{Id: 1, Call: &pluginv1.Call_HandleMessage{HandleMessage: &pluginv1.HandleMessage{Sender: "a/b", Message: []byte("hi")}}}},
		{frame.AppendMessage(nil, 300, "", nil, true), &pluginv1.Call{Id: 300, Call: &pluginv1.Call_HandleMessage{HandleMessage: &pluginv1.HandleMessage{NoResponse: true}}}},
		{frame.AppendMessage(nil, 1<<40, "a/b", large, true), &pluginv1.Call{Id: 1 << 40, Call: &pluginv1.Call_HandleMessage{HandleMessage: &pluginv1.HandleMessage{Sender: "a/b", Message: large, NoResponse: true}}}},
		{frame.AppendCallback(nil, 7, 1<<63, large, nil), &pluginv1.Call{Id: 7, Call: &pluginv1.Call_HandleCallback{HandleCallback: &pluginv1.HandleCallback{RequestId: 1 << 63, Response: large}}}},
		{frame.AppendCallback(nil, 7, 8, nil, &timeout), &pluginv1.Call{Id: 7, Call: &pluginv1.Call_HandleCallback{HandleCallback: &pluginv1.HandleCallback{RequestId: 8, Failure: &timeout}}}},
		{frame.AppendCallback(nil, 7, 8, nil, &empty), &pluginv1.Call{Id: 7, Call: &pluginv1.Call_HandleCallback{HandleCallback: &pluginv1.HandleCallback{RequestId: 8, Failure: &empty}}}},
	} {
		if want := marshal(t, &pluginv1.ToComponent{Calls: []*pluginv1.Call{c.want}}); !bytes.Equal(c.byHand, want) {
			t.Errorf("%v: got %x, want %x", c.want, c.byHand, want)
		}
	}
	for _, response := range [][]byte{nil, []byte("hi"), large} {
		want := marshal(t, &pluginv1.FromComponent{Events: []*pluginv1.Event{{CallId: 9, Event: &pluginv1.Event_Result{Result: &pluginv1.Result{Response: response}}}}})
		if got := frame.AppendResponse(nil, 9, response); !bytes.Equal(got, want) {
			t.Errorf("response: got %x, want %x", got, want)
		}
	}
}

func TestCallsAreRead(t *testing.T) {
	why := "failed: disk"
	data := frame.AppendMessage(nil, 1, "a/b", []byte("hi"), true)
	data = frame.AppendCallback(data, 2, 5, []byte("yes"), nil)
	data = frame.AppendCallback(data, 3, 6, nil, &why)
	data = frame.AppendCall(data, &pluginv1.Call{Id: 4, Call: &pluginv1.Call_Health{Health: &pluginv1.Health{}}})
	var got [4]frame.Call
	for i := range got {
		var err error
		if data, err = frame.NextCall(data, &got[i]); err != nil {
			t.Fatal(err)
		}
	}
	if c := got[0]; c.ID != 1 || !c.Message || string(c.Sender) != "a/b" || string(c.Body) != "hi" || !c.NoResponse {
		t.Errorf("message: %+v", c)
	}
	if c := got[1]; c.ID != 2 || !c.Callback || c.Request != 5 || string(c.Body) != "yes" || c.Failed {
		t.Errorf("callback: %+v", c)
	}
	if c := got[2]; c.ID != 3 || c.Request != 6 || !c.Failed || string(c.Failure) != why {
		t.Errorf("failed callback: %+v", c)
	}
	if c := got[3]; c.ID != 4 || c.Other.GetHealth() == nil || len(data) != 0 {
		t.Errorf("health: %+v", c)
	}
}

func TestAnswers(t *testing.T) {
	got, err := frame.Answer(frame.AppendAnswer(nil, &pluginv1.Answer{RequestId: 4}))
	if err != nil || got.RequestId != 4 {
		t.Errorf("Answer = %v, %v", got, err)
	}
	for _, data := range [][]byte{nil, frame.AppendMessage(nil, 1, "a/b", nil, false), []byte("\xff")} {
		if _, err := frame.Answer(data); !errors.Is(err, frame.ErrMalformed) {
			t.Errorf("Answer(%x): %v", data, err)
		}
	}
}

func TestAnswersOfTurns(t *testing.T) {
	data := frame.AppendAnswerOfTurn(nil, &pluginv1.Answer{RequestId: 4})
	data = frame.AppendAnswerOfTurn(data, &pluginv1.Answer{})
	want := marshal(t, &pluginv1.ToComponent{Answers: []*pluginv1.Answer{{RequestId: 4}, {}}})
	if !bytes.Equal(data, want) {
		t.Errorf("two answers: got %x, want %x", data, want)
	}
	got, err := frame.AnswersOfTurn(data, 2)
	if err != nil || got[0].RequestId != 4 || got[1].RequestId != 0 {
		t.Errorf("AnswersOfTurn = %v, %v", got, err)
	}
	alone := frame.AppendAnswer(nil, &pluginv1.Answer{})
	for _, data := range [][]byte{nil, want[:len(want)-2], alone, append(alone, want...), []byte("\xff")} {
		if _, err := frame.AnswersOfTurn(data, 2); !errors.Is(err, frame.ErrMalformed) {
			t.Errorf("AnswersOfTurn(%x): %v", data, err)
		}
	}
	if _, err := frame.Answer(want); !errors.Is(err, frame.ErrMalformed) {
		t.Errorf("answers of a turn in a call: %v", err)
	}
}

// TestDocumentedTurn: docs/plugin-protocol.md has the bytes of a turn.
func TestDocumentedTurn(t *testing.T) {
	doc, err := os.ReadFile("../../docs/plugin-protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	send := &pluginv1.Event{CallId: 7, Event: &pluginv1.Event_Send{Send: &pluginv1.Send{Target: "a/b", Message: []byte("hi")}}}
	request := &pluginv1.Event{CallId: 7, Event: &pluginv1.Event_SendRequest{SendRequest: &pluginv1.SendRequest{Target: "a/b", Request: []byte("?")}}}
	for _, data := range [][]byte{
		frame.AppendCall(nil, &pluginv1.Call{Id: 7, Call: &pluginv1.Call_Turn{Turn: &pluginv1.Turn{Most: 64}}}),
		frame.AppendEvent(nil, send), frame.AppendEvent(nil, request), frame.AppendResponse(nil, 7, nil),
		frame.AppendAnswerOfTurn(nil, &pluginv1.Answer{}), frame.AppendAnswerOfTurn(nil, &pluginv1.Answer{RequestId: 5}),
	} {
		if text := fmt.Sprintf("`% x`", data); !bytes.Contains(doc, []byte(text)) {
			t.Errorf("it lacks %s", text)
		}
	}
}

// FuzzEvents: events decoded by hand and by the generated code are equal.
func FuzzEvents(f *testing.F) {
	f.Add(frame.AppendResponse(nil, 9, []byte("hi")))
	f.Add(frame.AppendEvent(nil, &pluginv1.Event{CallId: 1, Event: &pluginv1.Event_Log{Log: &pluginv1.Log{Level: 2, Text: "x"}}}))
	f.Add([]byte("\x0a\x06\x08\x01\x12\x00\x12\x00"))
	f.Add([]byte("\x0a\x04\x08\x02\x12\x7f"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var whole pluginv1.FromComponent
		valid := proto.Unmarshal(data, &whole) == nil
		for n := 0; len(data) > 0; n++ {
			var event frame.Event
			rest, err := frame.NextEvent(data, &event)
			if err != nil {
				return
			}
			data = rest
			if !valid {
				continue // the error may be in a later part
			}
			want := whole.Events[n]
			if event.Call != want.CallId {
				t.Fatalf("call %d, want %d", event.Call, want.CallId)
			}
			if event.Other == nil && !bytes.Equal(event.Response, want.GetResult().GetResponse()) {
				t.Fatalf("response %q, want %v", event.Response, want)
			}
		}
	})
}
