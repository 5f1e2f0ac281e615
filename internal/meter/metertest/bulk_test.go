package metertest

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// bulkModule returns a module that exports fill, copy and init. They have the types of
// the instructions, and execute them on a memory of 128 pages. The export write does
// nothing.
func bulkModule() []byte {
	m := threeOperations([][]byte{{0xfc, 0x0b, 0}, {0xfc, 0x0a, 0, 0}, {0xfc, 0x08, 0, 0}})
	m.Memories = []wasm.Limits{{Min: 128}}
	m.Types, m.Functions, m.Code = append(m.Types, wasm.FuncType{}), append(m.Functions, 1), append(m.Code, wasm.Code{Expr: []byte{0x0b}})
	m.Exports = append(m.Exports, wasm.Export{Name: "write", Kind: wasm.KindFunc, Index: 3}, wasm.Export{Name: "memory", Kind: wasm.KindMemory})
	data := make([]byte, 3<<20)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	one := uint32(1)
	m.DataCount = &one
	m.Data = wasm.Segments{Count: 1, Raw: append(wasm.AppendIndex([]byte{1}, uint32(len(data))), data...)}
	return m.Encode()
}

// threeOperations returns a module that exports fill, copy and init, of three parameters.
func threeOperations(ops [][]byte) *wasm.Module {
	i32 := wasm.I32
	m := &wasm.Module{Types: []wasm.FuncType{{Params: []wasm.ValueType{i32, i32, i32}}}}
	for i, op := range ops {
		expr := append(append([]byte{0x20, 0, 0x20, 1, 0x20, 2}, op...), 0x0b)
		m.Functions, m.Code = append(m.Functions, 0), append(m.Code, wasm.Code{Expr: expr})
		m.Exports = append(m.Exports, wasm.Export{Name: []string{"fill", "copy", "init"}[i], Kind: wasm.KindFunc, Index: uint32(i)})
	}
	return m
}

const tableSize = 20_000

// bulkTableModule returns a module with the same exports for a table. fill fills the table
// with null or a function. write calls each element, and writes the results to memory,
// and 0 for null.
func bulkTableModule() []byte {
	m := threeOperations([][]byte{{0xfc, 0x11, 0}, {0xfc, 0x0e, 0, 0}, {0xfc, 0x0c, 0, 0}})
	m.Types = append(m.Types, wasm.FuncType{Results: []wasm.ValueType{wasm.I32}}, wasm.FuncType{})
	m.Code[0].Expr = []byte{0x20, 0, 0x20, 1, 0x04, 0x70, 0xd2, 4, 0x05, 0xd0, 0x70, 0x0b, 0x20, 2, 0xfc, 0x11, 0, 0x0b}
	m.Memories = []wasm.Limits{{Min: 2}}
	m.Tables = []wasm.Table{{Elem: wasm.FuncRef, Limits: wasm.Limits{Min: tableSize}}}
	// for local 0 from 0: memory[4 * local 0] = table[local 0] is null ? 0 : its result
	write := []byte{0x03, 0x40, 0x20, 0, 0x41, 2, 0x74, 0x20, 0, 0x25, 0, 0xd1, 0x04, 0x7f, 0x41, 0, 0x05, 0x20, 0, 0x11, 1, 0, 0x0b, 0x36, 2, 0,
		0x20, 0, 0x41, 1, 0x6a, 0x22, 0, 0x41, 0xa0, 0x9c, 1, 0x48, 0x0d, 0, 0x0b, 0x0b}
	m.Functions, m.Code = append(m.Functions, 2), append(m.Code, wasm.Code{Expr: write, Groups: 1, Locals: 1, Decls: []byte{1, 0x7f}})
	for i := range byte(10) {
		m.Functions, m.Code = append(m.Functions, 1), append(m.Code, wasm.Code{Expr: []byte{0x41, 1 + i, 0x0b}})
	}
	m.Exports = append(m.Exports, wasm.Export{Name: "write", Kind: wasm.KindFunc, Index: 3}, wasm.Export{Name: "memory", Kind: wasm.KindMemory})
	raw := wasm.AppendIndex([]byte{1, 0}, tableSize)
	for i := range tableSize {
		raw = append(raw, 4+byte(i*i%10))
	}
	m.Elements = wasm.Segments{Count: 1, Raw: raw}
	return m.Encode()
}

// subject is an instance of a module with bulk operations.
type subject interface {
	do(export string, args ...uint32) error
	memory() []byte // valid until the next call
}

func (in instance) do(export string, args ...uint32) error {
	stack := make([]uint64, len(args))
	for i, arg := range args {
		stack[i] = uint64(arg)
	}
	_, err := in.call(nil, export, stack...)
	return err
}

func (in instance) memory() []byte {
	bytes, _ := in.Memory().Read(0, in.Memory().Size())
	return bytes
}

// subjects returns instances of a module by engine. The first of an engine is plain, the
// others execute operations in pieces.
func subjects(t *testing.T, bin []byte) map[string][]subject {
	t.Helper()
	paused := parse(t, bin)
	if _, err := meter.AddPauses(paused); err != nil {
		t.Fatal(err)
	}
	builds := []*meter.Result{plain(bin), instrument(t, bin, meter.Config{}), instrument(t, bin, meter.Config{Fuel: true}), {Module: paused}}
	all := map[string][]subject{"wasmtime": wasmtimeSubjects(t, builds)}
	for _, e := range engines {
		for _, res := range builds {
			all[e.name] = append(all[e.name], instantiate(t, e.config, res, nil))
		}
	}
	return all
}

// size returns a number near a multiple of a piece, or near the bounds of the memory or
// table. It is at most four pieces, or near 2^31 or 2^32.
func size(r *rand.Rand, piece, most uint32) uint32 {
	near := []uint32{0, piece, 2 * piece, 3 * piece, most, 1 << 31, 0}[r.IntN(7)]
	return near + uint32(r.IntN(5)) - 2 + uint32(r.IntN(2)*r.IntN(int(piece)))
}

// TestBulkOperationsInPieces: an operation in pieces has the effect of the instruction,
// also if ranges overlap. If they are out of bounds, it writes nothing.
func TestBulkOperationsInPieces(t *testing.T) {
	most := 60
	if testing.Short() {
		most = 20
	}
	for _, c := range []struct {
		name       string
		bin        []byte
		piece, end uint32
	}{{"memory", bulkModule(), 1 << 20, 8 << 20}, {"table", bulkTableModule(), 4096, tableSize}} {
		for engine, all := range subjects(t, c.bin) {
			t.Run(c.name+"/"+engine, func(t *testing.T) {
				r := rand.New(rand.NewPCG(7, 7))
				trapped := 0
				for i := range most {
					export := []string{"init", "fill", "copy"}[min(i%5, 2)]
					args := []uint32{size(r, c.piece, c.end), size(r, c.piece, c.end), size(r, c.piece, c.end)}
					if export != "copy" || r.IntN(2) == 0 {
						args[2] = uint32(r.IntN(int(4 * c.piece)))
					}
					if sameBulk(t, all, export, args) {
						trapped++
					}
				}
				if len(all) > 0 && (trapped < most/12 || trapped > most-most/12) {
					t.Errorf("%d of %d operations trapped, want a mix", trapped, most)
				}
			})
		}
	}
}

// sameBulk runs an operation on all instances, compares the others with the first, and
// reports whether the operation traps.
func sameBulk(t *testing.T, all []subject, export string, args []uint32) (traps bool) {
	t.Helper()
	var want []byte
	for i, s := range all {
		err := s.do(export, args...)
		must(t, s.do("write"))
		if i == 0 {
			traps, want = err != nil, s.memory()
		} else if (err != nil) != traps || !bytes.Equal(s.memory(), want) {
			t.Fatalf("build %d: %s%v: got %v, want a trap: %t; equal: %t", i, export, args, err, traps, bytes.Equal(s.memory(), want))
		}
	}
	return traps
}

// TestBulkOperationsAreTestedPerPiece: a fill of 8 MiB yields between its pieces.
func TestBulkOperationsAreTestedPerPiece(t *testing.T) {
	for _, k := range configs {
		in := instantiate(t, engines[0].config, instrument(t, bulkModule(), k.cfg), nil)
		in.slice = 1
		in.budget(in.counter, 1<<40)
		if _, err := in.call(nil, "fill", 0, 1, 8<<20); err != nil {
			t.Fatal(err)
		}
		if in.yields < 8 {
			t.Errorf("%s: got %d yields in a fill of 8 MiB, want one for each MiB at least", k.name, in.yields)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
