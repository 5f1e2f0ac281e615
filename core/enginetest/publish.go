package enginetest

import (
	"fmt"

	"github.com/airhost/airhost/core"
)

var publishPromises = []promise{
	{"publish", "publish reaches Publish with topic and message", testPublish},
	{"publish-refusals", "the guest is told each messaging-error of publish, and goes on", testPublishRefusals},
	{"publish-panic", "a panic of Publish ends the instance with a TrapError that holds the stack", testPublishPanic},
	{"no-topics", "if the host has no topics, publish is refused with unavailable", testNoTopics},
}

// publish is the command that publishes on a topic of 14 bytes.
const publish = "u\x0eorders.created"

func testPublish(t *trial) {
	in, host := t.actor()
	large := string(make([]byte, 100_000))
	for _, message := range []string{"", "a message", large} {
		want(t, "answer", t.ask(in, publish, message), []byte{0})
		t.asked("services", host, fmt.Sprintf("publish orders.created %q", message))
	}
	want(t, "answer for no topic", t.ask(in, "u\x00"), []byte{0})
	t.asked("services for no topic", host, `publish  ""`)
	t.ask(in, several([]byte(publish+"1"), sends("suite/tgt", "2"), []byte(publish+"3")))
	t.asked("services for a message between two publications", host,
		`publish orders.created "1"`, `send suite/tgt "2"`, `publish orders.created "3"`)
}

func testPublishRefusals(t *trial) {
	in, host := t.actor()
	for _, c := range core.MessagingErrorCases() {
		refusal := &core.MessagingError{Case: c}
		if c.HasText() {
			refusal.Text = "why: " + c.String() + " ☃"
		}
		for _, err := range []error{refusal, fmt.Errorf("publish: %w", refusal)} {
			host.Err = err
			want(t, "answer", t.ask(in, publish), bytesOf(byte(1), byte(c), refusal.Text))
			t.asked("services", host, `publish orders.created ""`)
		}
	}
	host.Err = nil
	want(t, "answer after refusals", t.ask(in, publish), []byte{0})
}

func testPublishPanic(t *trial) {
	in, host := t.actor()
	host.Calling = func(string) { panic("the host is broken") }
	_, err := try(in, publish)
	if trap := t.wantTrap("a publication that panics", err, core.TrapFault); trap != nil && trap.Details == "" {
		t.broken("got no details\nwant the stack of the panic")
	}
	t.refuses(in, host)
}

func testNoTopics(t *trial) {
	host := &Services{}
	in := t.bare(host, t.theActor())
	want(t, "case of publish", t.ask(in, publish)[:2], []byte{1, byte(core.CaseUnavailable)})
	t.asked("services", host)
}

// theActor compiles the actor.
func (t *trial) theActor() core.Component { return t.component("actor", t.Actor, core.Limits{}) }

// bare makes an instance of an actor whose host has none of the optional services.
func (t *trial) bare(host *Services, actor core.Component) core.Instance {
	t.Helper()
	in, err := actor.Instantiate(t.Context(), core.Environment{ID: self, Host: host, Limits: patient(core.Limits{})})
	t.must("make an instance", err)
	t.cleanups = append(t.cleanups, func() { t.must("close an instance", in.Close()) })
	return in
}
