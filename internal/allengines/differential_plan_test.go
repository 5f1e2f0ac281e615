//go:build cgo && (linux || darwin) && (amd64 || arm64)

package allengines

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// newPlan makes a plan at random.
func newPlan(seed uint64) plan {
	g := &planner{Rand: rand.New(rand.NewPCG(seed, 0))}
	if seed%2 == 0 {
		g.fuel = 3_000_000
	}
	p := plan{fuel: g.fuel, steps: opening()}
	for range 25 {
		step := planStep{target: id(g.pick(scripted)), pass: short}
		switch g.IntN(13) {
		case 0: // a Go program's request runs beside the worker, so that it must not send
			step.request, step.payload = true, g.alone()
		case 1:
			step.target, step.payload = id("c/actor"), g.forActor(3)
		case 2:
			step.again, step.payload = true, g.script(3)
		case 3:
			step.pass, step.payload = long, g.script(3)
		case 4:
			step.replaced, step.payload = true, g.script(3)
		default:
			step.payload = g.script(3)
		}
		p.steps = append(p.steps, step)
	}
	for _, name := range scripted { // which tell the outcomes that their callbacks got
		p.steps = append(p.steps, planStep{target: id(name), request: true, payload: []byte("k"), pass: long})
	}
	return p
}

// opening are steps that chance seldom takes: they fill a mailbox, let a request wait for
// too long, and replace a component with a timer that runs.
func opening() []planStep {
	narrow, slow := []byte("a/narrow"), []byte("b/slow")
	crowd, late := new(work), new(work)
	for range 3 {
		crowd.named("s", narrow, nil).number(0)
	}
	late.named("R", slow, nil).wide(50).number(0)
	timer := planStep{target: id("c/actor"), payload: append(binary.LittleEndian.AppendUint64([]byte("a"), 50), "l\x02a timer"...), pass: short}
	kept := timer
	kept.replaced, kept.pass = true, long
	trap := planStep{target: id("b/slow"), payload: []byte("x"), pass: short}
	return []planStep{
		{target: id("a/one"), payload: crowd.message(), pass: short},
		trap, trap, // after the second one it starts again only after a while
		{target: id("a/one"), payload: late.message(), pass: long},
		timer, kept,
	}
}

// planner makes up messages for guests.
type planner struct {
	*rand.Rand
	fuel uint64
}

func (g *planner) pick(from []string) string { return from[g.IntN(len(from))] }

func (g *planner) target() string {
	if g.IntN(4) == 0 {
		return g.pick(others)
	}
	return g.pick(scripted)
}

// alone is a script that does not send.
func (g *planner) alone() []byte {
	s := new(work)
	s.named("e", g.text(10)).named("l", g.text(5))
	return s.then("ik" + g.pick([]string{"", "", "f", "x"})).message()
}

// forTarget is a message that the target understands, or not.
func (g *planner) forTarget(target string, depth int) []byte {
	switch {
	case g.IntN(15) == 0:
		return g.text(g.IntN(6000))
	case depth <= 0 || target == "c/responder":
		return g.text(g.IntN(40))
	case target == "c/actor":
		return g.forActor(depth)
	}
	return g.script(depth)
}

// text is of '.', which ends a script.
func (g *planner) text(size int) []byte { return bytes.Repeat([]byte("."), size) }

// forActor is a message for the suite's actor. Its requests are left out: it
// answers with their ids, which no two hosts give alike.
func (g *planner) forActor(depth int) []byte {
	target := g.target()
	to := append([]byte{byte(len(target))}, target...)
	message := g.forTarget(target, depth-1)
	switch g.IntN(9) {
	case 0:
		return slices.Concat([]byte("e"), message)
	case 4: // its own messages begin no others, so that their order makes no difference
		later := []string{"e.", "l\x02a timer", "w"}
		return slices.Concat(binary.LittleEndian.AppendUint64([]byte("a"), uint64(g.IntN(400))), []byte(g.pick(later)))
	case 5:
		return binary.LittleEndian.AppendUint64([]byte("q"), uint64(g.IntN(4)))
	case 1:
		return []byte("f\x01not ready")
	case 2:
		return []byte("l\x03a line")
	case 3:
		if g.IntN(4) == 0 {
			return []byte("x")
		}
		return []byte("w")
	}
	return slices.Concat([]byte("s"), to, message)
}

func (g *planner) timeout() uint64 {
	return []uint64{0, 5, 50, 800, 86_400_000, 86_400_001, 1 << 63}[g.IntN(7)]
}

// script is a message for a scripted component, which reaches up to depth hops away.
func (g *planner) script(depth int) []byte {
	s := new(work)
	for range 1 + g.IntN(4) {
		g.addStep(s, depth)
	}
	return s.message()
}

func (g *planner) addStep(s *work, depth int) {
	target := g.target()
	message := g.forTarget(target, depth-1)
	switch n := g.IntN(40); {
	case depth > 0 && n < 12:
		s.named("s", []byte(target), message).number(g.area())
	case depth > 0 && n < 26:
		s.named("R", []byte(target), message).wide(g.timeout()).number(g.area())
	case depth > 0 && n < 30: // the response is a script for the requester
		s.named("e", append([]byte("!"), g.script(depth-1)...))
	case n < 32:
		s.then("C").number(uint32(g.IntN(4)))
	case n < 34:
		s.named("l", message)
	case n < 35:
		s.then("x")
	case n < 36:
		s.then("f")
	case n < 37 && g.fuel > 0:
		s.then("o")
	case n < 38: // more than its quota, from memory behind its message
		s.named("s", []byte(target)).number(0).number(5000).number(0)
	default:
		s.named("e", message).then("i")
	}
}

// area is the guest's own, or one that breaks the ABI.
func (g *planner) area() uint32 {
	if g.IntN(40) == 0 {
		return 1<<31 + uint32(g.IntN(1000))
	}
	return 0
}

// work writes a message for the guest of backends/wasmtime/testdata/script.c: the
// steps, followed by the data that they name.
type work struct {
	code, data []byte
	names      []int // where in code a place in data is named
}

func (s *work) then(letters string) *work {
	s.code = append(s.code, letters...)
	return s
}

func (s *work) number(n uint32) *work {
	s.code = binary.LittleEndian.AppendUint32(s.code, n)
	return s
}

func (s *work) wide(n uint64) *work {
	s.code = binary.LittleEndian.AppendUint64(s.code, n)
	return s
}

func (s *work) named(letter string, all ...[]byte) *work {
	s.then(letter)
	for _, b := range all {
		s.names = append(s.names, len(s.code))
		s.number(uint32(len(s.data))).number(uint32(len(b)))
		s.data = append(s.data, b...)
	}
	return s
}

func (s *work) message() []byte {
	code := append(bytes.Clone(s.code), '.')
	for _, at := range s.names {
		place := binary.LittleEndian.Uint32(code[at:]) + uint32(len(code))
		binary.LittleEndian.PutUint32(code[at:], place)
	}
	return append(code, s.data...)
}
