package allengines

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// play is a list of steps that a Go program takes with players.
type play struct {
	player
	interpreted bool // wazero's interpreter, which is slow, takes part
	steps       []planStep
}

// while is a pause in which even a player that traps again and again is done.
const while = 499 * time.Millisecond

// playFuel is enough for all scripts that end.
const playFuel = 400_000

// newPlay makes a play at random.
func newPlay(r *rand.Rand, steps int) *play {
	p := &play{player: player{Rand: r, crowd: r.IntN(2) == 0, wild: r.IntN(2) == 0}}
	p.fuel, p.interpreted = p.wild && r.IntN(3) == 0, r.IntN(4) == 0
	for range steps {
		step := planStep{target: id(pickOf(r, players...)), payload: p.script(most), pass: while}
		switch r.IntN(10) {
		case 0: // a Go program's request runs beside the worker, so that it must not send
			step.request, step.payload = true, p.quiet()
		case 1:
			step.pass = long
		case 2:
			step.again = true
		}
		p.steps = append(p.steps, step)
	}
	return p
}

// deployments are the players' on a stage.
func (p *play) deployments(s stage, code [][]byte) (deployments []host.Deployment) {
	for i, name := range players {
		config := []core.ConfigPair{{Key: "m", Value: string(rune('a' + i))}}
		for _, target := range slices.Concat(players, strangers) {
			config = append(config, core.ConfigPair{Key: "t", Value: target})
		}
		form := []int{0, 0, 1, 2, 3}[i%5]
		if form == 1 || form == 2 {
			config = append(config, core.ConfigPair{Key: "n"})
		}
		engine := s.engines[i%len(s.engines)]
		d := host.Deployment{
			ID: id(name), Engine: strings.TrimSuffix(engine, asked), Source: core.Source{Code: code[form]}, Config: config, Capabilities: all(),
			Limits:  core.Limits{Mailbox: 100_000, MailboxBytes: 1 << 29, MessageSize: 4000},
			Quota:   host.Quota{MessagesPerSecond: 1e6, Burst: 1e6, PendingRequests: 100_000},
			Restart: host.Restart{MaxRestarts: -1, Backoff: time.Millisecond, MaxBackoff: time.Millisecond},
		}
		switch engine {
		case native.Name:
			d.Source = native.Source(func() guest.Component { return new(nativePlayer) })
		case interpreter:
			d.Engine = wazero.Name
		}
		if p.fuel {
			d.Limits.Fuel = playFuel
		}
		switch {
		case name == "t/four" && !p.crowd:
			d.Quota = host.Quota{MessagesPerSecond: 20, Burst: 40}
		case name == "t/onf":
			d.Limits.MessageSize = 1500
		case name == "t/on":
			d.Capabilities = host.Capabilities{Send: patterns("t/one", "t/two"), Request: patterns("t/three", "t/one")}
		}
		deployments = append(deployments, d)
	}
	return deployments
}

// follow takes the play's steps on a stage, and returns the observation after each.
func (p *play) follow(t *testing.T, s stage, house *house) (seen []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var engines []core.Engine
		for _, name := range s.all() {
			engines = append(engines, house.engine(name))
		}
		h, log, stop := startWith(t, engines...)
		seen = takeAll(t, h, p.deployments(s, house.code), p.steps)
		seen = append(seen, p.records(t, h), observe(h))
		stop()
		seen = append(seen, sorted(log.String()))
	})
	for i := range seen {
		seen[i] = p.sameWords(seen[i])
	}
	return seen
}

// records are those of all players.
func (p *play) records(t *testing.T, h *host.Host) (all string) {
	t.Helper()
	for _, name := range players {
		record, err := h.Request(t.Context(), id(name), []byte("k"))
		all += fmt.Sprintf("%s: %v, %v\n", name, p.recordOf(record), err)
	}
	synctest.Wait()
	return all
}

// callbacks is the sender of all callbacks in the record of a crowd: it depends on the
// order which request was sent as n-th.
const callbacks = 65

// recordOf reads a player's record, and sorts its lines. In a crowd it leaves out all that
// depends on the order.
func (p *play) recordOf(b []byte) []recordLine {
	lines := make([]recordLine, len(b)/16)
	_, _ = binary.Decode(b, binary.LittleEndian, lines) // both have the same size
	slices.SortFunc(lines, func(a, b recordLine) int { return cmp.Compare(a.Sender, b.Sender) })
	if !p.crowd {
		return lines
	}
	all := recordLine{Sender: callbacks}
	lines = slices.DeleteFunc(lines, func(l recordLine) bool {
		if l.Sender > callbacks {
			return false
		}
		all.Count, all.Sum = all.Count+l.Count, all.Sum+l.Sum
		return true
	})
	for i := range lines {
		lines[i].Hash = 0
	}
	return append(lines, all)
}

var (
	trapText  = regexp.MustCompile(`fault: [^"\n]*unreachable[^"\n ]*`)
	address   = regexp.MustCompile(`0x[0-9a-f]+`)
	lastError = regexp.MustCompile(`LastError:.*|.*msg="message (refused|failed)".*`) // not all of these are logged
	// Payloads have the numbers of instances; and a response may have taken a request's
	// place when the post-return traps.
	payload = regexp.MustCompile(`"([^"\\]|\\.)*": `)
	request = regexp.MustCompile(`request true, \d+ bytes`)
)

// sameWords removes the differences in which engines are free: of text for a trap, and in
// a crowd the order.
func (p *play) sameWords(seen string) string {
	seen = address.ReplaceAllString(trapText.ReplaceAllString(seen, "fault: unreachable"), "0x")
	seen = payload.ReplaceAllString(seen, "")
	if p.wild {
		seen = request.ReplaceAllString(seen, "request")
	}
	if p.crowd {
		seen = strings.TrimLeft(sorted(lastError.ReplaceAllString(seen, "")), "\n")
	}
	return seen
}

// compare follows a play on each of the stages that it fits, and reports the first difference.
func (p *play) compare(t *testing.T, stages []stage, house *house) (seen []string) {
	t.Helper()
	for i, s := range stages {
		if s.tame && p.wild || s.engines[0] == interpreter && !p.interpreted {
			continue
		}
		got := p.follow(t, s, house)
		if i == 0 {
			seen = got
		}
		for n := range got {
			if got[n] != seen[n] {
				t.Fatalf("observation %d on %s differs from wazero:\n%s\nthe step is %s", n, s.name, difference(got[n], seen[n]), p.describe(n))
			}
			if at := strings.Index(got[n], "broken order"); at >= 0 {
				t.Fatalf("observation %d on %s: the guest's functions were called in a wrong order: %.200s", n, s.name, got[n][at:])
			}
		}
	}
	return seen
}

// difference shows the first lines that differ.
func difference(got, want string) (shown string) {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return shown + "want more: " + b[i]
		case i >= len(b):
			return shown + "got more: " + a[i]
		case a[i] != b[i]:
			shown += "got  " + a[i] + "\nwant " + b[i] + "\n"
		}
		if len(shown) > 3000 {
			break
		}
	}
	return shown
}

func (p *play) describe(n int) string {
	if n < len(p.steps) {
		return fmt.Sprintf("%+v: %q", p.steps[n], p.steps[n].payload)
	}
	return "after all"
}

// TestPlaysMakeNoDifference compares hosts of players: on all engines, on several in one
// host, and on engines that ask the host for everything.
func TestPlaysMakeNoDifference(t *testing.T) {
	house := newHouse(t)
	plays := uint64(40)
	if testing.Short() {
		plays = 6
	}
	for seed := range plays {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			newPlay(rand.New(rand.NewPCG(seed, 1)), 12).compare(t, stages(), house)
		})
	}
}

// bytesSource draws numbers from bytes first, so that a fuzzer that changes a byte
// changes a choice.
type bytesSource struct {
	bytes []byte
	rest  *rand.PCG
}

func (s *bytesSource) Uint64() uint64 {
	if len(s.bytes) == 0 {
		return s.rest.Uint64()
	}
	b := s.bytes[0]
	s.bytes = s.bytes[1:]
	return 0x0101010101010101 * uint64(b)
}

// FuzzPlays compares engines in short plays that the fuzzer makes. It leaves out stages,
// since the fuzzer gives up a play that takes 10 s.
func FuzzPlays(f *testing.F) {
	house := newHouse(f)
	for seed := range uint64(4) {
		drawn := rand.New(rand.NewPCG(seed, 2))
		choices := make([]byte, 200)
		for i := range choices {
			choices[i] = byte(drawn.Uint32())
		}
		f.Add(choices)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		p := newPlay(rand.New(&bytesSource{choices, rand.NewPCG(0, 0)}), 3)
		p.interpreted = false
		some := slices.DeleteFunc(stages(), func(s stage) bool { return len(s.engines) > 1 })
		p.compare(t, some, house)
	})
}
