package rules

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestFirstPlugIn: a reader who follows the README in an empty folder gets a plug-in
// that answers. The module comes from this checkout, as for readers with a clone.
func TestFirstPlugIn(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and a guest")
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("(?s)\n```go\n(package main\n.*?guest\\.Export.*?)```").FindSubmatch(readme)
	script := regexp.MustCompile("(?s)\n<!-- first plug-in -->\n```sh\n(.*?)```").FindSubmatch(readme)
	if code == nil || script == nil {
		t.Fatal("README.md has no first plug-in with the commands that build and call it")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	const get = "\ngo get " + module + "\n"
	lines := "\n" + string(script[1])
	if !strings.Contains(lines, get) {
		t.Fatalf("README.md does not get the module by%s", get)
	}
	clone := "\ngo mod edit -require " + module + "@v0.1.0 -replace " + module + "=" + root + " && go mod tidy\n"
	if !strings.Contains(string(readme), strings.ReplaceAll(strings.TrimSpace(clone), root, "PATH")) {
		t.Error("README.md does not say how to use a clone instead of a release")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), code[1], 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "bin", "airhost"), module+"/cmd/airhost").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	follow := exec.Command("sh", "-e", "-c", strings.Replace(lines, get, clone, 1))
	follow.Dir = dir
	follow.Env = append(os.Environ(), "GONOSUMDB=*", "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	var log strings.Builder
	follow.Stderr = &log
	out, err := follow.Output()
	if got := strings.TrimSpace(string(out)); err != nil || got != "Hello, world!" {
		t.Errorf("the README's commands print %q, %v\n%s", got, err, log.String())
	}
	if got := served(t, dir, string(readme)); got != "Hello, world!" {
		t.Errorf("as a service the plug-in answers %q", got)
	}
}

// served runs the plug-in in a folder as a service, by the configuration in README.md, and returns its
// answer to the request there.
func served(t *testing.T, dir, readme string) string {
	t.Helper()
	const address, path = "127.0.0.1:8080", "/hello"
	file := regexp.MustCompile("(?s)\n```yaml\n(gateway:.*?)```").FindStringSubmatch(readme)
	if file == nil || !strings.Contains(file[1], address) || !strings.Contains(readme, "`curl -d world\nhttp://"+address+path+"`") {
		t.Fatal("README.md has no configuration of the service with a request for it")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	own := free.Addr().String()
	if err := errors.Join(free.Close(), os.WriteFile(filepath.Join(dir, "hello.yaml"), []byte(strings.Replace(file[1], address, own, 1)), 0o600)); err != nil {
		t.Fatal(err)
	}
	service := exec.Command(filepath.Join(dir, "bin", "airhost"), "run", "hello.yaml")
	service.Dir = dir
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(service.Process.Signal(os.Interrupt), service.Wait()); err != nil {
			t.Errorf("airhost run ends with %v", err)
		}
	})
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range 1200 { // until it has compiled
		if answer, err := http.Post("http://"+own+path, "text/plain", strings.NewReader("world")); err == nil {
			defer answer.Body.Close()
			body, _ := io.ReadAll(answer.Body)
			return string(body)
		}
		<-tick.C
	}
	return "nothing"
}
