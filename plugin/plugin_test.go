package plugin_test

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/airhost/airhost/examples/echo"
	"github.com/airhost/airhost/plugin"
)

const asPlugin = "AIRHOST_TEST_PLUGIN"

func serveIfAsked() {
	if os.Getenv(asPlugin) != "" {
		plugin.Serve(echo.New())
		os.Exit(0)
	}
}

func self(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Env = append([]string{asPlugin + "=1", "GORACE=atexit_sleep_ms=0"}, env...)
	return cmd
}

// TestEndsWithItsHost: a plug-in ends when its standard input ends.
func TestEndsWithItsHost(t *testing.T) {
	cmd := self(t, "AIRHOST_PLUGIN=component", "PLUGIN_PROTOCOL_VERSIONS=1", "PLUGIN_UNIX_SOCKET_DIR="+t.TempDir())
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "1|1|") {
		t.Errorf("handshake %q, %v", line, err)
	}
	if err := input.Close(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestStartedByHand(t *testing.T) {
	cmd := self(t)
	report, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(report), `of the kind "component"`) {
		t.Errorf("got %v, %s", err, report)
	}
}
