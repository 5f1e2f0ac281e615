package meter_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// bulkModule exports fill, copy and init, which do that on a memory of 128 pages, and
// the same for a table of 400,000 elements, with types as the instructions have.
func bulkModule() []byte {
	i32 := wasm.I32
	three := wasm.FuncType{Params: []wasm.ValueType{i32, i32, i32}}
	m := &wasm.Module{Types: []wasm.FuncType{three}, Memories: []wasm.Limits{{Min: 128}}}
	get := []byte{0x20, 0, 0x20, 1, 0x20, 2}
	for i, op := range [][]byte{{0xfc, 0x0b, 0}, {0xfc, 0x0a, 0, 0}, {0xfc, 0x08, 0, 0}} {
		expr := append(append(bytes.Clone(get), op...), 0x0b)
		m.Functions, m.Code = append(m.Functions, 0), append(m.Code, wasm.Code{Expr: expr})
		m.Exports = append(m.Exports, wasm.Export{Name: []string{"fill", "copy", "init"}[i], Kind: wasm.KindFunc, Index: uint32(i)})
	}
	m.Exports = append(m.Exports, wasm.Export{Name: "memory", Kind: wasm.KindMemory})
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

// sizes are of memory, in bytes, near what a bulk operation is cut at and what is
// out of bounds.
func size(r *rand.Rand) uint32 {
	near := []uint32{0, 1 << 20, 2 << 20, 3 << 20, 8 << 20, 1 << 31, 0}[r.IntN(7)]
	return near + uint32(r.IntN(5)) - 2 + uint32(r.IntN(2)*r.IntN(1<<20))
}

// TestBulkOperationsInPieces: what is cut does what the instruction does by itself, if
// ranges overlap and if they are out of bounds, where nothing is written.
func TestBulkOperationsInPieces(t *testing.T) {
	bin := bulkModule()
	paused := parse(t, bin)
	if err := meter.AddPauses(paused); err != nil {
		t.Fatal(err)
	}
	cut := []*meter.Result{instrument(t, bin, meter.Config{}), instrument(t, bin, meter.Config{Fuel: true}), {Module: paused}}
	for _, e := range engines {
		r := rand.New(rand.NewPCG(7, 7))
		want := instantiate(t, e.config, plain(bin), nil)
		var got []instance
		for _, res := range cut {
			got = append(got, instantiate(t, e.config, res, nil))
		}
		trapped := 0
		for i := range 60 {
			export := []string{"init", "fill", "copy"}[min(i%5, 2)]
			args := []uint64{uint64(size(r)), uint64(size(r)), uint64(size(r))}
			if export != "copy" || r.IntN(2) == 0 {
				args[2] = uint64(r.IntN(4 << 20))
			}
			_, wantErr := want.call(nil, export, args...)
			if wantErr != nil {
				trapped++
			}
			before, _ := want.Memory().Read(0, want.Memory().Size())
			for j, in := range got {
				_, err := in.call(nil, export, args...)
				after, _ := in.Memory().Read(0, in.Memory().Size())
				if (err == nil) != (wantErr == nil) || !bytes.Equal(before, after) {
					t.Fatalf("%s, config %d: %s%v: got %v, want %v; memory equal: %t", e.name, j, export, args, err, wantErr, bytes.Equal(before, after))
				}
			}
		}
		if trapped < 5 || trapped > 55 {
			t.Errorf("%s: %d of 60 operations trapped, want a mix", e.name, trapped)
		}
	}
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
