package allengines

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/airhost/airhost/guest"
)

// nativePlayer is the guest of testdata/player.c as a Go value. It leaves out the steps
// about memory.
type nativePlayer struct {
	targets []string
	me      int
	ids     []guest.RequestID // in the order sent
	later   []byte
	record  []recordLine
	era     uint16               // which instance this is
	sent    map[string]uint16    // the last number for each target
	got     map[string][2]uint16 // the last instance and number from each sender
	wrong   bool

	now turn
}

// turn is the call in progress.
type turn struct {
	host     guest.Host
	sender   string
	script   []byte
	next     int
	callback bool
	whole    bool // the response is the script
	failed   bool
	out      []byte
}

// recordLine says of a sender, or of a request's callback, how many messages there
// were, and has a hash of them in order, and one without order.
type recordLine struct{ Sender, Count, Hash, Sum uint32 }

const firstHash = 2166136261

func hashOf(h uint32, b []byte) uint32 {
	for _, c := range b {
		h = (h ^ uint32(c)) * 16777619
	}
	return (h ^ uint32(len(b))) * 16777619
}

func (p *nativePlayer) note(sender, h uint32) {
	i := 0
	for i < len(p.record) && p.record[i].Sender != sender {
		i++
	}
	if i == 80 {
		return
	}
	if i == len(p.record) {
		p.record = append(p.record, recordLine{Sender: sender, Hash: firstHash})
	}
	p.record[i].Count++
	p.record[i].Hash = hashOf(p.record[i].Hash, binary.LittleEndian.AppendUint32(nil, h))
	p.record[i].Sum += h * 2654435761
}

// numbered returns the part of a script that has its number, or nil.
func numbered(script []byte) []byte {
	skip := 0
	if len(script) > 0 && script[0] == '!' {
		skip = 1
	}
	if len(script) > skip+4 && script[skip] == '#' {
		return script[skip+1 : skip+5]
	}
	return nil
}

// follows checks the number of a message, and removes it from there.
func (p *nativePlayer) follows(sender string, script []byte) {
	place := numbered(script)
	if place == nil {
		return
	}
	got := [2]uint16{binary.LittleEndian.Uint16(place), binary.LittleEndian.Uint16(place[2:])}
	clear(place)
	if got[1] == 0 {
		return // it is from a Go program
	}
	last := p.got[sender]
	p.wrong = p.wrong || got[0] == last[0] && got[1] <= last[1]
	p.got[sender] = got
}

// numberFor numbers a script for a target. It returns the place of the number.
func (p *nativePlayer) numberFor(target string, script []byte) []byte {
	place := numbered(script)
	if place != nil {
		p.sent[target]++
		binary.LittleEndian.PutUint16(place, p.era)
		binary.LittleEndian.PutUint16(place[2:], p.sent[target])
	}
	return place
}

func (p *nativePlayer) Initialize(_ guest.Host, config guest.Config) error {
	p.sent, p.got = make(map[string]uint16), make(map[string][2]uint16)
	p.era = uint16(rand.Uint32())
	for _, pair := range config {
		switch pair.Key {
		case "m":
			p.me = int(pair.Value[0] - 'a')
		case "t":
			p.targets = append(p.targets, pair.Value)
		}
	}
	return nil
}

func (p *nativePlayer) HandleMessage(h guest.Host, sender string, message []byte) ([]byte, error) {
	message = bytes.Clone(message)
	p.follows(sender, message)
	p.note(hashOf(firstHash, []byte(sender)), hashOf(firstHash, message))
	p.now = turn{host: h, sender: sender, script: message}
	p.play()
	return p.finish()
}

func (p *nativePlayer) HandleCallback(h guest.Host, id guest.RequestID, response []byte, failure error) error {
	outcome, failed := response, uint32(0)
	if failure != nil {
		word, _, _ := strings.Cut(failure.Error(), ":")
		outcome, failed = []byte(word), 1
	}
	which := 0
	for which < len(p.ids) && p.ids[which] != id {
		which++
	}
	if which == len(p.ids) {
		which = 64 // of an instance before this one
	}
	p.note(uint32(1+which), hashOf(failed, outcome))
	p.now = turn{host: h, sender: p.targets[0], callback: true}
	switch {
	case failed == 0 && len(outcome) > 0 && outcome[0] == '!':
		p.now.script = bytes.Clone(outcome)
		p.play()
	case len(p.later) > 0:
		p.now.script, p.later = p.later, nil
		p.play()
	}
	_, err := p.finish()
	return err
}

func (p *nativePlayer) finish() ([]byte, error) {
	if p.wrong {
		p.now.host.Log(guest.LogError, "broken order of messages")
	}
	switch {
	case p.now.failed:
		return nil, guest.Failed("it was told to")
	case p.now.whole:
		return p.now.script, nil
	}
	return p.now.out, nil
}

func (t *turn) byte() byte {
	if t.next >= len(t.script) {
		return '.'
	}
	t.next++
	return t.script[t.next-1]
}

func (t *turn) word() int { return int(t.byte()) | int(t.byte())<<8 }

func (t *turn) text() []byte {
	size := int(t.byte())
	size = min(size, len(t.script)-t.next)
	t.next += size
	return t.script[t.next-size : t.next : t.next]
}

func (t *turn) answer(err error) bool {
	if err == nil {
		t.out = append(t.out, 0)
		return true
	}
	var told *guest.MessagingError
	if !errors.As(err, &told) {
		panic(err)
	}
	t.out = append(t.out, 1, byte(told.Case))
	return false
}

func (p *nativePlayer) target() string {
	which := int(p.now.byte())
	switch {
	case which == toSender:
		return p.now.sender
	case which > ring:
		which = (p.me + 1) % (which - ring)
	case which >= len(p.targets):
		which = 0
	}
	return p.targets[which]
}

func (p *nativePlayer) send(target string, message []byte) {
	place := p.numberFor(target, message)
	p.now.answer(p.now.host.Send(target, message))
	clear(place)
}

func (p *nativePlayer) request(target string, request []byte, millis uint64) {
	timeout := time.Duration(min(millis, 1<<63/uint64(time.Millisecond))) * time.Millisecond
	place := p.numberFor(target, request)
	id, err := p.now.host.Request(target, request, timeout)
	clear(place)
	if p.now.answer(err) && len(p.ids) < 64 {
		p.ids = append(p.ids, id)
	}
}

func (p *nativePlayer) play() {
	for {
		step := p.now.byte()
		if p.service(step) {
			continue
		}
		t := &p.now
		switch step {
		case 'b', 'B':
			if p.bounce(step) {
				return
			}
		case 'e':
			t.out = append(t.out, t.text()...)
		case 'E':
			t.whole = true
		case 'u':
			t.word()
		case 'h':
			p.later = bytes.Clone(t.text())
		case 'k':
			t.out, _ = binary.Append(t.out, binary.LittleEndian, p.record)
		case 'f':
			t.failed = true
			return
		case '!':
		case '#':
			t.next += 4
		case 'x':
			panic("unreachable")
		case 'o':
			t.hang()
		default:
			return
		}
	}
}

// hang returns when the host has interrupted the call.
func (t *turn) hang() {
	for !errors.Is(t.host.Cancel(0), guest.ErrUnavailable) {
		<-time.After(time.Millisecond)
	}
}

// timeouts are the timeouts of scripts, in milliseconds.
var timeouts = [8]uint64{0, 5, 50, 800, 86_400_000, 86_400_001, 1 << 63, 20_000}

// service takes a step that needs a host service, and returns whether it was one.
func (p *nativePlayer) service(step byte) bool {
	t := &p.now
	switch step {
	case 's', 'r':
		t.byte() // where things are in memory
		target, size, timeout := p.target(), t.word(), uint64(0)
		if step == 'r' {
			timeout = timeouts[t.byte()%8]
		}
		message := t.text()
		for len(message) < min(size, 1<<13) {
			message = append(message, '.')
		}
		if step == 's' {
			p.send(target, message)
		} else {
			p.request(target, message, timeout)
		}
	case 'c':
		which := int(t.byte())
		if which == 255 && len(p.ids) > 0 {
			which = len(p.ids) - 1
		}
		id := guest.RequestID(uint64(which) << 56)
		if which < len(p.ids) {
			id = p.ids[which]
		}
		t.answer(t.host.Cancel(id))
	case 'j':
		t.byte() // where things are in memory
		t.call(functions[t.byte()%4])
	case 'i':
		t.out = append(t.out, t.host.SelfID()...)
	case 'l':
		t.host.Log(guest.LogInfo, string(t.text()))
	default:
		return false
	}
	return true
}

// functions are the names of functions in scripts.
var functions = [4]string{"t/echo", "t/fails", "t/none", ""}

func (t *turn) call(name string) {
	size, argument := t.word(), t.text()
	for len(argument) < min(size, 1<<13) {
		argument = append(argument, '.')
	}
	result, err := t.host.Call(name, argument)
	var told *guest.CallError
	if errors.As(err, &told) {
		t.out = append(append(t.out, 1, byte(told.Case)), told.Text...)
		return
	}
	t.out = append(append(t.out, 0), result...)
}

// bounce sends the script back, with one less for its count.
func (p *nativePlayer) bounce(step byte) (ends bool) {
	t := &p.now
	t.byte()
	target, at := p.target(), t.next
	if t.byte() == 0 || at == t.next {
		return false
	}
	if step == 'B' && !t.callback {
		t.whole = true
		return true
	}
	t.script[at]--
	if step == 'b' {
		p.send(target, t.script)
	} else {
		p.request(target, t.script, 0)
	}
	t.script[at]++
	return true
}
