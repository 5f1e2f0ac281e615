package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/hosttest"
)

// The secrets of the leaker, of which the first letters are the same in all encodings.
const (
	canary    = "c4nary"
	canaryEnv = canary + `/of "the" <shop> ä`
	canaryKey = canary + "-begin\n" + canary + "-middle-of-the-key\n" + canary + "-end"
)

// leaker tells its secrets in the way that a message names.
type leaker struct{}

func (leaker) Initialize(host guest.Host, config guest.Config) error {
	if _, fails := config.Get("fails"); fails {
		secret, err := guest.Secret(host, "TOKEN")
		return fmt.Errorf("cannot start with %s: %w", secret, err)
	}
	return nil
}

func (leaker) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	token, err := guest.Secret(host, "TOKEN")
	if err != nil {
		return nil, err
	}
	key, err := guest.Secret(host, "KEY")
	if err != nil {
		return nil, err
	}
	escaped, _ := json.Marshal(token)
	switch word, _, _ := strings.Cut(string(message), " "); word {
	case "log":
		for _, text := range []string{token, key, url.QueryEscape(token), url.PathEscape(token), string(escaped), strconv.Quote(key), fmt.Sprintf("%q", token), strings.Repeat("x", 8<<10-20) + token} {
			host.Log(guest.LogInfo, "my secret: "+text)
			host.Log(guest.LogDebug, text)
		}
	case "stderr":
		fmt.Fprintln(os.Stderr, "my secret:", token, key)
		fmt.Println("my secret:", token, key)
	case "error":
		return nil, guest.Failed("no access with %s, %q", token, key)
	case "panic":
		fmt.Fprintln(os.Stderr, strings.Repeat("x", 1<<10-len(token)/2), token)
		panic("no access with " + token)
	case "names":
		_ = host.Send(token, nil)
		_ = host.Send("shop/"+token, nil)
		_, _ = host.Request(token, nil, time.Second)
		_ = host.Publish(token, nil)
		_, _ = host.Call(token, []byte(token))
		_, _ = host.Call("airhost/"+token, nil)
		_, _ = guest.Secret(host, token)
		_, _ = guest.OpenBucket(host, token)
	case "dead":
		return nil, host.Send(host.SelfID(), []byte("panic "+token+" "+key))
	case "value":
		return []byte(token), nil
	}
	return nil, nil
}

// leaks returns where a text tells a secret, also in a payload in base64.
func leaks(text string) string {
	for _, payload := range regexp.MustCompile(`"payload": ?"([^"]*)"`).FindAllStringSubmatch(text, -1) {
		if b, err := base64.StdEncoding.DecodeString(payload[1]); err == nil {
			text += string(b)
		}
	}
	if i := strings.Index(text, canary); i >= 0 {
		return text[max(0, i-100):min(len(text), i+100)]
	}
	return ""
}

// TestNoSecretLeaks: a component tells its secrets wherever it can, and neither the log, nor any
// command, nor the admin API shows one. Only a message has it as the component wrote it.
func TestNoSecretLeaks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no such signals")
	}
	folder := t.TempDir()
	if err := linkExtensions(folder); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SHOP_TOKEN", canaryEnv)
	t.Setenv("XDG_RUNTIME_DIR", folder)
	t.Setenv("XDG_CACHE_HOME", folder)
	file, socket := filepath.Join(folder, "airhost.yaml"), filepath.Join(folder, "s")
	const head = "host: {admin: ./s}\nkeyvalue: {store: memory}\ncomponents:\n"
	const component = "- {id: shop/leaker, source: leaker, engine: process, secrets: {TOKEN: {env: SHOP_TOKEN}, KEY: {file: key}}, config: {own: \"${SHOP_TOKEN}\"}, env: {TOKEN: \"${SHOP_TOKEN}\"}," +
		" capabilities: {send: [\"*\"], request: [\"*\"], publish: [\">\"], keyvalue: [default]}, restart: {max_restarts: -1, backoff: 1ms, max_backoff: 1ms}%s}\n"
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("airhost.yaml", head+fmt.Sprintf(component, ""))
	write("key", canaryKey+"\n")

	program := exec.CommandContext(t.Context(), os.Args[0], "run", file, "--log-level", "trace", "--log-format", "json")
	program.Env = append(os.Environ(), asAirhost+"=1")
	var log hosttest.Log
	program.Stderr, program.Stdout = &log, &log
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	awaitText(t, &log, "airhost is running")
	search := func(what, text string) {
		t.Helper()
		if found := leaks(text); found != "" {
			t.Errorf("%s shows a secret: …%s…", what, found)
		}
	}
	command := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := runs(args...)
		search(fmt.Sprintf("%.60q", args), stdout+stderr)
		return fmt.Sprint(code, stdout, stderr)
	}
	for _, way := range []string{"log", "stderr", "error", "names", "dead", "panic", "log"} {
		command("call", file, "shop/leaker", "--data", way)
		command("call", file, "shop/leaker", "--data", way, "--log-format", "json")
	}
	if letters := command("dead-letters", "list", file); !strings.Contains(letters, "shop/leaker") {
		t.Errorf("there is no dead letter: %s", letters)
	}
	for _, args := range [][]string{
		{"ps", file}, {"ps", file, "--output", "json"}, {"events", file}, {"events", file, "--output", "json"}, {"logs", file}, {"logs", file, "--output", "json", "--level", "trace"},
		{"dead-letters", "list", file, "--output", "json"}, {"dead-letters", "show", file, "1"}, {"dead-letters", "show", file, "1", "--output", "json"},
		{"dead-letters", "show", file, "1", "--output", "raw"}, {"log-level", file}, {"check", file}, {"kv", "list", file}, {"schema"},
	} {
		command(args...)
	}
	if shown := command("dead-letters", "show", file, "1"); !strings.Contains(shown, "panic [secret TOKEN] [secret KEY]") {
		t.Errorf("the dead letter: %s", shown)
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics", "/v1/openapi.json", "/v1/snapshot", "/v1/components", "/v1/components/shop/leaker", "/v1/dead-letters",
		"/v1/dead-letters/1", "/v1/events", "/v1/logs?level=trace", "/v1/log-level", "/v1/keyvalue", "/v1/cluster"} {
		search(path, httpGet(t, socket, path))
	}
	write("airhost.yaml", head+fmt.Sprintf(component, ", quota: {burst: 7}"))
	command("apply", file, "--dry-run")
	write("airhost.yaml", head+strings.Replace(fmt.Sprintf(component, ""), "config: {", "config: {fails: now, ", 1))
	if applied := command("apply", file); !strings.Contains(applied, "cannot start with [secret TOKEN]") {
		t.Errorf("a new version that fails: %s", applied)
	}
	write("airhost.yaml", head+strings.Replace(fmt.Sprintf(component, ""), "{env: SHOP_TOKEN}", canaryEnv[:6]+"-instead}", 1))
	command("check", file)
	command("apply", file)
	write("airhost.yaml", head+fmt.Sprintf(component, ""))
	command("restart", file, "shop/leaker")
	command("dead-letters", "resend", file, "--all")
	write("key", canary+"-rotated")
	<-time.After(1100 * time.Millisecond)
	command("call", file, "shop/leaker", "--data", "log")
	awaitText(t, &log, "a secret has changed")
	command("events", file)

	_, stdout, _ := runs("call", file, "shop/leaker", "--data", "value")
	if leaks(stdout) == "" || stdout != canaryEnv {
		t.Errorf("a response of the component is not as it wrote it: %s", stdout)
	}
	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = program.Wait() // messages may be left
	search("the log", log.String())
	if n := strings.Count(log.String(), "[secret TOKEN]"); n < 20 {
		t.Errorf("the log has %d marks of the secret: %s", n, log.String())
	}
}

// awaitText waits until a log has a text.
func awaitText(t *testing.T, log *hosttest.Log, text string) {
	t.Helper()
	for range 1000 {
		if strings.Contains(log.String(), text) {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Fatalf("the log has no %q: %s", text, log.String())
}

// httpGet returns the answer of the API at a socket.
func httpGet(t *testing.T, socket, path string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: dialSocket(socket), DisableKeepAlives: true}}
	r, err := client.Get("http://airhost" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r.Body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func dialSocket(path string) func(ctx context.Context, _, _ string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
}
