package admin_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

const page = "../docs/admin.md"

// TestRoutesOfThePage: the page has a line for each route, and no other.
func TestRoutesOfThePage(t *testing.T) {
	text, err := os.ReadFile(page)
	check(t, err)
	var got, want []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z]+ /[^`]*)` \\|").FindAllStringSubmatch(string(text), -1) {
		got = append(got, m[1])
	}
	for path, operations := range description().Paths {
		for method := range operations {
			want = append(want, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	same(t, got, want...)
}

// TestErrorsOfThePage: the page's table of errors has each code that is not a message's, with a status
// that the document has.
func TestErrorsOfThePage(t *testing.T) {
	text, err := os.ReadFile(page)
	check(t, err)
	statuses := map[string]bool{"405": true} // of paths with other methods
	for _, operations := range description().Paths {
		for _, o := range operations {
			for status := range o.Responses {
				statuses[status] = true
			}
		}
	}
	codes := make(map[string]bool)
	for _, m := range regexp.MustCompile("(?m)^\\| (\\d+) \\| `([a-z-]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		codes[m[2]] = true
		if !statuses[m[1]] {
			t.Errorf("the page has the status %s, which no route has", m[1])
		}
	}
	for _, code := range []string{
		admin.CodeInvalidRequest, admin.CodeInvalidConfiguration, admin.CodeUnauthorized, admin.CodeNotFound, admin.CodeConflict, admin.CodeTooLarge,
		admin.CodeTooMany, admin.CodeSlowRequest, admin.CodeNotSupported, admin.CodeFailed, admin.CodeStopping,
	} {
		if !codes[code] {
			t.Errorf("the page lacks the code %s", code)
		}
		delete(codes, code)
	}
	if len(codes) > 0 {
		t.Errorf("the page has codes that are not there: %v", codes)
	}
}

// orders is the component of the page.
type orders struct{}

func (orders) HandleMessage(_ guest.Host, _ string, message []byte) ([]byte, error) {
	return append([]byte("got "), message...), nil
}

// TestCurl: the commands of the page print the answers there.
func TestCurl(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	text, err := os.ReadFile(page)
	check(t, err)
	session := regexp.MustCompile("(?s)<!-- curl -->\n```\n(.*?)```").FindStringSubmatch(string(text))
	if session == nil {
		t.Fatal("the page has no session")
	}
	folder := shortDir(t)
	s := &site{}
	s.log = admin.NewLog(discard.Handler(), 0)
	s.host = newHost(t, discard)
	check(t, s.host.Deploy(t.Context(), host.Deployment{ID: core.MustComponentID("shop/orders"), Engine: native.Name, Source: native.Source(func() guest.Component { return orders{} })}))
	s.Server, err = admin.New(admin.Config{Host: s.host, Log: s.log, Listen: filepath.Join(folder, "airhost.sock"), Logger: discard})
	check(t, err)
	check(t, s.Start(t.Context()))
	defer func() { check(t, s.Server.Stop(t.Context())) }()
	for _, step := range strings.Split("\n"+session[1], "\n$ ")[1:] {
		command, want, _ := strings.Cut(step, "\n")
		shell := exec.CommandContext(t.Context(), "sh", "-c", command)
		shell.Dir = folder
		got, err := shell.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v", command, err)
		}
		pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(want)), "…", "(?s:.*)") + "$"
		if fits := regexp.MustCompile(pattern).MatchString(strings.TrimSpace(string(got))); !fits {
			t.Errorf("%s prints\n%s\nwant\n%s", command, got, want)
		}
	}
}
