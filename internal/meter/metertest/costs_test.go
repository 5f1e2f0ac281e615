package metertest

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"golang.org/x/sys/unix"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

var measure = flag.Bool("measure", false, "measure what instructions cost, and write testdata/costs.json")

// signatures has the operands and the result of instructions without control flow, by
// ranges of opcodes: i, I, f, F and v are i32, i64, f32, f64 and v128.
const signatures = `
28 28 i:i|29 29 i:I|2a 2a i:f|2b 2b i:F|2c 2f i:i|30 35 i:I|36 36 ii:|37 37 iI:|38 38 if:|39 39 iF:|3a 3b ii:|3c 3e iI:|3f 3f :i
41 41 :i|42 42 :I|43 43 :f|44 44 :F
45 45 i:i|46 4f ii:i|50 50 I:i|51 5a II:i|5b 60 ff:i|61 66 FF:i|67 69 i:i|6a 78 ii:i|79 7b I:I|7c 8a II:I|8b 91 f:f|92 98 ff:f|99 9f F:F|a0 a6 FF:F
a7 a7 I:i|a8 a9 f:i|aa ab F:i|ac ad i:I|ae af f:I|b0 b1 F:I|b2 b3 i:f|b4 b5 I:f|b6 b6 F:f|b7 b8 i:F|b9 ba I:F|bb bb f:F|bc bc f:i|bd bd F:I|be be i:f|bf bf I:F
c0 c1 i:i|c2 c4 I:I|fc00 fc01 f:i|fc02 fc03 F:i|fc04 fc05 f:I|fc06 fc07 F:I
fd00 fd0a i:v|fd0b fd0b iv:|fd0c fd0c :v|fd0d fd0e vv:v|fd0f fd11 i:v|fd12 fd12 I:v|fd13 fd13 f:v|fd14 fd14 F:v|fd15 fd16 v:i|fd17 fd17 vi:v|fd18 fd19 v:i|fd1a fd1a vi:v
fd1b fd1b v:i|fd1c fd1c vi:v|fd1d fd1d v:I|fd1e fd1e vI:v|fd1f fd1f v:f|fd20 fd20 vf:v|fd21 fd21 v:F|fd22 fd22 vF:v|fd23 fd4c vv:v|fd4d fd4d v:v|fd4e fd51 vv:v|fd52 fd52 vvv:v
fd53 fd53 v:i|fd54 fd57 iv:v|fd58 fd5b iv:|fd5c fd5d i:v|fd5e fd62 v:v|fd63 fd64 v:i|fd65 fd66 vv:v|fd67 fd6a v:v|fd6b fd6d vi:v|fd6e fd73 vv:v|fd74 fd75 v:v|fd76 fd79 vv:v|fd7a fd7a v:v
fd7b fd7b vv:v|fd7c fd81 v:v|fd82 fd82 vv:v|fd83 fd84 v:i|fd85 fd86 vv:v|fd87 fd8a v:v|fd8b fd8d vi:v|fd8e fd93 vv:v|fd94 fd94 v:v|fd95 fd9f vv:v|fda0 fda1 v:v|fda3 fda4 v:i
fda7 fdaa v:v|fdab fdad vi:v|fdae fdbf vv:v|fdc0 fdc1 v:v|fdc3 fdc4 v:i|fdc7 fdca v:v|fdcb fdcd vi:v|fdce fddf vv:v|fde0 fde1 v:v|fde3 fde3 v:v|fde4 fdeb vv:v|fdec fded v:v|fdef fdef v:v|fdf0 fdf7 vv:v|fdf8 fdff v:v
fe00 fe00 ii:i|fe10 fe10 i:i|fe11 fe11 i:I|fe12 fe13 i:i|fe14 fe16 i:I|fe17 fe17 ii:|fe18 fe18 iI:|fe19 fe1a ii:|fe1b fe1d iI:|fe48 fe48 iii:i|fe49 fe49 iII:I|fe4a fe4b iii:i|fe4c fe4e iII:I
fe1e fe1e ii:i|fe1f fe1f iI:I|fe20 fe21 ii:i|fe22 fe24 iI:I|fe25 fe25 ii:i|fe26 fe26 iI:I|fe27 fe28 ii:i|fe29 fe2b iI:I|fe2c fe2c ii:i|fe2d fe2d iI:I|fe2e fe2f ii:i|fe30 fe32 iI:I
fe33 fe33 ii:i|fe34 fe34 iI:I|fe35 fe36 ii:i|fe37 fe39 iI:I|fe3a fe3a ii:i|fe3b fe3b iI:I|fe3c fe3d ii:i|fe3e fe40 iI:I|fe41 fe41 ii:i|fe42 fe42 iI:I|fe43 fe44 ii:i|fe45 fe47 iI:I`

// operandTypes has the types of the globals for operands and results, in their order.
const operandTypes = "iIfFv"

// globals is needed twice in a module, so that a result does not become an operand.
var globals = []wasm.Global{
	{Type: wasm.GlobalType{Value: wasm.I32, Mutable: true}, Init: []byte{0x41, 8, 0x0b}},
	{Type: wasm.GlobalType{Value: wasm.I64, Mutable: true}, Init: []byte{0x42, 8, 0x0b}},
	{Type: wasm.GlobalType{Value: wasm.F32, Mutable: true}, Init: []byte{0x43, 0, 0, 0x80, 0x3f, 0x0b}},
	{Type: wasm.GlobalType{Value: wasm.F64, Mutable: true}, Init: []byte{0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x0b}},
	{Type: wasm.GlobalType{Value: wasm.V128, Mutable: true}, Init: append([]byte{0xfd, 0x0c}, append(make([]byte, 16), 0x0b)...)},
}

// others has statements with the instructions for control flow, references and tables.
// Instructions that carry values, or end in another way, have shapes.
var others = map[wasm.Opcode][]byte{
	0x01: {0x01, 0x23, 0, 0x24, 0}, 0x02: {0x02, 0x40, 0x23, 0, 0x24, 0, 0x0b}, 0x03: {0x03, 0x40, 0x23, 0, 0x24, 0, 0x0b},
	0x04: {0x23, 0, 0x04, 0x40, 0x23, 0, 0x24, 0, 0x0b}, 0x05: {0x23, 0, 0x04, 0x40, 0x23, 0, 0x24, 0, 0x05, 0x23, 0, 0x24, 0, 0x0b},
	0x0b: {0x02, 0x40, 0x0b, 0x23, 0, 0x24, 0}, 0x0c: {0x02, 0x40, 0x0c, 0, 0x0b}, 0x0d: {0x02, 0x40, 0x23, 0, 0x0d, 0, 0x0b},
	0x0e: {0x02, 0x40, 0x23, 0, 0x0e, 1, 0, 0, 0x0b}, 0x10: {0x10, 2}, 0x11: {0x41, 0, 0x11, 0, 0}, 0x1a: {0x23, 0, 0x1a},
	0x1b: {0x23, 0, 0x23, 0, 0x23, 0, 0x1b, 0x24, 0}, 0x1c: {0x23, 0, 0x23, 0, 0x23, 0, 0x1c, 1, 0x7f, 0x24, 0},
	0x23: {0x23, 4, 0x24, 4}, 0x24: {0x23, 3, 0x24, 3}, 0x25: {0x41, 0, 0x25, 0, 0x1a}, 0x26: {0x41, 1, 0xd0, 0x70, 0x26, 0},
	0xd0: {0xd0, 0x70, 0xd1, 0x24, 0}, 0xd1: {0xd0, 0x70, 0xd1, 0x24, 0}, 0xd2: {0xd2, 2, 0x1a},
	0xfc08: {0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 8, 0, 0}, 0xfc09: {0xfc, 9, 0},
	0xfc0a: {0x41, 0, 0x41, 0, 0x41, 0xc0, 0, 0xfc, 0x0a, 0, 0}, 0xfc0b: {0x41, 0, 0x41, 1, 0x41, 0xc0, 0, 0xfc, 0x0b, 0},
	0xfc0c: {0x41, 1, 0x41, 0, 0x41, 0, 0xfc, 0x0c, 1, 0}, 0xfc0d: {0xfc, 0x0d, 1}, 0xfc0e: {0x41, 0, 0x41, 0, 0x41, 1, 0xfc, 0x0e, 0, 0},
	0xfc0f: {0xd0, 0x70, 0x41, 0, 0xfc, 0x0f, 0, 0x1a}, 0xfc10: {0xfc, 0x10, 0, 0x24, 0}, 0xfc11: {0x41, 1, 0xd0, 0x70, 0x41, 1, 0xfc, 0x11, 0},
	0x40: {0x41, 0, 0x40, 0, 0x1a}, 0xfe03: {0xfe, 3, 0},
}

// trap has the instructions without a row: they end the call.
var trap = []wasm.Opcode{0x00}

// simple returns a statement with each of the instructions in signatures.
func simple() map[wasm.Opcode][]byte {
	all := maps.Clone(others)
	for _, line := range strings.FieldsFunc(signatures, func(r rune) bool { return r == '|' || r == '\n' }) {
		part := strings.Fields(line)
		first, _ := strconv.ParseUint(part[0], 16, 16)
		last, _ := strconv.ParseUint(part[1], 16, 16)
		operands, result, _ := strings.Cut(part[2], ":")
		for op := wasm.Opcode(first); op <= wasm.Opcode(last); op++ {
			if !slices.Contains(wasm.Opcodes(), op) {
				continue
			}
			var code []byte
			for _, o := range operands {
				code = append(code, 0x23, byte(strings.IndexRune(operandTypes, o)))
			}
			code = append(code, encoded(op)...)
			if result != "" {
				code = append(code, 0x24, byte(len(operandTypes)+strings.Index(operandTypes, result)))
			}
			all[op] = code
		}
	}
	return all
}

// encoded returns an instruction with immediates of 0 that decode.
func encoded(op wasm.Opcode) []byte {
	code := []byte{byte(op)}
	if op > 0xff {
		code = append([]byte{byte(op >> 8)}, wasm.AppendIndex(nil, uint32(op&0xff))...)
	}
	head := len(code)
	if op>>8 == 0xfe && op != 0xfe03 { // its alignment depends on its width
		code = append(code, atomicAlignment(op), 0)
		return code
	}
	for range 18 {
		in := (&wasm.Code{Expr: append(bytes.Clone(code), 0x0b)}).Instructions()
		if in.Next() && in.End == len(code) {
			return code
		}
		code = append(code, 0)
	}
	return code[:head]
}

func atomicAlignment(op wasm.Opcode) byte {
	switch {
	case op < 0xfe03:
		return byte(2 + op/0xfe02)
	case op < 0xfe1e:
		return []byte{2, 3, 0, 1, 0, 1, 2, 2, 3, 0, 1, 0, 1, 2}[op-0xfe10]
	}
	return []byte{2, 3, 0, 1, 0, 1, 2}[(op-0xfe1e)%7]
}

// costRow is the measurement of a statement or shape: its fuel and, by engine, the
// nanoseconds of processor time for a unit of fuel, at the dearest place. An engine that
// does not have the instruction is left out.
type costRow struct {
	Fuel      int64              `json:"fuel"`
	PerNS     map[string]float64 `json:"nsPerFuel"`
	Statement bool               `json:"statement,omitempty"` // of a single instruction
}

// dearest returns the engine on which the row's code runs longest between two looks, and
// the time in nanoseconds. charged is the present fuel of a round.
func (row costRow) dearest(charged int64) (engine string, ns float64) {
	for e, per := range row.PerNS {
		fuel := int64(looksApart)
		if e == "interpreter" { // backends/wazero gives it shorter slices
			fuel -= meter.Slice - meter.Slice/4
		}
		if t := per * float64(row.Fuel) / float64(charged) * float64(fuel); t > ns {
			engine, ns = e, t
		}
	}
	return engine, ns
}

// looksApart is the largest fuel between two looks at a guest, without a piece of a bulk
// operation: a slice, and straight code that runs on below zero.
const looksApart = meter.Slice + 1024

// TestCosts compares the weights with the measurements: each instruction and shape takes
// at most a millisecond for the fuel between two looks. With -measure it measures first.
func TestCosts(t *testing.T) {
	const file = "../testdata/costs.json"
	rows, shapes := make(map[string]costRow), allShapes()
	if *measure {
		for _, s := range shapes {
			rows[s.name] = measured(t, s)
		}
		out, _ := json.MarshalIndent(rows, "", " ")
		if err := os.WriteFile(file, append(out, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		writeReport(t, rows)
	}
	if err := json.Unmarshal(read(t, file), &rows); err != nil {
		t.Fatal(err)
	}
	for _, s := range shapes {
		row, ok := rows[s.name]
		if !ok || len(row.PerNS) < 3 {
			t.Errorf("%s: it was not measured: go test ./internal/meter/metertest -run TestCosts -args -measure", s.name)
			continue
		}
		charged := fuelOf(t, s)
		if engine, ns := row.dearest(charged); ns > 1e6 {
			t.Errorf("%s: it runs for %.0f µs between two looks (%s), want 1,000 at most", s.name, ns/1000, engine)
		}
	}
	for _, op := range wasm.Opcodes() {
		covered := slices.Contains(trap, op) || slices.ContainsFunc(shapes, func(s shape) bool { return s.has(op) })
		if !covered {
			t.Errorf("%#x: no shape has it", op)
		}
	}
}

// fuelOf returns the fuel of a round of a shape.
func fuelOf(t *testing.T, s shape) int64 {
	t.Helper()
	var used [2]int64
	in := instantiate(t, engines[1].config, instrument(t, s.module("straight"), meter.Config{Fuel: true}), func() {})
	defer in.Close(t.Context())
	for i := range used {
		in.budget(in.counter, 1<<40)
		if _, err := in.call(nil, "f", uint64(i+1)); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		used[i] = in.used(in.counter)
	}
	return used[1] - used[0]
}

// timed runs f for the given number of rounds, and returns the processor time in
// nanoseconds and the fuel.
type timed func(rounds int64) (ns, fuel int64)

// measured measures a shape at all places on each engine. A time is the least of some
// runs, at the dearest place.
func measured(t *testing.T, s shape) costRow {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	row := costRow{Fuel: fuelOf(t, s), PerNS: make(map[string]float64), Statement: s.statement}
	for _, place := range s.places() {
		bin := s.module(place)
		fueled := instrument(t, bin, meter.Config{Fuel: true})
		for _, e := range engines {
			row.add(e.name, onWazero(t, e.config, fueled))
		}
		row.add("compiler, without fuel", onWazero(t, engines[0].config, instrument(t, bin, meter.Config{})))
		if run, end, ok := onWasmtime(t, fueled); ok {
			row.add("wasmtime", run)
			end()
		}
	}
	return row
}

// add measures five runs of at least a millisecond. It keeps the fastest, if that is the
// dearest of all places.
func (row costRow) add(engine string, run timed) {
	best, rounds := math.MaxFloat64, int64(1)
	for range 5 {
		ns, fuel := run(rounds)
		for ns < 1e6 && rounds < 1<<20 {
			rounds *= 2
			ns, fuel = run(rounds)
		}
		best = min(best, float64(ns)/float64(max(fuel, 1)))
	}
	row.PerNS[engine] = max(row.PerNS[engine], math.Round(best*100)/100)
}

func onWazero(t *testing.T, config func() wazero.RuntimeConfig, res *meter.Result) timed {
	in := instantiate(t, config, res, func() {})
	return func(rounds int64) (ns, fuel int64) {
		in.budget(in.counter, 1<<40)
		before := threadTime()
		if _, err := in.call(nil, "f", uint64(rounds)); err != nil {
			t.Fatal(err)
		}
		return threadTime() - before, in.used(in.counter)
	}
}

// threadTime returns the processor time of this thread, in nanoseconds.
func threadTime() int64 {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now)
	return now.Nano()
}
