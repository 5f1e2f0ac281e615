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

// planner makes up scripts.
type player struct {
	*rand.Rand
	// wild is whether scripts may do what only WebAssembly can: break the ABI, and
	// place things in memory.
	wild bool
	fuel bool // whether a limit of fuel ends what is endless
}

// sizes are those at which something changes: the sizes of messages that take a shorter
// way, and the quota.
var sizes = []int{0, 0, 0, 0, 1, 63, 64, 65, 200, 2048, 2049, 4000, 4001, 8000}

// counts are those at which something changes: the most calls in an exchange.
var counts = []byte{0, 1, 2, 3, 31, 32, 33, 34, 64, 65, 70, 100}

func pickOf[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

func (p *player) target() byte {
	switch n := p.IntN(20); {
	case n < 12:
		return byte(p.IntN(len(players)))
	case n < 16:
		return toSender
	case n < 18:
		return byte(ring + 1 + p.IntN(5))
	}
	return byte(len(players) + p.IntN(len(strangers)))
}

// how is the way of a call, and the place of its bytes in memory.
func (p *player) how() byte {
	way := byte(p.IntN(4))
	switch n := p.IntN(100); {
	case n < 60:
		return way
	case n < 95 || !p.wild:
		return way | pickOf[byte](p.Rand, 1, 2, 3, 4, 5, 7)<<4
	case n < 97:
		return way | 6<<4
	}
	return way | byte(8+p.IntN(6))<<4 // breaks the ABI
}

// script is a script that reaches up to depth hops away.
func (p *player) script(depth int) script {
	var s script
	if p.IntN(4) == 0 {
		s = append(s, '!')
	}
	for range 1 + p.IntN(3) {
		s = p.step(s, depth)
	}
	return append(s, '.')
}

// within is a script that fits into another one.
func (p *player) within(depth int) script {
	s := p.script(depth - 1)
	if len(s) > 255 {
		return script(nil).bounce('b', p.target(), 3)
	}
	return s
}

func (s script) bounce(step, target, count byte) script { return append(s, step, 0, target, count) }

func (p *player) step(s script, depth int) script {
	n := p.IntN(50)
	switch {
	case depth > 0 && n < 12:
		return s.send(p.how(), p.target(), pickOf(p.Rand, sizes...), p.within(depth))
	case depth > 0 && n < 22:
		return s.request(p.how(), p.target(), pickOf(p.Rand, sizes...), byte(p.IntN(8)), p.within(depth))
	case n < 30:
		return append(s, 'b', p.how(), p.target(), pickOf(p.Rand, counts...))
	case depth > 0 && n < 35: // the requester sends the next request from its callback
		target := p.target()
		again := append(script("!B"), p.how()&3, target, pickOf(p.Rand, counts...), '.')
		return s.request(p.how(), target, pickOf(p.Rand, sizes...), 0, again)
	case n < 38:
		return append(s, 'c', byte(p.IntN(6)))
	case n < 40:
		return append(append(s, 'h'), script(nil).text(p.within(min(depth, 1)))...)
	case n < 46:
		return p.small(s)
	}
	if p.wild {
		return p.attack(s)
	}
	return p.small(s)
}

// small are steps that send nothing.
func (p *player) small(s script) script {
	switch p.IntN(10) {
	case 0:
		return append(s, 'i')
	case 1:
		return append(s, 'l').text([]byte("a line"))
	case 2:
		return append(s, 'f')
	case 3:
		if p.IntN(3) == 0 {
			return append(s, 'x')
		}
	case 4:
		return append(s, 'u').number(p.IntN(3000))
	case 5, 6:
		return append(s, 'E')
	}
	return append(s, 'e').text(slices.Repeat([]byte("."), pickOf(p.Rand, 0, 1, 63, 64, 65, 250)))
}

// attack are steps that only a guest in WebAssembly can take.
func (p *player) attack(s script) script {
	idea := p.pickIdea()
	switch p.IntN(9) {
	case 0:
		return append(s, 'A').number(pickOf(p.Rand, sizes...))
	case 1:
		return append(s, 'a', byte(p.IntN(13)))
	case 2, 3:
		return append(s, 'g', byte(1+p.IntN(2)))
	case 4:
		return append(s, 'p', idea)
	case 5, 6:
		return append(s, 'q', byte(1+p.IntN(6)), idea)
	case 7:
		return append(s, 'Q', idea)
	}
	if p.fuel {
		return append(s, 'o')
	}
	return append(s, 'g', 1)
}

func (p *player) pickIdea() byte {
	if p.fuel && p.IntN(8) == 0 {
		return 'o'
	}
	return "xsrilt0heggggaazzzvv"[p.IntN(20)]
}
