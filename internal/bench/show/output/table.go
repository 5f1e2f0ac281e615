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
// mode, the kinds of the cells' warnings as footnotes below them, what it all
// comes to, and then the cells that were left out, each with its reason. On a
// terminal it has colours, unless the environment variable NO_COLOR is set.
func Table(w io.Writer, file *result.File) error {
	colours := coloured(w)
	var text strings.Builder
	text.WriteString(dim.on(machineLine(file.Environment), colours) + "\n")
	var notes footnotes
	for _, mode := range result.Modes() {
		if g := modeGrid(mode, file.Cells, &notes); len(g.rows) > 0 {
			fmt.Fprintf(&text, "\n%s\n", bold.on(questions[mode], colours))
			g.print(&text, colours)
		}
	}
	notes.print(&text)
	printSummary(&text, file.Cells, colours)
	printLeftOut(&text, file.Cells)
	_, err := io.WriteString(w, text.String())
	return err
}

// coloured reports whether w is a terminal whose user wants colours
// (https://no-color.org).
func coloured(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && IsTerminal(file)
}

// questions say what the modes' figures answer.
var questions = map[result.Mode]string{
	result.Latency:    "latency: what one message costs, with one in flight",
	result.Throughput: "throughput: how many messages a second, with many in flight",
	result.Load:       "load: what the slowest see at a fixed rate, from when they should have been sent",
	result.Cold:       "cold: what a component costs until its first message",
	result.Stages:     "stages: where the time of a message goes",
}

func machineLine(env result.Environment) string {
	return fmt.Sprintf("%s, %d cores, %s %s/%s, kernel %s, %s, commit %s, seed %d",
		env.CPU, env.Cores, env.Go, env.OS, env.Arch, env.Kernel, env.Governor+" governor", env.Source(), env.Seed)
}

func printLeftOut(text *strings.Builder, cells []result.Cell) {
	before := "\n"
	for _, cell := range cells {
		if cell.Status == result.LeftOut {
			fmt.Fprintf(text, "%sleft out: %s: %s\n", before, cell.Key, cell.Reason)
			before = ""
		}
	}
}
