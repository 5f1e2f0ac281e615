package spawntest

import (
	"os"
	"os/exec"
	"testing"
)

// TestGrown: grown finds each kind of resource that is left behind.
func TestGrown(t *testing.T) {
	var keep [][]byte
	for what, leave := range map[string]func(t *testing.T) (undo func()){
		"the heap has grown": func(*testing.T) func() {
			keep = append(keep, make([]byte, 2*margin))
			return func() { keep = nil }
		},
		"there are more goroutines": func(*testing.T) func() {
			end := make(chan struct{})
			go func() { <-end }()
			return func() { close(end) }
		},
		"more files are open": func(t *testing.T) func() {
			file, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			return func() { file.Close() }
		},
		"there are more child processes": func(t *testing.T) func() {
			cmd := exec.Command("true") // a zombie until Wait
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			return func() { _ = cmd.Wait() }
		},
		"there are more temporary files": func(t *testing.T) func() {
			file, err := os.CreateTemp("", "")
			if err != nil {
				t.Fatal(err)
			}
			file.Close()
			return func() { os.Remove(file.Name()) }
		},
	} {
		t.Run(what, func(t *testing.T) {
			TempDir(t)
			before := Measure(t)
			undo := leave(t)
			defer undo()
			now := Measure(t)
			if what == "there are more child processes" {
				now.Files = before.Files // os/exec's handle on the process
			}
			if got := before.grown(now); got != what {
				t.Errorf("got %q, want %q", got, what)
			}
		})
	}
	if len(keep) != 0 {
		t.Error("the heap's growth was not undone")
	}
}
