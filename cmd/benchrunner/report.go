package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/internal/bench/data/machines"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/show/output"
	"github.com/airhost/airhost/internal/bench/show/report"
)

// reportFlags are the outputs of `report`, or "".
type reportFlags struct{ html, svg, markdown string }

// defaultReport is the file of the page unless a flag names another output.
const defaultReport = "report.html"

func newReportCommand() *cobra.Command {
	f := &reportFlags{}
	command := &cobra.Command{
		Use:   "report RESULT.json...",
		Short: "Turn results into one HTML page",
		Long: `Report prints the figures that have targets, and turns result files into one HTML
page that needs nothing else: the targets and by how much they are met or missed, and
then everything that the figures come from. Several files are one report.

Of the files of one machine, a cell that several of them have is shown from the last
one, and compared with the others: before and after. Cells of different machines are
shown beside each other: as multiples of the floor in one picture, and each machine's
nanoseconds by themselves.

Exit code 0: written; 1: a file could not be read or written; 2: wrong usage.`,
		Example: `  benchrunner report results.json
  benchrunner report before.json after.json -o change.html
  benchrunner report intel/results.json amd/results.json -o processors.html
  benchrunner report results.json --svg headline.svg`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, paths []string) error {
			if err := f.write(command.OutOrStdout(), paths); err != nil {
				return &failure{err}
			}
			return nil
		},
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.StringVarP(&f.html, "output", "o", "", "write the page to `FILE`; - is standard output (default "+defaultReport+", unless there is --svg or --markdown)")
	flags.StringVar(&f.svg, "svg", "", "write the figures with targets alone to `FILE`, as a picture; - is standard output")
	flags.StringVar(&f.markdown, "markdown", "", "write the figures with targets to `FILE`, as Markdown for a pull request; - is standard output")
	return command
}

// write writes the outputs that were asked for, and names their files on stdout below
// the figures.
func (f *reportFlags) write(stdout io.Writer, paths []string) error {
	page := f.html
	if page == "" && f.svg == "" && f.markdown == "" {
		page = defaultReport
	}
	outputs := &outputs{stdout: stdout, read: paths}
	if err := errors.Join(outputs.add("output", page), outputs.add("svg", f.svg), outputs.add("markdown", f.markdown)); err != nil {
		return err
	}
	runs, err := readRuns(paths)
	if err != nil {
		return err
	}
	all := machines.Split(runs)
	if !outputs.toStandardOutput() {
		if err := output.Machines(stdout, all); err != nil {
			return err
		}
	}
	return errors.Join(
		writeReport(outputs, "output", page, func(w io.Writer) error { return report.HTML(w, runs...) }),
		writeReport(outputs, "svg", f.svg, func(w io.Writer) error { return report.Headline(w, runs...) }),
		writeReport(outputs, "markdown", f.markdown, func(w io.Writer) error { return output.MachinesMarkdown(w, all) }),
	)
}

// readRuns reads files, and names runs after them.
func readRuns(paths []string) ([]machines.Run, error) {
	names := runNames(paths)
	var runs []machines.Run
	for i, path := range paths {
		file, err := result.ReadFile(path)
		if err != nil {
			return nil, err
		}
		runs = append(runs, machines.Run{Name: names[i], File: file})
	}
	return runs, nil
}

// runNames are the ends of paths: from the first folder on in which they differ.
func runNames(paths []string) []string {
	var split [][]string
	for _, path := range paths {
		split = append(split, strings.Split(filepath.ToSlash(filepath.Clean(path)), "/"))
	}
	for allShareFirst(split) {
		for i := range split {
			split[i] = split[i][1:]
		}
	}
	var names []string
	for _, parts := range split {
		names = append(names, strings.Join(parts, "/"))
	}
	return names
}

// allShareFirst reports whether all begin with the same folder.
func allShareFirst(paths [][]string) bool {
	return !slices.ContainsFunc(paths, func(parts []string) bool {
		return len(parts) < 2 || parts[0] != paths[0][0]
	})
}

// writeReport writes to a path, and nothing to "". It prints the path unless an output
// goes to standard output.
func writeReport(outputs *outputs, flag, path string, write func(io.Writer) error) error {
	if err := outputs.write(flag, path, true, write); err != nil || path == "" || outputs.toStandardOutput() {
		return err
	}
	_, err := fmt.Fprintln(outputs.stdout, "wrote", path)
	return err
}
