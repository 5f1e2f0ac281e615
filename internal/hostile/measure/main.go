// Command measure runs every attack on a host. It prints a Markdown table with the
// time until each attack was stopped and its effect on the host's other components:
//
//	go run ./internal/hostile/measure
//
// During an attack it sends requests to the neighbour one at a time, through a
// mailbox and a worker, and compares the latencies with those before the attacks.
// Run it on an idle machine: other work distorts the figures.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/airhost/airhost/internal/hostile"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("measure", flag.ContinueOnError)
	flags.SetOutput(stderr)
	name := flags.String("engine", "wazero", "the engine to attack: wazero, wazero-interpreter or wasmtime")
	only := flags.String("only", "", "run only the attacks whose group or name contains this")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	engines := append(hostile.Engines(), hostile.Interpreter())
	i := slices.IndexFunc(engines, func(e hostile.Engine) bool { return e.Name == *name })
	if i < 0 {
		fmt.Fprintf(stderr, "measure: this build has no engine %q\n", *name)
		return 2
	}
	if err := measure(stdout, stderr, engines[i], *only); err != nil {
		fmt.Fprintln(stderr, "measure:", err)
		return 1
	}
	return 0
}

// measure prints the table to out and its progress to progress. It returns an error
// if an attack did not end as expected.
func measure(out, progress io.Writer, engine hostile.Engine, only string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	var attacks []hostile.Attack
	for _, attack := range hostile.Attacks() {
		if strings.Contains(attack.Group+" "+attack.Name, only) {
			attacks = append(attacks, attack)
		}
	}
	all := make([]results, len(attacks))
	for n := range mostRounds {
		for i := range attacks {
			if all[i].enough() {
				continue
			}
			fmt.Fprintf(progress, "round %d, %d of %d: %s: %s\n", n+1, i+1, len(attacks), attacks[i].Group, attacks[i].Name)
			if err := all[i].round(ctx, engine, &attacks[i]); err != nil {
				return fmt.Errorf("%s: %w", attacks[i].Name, err)
			}
		}
	}
	for i := range all {
		fmt.Fprintf(progress, "processor time, %d of %d: %s\n", i+1, len(attacks), attacks[i].Name)
		var spent longest
		for range processorRounds {
			if err := new(results).round(ctx, spent.of(engine), &attacks[i]); err != nil {
				return fmt.Errorf("%s: %w", attacks[i].Name, err)
			}
		}
		all[i].processor = time.Duration(spent.Load())
	}
	for i := range all {
		slices.Sort(all[i].stopped)
		slices.Sort(all[i].attacked)
	}
	print(out, engine, attacks, all)
	return nil
}

// print prints the table. All attacks are compared with the same undisturbed
// latency, since that latency varies with the sleep state of a processor and not
// with the attack.
func print(out io.Writer, engine hostile.Engine, attacks []hostile.Attack, all []results) {
	var calm hostile.Latencies
	for i := range all {
		calm = append(calm, all[i].calm...)
	}
	slices.Sort(calm)
	undisturbed := calm.Quantile(0.99)
	fmt.Fprintf(out, "%s on %s/%s, %d processors, %s; handler time %v; neighbour's p99 undisturbed %s µs, in %d requests.\n\n", engine.Name,
		runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), runtime.Version(), hostile.HandlerTime, microseconds(undisturbed), len(calm))
	fmt.Fprint(out, "| attack | fails at | outcome | over after, median (worst) | longest call, of a processor | neighbour's p99, of undisturbed | memory |\n|---|---|---|---|---|---|---|\n")
	for i, attack := range attacks {
		r := &all[i]
		fmt.Fprintf(out, "| %s: %s | %s | %s | %s (%s) | %s | %s | %s |\n", attack.Group, attack.Name, attack.Bound, attack.End,
			milliseconds(r.median()), milliseconds(slices.Max(r.stopped)), milliseconds(r.processor), r.slowdown(undisturbed), mebibytes(r.memory))
	}
}

// An attack is repeated until it has leastRounds and leastSamples, at most
// mostRounds times. The rounds of one attack are far apart, since the neighbour's
// latency depends on the sleep state of a processor, which changes slowly.
const (
	leastRounds  = 5
	leastSamples = 10_000
	mostRounds   = 40

	processorRounds = 3
)

// results are the measurements of all rounds of one attack.
type results struct {
	stopped        []time.Duration
	calm, attacked hostile.Latencies
	memory         int64
	processor      time.Duration // of the longest call
}

func (r *results) enough() bool {
	return len(r.stopped) >= leastRounds && len(r.attacked) >= leastSamples
}

// round runs an attack once, on a new host.
func (r *results) round(ctx context.Context, engine hostile.Engine, attack *hostile.Attack) error {
	arena, err := hostile.NewArena(ctx, engine)
	if err != nil {
		return err
	}
	calm, err := arena.Undisturbed(ctx, 20*time.Millisecond)
	if err != nil {
		return err
	}
	report, err := arena.Run(ctx, attack)
	if err != nil {
		return err
	}
	r.stopped = append(r.stopped, report.Stopped)
	r.calm = append(r.calm, calm...)
	r.attacked = append(r.attacked, report.Latencies...)
	r.memory = max(r.memory, report.Memory)
	return arena.Close(ctx)
}

func (r *results) median() time.Duration { return r.stopped[len(r.stopped)/2] }

// slowdown compares the neighbour's p99 with the undisturbed one, if there are
// enough samples.
func (r *results) slowdown(undisturbed time.Duration) string {
	if len(r.attacked) < leastSamples {
		return "over too soon to tell"
	}
	attacked := r.attacked.Quantile(0.99)
	return fmt.Sprintf("%s µs (%.1f ×)", microseconds(attacked), float64(attacked)/float64(undisturbed))
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
}
func microseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f", float64(d)/float64(time.Microsecond))
}
func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }
