package service

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/admin"
)

// post sends a request to the gateway, over a connection of its own.
func post(s *Service, scheme, path, body string) (string, error) {
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, scheme+"://"+s.ways.listener.Addr().String()+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if response.TLS != nil {
		text = append(text, fmt.Sprintf(" by %d", response.TLS.PeerCertificates[0].SerialNumber)...)
	}
	return fmt.Sprintf("%d %s", response.StatusCode, text), err
}

const withGateway = `gateway: {http: {listen: '127.0.0.1:0', routes: [{path: /a, target: a/b}%s]%s}}
components: [{id: a/b, source: echo, engine: native}]
`

// TestGatewayChanges: routes change in place; other settings by a second gateway on the same
// socket; an address that cannot be had leaves the old gateway in place.
func TestGatewayChanges(t *testing.T) {
	f := newFolder(t)
	s := f.serve(fmt.Sprintf(withGateway, "", ""))
	address, gateway := s.ways.listener.Addr().String(), s.ways.gateway
	want := func(path, body, want string) {
		t.Helper()
		if got, err := post(s, "http", path, body); got != want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", path, got, err, want)
		}
	}
	want("/a", "x", "200 x")
	want("/b", "x", "404 {\"error\":{\"code\":\"no-route\",\"message\":\"no route has this path\"}}\n")
	same(t, f.apply(s, fmt.Sprintf(withGateway, ", {path: /b, target: a/b}", "")), "update gateway")
	want("/b", "x", "200 x")
	if s.ways.gateway != gateway {
		t.Error("another gateway for other routes")
	}
	same(t, f.apply(s, fmt.Sprintf(withGateway, "", ", max_body: 3B")), "update gateway")
	want("/a", "1234", "413 {\"error\":{\"code\":\"too-large\",\"message\":\"the body may have 3 bytes at most\"}}\n")
	want("/a", "123", "200 123")
	if got := s.ways.listener.Addr().String(); got != address {
		t.Errorf("the address has become %s, want still %s", got, address)
	}
	same(t, f.apply(s, strings.Replace(fmt.Sprintf(withGateway, "", ""), "127.0.0.1:0", "127.0.0.1:99999", 1)),
		"update gateway: gateway: listen tcp: address 99999: invalid port")
	want("/a", "123", "200 123")
	same(t, f.apply(s, "components: [{id: a/b, source: echo, engine: native}]"), "remove gateway")
	if _, err := http.Post("http://"+address+"/a", "", nil); err == nil {
		t.Error("a gateway that was removed answers")
	}
	same(t, f.apply(s, fmt.Sprintf(withGateway, "", "")), "add gateway")
	want("/a", "123", "200 123")
}

// TestCertificateChanges: a certificate with other content is taken, though its path is the same.
func TestCertificateChanges(t *testing.T) {
	f := newFolder(t)
	f.certificate(1)
	text := fmt.Sprintf(withGateway, "", ", tls: {certificate: c.pem, key: k.pem}")
	s := f.serve(text)
	for serial := range 3 {
		if serial > 0 {
			f.certificate(int64(serial + 1))
			same(t, f.apply(s, text), "update gateway")
		}
		if got, err := post(s, "https", "/a", "x"); got != fmt.Sprintf("200 x by %d", serial+1) || err != nil {
			t.Errorf("got %q, %v with certificate %d", got, err, serial+1)
		}
	}
	same(t, f.apply(s, text))
	f.write("k.pem", "no key")
	if got := f.apply(s, text); len(got) != 1 || !strings.Contains(got[0], "gateway: tls: ") {
		t.Errorf("got %q for a broken key", got)
	}
	if got, err := post(s, "https", "/a", "x"); got != "200 x by 3" || err != nil {
		t.Errorf("got %q, %v after a broken key", got, err)
	}
}

// certificate writes a certificate with a number, and its key.
func (f folder) certificate(serial int64) {
	f.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		f.t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		f.t.Fatal(err)
	}
	encode := func(kind string, der []byte) string {
		var text bytes.Buffer
		if err := pem.Encode(&text, &pem.Block{Type: kind, Bytes: der}); err != nil {
			f.t.Fatal(err)
		}
		return text.String()
	}
	f.write("c.pem", encode("CERTIFICATE", der))
	f.write("k.pem", encode("EC PRIVATE KEY", private))
}

// TestApplyWarns: a route to a component that the file does not have is allowed, and said.
func TestApplyWarns(t *testing.T) {
	f := newFolder(t)
	text := strings.Replace(fmt.Sprintf(withGateway, "", ""), "target: a/b", "target: a/x", 1)
	s := f.serve(fmt.Sprintf(withGateway, "", ""))
	for _, dry := range []bool{true, false} {
		applied, err := s.Apply(t.Context(), admin.ApplyRequest{File: f.write("airhost.yaml", text), DryRun: dry}, func(admin.Progress) {})
		if err != nil {
			t.Fatal(err)
		}
		if got := applied.Warnings; len(got) != 1 || got[0].Place.Line != 1 || !strings.Contains(got[0].Message, "a/x") {
			t.Errorf("got the warnings %v, want one about a/x", got)
		}
		want := []admin.Difference{{Path: "routes", Old: "{path: /a, target: a/b}", New: "-"}, {Path: "routes", Old: "-", New: "{path: /a, target: a/x}"}}
		if got := applied.Changes[0].Differences; !slices.Equal(got, want) {
			t.Errorf("got the differences %v, want %v", got, want)
		}
	}
}

// TestSchedulesChange: entries that stay keep their turn; the others end and begin.
func TestSchedulesChange(t *testing.T) {
	f := newFolder(t)
	const text = "schedules: [%s]\ncomponents: [{id: a/b, source: echo, engine: native}]"
	s := f.serve(fmt.Sprintf(text, "{every: 1h, target: a/b}, {every: 2h, target: a/b}"))
	stays := s.ways.schedules[1]
	same(t, f.apply(s, fmt.Sprintf(text, "{every: 2h, target: a/b}, {every: 3h, target: a/b}, {every: 2h, target: a/b}")), "update schedules")
	if got := s.ways.schedules; len(got) != 3 || got[0] != stays || got[2] == stays {
		t.Errorf("got %v, want the entry that stays, and two others", got)
	}
	same(t, f.apply(s, fmt.Sprintf(text, "")), "remove schedules")
	same(t, f.apply(s, fmt.Sprintf(text, "{every: 10ms, target: a/b}")), "add schedules")
	for s.Components()[0].Counters.Handled == 0 {
		<-time.After(time.Millisecond)
	}
}
