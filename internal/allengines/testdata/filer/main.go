// Filer is a guest in Go that uses files by package os, as any program does.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/airhost/airhost/guest"
)

type filer struct{}

// HandleMessage does the task that the message names, in the directories /data and /ro.
func (filer) HandleMessage(host guest.Host, _ string, message []byte) ([]byte, error) {
	word, rest, _ := strings.Cut(string(message), " ")
	do := map[string]func(guest.Host, string) (any, error){
		"read": read, "write": write, "list": list, "work": work, "root": inRoot, "save": save, "start": atStart,
	}[word]
	result, err := do(host, rest)
	if err != nil {
		return nil, err
	}
	return fmt.Append(nil, result), nil
}

// started is the error for a file that is opened before the guest has started.
var started = func() error { _, err := os.ReadFile("/data/in.txt"); return err }()

func atStart(guest.Host, string) (any, error) { return started, nil }

func read(_ guest.Host, path string) (any, error) {
	b, err := os.ReadFile(path)
	return string(b), err
}

func write(_ guest.Host, rest string) (any, error) {
	path, text, _ := strings.Cut(rest, " ")
	return "", os.WriteFile(path, []byte(text), 0o644)
}

func list(_ guest.Host, path string) (any, error) {
	var names []string
	err := filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	return strings.Join(names, " "), err
}

// save writes a file as careful programs do: to another name, to the disk, and then over the old one.
func save(_ guest.Host, text string) (any, error) {
	f, err := os.CreateTemp("/data", "save")
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	return "", os.Rename(f.Name(), "/data/saved")
}

// work uses most functions of package os.
func work(guest.Host, string) (any, error) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	if err := os.MkdirAll("/data/deep/er", 0o755); err != nil {
		return nil, err
	}
	var many []string
	for i := range 600 {
		name := fmt.Sprintf("/data/deep/%03d", i)
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			return nil, err
		}
		many = append(many, filepath.Base(name))
	}
	entries, err := os.ReadDir("/data/deep")
	if err != nil {
		return nil, err
	}
	var got []string
	for _, e := range entries {
		if !e.IsDir() {
			got = append(got, e.Name())
		}
	}
	if !slices.Equal(got, many) {
		return nil, fmt.Errorf("the directory has %d files", len(got))
	}
	if err := os.WriteFile("/data/big", big, 0o644); err != nil {
		return nil, err
	}
	back, err := os.ReadFile("/data/big")
	if err != nil || !bytes.Equal(back, big) {
		return nil, fmt.Errorf("%d bytes came back: %w", len(back), err)
	}
	return seeks()
}

func seeks() (any, error) {
	f, err := os.OpenFile("/data/big", os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	_, err = f.WriteString("the end")
	if err != nil {
		return nil, err
	}
	if _, err = f.Seek(-7, io.SeekEnd); err != nil {
		return nil, err
	}
	end, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	if err = f.Truncate(16); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return fmt.Sprintf("%s %d", end, info.Size()), os.RemoveAll("/data/deep")
}

// inRoot uses an os.Root, which the guest has of its own.
func inRoot(host guest.Host, path string) (any, error) {
	root, err := guest.OpenRoot(host, "/data")
	if err != nil {
		return nil, err
	}
	defer root.Close()
	b, err := root.ReadFile(path)
	return string(b), err
}

func init() { guest.Export(filer{}) }

func main() {}
