package core

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// TestRedactor: a secret is found in all of its forms, and nothing else changes.
func TestRedactor(t *testing.T) {
	var none *Redactor
	var r Redactor
	if none.Text("a text") != "a text" || none.Knows() || r.Text("a text") != "a text" || r.Knows() {
		t.Error("a text changes without secrets")
	}
	none.Add("key", "a text")
	const password, path, pem = "p\"ä<s/w+o rd", "p\"ä<s/w+o rd-of-old", "-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n"
	r.Add("short", "12345")
	if r.Knows() {
		t.Error("a secret of five bytes is known")
	}
	for key, value := range map[string]string{"PASSWORD": password, "OLD": path, "PEM": pem} {
		r.Add(key, value)
		r.Add("again", value)
	}
	escaped, err := json.Marshal(password)
	if err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false)
	if err := e.Encode(password); err != nil {
		t.Fatal(err)
	}
	unquoted := func(text string) string { return text[1 : len(text)-1] }
	for _, form := range []string{
		password, unquoted(string(escaped)), unquoted(strings.TrimSpace(plain.String())), unquoted(strconv.Quote(password)), unquoted(strconv.QuoteToASCII(password)),
		url.PathEscape(password), url.QueryEscape(password), "p%22%c3%a4%3cs%2fw%2bo%20rd", "p%22%c3%a4%3cs%2fw%2bo+rd",
	} {
		if got := r.Text("a " + form + " b " + form); got != "a [secret PASSWORD] b [secret PASSWORD]" {
			t.Errorf("%s: got %s", form, got)
		}
	}
	for text, want := range map[string]string{
		"12345": "12345", "nothing": "nothing", path: "[secret OLD]", pem: "[secret PEM]",
		"line 2: MIIEvQIBADANBg": "line 2: [secret PEM]", "-----END KEY-----": "[secret PEM]", strconv.Quote(pem): `"[secret PEM]"`,
	} {
		if got := r.Text(text); got != want {
			t.Errorf("%q: got %q", text, got)
		}
	}
}

// TestCutSecrets: what is left of a secret at the end of a text that was cut is replaced, too.
func TestCutSecrets(t *testing.T) {
	const secret = "0123456789abcdefghijklmnopqrstuvwxyz"
	var r Redactor
	r.Add("KEY", secret)
	fill := strings.Repeat("-", 1000)
	for at := len(fill) - 2*len(secret); at < len(fill); at++ {
		text := CutText(fill[:at]+secret+fill, len(fill))
		if got := r.Text(text); strings.Contains(got, secret[:MinRedacted]) {
			t.Fatalf("cut at %d: got %s", at, got)
		}
	}
	for n := MinRedacted; n < len(secret); n++ {
		for text, want := range map[string]string{fill + secret[:n]: fill + "[secret KEY]", secret[len(secret)-n:] + fill: "[secret KEY]" + fill} {
			if got := r.Text(text); got != want {
				t.Errorf("%d bytes of the secret: got %s", n, got)
			}
		}
	}
	if got := r.Text("it ends with 01234567"); got != "it ends with 01234567" {
		t.Errorf("a short text that was not cut: got %s", got)
	}
}

// TestMiddleOfSecrets: a text from the middle of a long secret is replaced, wherever it begins and ends.
func TestMiddleOfSecrets(t *testing.T) {
	var long strings.Builder
	for i := range 100 {
		fmt.Fprintf(&long, "%08x", uint32(i)*0x9e3779b1)
	}
	var r Redactor
	r.Add("OTHER", strings.Repeat("x", 2*shortestCut))
	r.Add("KEY", long.String())
	for size := shortestCut; size < long.Len(); size += 7 {
		for at := 0; at+size <= long.Len(); at++ {
			if got := r.Text(long.String()[at : at+size]); got != "[secret KEY]" {
				t.Fatalf("%d bytes from the byte %d on: got %s", size, at, got)
			}
		}
	}
	if text := strings.Repeat("a text without it", 20); r.Text(text) != text {
		t.Error("a text without a secret is changed")
	}
}

// TestManySecrets: the oldest secrets are forgotten when there are too many bytes.
func TestManySecrets(t *testing.T) {
	var r Redactor
	secret := func(i int) string { return fmt.Sprintf("%064d", i) + strings.Repeat("x", MaxSecret-64) }
	n := MaxRedacted / MaxSecret
	for i := range n + 1 {
		r.Add("KEY", secret(i))
	}
	if len(r.secrets) != n || r.bytes != MaxRedacted || r.secrets[0].value != secret(1) {
		t.Errorf("%d secrets with %d bytes are known", len(r.secrets), r.bytes)
	}
}

// TestRedactorHandler: no part of a record that a handler writes has a secret.
func TestRedactorHandler(t *testing.T) {
	const secret = "s3cr3t/of the shop"
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var r Redactor
		var out bytes.Buffer
		log := slog.New(r.Handler(handler(&out)))
		log.Info("as it is: " + secret)
		if !strings.Contains(out.String(), secret) {
			t.Errorf("%s: a record changes without secrets: %s", name, out.String())
		}
		r.Add("KEY", secret)
		out.Reset()
		log.With("key", secret).WithGroup("group").Info("say "+secret, "text", secret, "error", fmt.Errorf("failed: %w", errors.New(secret)),
			"bytes", []byte(secret), "list", []string{"a", secret}, slog.Group("inner", "key", secret), "number", 7, "struct", struct{ Key string }{secret},
			"path", url.PathEscape(secret))
		if got := out.String(); strings.Contains(got, "s3cr3t") || strings.Count(got, "[secret KEY]") != 9 || !strings.Contains(got, "7") {
			t.Errorf("%s: got %s", name, got)
		}
		if r.Handler(log.Handler()) != log.Handler() {
			t.Errorf("%s: a handler stands before itself", name)
		}
		out.Reset()
		log.Debug(secret)
		if out.Len() > 0 {
			t.Errorf("%s: a level that is off is written", name)
		}
	}
}

func BenchmarkRedactor(b *testing.B) {
	for _, words := range []int{4, 256} {
		text := strings.Repeat("a line of a log with some words ", words)
		for _, n := range []int{0, 1, 1000} {
			var r Redactor
			for i := range n {
				r.Add("KEY", fmt.Sprintf("secret-%d-of-the-shop%s", i, strings.Repeat(" with more of it", i%10)))
			}
			b.Run(fmt.Sprintf("bytes=%d/secrets=%d", len(text), n), func(b *testing.B) {
				r.Text(text) // makes what it needs
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					r.Text(text)
				}
			})
		}
	}
}
