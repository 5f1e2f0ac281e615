package compare_test

import (
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/compare"
	"github.com/airhost/airhost/internal/bench/data/result"
)

// Both cells differ by a tenth, by far more than chance.
func TestDoubt(t *testing.T) {
	const busy = "busy machine: others used 72 % of the processors' time, want at most 5 %"
	for name, c := range map[string]struct {
		with      func(base, head *result.File)
		want      compare.Verdict
		undecided bool
		says      string
	}{
		"quiet":     {func(_, _ *result.File) {}, compare.Worse, false, ""},
		"base busy": {func(base, _ *result.File) { base.Cells[0].Warnings = []string{busy} }, compare.Undecided, true, "base was measured on a busy machine"},
		"head waited": {func(_, head *result.File) {
			head.Cells[0].Warnings = []string{"busy processors: threads of the run waited for one for 50 % of its time, want at most 5 %"}
		}, compare.Undecided, true, "head was measured on a busy machine"},
		"busy in turns": {func(base, head *result.File) {
			base.Cells[0].Warnings, head.Cells[0].Warnings = []string{busy}, []string{busy}
			session(base, head)
		}, compare.Worse, false, "base: busy machine"},
		"one commit": {func(base, head *result.File) { head.Environment.Commit = base.Environment.Commit }, compare.Undecided, false, "both files are of one commit"},
		"one commit, changed": {func(base, head *result.File) {
			head.Environment.Commit, head.Environment.Modified = base.Environment.Commit, true
		}, compare.Worse, false, ""},
		"unknown commits": {func(base, head *result.File) {
			base.Environment.Commit, head.Environment.Commit = "unknown", "unknown"
		}, compare.Worse, false, ""},
		"unknown commits of one build": {func(base, head *result.File) {
			base.Environment.Commit, head.Environment.Commit = "unknown", "unknown"
			base.Environment.Build, head.Environment.Build = "abc", "abc"
		}, compare.Undecided, false, "both files are of one build"},
		"one build in turns": {func(base, head *result.File) {
			base.Environment.Build, head.Environment.Build = "abc", "abc"
			session(base, head)
		}, compare.Undecided, false, "both files are of one build"},
		"two builds of a commit in turns": {func(base, head *result.File) {
			head.Environment.Commit = base.Environment.Commit
			base.Environment.Build, head.Environment.Build = "abc", "def"
			session(base, head)
		}, compare.Worse, false, "both files are of one commit"},
	} {
		base := file(measured(key(cells.Call), cells.UnitNanoseconds, around(250, 48, 1)...))
		head := file(measured(key(cells.Call), cells.UnitNanoseconds, around(275, 48, 2)...))
		c.with(base, head)
		compared, err := compare.Files(base, head, 0.05)
		if err != nil {
			t.Fatal(err)
		}
		cell := compared.Cells[0]
		if cell.Verdict != c.want || compared.Undecided() != c.undecided || compared.Regressed() != (c.want == compare.Worse) {
			t.Errorf("%s: got %s, undecided %v; want %s, %v", name, cell.Verdict, compared.Undecided(), c.want, c.undecided)
		}
		if said := strings.Join(append(compared.Warnings, cell.Warnings...), "\n"); !strings.Contains(said, c.says) {
			t.Errorf("%s: does not say %q:\n%s", name, c.says, said)
		}
	}
}
