package report_test

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/airhost/airhost/internal/bench/data/machines"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/show/report"
	"github.com/airhost/airhost/internal/golden"
)

func html(t *testing.T, runs ...machines.Run) string {
	t.Helper()
	var text bytes.Buffer
	if err := report.HTML(&text, runs...); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// one and two are the runs of most tests.
func one() machines.Run { return machines.Run{Name: "synthetic.json", File: synthetic(1)} }

func two() []machines.Run {
	return []machines.Run{{Name: "synthetic-before.json", File: synthetic(1.08)}, one()}
}

// both is the page of two(), which takes a while to compare.
func both(t *testing.T) string {
	t.Helper()
	made.bothOnce.Do(func() { made.both = html(t, two()...) })
	return made.both
}

// The result file in testdata is the one that tests use. `benchrunner report` shows
// it.
func TestSyntheticResults(t *testing.T) {
	var text strings.Builder
	if err := synthetic(1).Write(&text); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "synthetic.json", text.String())
}

func TestSameBytes(t *testing.T) {
	if both(t) != html(t, two()...) {
		t.Error("the same runs give two different pages")
	}
}

var (
	nested = regexp.MustCompile(`(?s)<svg class="(stretched|mark)".*?</svg>`)
	silent = regexp.MustCompile(`(?s)<(script|style|svg|table class="(data-table|facts)"|p class="samples").*?</(script|style|svg|table|p)>`)
	tags   = regexp.MustCompile(`<[^>]*>`)
)

// The text of the page, without its pictures and plain tables.
func TestText(t *testing.T) {
	page := nested.ReplaceAllString(both(t), "")
	text := tags.ReplaceAllString(silent.ReplaceAllString(page, ""), "\n")
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	golden.Check(t, "text.txt", strings.Join(lines, "\n")+"\n")
}

func TestNothingFromElsewhere(t *testing.T) {
	page := both(t)
	if at := regexp.MustCompile(`(src|href|url)\s*[=(]\s*["']?(https?:|//|/|\.)[^"']*`).FindString(page); at != "" {
		t.Errorf("the page refers to %s", at)
	}
	if strings.Contains(page, "<never measured>") || strings.Contains(page, "<timeout>") {
		t.Error("text of a result file is not escaped")
	}
}

func TestEachRunAlone(t *testing.T) {
	file := synthetic(1)
	for i := range file.Cells {
		alone := *file
		alone.Cells = file.Cells[i : i+1]
		page := html(t, machines.Run{Name: "alone.json", File: &alone})
		if !strings.Contains(page, file.Cells[i].Engine) && !strings.Contains(page, "timeout") {
			t.Errorf("%s: the page does not name it", file.Cells[i].Key)
		}
	}
}

func TestNoRuns(t *testing.T) {
	if err := report.HTML(&bytes.Buffer{}); !errors.Is(err, report.ErrNoRuns) {
		t.Errorf("HTML: got %v, want ErrNoRuns", err)
	}
	if err := report.Headline(&bytes.Buffer{}); !errors.Is(err, report.ErrNoRuns) {
		t.Errorf("Headline: got %v, want ErrNoRuns", err)
	}
	none := *synthetic(1)
	none.Cells = nil
	if err := report.Headline(&bytes.Buffer{}, machines.Run{File: &none}); !errors.Is(err, report.ErrNoTargets) {
		t.Errorf("Headline without targets: got %v, want ErrNoTargets", err)
	}
	html(t, machines.Run{Name: "none.json", File: &none})
}

func TestHeadline(t *testing.T) { golden.Check(t, "headline.svg", headline(t, one())) }

func TestAlerts(t *testing.T) {
	cut, other := synthetic(1), synthetic(1)
	cut.Cut, other.Environment.CPU = true, "another"
	page := html(t, machines.Run{Name: "cut.json", File: cut}, machines.Run{Name: "other.json", File: other})
	for _, want := range []string{"cut.json: the run was cut short", "The figures are of 2 processors. Compare multiples of the floor between them"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// A cell that several runs have is shown from the last.
func TestLastRunCounts(t *testing.T) {
	before, after := synthetic(1.2), synthetic(1)
	page := html(t, machines.Run{Name: "before.json", File: before}, machines.Run{Name: "after.json", File: after})
	alone := html(t, machines.Run{Name: "after.json", File: after})
	section := regexp.MustCompile(`(?s)<section id="verdict".*?</section>`)
	if diff := cmp.Diff(section.FindString(alone), section.FindString(page)); diff != "" {
		t.Errorf("the verdicts are not those of the last run:\n%s", diff)
	}
	if !strings.Contains(page, `id="changes"`) || strings.Contains(alone, `id="changes"`) {
		t.Error("want changes where a cell is in two runs, and only there")
	}
}

func TestLeftOutElsewhereMeasured(t *testing.T) {
	measured, out := synthetic(1), synthetic(1)
	out.Cells = []result.Cell{{Key: measured.Cells[0].Key, Status: result.LeftOut, Reason: "no such luck"}}
	if page := html(t, machines.Run{Name: "a.json", File: measured}, machines.Run{Name: "b.json", File: out}); strings.Contains(page, "no such luck") {
		t.Error("a cell that a run measured is said to be left out")
	}
	if page := html(t, machines.Run{Name: "b.json", File: out}); !strings.Contains(page, "no such luck") {
		t.Error("a cell that was left out is not named with its reason")
	}
}

func headline(t *testing.T, runs ...machines.Run) string {
	t.Helper()
	var svg strings.Builder
	if err := report.Headline(&svg, runs...); err != nil {
		t.Fatal(err)
	}
	return svg.String()
}

// beside are runs of two machines. The second one is faster, and lacks a cell that the
// first one has.
func beside() []machines.Run {
	file := synthetic(0.6)
	file.Environment.CPU, file.Environment.Commit = "AMD EPYC 7R13 48-Core Processor", "fedcba98"
	file.Cells = file.Cells[1:]
	return []machines.Run{one(), {Name: "elsewhere.json", File: file}}
}

// Cells of two machines stand beside each other, and are never compared or merged.
func TestBeside(t *testing.T) {
	golden.Check(t, "beside.svg", headline(t, beside()...))
	page := html(t, beside()...)
	for _, want := range []string{
		"<h2 class=\"of-machine\">On Synthetic", "<h2 class=\"of-machine\">On AMD EPYC 7R13</h2>",
		`id="distributions-1"`, `id="distributions-2"`, "not measured",
		"of commit 0123456789ab, and AMD EPYC 7R13 of commit fedcba98 with changes: a difference may be the code&#39;s", "wazero: at most 280 ns, 1.2 × floor",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
	if strings.Contains(page, `id="changes`) {
		t.Error("cells of two machines are compared as before and after")
	}
	seen := make(map[string]bool)
	for _, id := range regexp.MustCompile(` id="[^"]*"`).FindAllString(page, -1) {
		if seen[id] {
			t.Errorf("there are two elements with%s", id)
		}
		seen[id] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !seen[` id="`+m[1]+`"`] {
			t.Errorf("a link leads to %q, which is not there", m[1])
		}
	}
}

// The sentences on top say which targets are not met, and why.
func TestSummary(t *testing.T) {
	file := synthetic(1)
	for i, c := range file.Cells[:3] {
		file.Cells[i].Figures = new(result.Figures)
		*file.Cells[i].Figures = *c.Figures
		file.Cells[i].WithinTarget = []result.Verdict{result.Missed, result.Undecided, result.Undecided}[i]
	}
	file.Cells[0].Median = 308
	page := html(t, machines.Run{Name: "mixed.json", File: file})
	for _, want := range []string{
		"6 of 9 targets in nanoseconds met, 1 missed, 2 undecided; 0 of 9 targets in multiples of the floor met, 9 missed",
		"wazero meets 0 of 3 targets in nanoseconds (missed: fire-and-forget; undecided, since the interval crosses the target: request-response, call), and 0 of 3",
		"native meets 3 of 3 targets in nanoseconds, and 0 of 3",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}
