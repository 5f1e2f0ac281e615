package nats

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/airhost/airhost/core"
)

// subjects makes the subjects of a cluster. In ids and names of hosts '.' is written '=', since it
// divides the parts of a subject.
type subjects struct{ prefix string }

func newSubjects(cluster string) subjects { return subjects{"ah." + part(cluster)} }

func part(text string) string { return strings.ReplaceAll(text, ".", "=") }

// to is where messages to a component go. Its host subscribes to it.
func (s subjects) to(id core.ComponentID) string {
	namespace, name, _ := strings.Cut(id.String(), "/")
	return s.prefix + ".to." + part(namespace) + "." + part(name)
}

// outcomes is where the outcomes of a host's requests go.
func (s subjects) outcomes(host string) string { return s.prefix + ".host." + part(host) + ".out" }

// receipts are the subjects of all receipts for a host.
func (s subjects) receipts(host string) string { return s.prefix + ".host." + part(host) + ".credit.>" }

// receipt is where the receipt for a frame goes.
func (s subjects) receipt(host string, route, frame uint64) string {
	return fmt.Sprintf("%s.host.%s.credit.%x.%x", s.prefix, part(host), route, frame)
}

// parseReceipt is the inverse of receipt.
func (s subjects) parseReceipt(subject string) (route, frame uint64, ok bool) {
	last := strings.LastIndexByte(subject, '.')
	before := strings.LastIndexByte(subject[:max(0, last)], '.')
	if before < 0 || !strings.HasPrefix(subject, s.prefix) || !strings.HasPrefix(subject[len(s.prefix):], ".host.") {
		return 0, 0, false
	}
	route, err1 := strconv.ParseUint(subject[before+1:last], 16, 64)
	frame, err2 := strconv.ParseUint(subject[last+1:], 16, 64)
	return route, frame, err1 == nil && err2 == nil
}

// isReceipt reports whether a subject is one for receipts for a host: a frame may name no other.
func (s subjects) isReceipt(subject, host string) bool {
	return strings.HasPrefix(subject, s.prefix+".host."+part(host)+".credit.")
}

// hosts is where the hosts of the cluster say that they are there.
func (s subjects) hosts() string { return s.prefix + ".hosts" }

// topics is where publications on a topic go, or on all topics that match a pattern: NATS has the
// same wildcards.
func (s subjects) topics(pattern string) string { return s.prefix + ".pub." + pattern }

// parseTopic is the inverse of topics, for a topic.
func (s subjects) parseTopic(subject string) (core.Topic, error) {
	topic, found := strings.CutPrefix(subject, s.topics(""))
	if !found {
		return core.Topic{}, errFrame
	}
	return core.ParseTopic(topic)
}

// status is where questions for the state of a host go.
func (s subjects) status(host string) string { return s.prefix + ".host." + part(host) + ".status" }

// answer is where the answer to a question of a host goes. The token is the question's own.
func (s subjects) answer(host, token string) string { return s.status(host) + "." + token }

// isAnswer reports whether a subject is one for an answer to a host: a question may name no other.
func (s subjects) isAnswer(subject, host string) bool {
	token, found := strings.CutPrefix(subject, s.answer(host, ""))
	return found && validHost(host) && token != "" && strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// validHost reports whether a name may be that of a host or a cluster: 1 to 64 letters, digits, '-',
// '_' and '.'.
func validHost(name string) bool {
	ok := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r)
	}
	return name != "" && len(name) <= maxHost && strings.IndexFunc(name, func(r rune) bool { return !ok(r) }) < 0
}
