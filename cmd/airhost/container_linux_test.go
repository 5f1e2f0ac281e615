package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// container is airhost as process 1 of a namespace of its own, with the image's files.
type container struct {
	t       *testing.T
	command *exec.Cmd
	lines   *bufio.Scanner // of its log
	pid     string         // of process 1, as others see it
}

const containerFile = `
gateway:
  http:
    listen: 127.0.0.1:0
    routes:
      - {path: /native, target: demo/native}
      - {path: /wasm, target: demo/wasm}
      - {path: /process, target: demo/process}
components:
  - {id: demo/native, source: echo, engine: native}
  - {id: demo/wasm, source: /plugins/echo.wasm}
  - {id: demo/process, source: /plugins/orphan, engine: process}
`

// startContainer starts the image's program as docker does with --read-only, a tmpfs for
// /tmp and for the cache, and nothing else that can be written.
func startContainer(t *testing.T, i image) *container {
	t.Helper()
	script := `
mount --bind "$ROOT" "$ROOT"
mount -o remount,bind,ro "$ROOT"
for directory in /tmp /run/airhost /var/cache/airhost; do
  mount -t tmpfs -o "mode=0700,uid=${USER%:*},gid=${USER#*:}" tmpfs "$ROOT$directory"
done
mount -t proc proc "$ROOT/proc"
mount -t tmpfs -o mode=0755 tmpfs "$ROOT/dev"
for device in null zero random urandom; do
  touch "$ROOT/dev/$device"
  mount --bind "/dev/$device" "$ROOT/dev/$device"
done
exec env -i "$@"`
	arguments := append([]string{"-mpf", "--propagation", "private", "sh", "-ec", script, "sh"}, i.env...)
	chroot, err := exec.LookPath("chroot")
	if err != nil {
		t.Fatal(err)
	}
	arguments = append(arguments, chroot, "--userspec="+i.user, i.root)
	arguments = append(append(arguments, i.entrypoint...), i.command...)
	c := &container{t: t, command: exec.CommandContext(t.Context(), "unshare", arguments...)}
	c.command.Env = append(os.Environ(), "ROOT="+i.root, "USER="+i.user)
	c.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := c.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.lines = bufio.NewScanner(log)
	if err := c.command.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// until reads the log up to a line that fits the pattern, and returns its first part.
func (c *container) until(pattern string) string {
	c.t.Helper()
	var all strings.Builder
	for c.lines.Scan() {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(c.lines.Text()); m != nil {
			return m[len(m)-1]
		}
		all.WriteString(c.lines.Text() + "\n")
	}
	c.t.Fatalf("the log has no line like %q (%v):\n%s", pattern, c.command.Wait(), &all)
	return ""
}

// inside returns the path of a file of the container, for this process.
func (c *container) inside(path string) string { return "/proc/" + c.pid + "/root" + path }

func (c *container) request(address, path, body string) string {
	c.t.Helper()
	response, err := http.Post("http://"+address+path, "text/plain", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: %s: %s, %v", path, response.Status, answer, err)
	}
	return string(answer)
}

// TestContainer builds the image of deploy/Dockerfile without docker, and runs it: not as root, with
// files that nobody can write, as process 1. It answers, reaps the processes that its
// process components leave behind, and ends gracefully by SIGTERM.
func TestContainer(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program")
	}
	if os.Getuid() != 0 || exec.Command("unshare", "-mpf", "true").Run() != nil {
		t.Skip("only root can make namespaces for other users here")
	}
	i := buildImage(t, "v9.8.7")
	plugins := filepath.Join(i.root, "plugins")
	if err := errors.Join(os.MkdirAll(plugins, 0o755), os.Mkdir(filepath.Join(i.root, "proc"), 0o755), os.Mkdir(filepath.Join(i.root, "dev"), 0o755),
		os.WriteFile(filepath.Join(i.root, "etc/airhost/airhost.yaml"), []byte(containerFile), 0o644)); err != nil {
		t.Fatal(err)
	}
	for parent := i.root; parent != os.TempDir() && parent != "/"; parent = filepath.Dir(parent) {
		if err := os.Chmod(parent, 0o755); err != nil { // for the image's user
			t.Fatal(err)
		}
	}
	sh(t, fmt.Sprintf("cp cmd/airhost/testdata/guests/echo.wasm %q && CGO_ENABLED=0 go build -o %q ./cmd/airhost/testdata/orphan", plugins, plugins))

	c := startContainer(t, i)
	address := c.until(`"the gateway listens","address":"([^"]+)"`)
	c.pid = only(t, fmt.Sprintf("/proc/%d/task/%d/children", c.command.Process.Pid, c.command.Process.Pid))
	for _, path := range []string{"/native", "/wasm"} {
		if got := c.request(address, path, "hello"); got != "hello" {
			t.Errorf("%s: got %q", path, got)
		}
	}
	c.checkRights(i.user)
	orphans := make([]string, 10)
	for n := range orphans {
		orphans[n] = c.request(address, "/process", "go")
	}
	for _, pid := range orphans {
		c.isReaped(pid)
	}
	c.stop()
}

// only returns the only word of a file.
func only(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if words := strings.Fields(string(text)); err == nil && len(words) == 1 {
		return words[0]
	}
	t.Fatalf("%s: %q, %v, want one word", path, text, err)
	return ""
}

// checkRights checks the version and the user of the program, and that it can write to its cache alone.
func (c *container) checkRights(user string) {
	c.t.Helper()
	uid, _, _ := strings.Cut(user, ":")
	status, err := os.ReadFile("/proc/" + c.pid + "/status")
	if err != nil || !strings.Contains(string(status), "\nUid:\t"+strings.Repeat(uid+"\t", 3)+uid+"\n") || !strings.Contains(string(status), "\nNSpid:\t"+c.pid+"\t1\n") {
		c.t.Errorf("not process 1 of user %s: %v\n%s", uid, err, status)
	}
	if err := os.WriteFile(c.inside("/etc/airhost/new"), nil, 0o644); !errors.Is(err, syscall.EROFS) {
		c.t.Errorf("a new file in the image: got %v, want a file system that nobody can write", err)
	}
	if kept, err := os.ReadDir(c.inside("/var/cache/airhost")); err != nil || len(kept) == 0 {
		c.t.Errorf("the cache of compiled code has %d files, %v", len(kept), err)
	}
	version, err := exec.Command(c.inside("/airhost"), "version").Output()
	if err != nil || !strings.HasPrefix(string(version), "airhost   v9.8.7\n") {
		c.t.Errorf("the version: %s, %v", version, err)
	}
}

// isReaped waits until nothing is left of a process of the container.
func (c *container) isReaped(pid string) {
	c.t.Helper()
	looks := time.NewTicker(time.Millisecond)
	defer looks.Stop()
	late, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	for late.Err() == nil {
		if _, err := os.Stat(c.inside("/proc/" + pid)); errors.Is(err, os.ErrNotExist) {
			return
		}
		<-looks.C
	}
	c.t.Errorf("process %s, which a component has left behind, was not reaped", pid)
}

// stop stops the program as docker does. Its exit code must be 0.
func (c *container) stop() {
	c.t.Helper()
	var pid int
	if _, err := fmt.Sscan(c.pid, &pid); err != nil {
		c.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
	c.until(`"msg":"stopping"`)
	for c.lines.Scan() { // up to the end
	}
	if err := c.command.Wait(); err != nil {
		c.t.Errorf("after SIGTERM: %v, want exit code 0", err)
	}
}
