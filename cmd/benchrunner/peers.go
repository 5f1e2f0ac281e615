package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/airhost/airhost/internal/bench/measure"
	"github.com/airhost/airhost/internal/bench/measure/remote"
)

// peersFolder has the program that measures other projects' hosts, as a module
// of its own.
const peersFolder = "internal/bench/peers"

// openPeers starts the program that measures peers. They are measured with the
// patterns and payloads of the latency cells in their sets. The caller calls end
// after the run.
func (f *runFlags) openPeers(ctx context.Context, stderr io.Writer, sets []beside) (side measure.Side, end func() error, err error) {
	path, remove, err := f.peerProgram(ctx, stderr)
	if err != nil {
		return side, nil, err
	}
	command := exec.Command(path)
	command.Stderr = stderr
	program, err := remote.Start(ctx, "the peers' program", command)
	if err != nil {
		return side, nil, &failure{errors.Join(err, remove())}
	}
	end = func() error { return errors.Join(program.Close(), remove()) }
	peers, err := measure.NewPeers(ctx, program)
	if err != nil {
		return side, nil, &failure{errors.Join(err, end())}
	}
	side.Source = peers
	for _, set := range sets {
		keys, err := peers.Keys(set.peers, set.keys)
		if err != nil {
			return side, nil, errors.Join(fmt.Errorf("--peer: %w", err), end())
		}
		for _, key := range keys {
			if !slices.Contains(side.Keys, key) {
				side.Keys = append(side.Keys, key)
			}
		}
	}
	return side, end, nil
}

// peerProgram returns the program's path. The caller calls remove after its end.
func (f *runFlags) peerProgram(ctx context.Context, stderr io.Writer) (path string, remove func() error, err error) {
	if f.peerCommand != "" {
		return f.peerCommand, func() error { return nil }, nil
	}
	folder, err := findAbove(filepath.FromSlash(peersFolder))
	if err != nil {
		return "", nil, err
	}
	temporary, err := os.MkdirTemp("", "benchrunner-")
	if err != nil {
		return "", nil, &failure{err}
	}
	remove = func() error { return os.RemoveAll(temporary) }
	path = filepath.Join(temporary, "peers")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, ".")
	build.Dir, build.Stdout, build.Stderr = folder, stderr, stderr
	if err := build.Run(); err != nil {
		return "", nil, &failure{errors.Join(fmt.Errorf("building %s: %w", peersFolder, err), remove())}
	}
	return path, remove, nil
}

// findAbove returns the folder in this one, or in one above, that is a module.
func findAbove(folder string) (string, error) {
	at, err := os.Getwd()
	for err == nil {
		candidate := filepath.Join(at, folder)
		if _, err := os.Stat(filepath.Join(candidate, "go.mod")); err == nil {
			return candidate, nil
		}
		if filepath.Dir(at) == at {
			break
		}
		at = filepath.Dir(at)
	}
	return "", fmt.Errorf("--peer: %s is neither in this folder nor in one above: go to airhost's source, or name a program with --peer-command", peersFolder)
}
