package host_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// The steps of a conversation. The first byte of a message is the step that its
// receiver takes, and the rest is the remainder of the conversation. The first two
// components are peers of each other. The third one's peer is the first.
const (
	talkSend         = 's' // sends the rest to the peer
	talkRequest      = 'r' // requests an answer of the peer; its callback goes on with the rest
	talkFail         = 'f' // sends the rest, and fails
	talkRequestError = 'R' // requests an error of the peer; its callback goes on with the rest
	talkTrap         = 'x' // sends the rest, and traps
	talkLog          = 'l' // logs a line, and sends the rest
	talkSendTwo      = 'd' // sends "n", which has no steps, and then the rest
	talkThird        = 'S' // sends the rest to the third component
	talkBoth         = 't' // sends "n" to the third component, and the rest to the peer
	talkRequestTwo   = 'p' // requests two answers; each callback goes on with a half of the rest
	talkCancel       = 'c' // sends a request, cancels it, and sends the rest
	talkLarge        = 'L' // sends the rest, with 3,000 bytes after it that the peer ignores
)

// randomConversation returns the steps of a conversation.
func randomConversation(seed uint64) string {
	random := rand.New(rand.NewPCG(seed, 1))
	rare := string([]rune{talkFail, talkRequestError, talkTrap, talkLog, talkSendTwo, talkThird, talkBoth, talkRequestTwo, talkCancel, talkLarge})
	steps := make([]byte, 20+random.IntN(200))
	for i := range steps {
		switch steps[i] = talkSend; random.IntN(16) {
		case 0:
			steps[i] = rare[random.IntN(len(rare))]
		case 1, 2, 3, 4:
			steps[i] = talkRequest
		}
	}
	// At most one component traps: the order in which two start again is random.
	first, rest, trap := strings.Cut(string(steps), string(talkTrap))
	if trap {
		first += string(talkTrap) + strings.ReplaceAll(rest, string(talkTrap), "")
	}
	return first
}

// withoutThird replaces steps in which the third component takes part.
func withoutThird(step rune) rune {
	if step == talkThird || step == talkBoth {
		return talkSend
	}
	return step
}

// talker is one of the components of a conversation. It notes all that it sees.
type talker struct {
	seen *[]string
	name string
	peer string
	rest map[guest.RequestID]string // the steps after each pending request
	ids  map[guest.RequestID]bool   // of all requests
}

func (a *talker) note(format string, args ...any) {
	*a.seen = append(*a.seen, a.name+": "+fmt.Sprintf(format, args...))
}

func (a *talker) message(g guest.Host, sender string, message []byte) ([]byte, error) {
	a.note("%s says %q", sender, message)
	switch string(message) {
	case "answer":
		return []byte(fmt.Sprint("an answer, ", len(*a.seen))), nil
	case "fail":
		return nil, guest.Failed("it was told to")
	}
	return []byte("unwanted"), a.step(g, strings.TrimRight(string(message), "."))
}

func (a *talker) callback(g guest.Host, id guest.RequestID, response []byte, failure error) error {
	a.note("response %q, %v", response, failure)
	rest := a.rest[id]
	delete(a.rest, id)
	return a.step(g, rest)
}

func (a *talker) step(g guest.Host, text string) error {
	if text == "" || text == "n" {
		return nil
	}
	step, rest := text[0], text[1:]
	switch step {
	case talkRequest:
		a.request(g, "answer", rest)
		return nil
	case talkRequestError:
		a.request(g, "fail", rest)
		return nil
	case talkRequestTwo:
		a.request(g, "answer", rest[:len(rest)/2])
		a.request(g, "answer", rest[len(rest)/2:])
		return nil
	case talkBoth:
		a.send(g, "a/three", "n")
	case talkLog:
		g.Log(guest.LogInfo, "a line")
	case talkSendTwo:
		a.send(g, a.peer, "n")
	case talkCancel:
		a.note("canceled: %v", g.Cancel(a.request(g, "answer", "")))
	case talkThird:
		a.send(g, "a/three", rest)
		return nil
	case talkLarge:
		rest += strings.Repeat(".", 3000)
	}
	a.send(g, a.peer, rest)
	switch step {
	case talkFail:
		return guest.Failed("it was told to")
	case talkTrap:
		panic("it was told to")
	}
	return nil
}

func (a *talker) send(g guest.Host, target, text string) {
	if err := g.Send(target, []byte(text)); err != nil {
		a.note("refused: %v", err)
	}
}

func (a *talker) request(g guest.Host, text, rest string) guest.RequestID {
	id, err := g.Request(a.peer, []byte(text), time.Minute)
	if err != nil {
		a.note("refused: %v", err)
		return 0
	}
	if a.ids[id] {
		a.note("the id %d again", id)
	}
	a.ids[id], a.rest[id] = true, rest
	return id
}

// converse holds a conversation twice, on a new host. It returns all that the
// components noted, and the host's status and counters at the end.
func converse(t *testing.T, p parts, quota [2]host.Quota, steps string) (seen, counted []string) {
	bubble(t, func(t *testing.T) {
		h := p.start(t, host.Config{Workers: 1})
		for name, peer := range map[string]string{"a/one": "a/two", "a/two": "a/one", "a/three": "a/one"} {
			a := &talker{&seen, name, peer, make(map[guest.RequestID]string), make(map[guest.RequestID]bool)}
			d := deployment(name, behaviour{message: a.message, callback: a.callback})
			if d.Quota = quota[0]; name == "a/two" {
				d.Quota = quota[1]
			}
			d.Restart = host.Restart{MaxRestarts: -1, Backoff: time.Millisecond, MaxBackoff: time.Millisecond}
			check(t, h.Deploy(t.Context(), d))
		}
		for range 2 {
			check(t, h.Send(id("a/one"), []byte("n")))
			synctest.Wait() // otherwise the second message may come before or after the first is handled
			check(t, h.Send(id("a/one"), []byte(steps)))
			h.balance()
			<-time.After(1500 * time.Millisecond) // not just a whole token of a quota
		}
		if p.chained != nil {
			p.chained.Add(h.ChainCalls())
		}
		for _, status := range h.Components() {
			counted = append(counted, fmt.Sprintf("%+v", status))
		}
		s := h.Snapshot()
		s.WorkersHeldUp = 0
		counted = append(counted, fmt.Sprintf("%+v", s))
	})
	return seen, counted
}
