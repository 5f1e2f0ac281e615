package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// image is what docker would make of deploy/Dockerfile.
type image struct {
	root                      string // its files
	user, workdir, stopSignal string
	env, entrypoint, command  []string
}

// step is an instruction of a Dockerfile.
type step struct{ name, arguments string }

var instruction = regexp.MustCompile(`^([A-Z]+) (.+)$`)

// stages returns the instructions of deploy/Dockerfile, by stage.
func stages(t *testing.T) (all [][]step) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := instruction.FindStringSubmatch(line)
		switch {
		case m == nil:
			t.Fatalf("deploy/Dockerfile: the test does not know %q", line)
		case m[1] == "FROM":
			all = append(all, nil)
		default:
			all[len(all)-1] = append(all[len(all)-1], step{m[1], m[2]})
		}
	}
	if len(all) != 2 {
		t.Fatalf("deploy/Dockerfile has %d stages, want 2", len(all))
	}
	return all
}

// settings are what the last stage says about the program, without files.
func settings(t *testing.T) (i image) {
	t.Helper()
	list := func(text string) (words []string) {
		if err := json.Unmarshal([]byte(text), &words); err != nil {
			t.Fatalf("deploy/Dockerfile: %s: %v", text, err)
		}
		return words
	}
	for _, s := range stages(t)[1] {
		switch s.name {
		case "USER":
			i.user = s.arguments
		case "WORKDIR":
			i.workdir = s.arguments
		case "STOPSIGNAL":
			i.stopSignal = s.arguments
		case "ENV":
			i.env = append(i.env, strings.Fields(s.arguments)...)
		case "ENTRYPOINT":
			i.entrypoint = list(s.arguments)
		case "CMD":
			i.command = list(s.arguments)
		case "COPY":
		default:
			t.Fatalf("deploy/Dockerfile: the test does not know %s", s.name)
		}
	}
	return i
}

// buildImage does what docker does with deploy/Dockerfile, on this machine: it runs the steps of
// the first stage in the project's folder, with another folder in place of /out, and copies
// the files of the second one.
func buildImage(t *testing.T, version string) image {
	t.Helper()
	i, out := settings(t), filepath.Join(t.TempDir(), "out")
	i.root = filepath.Join(t.TempDir(), "root")
	place := func(path string) string {
		if strings.HasSuffix(path, "/") { // all that the folder has
			path += "."
		}
		if strings.HasPrefix(path, "/out/") {
			return out + strings.TrimPrefix(path, "/out")
		}
		return path
	}
	all := stages(t)
	for _, s := range all[0] {
		if s.name == "RUN" && s.arguments != "go mod download" { // they are here
			sh(t, strings.ReplaceAll(s.arguments, "/out", out), "VERSION="+version)
		}
	}
	for _, s := range all[1] {
		if s.name != "COPY" {
			continue
		}
		words, owner := strings.Fields(strings.TrimPrefix(s.arguments, "--from=build ")), ""
		if chown, ok := strings.CutPrefix(words[0], "--chown="); ok {
			words, owner = words[1:], chown
		}
		to := filepath.Join(i.root, words[1])
		sh(t, fmt.Sprintf("mkdir -p %q && cp -a %q %q", filepath.Dir(to), place(words[0]), to))
		if owner != "" {
			sh(t, fmt.Sprintf("chown -R %s %q", owner, to))
		}
	}
	return i
}

// sh runs a command of the shell in the project's folder.
func sh(t *testing.T, command string, env ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sh", "-ec", command)
	c.Dir, c.Env = "../..", append(os.Environ(), env...)
	if printed, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, printed)
	}
}
