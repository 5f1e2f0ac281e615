package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/config"
)

// selectionFlags are the lists of the flags that choose cells.
type selectionFlags struct {
	engines, brokers, trackers, patterns, payloads, modes []string
	components, pairs, cores, loads                       []int
}

// headline has the cells that a run measures without flags.
func headline() selectionFlags {
	return selectionFlags{
		engines: []string{"wazero", "wasmtime", "native"}, brokers: []string{"inproc"}, trackers: []string{"slab"},
		patterns: texts(cells.Patterns()), modes: []string{string(cells.Latency)},
		payloads: []string{"64"}, components: []int{2}, pairs: []int{1}, cores: []int{1, 0}, loads: []int{50},
	}
}

// everything has the cells of all parts.
func everything() selectionFlags {
	all := headline()
	all.engines, all.brokers, all.trackers, all.modes = engineNames, brokerNames, trackerNames, texts(cells.ModeNames())
	return all
}

// add adds the flags, whose values so far are their defaults.
func (s *selectionFlags) add(flags *pflag.FlagSet) {
	flags.SortFlags = false // as the parts of a cell are always named
	list := func(target *[]string, name, what string, all []string) {
		flags.StringSliceVar(target, name, *target, fmt.Sprintf("%s: %s", what, strings.Join(all, ", ")))
	}
	list(&s.engines, "engine", "engines", engineNames)
	list(&s.brokers, "broker", "brokers", brokerNames)
	list(&s.trackers, "tracker", "trackers", trackerNames)
	list(&s.patterns, "pattern", "patterns", texts(cells.Patterns()))
	list(&s.modes, "mode", "modes", texts(cells.ModeNames()))
	flags.StringSliceVar(&s.payloads, "payload", s.payloads, "payload sizes, such as 64, 1KiB or 1MiB")
	flags.IntSliceVar(&s.components, "components", s.components, "how many components pass a message round, in fire-and-forget and in mode throughput")
	flags.IntSliceVar(&s.pairs, "pairs", s.pairs, "how many pairs or rings run at once, each on its own, in mode latency; not for calls")
	flags.IntSliceVar(&s.cores, "cores", s.cores, "how many processors modes throughput and load may use; 0: all")
	flags.IntSliceVar(&s.loads, "load", s.loads, "rates in mode load, in percent of the highest")
}

func texts[T ~string](values []T) []string {
	var all []string
	for _, value := range values {
		all = append(all, string(value))
	}
	return all
}

// selection checks the flags. Its error says which values are allowed.
func (s *selectionFlags) selection() (cells.Selection, error) {
	for _, list := range []struct {
		flag       string
		given, all []string
	}{
		{"engine", s.engines, engineNames},
		{"broker", s.brokers, brokerNames},
		{"tracker", s.trackers, trackerNames},
		{"pattern", s.patterns, texts(cells.Patterns())},
		{"mode", s.modes, texts(cells.ModeNames())},
	} {
		if err := checkNames(list.flag, list.given, list.all); err != nil {
			return cells.Selection{}, err
		}
	}
	payloads, err := parseSizes(s.payloads)
	if err != nil {
		return cells.Selection{}, err
	}
	selection := cells.Selection{
		Engines: s.engines, Brokers: s.brokers, Trackers: s.trackers,
		Patterns: named[cells.Pattern](s.patterns), Modes: named[cells.ModeName](s.modes),
		Payloads: payloads, Components: s.components, Pairs: s.pairs,
		Cores: allForZero(s.cores), Loads: s.loads,
	}
	return selection, selection.Check()
}

// allForZero replaces 0 by the number of processors.
func allForZero(cores []int) []int {
	counts := slices.Clone(cores)
	for i, n := range counts {
		if n == 0 {
			counts[i] = runtime.GOMAXPROCS(0)
		}
	}
	return counts
}

func checkNames(flag string, given, all []string) error {
	if len(given) == 0 {
		return fmt.Errorf("--%s is empty, want some of %s", flag, strings.Join(all, ", "))
	}
	for _, name := range given {
		if !slices.Contains(all, name) {
			return fmt.Errorf("--%s: there is no %q, want some of %s", flag, name, strings.Join(all, ", "))
		}
	}
	return nil
}

func named[T ~string](names []string) []T {
	var all []T
	for _, name := range names {
		all = append(all, T(name))
	}
	return all
}

func parseSizes(given []string) ([]int, error) {
	var sizes []int
	for _, text := range given {
		size, err := parseSize(text)
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, size)
	}
	return sizes, nil
}

// maxPayload is the largest payload in bytes.
const maxPayload = 1 << 30

func parseSize(text string) (int, error) {
	var size config.Size
	if err := size.UnmarshalText([]byte(text)); err != nil {
		return 0, fmt.Errorf("--payload: %q: %w", text, err)
	}
	if size > maxPayload {
		return 0, fmt.Errorf("--payload: %q is too large, want at most 1GiB", text)
	}
	return int(size), nil
}
