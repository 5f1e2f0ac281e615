package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/compare"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/measure"
	"github.com/airhost/airhost/internal/bench/measure/machine"
	"github.com/airhost/airhost/internal/bench/measure/remote"
	"github.com/airhost/airhost/internal/bench/measure/session"
	"github.com/airhost/airhost/internal/bench/show/output"
)

// base is the build that this program is compared with.
type base struct {
	program string // the path of the executable
	name    string // the build's name in errors
	commit  string // or "" for the commit in the executable
	close   func() error
}

// compare measures base and this program, and compares them.
func (s *sessionFlags) compare(command *cobra.Command, outputs *outputs, threshold float64) (*compare.Comparison, error) {
	keys, err := s.keys(command.Flags())
	if err != nil {
		return nil, err
	}
	if s.sampling.Seed == 0 {
		s.sampling.Seed = rand.Uint64()
	}
	if err := s.addOutputs(outputs); err != nil {
		return nil, err
	}
	base, err := s.base(command.Context())
	if err != nil {
		return nil, err
	}
	compared, err := s.measure(command, outputs, base, keys, "", threshold)
	if err == nil && s.confirm && len(compared.Changed()) > 0 {
		s.sampling.Seed++
		var again *compare.Comparison
		if again, err = s.measure(command, outputs, base, compared.Changed(), "-again", threshold); err == nil {
			compared.Confirm(again)
		}
	}
	return compared, errors.Join(err, base.close())
}

// keys returns the cells that were chosen.
func (s *sessionFlags) keys(flags *pflag.FlagSet) ([]cells.Key, error) {
	if s.suite == "" {
		selection, err := s.chosen.selection()
		return selection.Keys(), err
	}
	if err := noLists(flags); err != nil {
		return nil, err
	}
	suite, file, err := findSuite(s.suite)
	if err != nil {
		return nil, err
	}
	keys, _, err := suiteKeys(suite, file)
	return keys, err
}

// base builds the base, if need be.
func (s *sessionFlags) base(ctx context.Context) (*base, error) {
	if s.program != "" {
		path, err := filepath.Abs(s.program)
		return &base{program: path, name: s.program, close: func() error { return nil }}, err
	}
	var settings []debug.BuildSetting
	if build, ok := debug.ReadBuildInfo(); ok {
		settings = build.Settings
	}
	revision, err := session.BuildRevision(ctx, ".", s.against, settings)
	if err != nil {
		return nil, fmt.Errorf("--against: %w", err)
	}
	return &base{revision.Program, s.against, revision.Commit, revision.Close}, nil
}

// measure measures the cells of both builds, writes the results, and compares them.
// suffix distinguishes the files of the second session.
func (s *sessionFlags) measure(command *cobra.Command, outputs *outputs, base *base, keys []cells.Key, suffix string, threshold float64) (*compare.Comparison, error) {
	stderr := command.ErrOrStderr()
	serve, err := serveCommand(stderr)
	if err != nil {
		return nil, err
	}
	files, err := s.files(command.Flags(), base)
	if err != nil {
		return nil, err
	}
	live := output.NewLive(stderr, isTerminal(stderr))
	run := session.Session{
		Base:  session.Build{Name: base.name, Command: base.command(stderr)},
		Head:  session.Build{Name: "this program", Command: serve},
		Cells: catalog(slog.New(slog.DiscardHandler)), Keys: keys,
		Spec: measure.Spec{Sampling: s.sampling, Size: s.size, Root: os.DirFS("/"), Progress: live.Show},
	}
	files[0].Cells, files[1].Cells, err = run.Run(command.Context())
	live.Clear()
	if errors.Is(err, remote.ErrProtocol) {
		err = fmt.Errorf("%w; if it is too old to, run each of the two by itself and compare the files", err)
	}
	cut := errors.Is(err, context.Canceled)
	if err != nil && !cut {
		return nil, err
	}
	files[0].Cut, files[1].Cut = cut, cut
	writing := s.write(outputs, files, suffix, !cut)
	if cut {
		return nil, errors.Join(fmt.Errorf("the session was cut short: %w", err), writing)
	}
	if writing != nil {
		return nil, writing
	}
	return compare.Files(files[0], files[1], threshold)
}

func (b *base) command(stderr io.Writer) func() *exec.Cmd {
	return func() *exec.Cmd {
		command := exec.Command(b.program, serveName)
		command.Stderr = stderr
		return command
	}
}

// files are the files of base and head, without cells yet. Their seed and their start
// mark them as files of one session.
func (s *sessionFlags) files(flags *pflag.FlagSet, base *base) (files [2]*result.File, err error) {
	now := time.Now()
	for i := range files {
		env := machine.Describe(os.DirFS("/"), now)
		env.Seed = s.sampling.Seed
		flags.Visit(func(flag *pflag.Flag) {
			switch flag.Name {
			case "json", "markdown", "output", "seed", "threshold":
			case "against-program":
				env.Flags = append(env.Flags, "--against-program")
			case "suite":
				env.Flags = append(env.Flags, "--suite="+suiteName(s.suite))
			default:
				env.Flags = append(env.Flags, "--"+flag.Name+"="+flagText(flag))
			}
		})
		files[i] = &result.File{Schema: result.Schema, Environment: env}
	}
	return files, base.describe(&files[0].Environment)
}

// describe replaces this program's build in env by that of base.
func (b *base) describe(env *result.Environment) error {
	build, err := buildinfo.ReadFile(b.program)
	if err != nil {
		return fmt.Errorf("reading what %s is: %w", b.name, err)
	}
	env.Go, env.Modules, env.Commit, env.Modified = build.GoVersion, make(map[string]string), "unknown", false
	env.Build = machine.BuildOf(b.program)
	machine.DescribeBuild(env, build)
	if b.commit != "" {
		env.Commit = b.commit
	}
	return nil
}

// addOutputs makes the folder of the files, if there is a flag for it, and adds the
// files.
func (s *sessionFlags) addOutputs(outputs *outputs) error {
	if s.folder == "" {
		return nil
	}
	if err := os.MkdirAll(s.folder, 0o755); err != nil {
		return fmt.Errorf("--output %s: making the folder: %w", s.folder, reason(err))
	}
	var errs []error
	for _, suffix := range []string{"", "-again"} {
		for _, name := range sides {
			errs = append(errs, outputs.add("output", s.path(name, suffix)))
		}
	}
	return errors.Join(errs...)
}

// sides are the names of a session's files.
var sides = [2]string{"base", "head"}

func (s *sessionFlags) path(name, suffix string) string {
	return filepath.Join(s.folder, name+suffix+".json")
}

// write writes the files to the folder, if there is a flag for it.
func (s *sessionFlags) write(outputs *outputs, files [2]*result.File, suffix string, complete bool) (err error) {
	for i, name := range sides {
		err = errors.Join(err, outputs.write("output", s.path(name, suffix), complete, files[i].Write))
	}
	return err
}
