package core

import (
	"strings"
	"testing"
)

// TestParseHTTPRule: a rule has one form, and says why it is none.
func TestParseHTTPRule(t *testing.T) {
	for text, want := range map[string]string{
		"https://api.example.com/v1/*":       "https://api.example.com/v1/*",
		"HTTPS://API.Example.com:443/v1/*":   "https://api.example.com/v1/*",
		"http://api.example.com:8080/a":      "http://api.example.com:8080/a",
		"http://*.example.com:*/*":           "http://*.example.com:*/*",
		"http://127.0.0.1:8080/*":            "http://127.0.0.1:8080/*",
		"http://[0:0::1]:80/*":               "http://[::1]/*",
		"http://localhost:*/*":               "http://localhost:*/*",
		"https://example.com/%7euser/%c3%a4": "https://example.com/~user/%C3%A4",
		"https://example.com/":               "https://example.com/",
	} {
		r, err := ParseHTTPRule(text)
		if err != nil || r.String() != want || r.IsZero() {
			t.Errorf("%s: got %s, %v, want %s", text, r, err, want)
			continue
		}
		if again, err := ParseHTTPRule(want); again != r {
			t.Errorf("%s: got %v, %v", want, again, err)
		}
	}
	for text, want := range map[string]string{
		"":                              "no scheme",
		"example.com/*":                 "no scheme",
		"ftp://example.com/*":           "the scheme is not http or https",
		"https://example.com":           "it has no path; /* stands for all",
		"https://*/*":                   "a character that no name of a host has",
		"https://*.com/*":               "before a name with a dot",
		"https://*.127.0.0.1/*":         "before a name with a dot",
		"https://a.*.example.com/*":     "a character that no name of a host has",
		"https://example.com/*/a":       "at its end alone",
		"https://example.com/a?b=*":     "no query",
		"https://example.com/a/../b":    "a segment of dots",
		"https://user@example.com/*":    "credentials",
		"https://b\u00fccher.example/*": "write it as xn--",
		"https://example.com:0/*":       "the port",
		"http://127.1/*":                "an unusual form",
	} {
		if r, err := ParseHTTPRule(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v, want %q", text, r, err, want)
		}
	}
}

// TestHTTPRuleMatches: a rule grants its URLs, and nothing else.
func TestHTTPRuleMatches(t *testing.T) {
	for _, test := range []struct {
		rule, url string
		want      bool
	}{
		{"https://a.com/v1/*", "https://a.com/v1/x?y=z", true},
		{"https://a.com/v1/*", "https://a.com:443/v1/", true},
		{"https://a.com/v1/*", "HTTPS://A.COM/v1/%78#part", true},
		{"https://a.com/v1/*", "https://a.com/v1", false},
		{"https://a.com/v1/*", "https://a.com/V1/x", false},
		{"https://a.com/v1/*", "http://a.com/v1/x", false},
		{"https://a.com/v1/*", "https://a.com:8443/v1/x", false},
		{"https://a.com/v1/*", "https://a.com.evil.com/v1/x", false},
		{"https://a.com/v1/*", "https://x.a.com/v1/x", false},
		{"https://a.com:*/v1*", "https://a.com:8443/v10", true},
		{"https://a.com/v1", "https://a.com/v1?q", true},
		{"https://a.com/v1", "https://a.com/v1/", false},
		{"https://a.com/", "https://a.com", true},
		{"https://*.a.com/*", "https://x.y.a.com/", true},
		{"https://*.a.com/*", "https://a.com/", false},
		{"https://*.a.com/*", "https://xa.com/", false},
		{"http://[::1]/*", "http://[0:0:0:0:0:0:0:1]/x", true},
		{"http://10.0.0.1/*", "http://10.0.0.2/", false},
	} {
		r, err := ParseHTTPRule(test.rule)
		if err != nil {
			t.Fatal(err)
		}
		target, err := ParseHTTPTarget(test.url, nil)
		if err != nil || r.Matches(target) != test.want || (HTTPRules{{}, r}).Match(target) != test.want {
			t.Errorf("%s grants %s: got %t, %v, want %t", test.rule, test.url, !test.want, err, test.want)
		}
	}
	if (HTTPRule{}).Matches(HTTPTarget{}) {
		t.Error("the zero rule grants something")
	}
}

// FuzzHTTPTarget: a target is its own one form, and the URL that is sent is just the target.
func FuzzHTTPTarget(f *testing.F) {
	for _, url := range []string{"https://a.com/v1/x?y#z", "http://[::1]:8080/%41%c3%a4;b=c/ä?ü", "http://a@b/", `http://a\b`, "http://127.1/", "http://a/%2e", "http://a/%25zz", "http://a//..;/x"} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		target, err := ParseHTTPTarget(url, nil)
		if err != nil {
			return
		}
		sent := target.URL()
		if sent.EscapedPath() != target.Path || sent.RawQuery != target.Query || sent.Host != target.Authority() || sent.User != nil || sent.Opaque != "" {
			t.Errorf("%q: %+v is sent as %+v", url, target, sent)
		}
		if again, err := ParseHTTPTarget(sent.String(), nil); err != nil || again != target {
			t.Errorf("%q: %+v, then %+v, %v", url, target, again, err)
		}
		for segment := range strings.SplitSeq(sent.Path, "/") {
			if segment == "." || segment == ".." {
				t.Errorf("%q is sent with the path %q", url, sent.Path)
			}
		}
		if strings.ContainsAny(sent.String(), "\\ \r\n\t#") {
			t.Errorf("%q is sent as %q", url, sent)
		}
	})
}
