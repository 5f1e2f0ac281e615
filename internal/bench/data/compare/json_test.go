package compare_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/compare"
	"github.com/airhost/airhost/internal/bench/data/result"
)

// example is a comparison with everything that outputs tell apart.
func example(t *testing.T) *compare.Comparison {
	t.Helper()
	memory := key(cells.Call)
	memory.Mode, memory.Part = cells.Cold, "memory"
	measure := func(fire, round, bytes float64, seed uint64) []result.Cell {
		all := []result.Cell{
			measured(key(cells.FireAndForget), cells.UnitNanoseconds, around(fire, 48, seed)...),
			measured(key(cells.RequestResponse), cells.UnitNanoseconds, around(round, 48, seed+1)...),
			measured(memory, cells.UnitBytes, around(bytes, 48, seed+2)...),
			{Key: key(cells.Call), Status: result.LeftOut, Reason: "this build has no such engine"},
		}
		all[0].Warnings = []string{"drift: the second half of the samples is -3.5 % off the first"}
		return all
	}
	base, head := file(measure(250, 480, 1<<20, 1)...), file(measure(275, 482, 1<<19, 4)...)
	session(base, head)
	head.Cells[1].AllocsPerOp = 1
	head.Cells[1].Warnings = []string{"drift: the second half of the samples is +12.0 % off the first"}
	base.Environment.Commit = "0123456789abcdef"
	head.Environment.Commit, head.Environment.Modified, head.Environment.Kernel = "fedcba9876543210", true, "6.19.1"
	c, err := compare.Files(base, head, compare.DefaultThreshold)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestJSON(t *testing.T) {
	c := example(t)
	var text bytes.Buffer
	if err := c.JSON(&text); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{`"engine": "wazero"`, `"change_low"`, `"p_adjusted"`, `"verdict": "worse"`, `"skipped": [`, `"paired": true`, `"threshold": 0.05`} {
		if !bytes.Contains(text.Bytes(), []byte(field)) {
			t.Errorf("no %s in:\n%s", field, text.Bytes())
		}
	}
	got := new(compare.Comparison)
	if err := json.Unmarshal(text.Bytes(), got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, got, cmpopts.IgnoreUnexported(compare.Cell{})); diff != "" {
		t.Errorf("the comparison is read as something else (-want +got):\n%s", diff)
	}
}
