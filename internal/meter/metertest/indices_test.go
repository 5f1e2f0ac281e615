package metertest

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

func TestFunctionsAreTheSameWhereverTheyAreReferredTo(t *testing.T) {
	for _, k := range configs {
		res := instrument(t, read(t, "../testdata/indices.wasm"), k.cfg)
		for _, e := range engines {
			calls := 0
			in := instantiate(t, e.config, res, func() { calls++ })
			in.budget(in.counter, 1<<40)
			if _, err := in.call(res, ""); err != nil || in.ExportedGlobal("sum").Get() != 40 {
				t.Errorf("%s/%s: start function: got %v, %d; want 40", k.name, e.name, err, in.ExportedGlobal("sum").Get())
			}
			got, err := in.call(res, "all", 0)
			if want := uint64(122_121_221); err != nil || got[0] != want || calls != 2 {
				t.Errorf("%s/%s: got %v, %v and %d calls of imports; want %d and 2", k.name, e.name, got, err, calls, want)
			}
			if _, err := in.call(res, "imported"); err != nil || calls != 3 {
				t.Errorf("%s/%s: exported import: got %v and %d calls, want 3", k.name, e.name, err, calls)
			}
		}
	}
}

func TestTracesNameTheSameFunctions(t *testing.T) {
	for _, k := range configs {
		res := instrument(t, read(t, "../testdata/indices.wasm"), k.cfg)
		in := instantiate(t, engines[0].config, res, func() {})
		in.budget(in.counter, 1000)
		_, err := in.call(res, "crash", 0)
		if err == nil || !strings.Contains(err.Error(), "\n\t.crash(i32)\n\t.crasher(i32) i32") {
			t.Errorf("%s: got %v, want a trace of crash and crasher", k.name, err)
		}
	}
}

// TestIndicesOfWhatIsAddedAreRefused: an index that was out of range must not come to
// name an addition of Instrument.
func TestIndicesOfWhatIsAddedAreRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		expr   []byte
		offset int // in expr
	}{
		{"call", []byte{0x10, 1, 0x0b}, 1},
		{"call of 2^32-1", []byte{0x10, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x0b}, 1},
		{"return_call", []byte{0x12, 1, 0x0b}, 1},
		{"ref.func", []byte{0xd2, 2, 0x0b}, 1},
		{"global.get", []byte{0x23, 0, 0x0b}, 1},
		{"global.set", []byte{0x24, 0, 0x0b}, 1},
		{"local.tee", []byte{0x22, 0, 0x0b}, 1},
		{"call_indirect", []byte{0x11, 1, 0, 0x0b}, 1},
		{"type of a block", []byte{0x02, 1, 0x0b, 0x0b}, 1},
		{"type of a null", []byte{0xd0, 1, 0x0b}, 0},
	} {
		m := parse(t, oneFunction(wasm.FuncType{}, c.expr).Encode())
		_, err := meter.Instrument(m, meter.Config{})
		var got *wasm.FormatError
		if want := m.Code[0].Offset + c.offset; !errors.As(err, &got) || got.Offset != want {
			t.Errorf("%s: got %v, want a FormatError at %#x", c.name, err, want)
		}
	}
}

func TestImportsOfTheMeterAreRefused(t *testing.T) {
	m := &wasm.Module{Types: []wasm.FuncType{{}}, Imports: []wasm.Import{{Module: meter.YieldModule, Name: "other"}}}
	if _, err := meter.Instrument(m, meter.Config{}); !errors.Is(err, meter.ErrReservedImport) {
		t.Errorf("got %v, want ErrReservedImport", err)
	}
}

func TestWabtValidatesWhatIsInstrumented(t *testing.T) {
	validate, err := exec.LookPath("wasm-validate")
	if err != nil {
		t.Skip("needs wasm-validate of wabt")
	}
	for _, file := range []string{"compute", "features", "hostile", "indices", "crc"} {
		for _, k := range configs {
			cmd := exec.Command(validate, "--enable-threads", "--enable-tail-call", "--enable-extended-const", "-")
			cmd.Stdin = strings.NewReader(string(instrument(t, read(t, "../testdata/"+file+".wasm"), k.cfg).Module.Encode()))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s/%s: %v\n%s", file, k.name, err, out)
			}
		}
	}
}
