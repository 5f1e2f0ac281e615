package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/show/report"
)

// reportFlags are the outputs of `report`, or "".
type reportFlags struct{ html, svg string }

// defaultReport is the file of the page unless a flag names another.
const defaultReport = "report.html"

func newReportCommand() *cobra.Command {
	f := &reportFlags{}
	command := &cobra.Command{
		Use:   "report RESULT.json...",
		Short: "Turn results into one HTML page",
		Long: `Report turns result files into one HTML page that needs nothing else: the targets
and by how much they are met or missed, and then everything that the figures come
from. Several files are one report. A cell that several of them have is shown from
the last one, and compared with the others: before and after.

Exit code 0: written; 1: a file could not be read or written; 2: wrong usage.`,
		Example: `  benchrunner report results.json
  benchrunner report before.json after.json -o change.html
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
	flags.StringVarP(&f.html, "output", "o", "", "write the page to `FILE`; - is standard output (default "+defaultReport+", unless there is --svg)")
	flags.StringVar(&f.svg, "svg", "", "write the figures with targets alone to `FILE`, as a picture; - is standard output")
	return command
}

// write writes the outputs that were asked for, and names their files on stdout.
func (f *reportFlags) write(stdout io.Writer, paths []string) error {
	page := f.html
	if page == "" && f.svg == "" {
		page = defaultReport
	}
	outputs := &outputs{stdout: stdout, read: paths}
	if err := errors.Join(outputs.add("output", page), outputs.add("svg", f.svg)); err != nil {
		return err
	}
	runs, err := readRuns(paths)
	if err != nil {
		return err
	}
	return errors.Join(
		writeReport(outputs, "output", page, runs, report.HTML),
		writeReport(outputs, "svg", f.svg, runs, report.Headline),
	)
}

// readRuns names runs after their files.
func readRuns(paths []string) ([]report.Run, error) {
	var runs []report.Run
	for _, path := range paths {
		file, err := result.ReadFile(path)
		if err != nil {
			return nil, err
		}
		runs = append(runs, report.Run{Name: filepath.Base(path), File: file})
	}
	return runs, nil
}

// writeReport writes to a path, and nothing to "". It prints the path unless the
// report itself goes to standard output.
func writeReport(outputs *outputs, flag, path string, runs []report.Run, write func(io.Writer, ...report.Run) error) error {
	err := outputs.write(flag, path, true, func(w io.Writer) error { return write(w, runs...) })
	if err != nil || path == "" || outputs.toStandardOutput() {
		return err
	}
	_, err = fmt.Fprintln(outputs.stdout, "wrote", path)
	return err
}
