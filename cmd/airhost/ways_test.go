package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/service"
)

// listening is the line of the log with the gateway's address.
var listening = regexp.MustCompile(`msg="the gateway listens" address=(\S+)`)

// get sends a request to a program's gateway, and returns the status and the body.
func (w *watched) get(method, path, body string) string {
	w.t.Helper()
	address := listening.FindStringSubmatch(w.log.String())[1]
	request, err := http.NewRequestWithContext(w.t.Context(), method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return response.Status + " " + string(text)
}

// TestWays: the example's gateway answers, its schedule runs, and both end with the host.
func TestWays(t *testing.T) {
	example, err := os.ReadFile("../../examples/gateway/airhost.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(example), "127.0.0.1:8086", "127.0.0.1:0", 1)
	text = strings.Replace(text, "every: 1s", "every: 10ms", 1)
	w := airhost(t, "run", writeFile(t, "airhost.yaml", text))
	w.when(running, func() {
		for _, c := range []struct{ method, path, body, want string }{
			{"POST", "/echo", "hello", "200 OK hello"},
			{"GET", "/echo", "", `405 Method Not Allowed {"error":{"code":"no-route","message":"no route has this method for the path"}}` + "\n"},
			{"POST", "/note", "hello", "202 Accepted "},
		} {
			if got := w.get(c.method, c.path, c.body); got != c.want {
				t.Errorf("%s %s: got %q, want %q", c.method, c.path, got, c.want)
			}
		}
		if got := w.get("PUT", "/orders/42", "hello"); !strings.Contains(got, `"paramid":"42"`) {
			t.Errorf("got %s, want an envelope with the id", got)
		}
		w.send(syscall.SIGTERM)()
	})
	w.ends(exitDone, "msg=stopped")
}

// TestIngress: the example's process lets HTTP requests in by itself, until the host stops.
func TestIngress(t *testing.T) {
	example, err := os.ReadFile("../../examples/ingress/airhost.yaml")
	if err != nil {
		t.Fatal(err)
	}
	ingress := onPath(t, "ingress")
	text := strings.NewReplacer("../../bin/guests/ingress", ingress, "127.0.0.1:8085", "127.0.0.1:0").Replace(string(example))
	w := airhost(t, "run", writeFile(t, "airhost.yaml", text))
	w.when(running, func() {
		url := regexp.MustCompile(`listening on (http://[^"]+)`).FindStringSubmatch(w.log.String())[1]
		response, err := http.Post(url, "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if got, err := io.ReadAll(response.Body); string(got) != "hello" || err != nil {
			t.Errorf("got %s %q, %v, want hello", response.Status, got, err)
		}
		w.send(syscall.SIGTERM)()
	})
	w.ends(exitDone, "msg=stopped")
}

// TestWaysThatAreTaken: a gateway that cannot listen ends the program.
func TestWaysThatAreTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for address, want := range map[string]string{
		"127.0.0.1:99999":     "gateway: listen tcp: address 99999: invalid port",
		taken.Addr().String(): "address already in use: stop the program that listens there, or change gateway.http.listen",
	} {
		text := "gateway: {http: {listen: '" + address + "', routes: [{path: /, target: shop/echo}]}}\n"
		airhost(t, "run", writeFile(t, "airhost.yaml", text+oneEcho)).ends(exitFailed, want)
	}
}

// TestWaysAreChecked: mistakes in routes and schedules have their places.
func TestWaysAreChecked(t *testing.T) {
	file, err := config.Decode("a.yaml", []byte(`
gateway:
  http:
    listen: ":0"
    routes:
      - {path: "/{a}", target: a/b}
      - {path: "/{b}", target: a/b}
schedules:
  - {every: 1s, target: a/b}
  - {every: 1s, cron: "@daily", target: a/b}
  - {cron: "@daily", timezone: Mars/Base, target: a/b}
components: [{id: a/b, source: echo, engine: native}]
`), service.Built())
	if err != nil {
		t.Fatal(err)
	}
	var mistakes config.Mistakes
	if !errors.As(service.CheckWays(file), &mistakes) || len(mistakes) != 3 {
		t.Fatalf("got %v, want three mistakes", mistakes)
	}
	for i, want := range []string{
		"a.yaml:10:5: schedules[1]: every and cron are both given",
		`a.yaml:11:32: schedules[2].timezone: "Mars/Base" is no time zone`,
		`a.yaml:7:9: gateway.http.routes[1]: pattern "/{b}"`,
	} {
		if got := mistakes[i].Summary(); !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
