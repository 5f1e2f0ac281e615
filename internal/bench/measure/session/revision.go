package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// runnerPackage is the runner's folder in the tree of any revision.
const runnerPackage = "cmd/benchrunner"

// Revision is a build of the runner at some revision.
type Revision struct {
	Program string // the path of the executable
	Commit  string // in full
	dir     string
}

// BuildRevision builds the runner at a revision of the git repository that contains
// folder, in a worktree that it removes again. The build has the settings as, such as
// those of the calling program, so that the two builds differ in their source alone.
// The error of a failure has the output of the tools. The caller closes the revision.
func BuildRevision(ctx context.Context, folder, name string, as []debug.BuildSetting) (*Revision, error) {
	commit, err := call(ctx, folder, nil, "git", "rev-parse", "--verify", "--end-of-options", name+"^{commit}")
	if err != nil {
		return nil, fmt.Errorf("finding revision %q: %w", name, err)
	}
	dir, err := os.MkdirTemp("", "benchrunner-base-")
	if err != nil {
		return nil, fmt.Errorf("building revision %q: %w", name, err)
	}
	r := &Revision{Program: filepath.Join(dir, "benchrunner"), Commit: commit, dir: dir}
	if err := r.build(ctx, folder, as); err != nil {
		return nil, fmt.Errorf("building revision %q: %w", name, errors.Join(err, r.Close()))
	}
	return r, nil
}

// Close removes the executable.
func (r *Revision) Close() error { return os.RemoveAll(r.dir) }

func (r *Revision) build(ctx context.Context, folder string, as []debug.BuildSetting) (err error) {
	tree := filepath.Join(r.dir, "tree")
	defer func() {
		// The repository must forget the worktree even where ctx has ended, and even
		// one that git has locked because adding it was interrupted.
		_, removing := call(context.WithoutCancel(ctx), folder, nil, "git", "worktree", "remove", "--force", "--force", tree)
		if err == nil {
			err = removing
		}
	}()
	// The repository's hooks must not run in this checkout.
	_, err = call(ctx, folder, nil, "git", "-c", "core.hooksPath=/dev/null", "worktree", "add", "--quiet", "--detach", tree, r.Commit)
	if err != nil {
		return err
	}
	flags, environment := buildFlags(as)
	command := slices.Concat([]string{"go", "build", "-buildvcs=false", "-o", r.Program}, flags, []string{"./" + runnerPackage})
	_, err = call(ctx, tree, environment, command...)
	return err
}

// buildFlags returns the flags and the environment of a build with the same settings.
// Settings that do not change the compiled code are left out.
func buildFlags(as []debug.BuildSetting) (flags, environment []string) {
	for _, setting := range as {
		switch setting.Key {
		case "-tags", "-gcflags", "-ldflags", "-asmflags", "-race", "-trimpath":
			flags = append(flags, setting.Key+"="+setting.Value)
		case "CGO_ENABLED", "CGO_CFLAGS", "CGO_LDFLAGS", "GOAMD64", "GOARM64", "GOEXPERIMENT":
			environment = append(environment, setting.Key+"="+setting.Value)
		}
	}
	return flags, environment
}

// call runs a command in a folder and returns its output, trimmed. The error of a
// failed command has its output.
func call(ctx context.Context, folder string, environment []string, command ...string) (string, error) {
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Dir, c.Env = folder, append(os.Environ(), environment...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		return "", errors.Join(ctx.Err(), fmt.Errorf("%s: %w: %s", strings.Join(command[:min(2, len(command))], " "), err, bytes.TrimSpace(stderr.Bytes())))
	}
	return strings.TrimSpace(stdout.String()), nil
}
