package allengines

import (
	_ "embed"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/airhost/airhost/core"
)

// playerWasm is a guest that plays its messages: see testdata/player.c.
//
//go:embed testdata/player.wasm
var playerWasm []byte

// The players, which send to each other. Some have ids that nearly are those of others.
var (
	longID  = strings.Repeat("n", core.MaxIDPart) + "/" + strings.Repeat("m", core.MaxIDPart-1)
	players = []string{"t/one", "t/two", "t/three", "t/four", "t/onf", "t/on", longID + "a", longID + "b"}
	// strangers are names of nobody, and no ids.
	strangers = []string{"t/none", "t/onee", "t/o", "t/one\x00", "", "t", "T/one", longID + "c", longID, longID + "aa", "s/one"}
)

// Targets of a script: the number of a player or stranger, or one of these.
const (
	toSender = 255
	ring     = 224 // and the number of players in it
)

// script is a message for a player. Its methods add steps.
type script []byte

func (s script) number(n int) script { return binary.LittleEndian.AppendUint16(s, uint16(n)) }

func (s script) text(text []byte) script {
	return append(append(s, byte(len(text))), text...)
}

func (s script) send(how, target byte, size int, text []byte) script {
	return append(s, 's', how, target).number(size).text(text)
}

func (s script) request(how, target byte, size int, timeout byte, text []byte) script {
	return append(append(s, 'r', how, target).number(size), timeout).text(text)
}

func (s script) call(how, name byte, size int, text []byte) script {
	return append(s, 'j', how, name).number(size).text(text)
}

// player makes up scripts.
//
// The host promises no order but that of one sender's messages. So a play is of one of
// two kinds. In a *thread* there is only one message or request under way, and all must
// be the same everywhere. In a *crowd* there are many, and a player does the same for the
// same message whatever it has done before, so that all must be the same but for the order.
type player struct {
	*rand.Rand
	crowd bool
	// wild: scripts may break the ABI and place things in memory, as only WebAssembly can.
	wild bool
	fuel bool // a limit of fuel ends endless scripts
}

// sizes are those at which something changes: the sizes of messages that take a shorter
// way, and the quota. Messages above 4,000 are refused.
var sizes = []int{0, 0, 0, 0, 1, 63, 64, 65, 200, 2048, 2049, 4000}

// counts are those at which something changes: the most calls in an exchange or chain.
var counts = []byte{0, 1, 2, 3, 31, 32, 33, 34, 64, 65, 70, 100}

func pickOf[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

// target is a player.
func (p *player) target() byte {
	switch n := p.IntN(20); {
	case n < 13:
		return byte(p.IntN(len(players)))
	case n < 17:
		return toSender
	}
	return byte(ring + 1 + p.IntN(5))
}

// way is the way of a call, and the place of its bytes in memory.
func (p *player) way() byte {
	way := byte(p.IntN(4))
	if p.IntN(10) < 6 {
		return way
	}
	return way | pickOf[byte](p.Rand, 1, 2, 3, 4, 5, 7)<<4
}

// count is how often a script goes to and fro. Only a script at the top goes far.
func (p *player) count(depth int) byte {
	if depth < most {
		return byte(p.IntN(3))
	}
	return pickOf(p.Rand, counts...)
}

// most is the depth of the scripts at the top.
const most = 3

// head begins a script.
func (p *player) head() script {
	if p.IntN(4) == 0 {
		return script("!#\x00\x00\x00\x00")
	}
	return script("#\x00\x00\x00\x00")
}

// script is a script that reaches depth hops away, and somewhat further by counts.
func (p *player) script(depth int) script {
	s := p.head()
	for range p.IntN(3) {
		s = p.small(s)
	}
	if p.crowd {
		for range 1 + p.IntN(2) {
			s = p.live(s, depth)
		}
	} else {
		s = p.live(s, depth)
	}
	if p.IntN(3) == 0 {
		s = p.small(s)
	}
	return append(s, '.')
}

// quiet is a script that sends nothing.
func (p *player) quiet() script {
	s := p.head()
	for range 1 + p.IntN(3) {
		s = p.small(s)
	}
	return append(s, '.')
}

// within is a script that fits into another one.
func (p *player) within(depth int) script {
	if s := p.script(depth - 1); len(s) < 200 {
		return s
	}
	return append(p.head(), 'b', 0, p.target(), byte(p.IntN(3)), '.')
}

// live is a step that sends something.
func (p *player) live(s script, depth int) script {
	n := p.IntN(12)
	if depth == 0 || n < 3 {
		return append(s, 'b', p.way(), p.target(), p.count(depth))
	}
	target, size := p.target(), pickOf(p.Rand, sizes...)
	switch {
	case n < 7:
		return s.send(p.way(), target, size, p.within(depth))
	case n < 9: // the requester sends the next request from its callback
		again := append(script("!#\x00\x00\x00\x00B"), p.way()&3, target, p.count(depth), '.')
		return s.request(p.way(), target, max(size, len(again)), 0, again)
	case p.crowd:
		return s.request(p.way(), target, size, pickOf[byte](p.Rand, 0, 4, 7), p.within(depth))
	case n < 10: // the response is a script for the callback
		answer := append(p.head(), 'e').text(append(script("!"), p.within(depth)[:]...))
		return s.request(p.way(), target, max(size, len(answer)), 0, append(answer, '.')[:min(len(answer)+1, 255)])
	}
	s = append(s, 'h').text(p.within(depth))
	s = s.request(p.way(), target, size, pickOf[byte](p.Rand, 0, 4, 7), p.quiet())
	if n == 11 {
		return p.live(append(s, 'c', 255), depth-1)
	}
	return s
}

// small are steps after which nothing is under way.
func (p *player) small(s script) script {
	switch n := p.IntN(23); {
	case n < 3:
		stranger := byte(len(players) + p.IntN(len(strangers)))
		return s.send(p.way(), stranger, pickOf(p.Rand, sizes...), p.head())
	case n < 5:
		stranger := byte(len(players) + p.IntN(len(strangers)))
		return s.request(p.way(), stranger, pickOf(p.Rand, sizes...), byte(p.IntN(8)), p.head())
	case n < 6:
		return s.send(p.way(), byte(p.IntN(len(players))), pickOf(p.Rand, 4001, 8000), nil)
	case n < 7:
		return s.request(p.way(), byte(p.IntN(len(players))), 64, pickOf[byte](p.Rand, 5, 6), nil)
	case n < 8 && !p.crowd:
		return append(s, 'c', byte(p.IntN(6)))
	case n < 9:
		return append(s, 'i')
	case n < 10:
		return append(s, 'l').text([]byte("a line"))
	case n < 11:
		return append(s, 'f')
	case n < 12 && p.IntN(3) == 0:
		return append(s, 'x')
	case n < 13:
		return append(s, 'u').number(p.IntN(3000))
	case n < 15:
		return append(s, 'E')
	case n < 18 && p.wild:
		return p.attack(s)
	case n >= 20:
		return s.call(p.way(), byte(p.IntN(4)), pickOf(p.Rand, sizes...), []byte("an argument"))
	}
	return append(s, 'e').text(slices.Repeat([]byte("."), pickOf(p.Rand, 0, 1, 63, 64, 65, 100)))
}

// attack are steps that only a guest in WebAssembly can take.
func (p *player) attack(s script) script {
	n := p.IntN(11)
	switch {
	case n == 10:
		return s.call(byte(8+p.IntN(6))<<4, 0, pickOf(p.Rand, sizes...), nil)
	case n < 1:
		return append(s, 'A').number(pickOf(p.Rand, sizes...))
	case n < 2:
		return append(s, 'a', byte(p.IntN(13)))
	case n < 3:
		return s.send(byte(8+p.IntN(6))<<4, byte(p.IntN(len(players))), pickOf(p.Rand, sizes...), p.head())
	case n < 4:
		return s.request(byte(8+p.IntN(6))<<4, byte(p.IntN(len(players))), pickOf(p.Rand, sizes...), 0, p.head())
	case n < 5 && p.fuel:
		return append(s, 'o')
	case n < 6 || p.crowd:
		return append(s, 'g', byte(1+p.IntN(2)))
	case n < 7:
		return append(s, 'p', p.idea())
	case n < 9:
		return append(s, 'q', byte(1+p.IntN(6)), p.idea())
	}
	return append(s, 'Q', p.idea())
}

// idea is a misbehavior.
func (p *player) idea() byte {
	if p.fuel && p.IntN(8) == 0 {
		return 'o'
	}
	return "xsrilt0heggggaazzzvv"[p.IntN(20)]
}
