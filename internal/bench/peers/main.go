// Command peers measures other projects beside airhost's cells: programs that users
// could pick instead. Benchrunner starts it for its flag --peer. It speaks the
// protocol of internal/bench/measure/remote on standard input and output. "peers
// list" prints all peers.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"text/tabwriter"

	"github.com/airhost/airhost/internal/bench/measure/remote"
)

func main() {
	if isHashicorpPlugin() {
		serveHashicorpPlugin()
		return
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

const usage = `usage: peers        serve benchrunner on standard input and output
       peers list   print the peers, their versions and patterns`

// run returns the exit code: 0 done, 1 failed, 2 wrong usage.
func run(args []string, stdout, stderr io.Writer) int {
	var err error
	switch {
	case len(args) == 0:
		err = remote.Server{Offers: offers(), Open: open}.Main(context.Background())
	case len(args) == 1 && args[0] == "list":
		err = list(stdout)
	default:
		fmt.Fprintln(stderr, usage)
		return 2
	}
	if err != nil {
		fmt.Fprintln(stderr, "peers:", err)
		return 1
	}
	return 0
}

var errNoBuildInfo = errors.New("this program was built without module support, and knows no versions")

// list prints all peers as a table.
func list(to io.Writer) error {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return errNoBuildInfo
	}
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PEER\tVERSION\tCOMPARES WITH\tWHAT IT IS")
	for _, p := range peers {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", p.name, p.version(build), p.compares(), p.describe())
	}
	return table.Flush()
}

// compares names airhost's patterns.
func (p peer) compares() string {
	var names []string
	for _, pattern := range p.patterns {
		names = append(names, string(pattern))
	}
	return strings.Join(names, ", ")
}

func (p peer) describe() string {
	if p.missing != "" {
		return p.what + " (left out: " + p.missing + ")"
	}
	return p.what
}
