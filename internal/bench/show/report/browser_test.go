package report_test

import (
	"context"
	_ "embed"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// findings.js returns the faults of a page as a browser shows it. It is a format of
// two booleans: whether to check colours, and whether to check positions.
//
//go:embed testdata/findings.js
var findings string

// tab is a page in a browser that ends with the test.
type tab struct {
	*testing.T
	ctx context.Context

	mu         sync.Mutex // guards complaints
	complaints []string   // of the browser, and requests of the page
}

// patience is the time that a browser has for all of a test.
const patience = 5 * time.Minute

func newTab(t *testing.T) *tab {
	t.Helper()
	if testing.Short() {
		t.Skip("the browser takes minutes")
	}
	t.Parallel()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile(t)),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, stop := context.WithTimeout(t.Context(), patience)
	ctx, stopAllocator := chromedp.NewExecAllocator(ctx, options...)
	ctx, _ = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("ending the browser: %v", err)
		}
		stopAllocator()
		stop()
	})
	b := &tab{T: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	call(b, log.Enable, cdp.Empty{})
	call(b, network.Enable, network.EnableParams{})
	return b
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("there is no Chromium here to look at the page with")
	return ""
}

// profile is a folder that is removed with the test. Processes of the browser may
// write into it for a moment after its end.
func profile(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		for range 10_000 {
			if os.RemoveAll(dir) == nil {
				return
			}
		}
	})
	return dir
}

func (b *tab) listen(event any) {
	text := ""
	switch event := event.(type) {
	case *runtime.EventConsoleAPICalled:
		text = fmt.Sprint("the console says: ", event.Type)
	case *runtime.EventExceptionThrown:
		text = "exception: " + event.ExceptionDetails.Text
	case *log.EventEntryAdded:
		text = "the browser says: " + event.Entry.Text
	case *network.EventRequestWillBeSent:
		if !strings.HasSuffix(event.Request.URL, "/report.html") && !strings.HasPrefix(event.Request.URL, "data:") {
			text = "the page asked for " + event.Request.URL
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if text != "" {
		b.complaints = append(b.complaints, text)
	}
}

// check fails the test with the browser's complaints.
func (b *tab) check() {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.complaints {
		b.Error(text)
	}
}

func (b *tab) open(page string) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "report.html")
	if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
		b.Fatal(err)
	}
	b.do(chromedp.Navigate((&url.URL{Scheme: "file", Path: path}).String()))
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

func call[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.Fatal(err)
	}
}

// evaluate returns the value of a JavaScript expression.
func evaluate[T any](b *tab, expression string) T {
	b.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.Fatal(err)
	}
	return value
}

// show sets the width of the screen, and its colour scheme.
func (b *tab) show(width int64, scheme string) {
	b.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width < 500,
	})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// find fails the test with the faults of the page. Colours do not change with the
// width, and positions not with the colours.
func (b *tab) find(opened bool) {
	b.Helper()
	for _, width := range []int64{360, 800, 1600} {
		for _, scheme := range []string{"light", "dark"} {
			b.show(width, scheme)
			for _, text := range evaluate[[]string](b, fmt.Sprintf(findings, width == 800, scheme == "light")) {
				b.Errorf("%d pixels wide, %s, opened %t: %s", width, scheme, opened, text)
			}
		}
	}
}

// At every width, in light and dark colours, with all folds closed and open, no text
// is cut off, overlaps, or is hard to read.
func TestLooks(t *testing.T) {
	for name, page := range map[string]string{"one machine": both(t), "two machines": html(t, beside()...)} {
		t.Run(name, func(t *testing.T) { look(t, page) })
	}
}

func look(t *testing.T, page string) {
	b := newTab(t)
	b.open(page)
	b.find(false)
	evaluate[bool](b, "document.querySelectorAll('details').forEach((d) => d.open = true) ?? true")
	b.find(true)
	b.check()
}

// The headline's picture can be read on a light and on a dark page.
func TestHeadlineLooks(t *testing.T) {
	b := newTab(t)
	b.open("<!DOCTYPE html><meta name=color-scheme content='light dark'><meta charset=utf-8><figure style='overflow: auto'><table></table>" + headline(t, beside()...) + "</figure>")
	for _, scheme := range []string{"light", "dark"} {
		b.show(800, scheme)
		for _, text := range evaluate[[]string](b, fmt.Sprintf(findings, true, true)) {
			t.Errorf("%s: %s", scheme, text)
		}
	}
	b.check()
}

// Without any script the verdicts are on the first screen, and folds can be opened.
func TestWithoutScript(t *testing.T) {
	b := newTab(t)
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.show(1600, "light")
	b.open(both(t))
	if evaluate[bool](b, `document.querySelector(".data-table button") !== null`) {
		t.Error("the script ran though scripts are switched off")
	}
	words := evaluate[[]string](b, `[...document.querySelectorAll(".panels > figure > table .verdict")]
		.filter((v) => v.getBoundingClientRect().bottom < innerHeight).map((v) => v.innerText)`)
	if len(words) != 18 {
		t.Errorf("verdicts on the first screen: %q, want those of three engines and three patterns, on two targets each", words)
	}
	const open = `document.querySelector(".card details.data").open`
	before := evaluate[bool](b, open)
	b.do(chromedp.Click(".card details.data > summary"))
	if after := evaluate[bool](b, open+` && document.querySelector(".card .facts").getBoundingClientRect().height > 0`); before || !after {
		t.Errorf("details: open %t before a click and %t after it, want closed and open", before, after)
	}
}

// The script sorts and filters.
func TestScript(t *testing.T) {
	b := newTab(t)
	b.show(1600, "dark")
	b.open(html(t, one()))
	medians := func() []float64 {
		return evaluate[[]float64](b, `[...document.querySelectorAll("#cells tbody tr")].filter((r) => !r.hidden).map((r) => Number(r.cells[3].dataset.sort))`)
	}
	head := "#cells thead th:nth-child(4)"
	b.do(chromedp.Click(head + " button"))
	rising := medians()
	b.do(chromedp.Click(head + " button"))
	falling := medians()
	for i := range rising[1:] {
		if rising[i] > rising[i+1] || falling[i] < falling[i+1] {
			t.Fatalf("rows %d and %d are not in order: %v then %v, and %v then %v", i, i+1, rising[i], rising[i+1], falling[i], falling[i+1])
		}
	}
	if sorted := evaluate[string](b, fmt.Sprintf(`document.querySelector(%q).getAttribute("aria-sort")`, head)); sorted != "descending" {
		t.Errorf("aria-sort is %q, want descending", sorted)
	}
	b.do(chromedp.SendKeys("#cells input", "native CALL latency channel"))
	if left := medians(); len(left) != 1 {
		t.Errorf("%d cells are left of the filter, want 1", len(left))
	}
	b.check()
}
