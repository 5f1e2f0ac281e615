package core_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
)

var (
	longest = strings.Repeat("n", core.MaxIDPart)
	tooLong = longest + "n"
)

func TestParseComponentID(t *testing.T) {
	for _, text := range []string{"a/b", "shop/stock", "0-9_a.z/-._", longest + "/" + longest} {
		id, err := core.ParseComponentID(text)
		if err != nil {
			t.Errorf("%q: got %v", text, err)
			continue
		}
		namespace, name, _ := strings.Cut(text, "/")
		if id.String() != text || id.Namespace() != namespace || id.Name() != name || id.IsZero() {
			t.Errorf("%q: got %q with namespace %q, name %q, IsZero %t", text, id, id.Namespace(), id.Name(), id.IsZero())
		}
	}
}

// badIDs are texts that are not ids, with a part of their error.
var badIDs = map[string]string{
	"":                  "there is no '/'",
	"shop":              "there is no '/'",
	"/":                 "the namespace has 0 bytes",
	"/stock":            "the namespace has 0 bytes",
	"shop/":             "the name has 0 bytes",
	tooLong + "/stock":  "the namespace has 64 bytes, want 1 to 63",
	"shop/" + tooLong:   "the name has 64 bytes, want 1 to 63",
	"Shop/stock":        `the namespace contains "S"`,
	"shop/sto ck":       `the name contains " "`,
	"shop/stock/1":      `the name contains "/"`,
	"shop/st\x00ck":     `the name contains "\x00"`,
	"shöp/stock":        "the namespace contains",
	"shop/*":            `the name contains "*"`,
	"shop/stock\n":      `the name contains "\n"`,
	"shop/\xff\xfe":     `the name contains "\xff"`,
	"shop:stock":        "there is no '/'",
	"shop/stock@0.1.0":  `the name contains "@"`,
	"shop\\stock/ids":   `the namespace contains "\\"`,
	"shop/stock, audit": `the name contains ","`,
}

func TestParseComponentIDRefuses(t *testing.T) {
	for text, want := range badIDs {
		id, err := core.ParseComponentID(text)
		if !errors.Is(err, core.ErrInvalidID) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an invalid id because %s", text, err, want)
		}
		if !id.IsZero() {
			t.Errorf("%q: got the id %q beside the error", text, id)
		}
	}
}

func TestIDErrorsAreShort(t *testing.T) {
	flood := strings.Repeat("x", 1<<20)
	for _, text := range []string{flood, flood + "/a", "a/" + flood, flood + "/*", "A/" + flood} {
		_, idErr := core.ParseComponentID(text)
		_, patternErr := core.ParseIDPattern(text)
		for _, err := range []error{idErr, patternErr} {
			if err == nil || len(err.Error()) > 400 {
				t.Errorf("a text of 1 MiB: got an error of %d bytes, want one of at most 400", len(err.Error()))
			}
		}
	}
}

func TestMustComponentID(t *testing.T) {
	if got := core.MustComponentID("shop/stock").String(); got != "shop/stock" {
		t.Errorf("got %q", got)
	}
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, core.ErrInvalidID) {
			t.Errorf("a bad id: recovered %v, want an invalid id", err)
		}
	}()
	core.MustComponentID("shop")
}

func TestZeroID(t *testing.T) {
	var id core.ComponentID
	if !id.IsZero() || id.String() != "" || id.Namespace() != "" || id.Name() != "" {
		t.Errorf("got %q", id)
	}
	if all, _ := core.ParseIDPattern("*"); all.Matches(id) {
		t.Error("* matches the zero id")
	}
}

func TestIDPattern(t *testing.T) {
	for _, c := range []struct {
		pattern string
		matches string
		not     string
	}{
		{"*", "shop/stock shopping/cart a/b", ""},
		{"shop/*", "shop/stock shop/a shop/-", "shopping/cart sho/stock sh.op/stock a/shop"},
		{"shop/stock", "shop/stock", "shop/stocks shop/stoc shopping/stock hop/stock"},
		{"a.b/*", "a.b/c", "a-b/c axb/c"},
	} {
		p, err := core.ParseIDPattern(c.pattern)
		if err != nil || p.String() != c.pattern {
			t.Errorf("%q: got %q, %v", c.pattern, p, err)
		}
		for _, id := range strings.Fields(c.matches) {
			if !p.Matches(core.MustComponentID(id)) {
				t.Errorf("%q does not match %q", p, id)
			}
		}
		for _, id := range strings.Fields(c.not) {
			if p.Matches(core.MustComponentID(id)) {
				t.Errorf("%q matches %q", p, id)
			}
		}
	}
}

func TestParseIDPatternRefuses(t *testing.T) {
	for _, text := range []string{"", "**", "*/*", "*/stock", "shop", "shop/", "shop*", "shop/st*", "/*", "Shop/*", "shop/*/*", tooLong + "/*", "shop/* "} {
		p, err := core.ParseIDPattern(text)
		if !errors.Is(err, core.ErrInvalidID) {
			t.Errorf("%q: got %v, want an invalid id", text, err)
		}
		if p != (core.IDPattern{}) {
			t.Errorf("%q: got the pattern %q beside the error", text, p)
		}
	}
	if (core.IDPattern{}).Matches(core.HostID) {
		t.Error("the zero pattern matches")
	}
}

func TestIDsAsText(t *testing.T) {
	type grant struct {
		Who  core.ComponentID
		What core.IDPattern
	}
	const text = `{"Who":"shop/orders","What":"shop/*"}`
	var g grant
	if err := json.Unmarshal([]byte(text), &g); err != nil {
		t.Fatal(err)
	}
	if back, err := json.Marshal(g); err != nil || string(back) != text {
		t.Errorf("got %s, %v, want %s", back, err, text)
	}
	before := g
	if err := json.Unmarshal([]byte(`{"Who":"orders"}`), &g); !errors.Is(err, core.ErrInvalidID) {
		t.Errorf("a bad id: got %v, want an invalid id", err)
	}
	if err := json.Unmarshal([]byte(`{"What":"orders"}`), &g); !errors.Is(err, core.ErrInvalidID) {
		t.Errorf("a bad pattern: got %v, want an invalid id", err)
	}
	if g != before {
		t.Errorf("bad texts changed %v into %v", before, g)
	}
}

func FuzzParseComponentID(f *testing.F) {
	for text := range badIDs {
		f.Add(text)
	}
	f.Add("shop/stock")
	f.Add(longest + "/" + longest)
	f.Fuzz(func(t *testing.T, text string) {
		id, err := core.ParseComponentID(text)
		if err != nil {
			if !errors.Is(err, core.ErrInvalidID) || !id.IsZero() || len(err.Error()) > 1000 {
				t.Errorf("%q: got %q, %v", text, id, err)
			}
			return
		}
		foreign := strings.Map(func(r rune) rune {
			if strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_./", r) {
				return -1
			}
			return r
		}, text)
		if id.String() != text || id.Namespace()+"/"+id.Name() != text || foreign != "" || strings.Count(text, "/") != 1 {
			t.Errorf("%q was accepted as %q", text, id)
		}
		matches(t, id, "*", true)
		matches(t, id, text, true)
		matches(t, id, id.Namespace()+"/*", true)
		if len(text) < core.MaxIDPart {
			matches(t, id, id.Namespace()+"x/*", false)
			matches(t, id, text+"x", false)
		}
	})
}

func matches(t *testing.T, id core.ComponentID, pattern string, want bool) {
	t.Helper()
	p, err := core.ParseIDPattern(pattern)
	if err != nil || p.Matches(id) != want {
		t.Errorf("pattern %q for %q: %v, matches %t, want %t", pattern, id, err, p.Matches(id), want)
	}
}
