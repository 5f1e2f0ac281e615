package httpout_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/hosttest"
	"github.com/airhost/airhost/reach/httpout"
)

// tricks are URLs by which a component with the rules of [tricked] tries to reach something else.
// Names resolve as [tricked] says.
var tricks = []struct{ name, url, want string }{
	{"another scheme", "ftp://api.example.com/v1/", "scheme"},
	{"a file", "file:///etc/passwd", "scheme"},
	{"no scheme", "//api.example.com/v1/", "scheme"},
	{"no host", "http:/etc/passwd", "no host"},
	{"an opaque URL", "http:api.example.com/v1/", "no host"},
	{"plain instead of TLS", "http://api.example.com/v1/", "does not grant"},
	{"another port", "https://api.example.com:22/v1/", "does not grant"},
	{"port 0", "https://api.example.com:0/v1/", "port"},
	{"a port with a zero", "https://api.example.com:0443/v1/", "port"},
	{"a large port", "https://api.example.com:65979/v1/", "port"},
	{"another path", "https://api.example.com/v2/", "does not grant"},
	{"another host", "https://example.net/v1/", "does not grant"},
	{"a host that begins like it", "https://api.example.com.example.net/v1/", "does not grant"},
	{"a host that ends like it", "https://xapi.example.com/v1/", "does not grant"},
	{"a name above the wildcard", "https://wild.example.org/", "does not grant"},
	{"a wildcard's lookalike", "https://xwild.example.org/", "does not grant"},
	{"credentials", "https://api.example.com@example.net/v1/", "credentials"},
	{"credentials with a password", "https://a:b@api.example.com/v1/", "credentials"},
	{"empty credentials", "https://@api.example.com/v1/", "credentials"},
	{"two ats", "https://a@api.example.com@example.net/v1/", "credentials"},
	{"an escaped at", "https://api.example.com%40example.net/v1/", "parsed"},
	{"a fragment that hides a host", "https://example.net#@api.example.com/v1/", "does not grant"},
	{"a query that hides a host", "https://example.net?@api.example.com/v1/", "does not grant"},
	{"a backslash", `https://example.net\@api.example.com/v1/`, "backslash"},
	{"a backslash in the path", `https://api.example.com/v1/..\admin`, "backslash"},
	{"an escaped backslash", "https://api.example.com/v1/..%5cadmin", "backslash"},
	{"dots", "https://api.example.com/v1/../admin", "dots"},
	{"one dot", "https://api.example.com/v1/./admin", "dots"},
	{"dots at the end", "https://api.example.com/v1/..", "dots"},
	{"escaped dots", "https://api.example.com/v1/%2e%2e/admin", "escaped slash or dot"},
	{"half escaped dots", "https://api.example.com/v1/.%2E/admin", "escaped slash or dot"},
	{"an escaped slash", "https://api.example.com/v1/..%2fadmin", "escaped slash"},
	{"dots escaped twice", "https://api.example.com/v1/%252e%252e/admin", "escaped slash or dot"},
	{"a slash escaped twice", "https://api.example.com/v1/..%252fadmin", "escaped slash"},
	{"dots with a parameter", "https://api.example.com/v1/..;a=b/admin", "dots"},
	{"an overlong escape of a dot", "https://api.example.com/v1/%c0%ae%c0%ae/admin", "UTF-8"},
	{"a broken escape", "https://api.example.com/v1/%zz", "parsed"},
	{"an escaped zero byte", "https://api.example.com/v1/a%00", "control"},
	{"an escaped line end", "https://api.example.com/v1/a%0d%0aHost:%20x", "control"},
	{"a line end in the path", "https://api.example.com/v1/ HTTP/1.1\r\nhost: x\r\n\r\n", "space"},
	{"a line end in the query", "https://api.example.com/v1/?a\r\nb: c", "space"},
	{"a tab", "https://api.exa\tmple.com/v1/", "space"},
	{"a space before", " https://api.example.com/v1/", "space"},
	{"bytes that are no UTF-8", "https://api.example.com/v1/\xff", "UTF-8"},
	{"a dot at the end of the host", "https://api.example.com./v1/", "a dot at its end"},
	{"two dots in the host", "https://api..example.com/v1/", "empty part"},
	{"an escaped host", "https://%61pi.example.com/v1/", "parsed"},
	{"another alphabet", "https://\u0430pi.example.com/v1/", "does not grant"},
	{"a mapped name", "https://exampl\u212f.net/v1/", "does not grant"},
	{"IPv4 as a number", "https://2130706433/", "unusual form"},
	{"IPv4 in octal", "https://0177.0.0.1/", "unusual form"},
	{"IPv4 in hexadecimal", "https://0x7f.0.0.1/", "unusual form"},
	{"IPv4 as one hexadecimal number", "https://0x7f000001/", "unusual form"},
	{"a short IPv4", "https://127.1/", "unusual form"},
	{"IPv4 with a zero in front", "https://127.0.0.01/", "unusual form"},
	{"IPv4 with a dot behind", "https://127.0.0.1./", "unusual form"},
	{"IPv4 with too much", "https://127.0.0.1.1/", "unusual form"},
	{"IPv4 in full width", "https://\uff11\uff12\uff17.0.0.1/", "does not grant"},
	{"IPv4 with other dots", "https://127\u30020\u30020\u30021/", "does not grant"},
	{"loopback", "https://127.0.0.1/", "does not grant"},
	{"metadata", "http://169.254.169.254/latest/meta-data/", "does not grant"},
	{"IPv6 loopback", "https://[::1]/", "does not grant"},
	{"IPv4 in IPv6", "https://[::ffff:127.0.0.1]/", "disguise"},
	{"IPv4 in hexadecimal in IPv6", "https://[::ffff:7f00:1]/", "disguise"},
	{"an address that is compatible with IPv4", "https://[::127.0.0.1]/", "does not grant"},
	{"a zone", "https://[fe80::1%25eth0]/", "'%'"},
	{"a name in brackets", "https://[api.example.com]/v1/", ""},
	{"localhost", "https://localhost/", "does not grant"},
	{"a name below localhost", "https://api.localhost/", "does not grant"},

	// These are granted by their names.
	{"a name with a loopback address", "https://private.wild.example.org/", "127.0.0.1, which is not public"},
	{"a name with a metadata address", "https://metadata.wild.example.org/", "169.254.169.254, which is not public"},
	{"a public and a private address", "https://mixed.wild.example.org/", "10.0.0.1, which is not public"},
	{"a private IPv6 address", "https://six.wild.example.org/", "fd00:ec2::254, which is not public"},
	{"IPv4 in the IPv6 address of a name", "https://mapped.wild.example.org/", "127.0.0.1, which is not public"},
	{"NAT64", "https://nat64.wild.example.org/", "64:ff9b::7f00:1, which is not public"},
	{"6to4", "https://6to4.wild.example.org/", "2002:7f00:1::, which is not public"},
}

// notPublic ends the reason for an address.
const notPublic = ", which is not public"

// tricked is a client with the names of the tricks, and the rules of the component.
func tricked(t *testing.T) (*httpout.Client, core.HTTPRules) {
	names := &resolver{names: map[string][]string{
		"private.wild.example.org":  {"127.0.0.1"},
		"metadata.wild.example.org": {"169.254.169.254"},
		"mixed.wild.example.org":    {"93.184.216.34 10.0.0.1"},
		"six.wild.example.org":      {"fd00:ec2::254"},
		"mapped.wild.example.org":   {"::ffff:127.0.0.1"},
		"nat64.wild.example.org":    {"64:ff9b::7f00:1"},
		"6to4.wild.example.org":     {"2002:7f00:1::"},
	}}
	return newClient(t, httpout.Config{Resolver: names}), rules(t, "https://api.example.com/v1/*", "https://*.wild.example.org/*")
}

// TestTricks: none of the tricks reaches anything, and each is in the log with its reason.
func TestTricks(t *testing.T) {
	client, granted := tricked(t)
	log := new(hosttest.Log)
	h := hosttest.New(t, host.Config{HTTP: client, Logger: slog.New(slog.NewTextHandler(log, nil))})
	answers := make(chan string, 1)
	logged := []string{"component=a/trickster", "target=https://mixed.wild.example.org/"}
	d := host.Deployment{ID: core.MustComponentID("a/trickster"), Engine: "native", Source: core.Source{Value: func() guest.Component { return trickster{answers} }}}
	d.Capabilities.HTTP = granted
	check(t, h.Deploy(context.Background(), d))
	for _, trick := range tricks {
		if _, err := client.Prepare(&core.HTTPRequest{URL: trick.url}, granted); err != nil {
			refused(t, trick.name, err, core.AsHTTPError(err).Code, trick.want)
			trick.want = "" // in a message some are no request of HTTP/1.1
		}
		_, err := h.Request(context.Background(), d.ID, []byte(trick.url))
		check(t, err)
		want := trick.want
		if _, isAddress := strings.CutSuffix(want, notPublic); isAddress { // only the log names it
			want = "destination-IP-prohibited: the address is not one that a component may reach"
			logged = append(logged, trick.want)
		}
		if got := <-answers; !strings.Contains(got, want) || !strings.HasPrefix(got, "failed: ") {
			t.Errorf("%s: %s: got %q, want %q", trick.name, trick.url, got, want)
		}
	}
	check(t, h.Stop(context.Background()))
	if n, all := strings.Count(log.String(), "pattern=http "), len(tricks)-1; n != all { // a line end makes a granted request of one of them
		t.Errorf("%d refusals of %d are in the log", n, all)
	}
	for _, want := range logged {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s", want)
		}
	}
}

// trickster is a component that requests the URL of each message.
type trickster struct{ answers chan string }

// HandleMessage implements [guest.Component].
func (c trickster) HandleMessage(h guest.Host, _ string, message []byte) ([]byte, error) {
	answer, err := h.Call("airhost/fetch", fmt.Appendf(nil, "GET %s HTTP/1.1\r\nhost: unset\r\n\r\n", message))
	if err != nil {
		answer = []byte(strings.TrimPrefix(err.Error(), "call-error: "))
	}
	c.answers <- string(answer)
	return nil, nil
}

// TestAddresses: no address that is not public is reached by a name, unless it is allowed.
func TestAddresses(t *testing.T) {
	for _, address := range strings.Fields(`0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16 169.254.169.254
		172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
		:: ::1 ::127.0.0.1 ::ffff:10.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:db8::1 2002:7f00:1:: 3fff::1 5f00::1
		fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 4000::1`) {
		client := newClient(t, httpout.Config{Resolver: &resolver{names: map[string][]string{"a.example.com": {address}}}})
		_, err := do(t, client, rules(t, "http://a.example.com/*"), core.HTTPRequest{URL: "http://a.example.com/"})
		refused(t, address, err, core.HTTPDestinationProhibited, "which is not public")
	}
}

// TestRebinding: a name that changes its address is checked on each connection, and the address
// that was checked is the one that is connected to.
func TestRebinding(t *testing.T) {
	var requests atomic.Int64
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.Header().Set("Connection", "close")
		echo(w, r)
	})
	names := &resolver{names: map[string][]string{"a.example.com": {"127.0.0.1", "10.0.0.1", "127.0.0.1"}}}
	client := newClient(t, httpout.Config{Resolver: names, Allow: loopback})
	url := "http://a.example.com:" + port + "/"
	_, err := do(t, client, rules(t, "http://a.example.com:*/*"), core.HTTPRequest{URL: url})
	check(t, err)
	_, err = do(t, client, rules(t, "http://a.example.com:*/*"), core.HTTPRequest{URL: url})
	refused(t, "the second time", err, core.HTTPDestinationProhibited, "10.0.0.1, which is not public")
	if names.asked != 2 || requests.Load() != 1 {
		t.Errorf("%d lookups and %d requests", names.asked, requests.Load())
	}
}

// TestNamedAddresses: a rule with an address, or with localhost, is enough for that.
func TestNamedAddresses(t *testing.T) {
	port := serve(t, echo)
	client := newClient(t, httpout.Config{})
	for _, host := range []string{"127.0.0.1", "localhost"} {
		url := "http://" + host + ":" + port + "/x"
		r, err := do(t, client, rules(t, "http://"+host+":*/*"), core.HTTPRequest{URL: url})
		if err != nil || string(r.Body) != host+":"+port+"/x " {
			t.Errorf("%s: got %v, %v", url, r, err)
		}
	}
	away := newClient(t, httpout.Config{Resolver: &resolver{names: map[string][]string{"localhost": {"93.184.216.34"}}}})
	_, err := do(t, away, rules(t, "http://localhost/*"), core.HTTPRequest{URL: "http://localhost/"})
	refused(t, "localhost elsewhere", err, core.HTTPDestinationProhibited, "93.184.216.34")
}
