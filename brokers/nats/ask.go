package nats

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
)

// A host asks each other one for its state by a question on the subject of that one's state. The
// answer goes to a subject that this one host is told, and nobody can guess: another host cannot
// answer in its name, unless the servers permit it to read the questions.

const (
	askVersion  = 1        // of questions and answers; fields that are added do not change it
	maxAnswer   = 4 << 20  // bytes of an answer that is not compressed
	maxAnswers  = 64 << 20 // of all answers to one Ask
	answersEach = 50       // answers that a host makes in a second; more questions get none
	minAnswer   = 1 << 10  // room that an answer has at least
	maxAsked    = 4 << 10  // bytes of a question
	heldAnswers = 1024     // questions that wait
)

// asks are the questions of this host that have no answer yet, and its answers.
type asks struct {
	answer atomic.Pointer[func(most int) []byte]

	mu      sync.Mutex // guards the following
	pending map[string]*asked

	second time.Time // when the count began; used by the subscription's goroutine alone
	made   int       // answers since then; likewise
}

// asked is a question to one host.
type asked struct {
	host core.HostInfo
	of   *asking
}

// asking are the questions of one Ask.
type asking struct {
	mu    sync.Mutex // guards the following
	left  int        // questions without an answer
	room  int        // bytes that further answers may have
	came  map[string]core.HostAnswer
	ended chan struct{} // closed when left is 0
}

// question and answer are JSON; an answer is compressed by gzip.
type question struct {
	Version int    `json:"version"`
	Host    string `json:"host"` // which asks
}

type answer struct {
	Version int             `json:"version"`
	Host    string          `json:"host"` // which answers
	State   json.RawMessage `json:"state,omitempty"`
}

// OnAsk implements [core.Clustered].
func (b *Broker) OnAsk(answer func(most int) []byte) {
	if answer == nil {
		b.watched.asks.answer.Store(nil)
		return
	}
	b.watched.asks.answer.Store(&answer)
}

// Ask implements [core.Clustered].
func (b *Broker) Ask(ctx context.Context) []core.HostAnswer {
	hosts := b.otherHosts()
	a := &asking{left: len(hosts), room: maxAnswers, came: make(map[string]core.HostAnswer), ended: make(chan struct{})}
	var tokens []string
	for _, h := range hosts {
		token := rand.Text()
		tokens = append(tokens, token)
		b.watched.asks.add(token, &asked{h, a})
		b.ask(h.Name, token)
	}
	if len(hosts) > 0 {
		select {
		case <-a.ended:
		case <-ctx.Done():
		}
	}
	b.watched.asks.forget(tokens)
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]core.HostAnswer, len(hosts))
	for i, h := range hosts {
		var there bool
		if all[i], there = a.came[h.Name]; !there {
			all[i] = core.HostAnswer{HostInfo: h, Err: errors.New("it has not answered in time")}
		}
	}
	return all
}

// ask sends a question. A host that cannot be asked has its answer at once.
func (b *Broker) ask(host, token string) {
	refused := b.refusal.Load()
	if refused == nil {
		text, err := json.Marshal(question{askVersion, b.config.Host})
		if err == nil { // it does not fail
			err = b.publish(b.subjects.status(host), b.subjects.answer(b.config.Host, token), text)
		}
		if err == nil {
			return
		}
		refused = &core.MessagingError{Case: core.CaseUnavailable, Text: err.Error()}
	}
	if q := b.watched.asks.take(token); q != nil {
		q.ended(nil, errors.New(refused.Text))
	}
}

func (a *asks) add(token string, q *asked) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pending == nil {
		a.pending = make(map[string]*asked)
	}
	a.pending[token] = q
}

// take removes a question: it gets a single answer.
func (a *asks) take(token string) *asked {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := a.pending[token]
	delete(a.pending, token)
	return q
}

func (a *asks) forget(tokens []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, token := range tokens {
		delete(a.pending, token)
	}
}

// ended notes the answer to a question.
func (q *asked) ended(text []byte, err error) {
	a := q.of
	a.mu.Lock()
	defer a.mu.Unlock()
	a.came[q.host.Name] = core.HostAnswer{HostInfo: q.host, Answer: text, Err: err}
	a.room -= len(text)
	if a.left--; a.left == 0 {
		close(a.ended)
	}
}

// most is the largest answer that there is room for.
func (q *asked) most() int {
	q.of.mu.Lock()
	defer q.of.mu.Unlock()
	return min(maxAnswer, q.of.room)
}

// answerCame handles the answer of a host, or the server's word that nobody takes the question.
func (b *Broker) answerCame(in *natsgo.Msg) {
	q := b.watched.asks.take(in.Subject[strings.LastIndexByte(in.Subject, '.')+1:])
	switch {
	case q == nil:
		b.discard(in, errors.New("nobody has asked for it, or not any more"))
	case len(in.Data) == 0 && in.Header.Get("Status") == "503":
		q.ended(nil, errors.New("nothing takes the question: it is of an earlier version, has just gone, or the server does not permit it to be asked (airhost nats permissions)"))
	default:
		text, err := readAnswer(in.Data, q.host.Name, q.most())
		if err != nil {
			b.discard(in, err)
		}
		q.ended(text, err)
	}
}

// readAnswer returns the state in an answer of a host.
func readAnswer(data []byte, host string, most int) (state []byte, err error) {
	unreadable := func(why error) error { return fmt.Errorf("its answer cannot be read: %w", why) }
	unpacked, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, unreadable(err)
	}
	text, err := io.ReadAll(io.LimitReader(unpacked, int64(most)+minAnswer))
	if err != nil {
		return nil, unreadable(err)
	}
	if len(text) == most+minAnswer {
		return nil, fmt.Errorf("its answer has more than %d bytes", most)
	}
	var a answer
	switch err := json.Unmarshal(text, &a); {
	case err != nil:
		return nil, unreadable(err)
	case a.Version != askVersion:
		return nil, fmt.Errorf("it answers in version %d, and this host reads version %d", a.Version, askVersion)
	case a.Host != host:
		return nil, fmt.Errorf("the answer is in the name of another host, %.70q", a.Host)
	case a.State == nil:
		return nil, errors.New("it tells nothing: its program has no admin API")
	}
	return a.State, nil
}

// questionCame answers the question of another host.
func (b *Broker) questionCame(in *natsgo.Msg) {
	var q question
	if len(in.Data) > maxAsked || json.Unmarshal(in.Data, &q) != nil || q.Version < 1 || !b.subjects.isAnswer(in.Reply, q.Host) {
		b.discard(in, errors.New("it is no question of another host"))
		return
	}
	a := &b.watched.asks
	if now := time.Now(); now.Sub(a.second) >= time.Second {
		a.second, a.made = now, 0
	}
	if a.made++; a.made > answersEach {
		b.discard(in, errors.New("there are too many questions"))
		return
	}
	if text := b.makeAnswer(b.maxPayload()); text != nil {
		_ = b.publish(in.Reply, "", text) // an error means that the connection is lost
	}
}

// makeAnswer returns an answer that a message has room for; nil if there is none so small.
func (b *Broker) makeAnswer(payload int) []byte {
	for most := maxAnswer; most >= minAnswer; most /= 2 {
		a := answer{Version: askVersion, Host: b.config.Host}
		if state := b.watched.asks.answer.Load(); state != nil {
			a.State = (*state)(most)
		}
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		err := json.NewEncoder(w).Encode(a)
		if err = errors.Join(err, w.Close()); err != nil {
			b.log.Error("this host's state cannot be told", "reason", err.Error())
			return nil
		}
		if packed.Len() <= payload {
			return packed.Bytes()
		}
	}
	return nil
}
