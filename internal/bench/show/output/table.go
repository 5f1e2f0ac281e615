// Package output prints results for people and for other programs: as a table,
// as Markdown for a pull request, as Go benchmark text for benchstat, as CSV, and,
// while a run goes on, as one line on a terminal.
package output

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/result"
)

// Table prints one line about the machine, a table of the measured cells of each
// mode, the kinds of the cells' warnings as footnotes below them, a summary, and then
// the cells that were left out, each with its reason. On a terminal it has colours,
// unless the environment variable NO_COLOR is set.
func Table(w io.Writer, file *result.File) error {
	colours := coloured(w)
	var text strings.Builder
	text.WriteString(dim.on(machineLine(file.Environment), colours) + "\n")
	var notes footnotes
	grids, err := modeGrids(file.Cells, &notes)
	if err != nil {
		return err
	}
	for _, g := range grids {
		fmt.Fprintf(&text, "\n%s\n", bold.on(g.question, colours))
		g.print(&text, colours)
	}
	notes.print(&text)
	printSummary(&text, file.Cells, colours)
	printLeftOut(&text, file.Cells)
	_, err = io.WriteString(w, text.String())
	return err
}

// coloured reports whether w is a terminal whose user wants colours
// (https://no-color.org).
func coloured(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && IsTerminal(file)
}

func machineLine(env result.Environment) string {
	return fmt.Sprintf("%s, %d cores, %s %s/%s, kernel %s, %s, commit %s, seed %d",
		env.CPU, env.Cores, env.Go, env.OS, env.Arch, env.Kernel, env.Governor+" governor", env.Source(), env.Seed)
}

func printLeftOut(text *strings.Builder, all []result.Cell) {
	before := "\n"
	for _, cell := range all {
		if cell.Status == result.LeftOut {
			fmt.Fprintf(text, "%sleft out: %s: %s\n", before, cell.Key, cell.Reason)
			before = ""
		}
	}
}
