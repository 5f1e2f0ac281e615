package main

import (
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/service"
)

// parses reports whether the program understands a command line.
func parses(t *testing.T, arguments []string) {
	t.Helper()
	log := newLogWriter(io.Discard)
	defer log.close()
	command, rest, err := (&program{stdout: io.Discard, stderr: log}).root().Find(arguments)
	if err == nil {
		err = command.ParseFlags(rest)
	}
	if err == nil {
		err = command.ValidateArgs(command.Flags().Args())
	}
	if err != nil {
		t.Errorf("airhost %s: %v", strings.Join(arguments, " "), err)
	}
}

// unit returns the settings of deploy/airhost.service, by key.
func unit(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/airhost.service")
	if err != nil {
		t.Fatal(err)
	}
	settings := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			settings[key] = value
		}
	}
	return settings
}

// TestUnit: the unit file fits the program: its command line, its exit codes, its times and its
// directories.
func TestUnit(t *testing.T) {
	settings := unit(t)
	command := strings.Fields(settings["ExecStart"])
	parses(t, command[1:])
	if path := "/var/cache/" + settings["CacheDirectory"]; !slices.Contains(command, path) {
		t.Errorf("ExecStart=%s does not name the cache %s", settings["ExecStart"], path)
	}
	if got := settings["RestartPreventExitStatus"]; got != strconv.Itoa(exitUsage) {
		t.Errorf("RestartPreventExitStatus=%s, want the exit code of mistakes", got)
	}
	if stop, err := time.ParseDuration(settings["TimeoutStopSec"]); err != nil || stop <= service.StopTime {
		t.Errorf("TimeoutStopSec=%s (%v): the host may take %v", settings["TimeoutStopSec"], err, service.StopTime)
	}
	if got := settings["Type"]; got != "notify" {
		t.Errorf("Type=%s, want notify", got)
	}
}

// TestUnitIsValid: systemd understands each line of the unit file, and finds it restricted.
func TestUnitIsValid(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze here")
	}
	text, err := os.ReadFile("../../deploy/airhost.service")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	installed, _, _ := strings.Cut(unit(t)["ExecStart"], " ")
	file := writeFile(t, "airhost.service", strings.ReplaceAll(string(text), installed, program))
	if printed, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput(); err != nil || len(printed) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, printed)
	}
	// The threshold is a tenth of the exposure level that the last line of the output has.
	if printed, err := exec.Command(analyze, "security", "--offline=true", "--threshold=20", "--no-pager", file).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, printed)
	}
}

// TestDockerfile: the image's settings fit the program. TestContainer runs it.
func TestDockerfile(t *testing.T) {
	i := settings(t)
	parses(t, i.command)
	if len(i.entrypoint) != 1 || i.entrypoint[0] != "/airhost" || i.stopSignal != "SIGTERM" || strings.HasPrefix(i.user, "0") {
		t.Errorf("got %+v, want /airhost, not as root, with SIGTERM to stop it", i)
	}
}

// TestCompose: the files that compose.yaml names exist, and the configuration is right.
func TestCompose(t *testing.T) {
	text, err := os.ReadFile("../../deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct {
			Build            struct{ Context, Dockerfile string }
			ReadOnly         bool     `yaml:"read_only"`
			CapDrop          []string `yaml:"cap_drop"`
			SecurityOpt      []string `yaml:"security_opt"`
			Tmpfs, Volumes   []string
			Ports            []string
			StopGrace        string `yaml:"stop_grace_period"`
			Restart, Command string
		}
		Volumes map[string]any
	}
	if err := yaml.UnmarshalWithOptions(text, &compose, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	host, ok := compose.Services["airhost"]
	if !ok || !host.ReadOnly {
		t.Fatalf("services %q: want airhost, with files that nobody can write", slices.Collect(maps.Keys(compose.Services)))
	}
	if _, err := os.Stat(filepath.Join("../../deploy", host.Build.Context, host.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
	for _, volume := range host.Volumes {
		from, _, _ := strings.Cut(volume, ":")
		_, named := compose.Volumes[from]
		if _, err := os.Stat(filepath.Join("../../deploy", from)); err != nil && !named {
			t.Errorf("volume %s: %v", volume, err)
		}
	}
	if stop, err := time.ParseDuration(host.StopGrace); err != nil || stop <= service.StopTime {
		t.Errorf("stop_grace_period %s (%v): the host may take %v", host.StopGrace, err, service.StopTime)
	}
	file, err := config.Load("../../deploy/etc/airhost.yaml", service.Built())
	if err == nil {
		err = service.CheckWays(file)
	}
	if err != nil {
		t.Error(err)
	}
}
