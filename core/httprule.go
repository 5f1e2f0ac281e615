package core

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// HTTPRule grants requests to some URLs. The zero rule grants none. Rules are comparable.
type HTTPRule struct {
	scheme string
	host   string // "*.example.com" stands for all names below example.com
	port   uint16 // 0: any
	path   string // with a '*' at the end: all that begin like this
}

// HTTPTarget is the part of a URL that rules look at, in its one canonical form: a request is
// sent with just these.
type HTTPTarget struct {
	Scheme string // http or https
	Host   string // a name of lower-case ASCII, or an IP address
	Port   uint16
	Path   string // escaped as RFC 3986 6.2.2 says; never empty
	Query  string // as it was given, without the '?'
}

const (
	maxHTTPURL  = 8 << 10 // bytes; most servers take no more
	maxHostName = 253     // RFC 1035 2.3.4, without the root
	maxLabel    = 63
)

// ParseHTTPRule parses a rule such as "https://api.example.com/v1/*". The port is that of the
// scheme by default; ":*" stands for any. A host of "*.example.com" stands for the names below
// example.com. A path is exact, or ends in '*'. A query is never part of a rule: any is granted.
func ParseHTTPRule(text string) (HTTPRule, error) {
	r, err := parseHTTPRule(text)
	if err != nil {
		return HTTPRule{}, fmt.Errorf("%.200q is no rule for URLs: %w (write it like https://api.example.com/v1/*)", text, err)
	}
	return r, nil
}

func parseHTTPRule(text string) (HTTPRule, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return HTTPRule{}, fmt.Errorf("it has no scheme")
	}
	authority, path, ok := strings.Cut(rest, "/")
	if !ok {
		return HTTPRule{}, fmt.Errorf("it has no path; /* stands for all")
	}
	path, all := strings.CutSuffix(path, "*")
	if strings.ContainsAny(path, "*?#") {
		return HTTPRule{}, fmt.Errorf("a path has a '*' at its end alone, and no query")
	}
	authority, anyPort := strings.CutSuffix(authority, ":*")
	authority, below := strings.CutPrefix(authority, "*.")
	t, err := parseHTTPTarget(scheme+"://"+authority+"/"+path, nil)
	if err != nil {
		return HTTPRule{}, err
	}
	r := HTTPRule{scheme: t.Scheme, host: t.Host, port: t.Port, path: t.Path}
	if below {
		if t.IsAddress() || !strings.Contains(t.Host, ".") {
			return HTTPRule{}, fmt.Errorf("a '*.' stands before a name with a dot, such as *.example.com")
		}
		r.host = "*." + r.host
	}
	if anyPort {
		r.port = 0
	}
	if all {
		r.path += "*"
	}
	return r, nil
}

// IsZero reports whether r is the zero rule.
func (r HTTPRule) IsZero() bool { return r == HTTPRule{} }

// String returns the rule as [ParseHTTPRule] takes it.
func (r HTTPRule) String() string {
	port := ""
	if r.port == 0 {
		port = ":*"
	} else if r.port != defaultPort(r.scheme) {
		port = ":" + strconv.Itoa(int(r.port))
	}
	return r.scheme + "://" + hostText(r.host) + port + r.path
}

// Matches reports whether the rule grants a target.
func (r HTTPRule) Matches(t HTTPTarget) bool {
	if r.scheme != t.Scheme || r.port != 0 && r.port != t.Port || r.IsZero() {
		return false
	}
	if name, below := strings.CutPrefix(r.host, "*"); below && (!strings.HasSuffix(t.Host, name) || t.IsAddress()) || !below && r.host != t.Host {
		return false
	}
	if start, all := strings.CutSuffix(r.path, "*"); all {
		return strings.HasPrefix(t.Path, start)
	}
	return r.path == t.Path
}

// HTTPRules are rules; together they grant all that one of them grants.
type HTTPRules []HTTPRule

// Match reports whether a rule grants a target.
func (rs HTTPRules) Match(t HTTPTarget) bool {
	for _, r := range rs {
		if r.Matches(t) {
			return true
		}
	}
	return false
}

// IsAddress reports whether the host is an IP address.
func (t HTTPTarget) IsAddress() bool {
	_, err := netip.ParseAddr(t.Host)
	return err == nil
}

// Authority returns the host with its port, unless that is the scheme's: the value of Host.
func (t HTTPTarget) Authority() string {
	if t.Port == defaultPort(t.Scheme) {
		return hostText(t.Host)
	}
	return hostText(t.Host) + ":" + strconv.Itoa(int(t.Port))
}

// String returns the URL without its query, which may have a secret.
func (t HTTPTarget) String() string { return t.Scheme + "://" + t.Authority() + t.Path }

// URL returns the whole URL. The request that is sent has just the target.
func (t HTTPTarget) URL() *url.URL {
	u := &url.URL{Scheme: t.Scheme, Host: t.Authority(), RawPath: t.Path, RawQuery: t.Query}
	u.Path, _ = url.PathUnescape(t.Path) // it has been unescaped before
	return u
}

func hostText(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

func defaultPort(scheme string) uint16 {
	if scheme == "https" {
		return 443
	}
	return 80
}

// ParseHTTPTarget parses a URL for a request. It refuses all that two readers could read in
// two ways: credentials, dot segments, escaped slashes and dots, backslashes, control
// characters, and addresses in other forms than the usual one. A fragment is dropped. toASCII
// converts names with other characters (IDNA); if it is nil, they are refused. An error is an
// [HTTPError].
func ParseHTTPTarget(text string, toASCII func(host string) (string, error)) (HTTPTarget, error) {
	t, err := parseHTTPTarget(text, toASCII)
	if err != nil {
		return HTTPTarget{}, &HTTPError{Code: HTTPRequestURIInvalid, Text: CutText(err.Error(), MaxErrorText)}
	}
	return t, nil
}

func parseHTTPTarget(text string, toASCII func(host string) (string, error)) (t HTTPTarget, err error) {
	if len(text) > maxHTTPURL {
		return t, fmt.Errorf("the URL has %d bytes, at most %d are possible", len(text), maxHTTPURL)
	}
	text, _, _ = strings.Cut(text, "#")
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '\\' }) {
		return t, fmt.Errorf("the URL has a space, a backslash, a control character, or bytes that are no UTF-8")
	}
	u, err := url.Parse(text)
	if err != nil {
		return t, fmt.Errorf("the URL cannot be parsed")
	}
	_, rest, _ := strings.Cut(text, "://")
	authority := rest[:len(rest)-len(strings.TrimLeftFunc(rest, func(c rune) bool { return c != '/' && c != '?' }))]
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return t, fmt.Errorf("the scheme is not http or https")
	case u.Opaque != "" || u.Host == "":
		return t, fmt.Errorf("the URL has no host")
	case u.User != nil || strings.Contains(authority, "@"):
		return t, fmt.Errorf("the URL has credentials; put them into the header Authorization")
	case strings.Contains(authority, "%"):
		return t, fmt.Errorf("the host has a '%%': an escape, or the zone of an address")
	}
	t = HTTPTarget{Scheme: u.Scheme, Query: u.RawQuery}
	if t.Port, err = parsePort(u); err == nil {
		t.Host, err = canonicalHost(u.Hostname(), strings.Contains(authority, "["), toASCII)
	}
	if err == nil {
		t.Path, err = canonicalPath(u.EscapedPath())
	}
	t.Query = escapeNonASCII(t.Query)
	return t, err
}

func parsePort(u *url.URL) (uint16, error) {
	text := u.Port()
	if text == "" {
		return defaultPort(u.Scheme), nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || text[0] == '0' {
		return 0, fmt.Errorf("the port is not one of 1 to 65535, in its usual form")
	}
	return uint16(n), nil
}

// canonicalHost returns the one form of a host.
func canonicalHost(host string, bracketed bool, toASCII func(host string) (string, error)) (string, error) {
	if bracketed {
		a, err := netip.ParseAddr(host)
		if err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "" {
			return "", fmt.Errorf("the address in brackets is no IPv6 address, or an IPv4 address in disguise")
		}
		return a.String(), nil
	}
	if strings.ContainsFunc(host, func(c rune) bool { return c >= utf8.RuneSelf }) {
		if toASCII == nil {
			return "", fmt.Errorf("the host has other characters than ASCII; write it as xn--")
		}
		ascii, err := toASCII(host)
		if err != nil {
			return "", fmt.Errorf("the host is no internationalized name")
		}
		host = ascii
	}
	host = strings.ToLower(host)
	if looksLikeIPv4(host) {
		a, err := netip.ParseAddr(host)
		if err != nil || !a.Is4() {
			return "", fmt.Errorf("the host looks like an IPv4 address in an unusual form: write four decimal numbers")
		}
		return a.String(), nil
	}
	return host, checkHostName(host)
}

// looksLikeIPv4 reports whether some library would take a host for an IPv4 address: its last
// part is a number, as the URL standard of WHATWG says.
func looksLikeIPv4(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if strings.HasPrefix(last, "0x") {
		return true
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

func checkHostName(host string) error {
	if len(host) > maxHostName {
		return fmt.Errorf("the host has %d bytes, at most %d are possible", len(host), maxHostName)
	}
	for label := range strings.SplitSeq(host, ".") {
		switch {
		case label == "":
			return fmt.Errorf("the host has an empty part, or a dot at its end")
		case len(label) > maxLabel:
			return fmt.Errorf("a part of the host has %d bytes, at most %d are possible", len(label), maxLabel)
		case strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "", strings.HasPrefix(label, "-"), strings.HasSuffix(label, "-"):
			return fmt.Errorf("the host has a character that no name of a host has")
		}
	}
	return nil
}

// canonicalPath returns the one form of an escaped path: what needs no escape has none, and
// escapes have upper-case digits.
func canonicalPath(escaped string) (string, error) {
	if escaped == "" {
		return "/", nil
	}
	plain, err := url.PathUnescape(escaped)
	if err != nil {
		return "", fmt.Errorf("the path has a wrong escape")
	}
	if !utf8.ValidString(plain) || strings.ContainsFunc(plain, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\\' }) {
		return "", fmt.Errorf("the path has an escaped backslash or control character, or bytes that are no UTF-8")
	}
	var b strings.Builder
	for i := 0; i < len(escaped); i++ {
		c := escaped[i]
		if c != '%' {
			b.WriteByte(c)
			continue
		}
		n, _ := strconv.ParseUint(escaped[i+1:i+3], 16, 8)
		c, i = byte(n), i+2
		switch {
		case c == '/' || c == '.' || c == '%' && isTwiceEscaped(escaped[i+1:]):
			return "", fmt.Errorf("the path has an escaped slash or dot")
		case isUnreserved(c):
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	for segment := range strings.SplitSeq(plain, "/") {
		name, _, _ := strings.Cut(segment, ";") // some servers cut parameters off before they look
		if name == "." || name == ".." {
			return "", fmt.Errorf("the path has a segment of dots")
		}
	}
	return b.String(), nil
}

// isTwiceEscaped reports whether an escaped '%' goes on like an escape of a slash, a backslash,
// a dot or another '%': a server that unescapes twice would read that.
func isTwiceEscaped(rest string) bool {
	if len(rest) < 2 {
		return false
	}
	switch strings.ToLower(rest[:2]) {
	case "2e", "2f", "5c", "25", "00":
		return true
	}
	return false
}

func isUnreserved(c byte) bool { // RFC 3986 2.3; a dot comes before
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '~'
}

func escapeNonASCII(query string) string {
	if !strings.ContainsFunc(query, func(c rune) bool { return c >= utf8.RuneSelf }) {
		return query
	}
	var b strings.Builder
	for i := range len(query) {
		if query[i] < utf8.RuneSelf {
			b.WriteByte(query[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", query[i])
		}
	}
	return b.String()
}
