package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/suite"
)

// defaultSuites is the file of suites unless one is named.
const defaultSuites = "bench.yaml"

// findSuite returns the suite that [FILE:]NAME names, and its file.
func findSuite(name string) (suite.Suite, *suite.File, error) {
	path := suitePath(name)
	if name = suiteName(name); path == "" || name == "" {
		return suite.Suite{}, nil, errors.New("--suite: file or name is empty, want [FILE:]NAME")
	}
	file, err := suite.Load(path)
	if err != nil {
		return suite.Suite{}, nil, fmt.Errorf("--suite: %w", err)
	}
	found, err := file.Find(name)
	if err != nil {
		return suite.Suite{}, nil, fmt.Errorf("--suite: %w", err)
	}
	return found, file, nil
}

// noLists returns an error if cells were listed by flags, too.
func noLists(flags *pflag.FlagSet) error {
	lists := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(selectionFlags).add(lists)
	var mixed error
	lists.VisitAll(func(flag *pflag.Flag) {
		if flags.Changed(flag.Name) {
			mixed = fmt.Errorf("--suite and --%s: want a suite's cells, or those that flags list", flag.Name)
		}
	})
	return mixed
}

// suitePath is the file in [FILE:]NAME.
func suitePath(text string) string {
	if at := strings.LastIndexByte(text, ':'); at >= 0 {
		return text[:at]
	}
	return defaultSuites
}

// suiteName is the name in [FILE:]NAME.
func suiteName(text string) string { return text[strings.LastIndexByte(text, ':')+1:] }

// beside is a set of cells and the peers to measure beside them.
type beside struct {
	keys  []cells.Key
	peers []string
}

// suiteKeys returns the cells of a suite, none twice, and the sets of them that name
// peers. Flags that a set of cells does not mention have their defaults.
func suiteKeys(s suite.Suite, file *suite.File) (all []cells.Key, sets []beside, err error) {
	for _, list := range s.Cells {
		chosen := headline()
		set := beside{}
		flags := pflag.NewFlagSet("cells", pflag.ContinueOnError)
		chosen.add(flags)
		flags.StringSliceVar(&set.peers, "peer", nil, "")
		check := func() error { _, err := chosen.selection(); return err }
		if err := applyList(flags, list, file, check); err != nil {
			return nil, nil, err
		}
		selection, err := chosen.selection()
		if err != nil {
			return nil, nil, file.Wrong(list.Place, err)
		}
		if set.keys = selection.Keys(); len(set.peers) > 0 {
			sets = append(sets, set)
		}
		for _, key := range set.keys {
			if !slices.Contains(all, key) {
				all = append(all, key)
			}
		}
	}
	return all, sets, nil
}

// suiteSettings sets flags as a suite says, unless they are set already. It may set
// only those in allowed.
func suiteSettings(flags *pflag.FlagSet, s suite.Suite, file *suite.File, allowed []string) error {
	settings := pflag.NewFlagSet("settings", pflag.ContinueOnError)
	flags.VisitAll(func(flag *pflag.Flag) {
		if slices.Contains(allowed, flag.Name) && !flag.Changed {
			settings.AddFlag(flag)
		}
	})
	open := suite.List{Place: s.Settings.Place}
	for _, entry := range s.Settings.Entries {
		if flag := flags.Lookup(entry.Key); flag == nil || !flag.Changed || !slices.Contains(allowed, entry.Key) {
			open.Entries = append(open.Entries, entry)
		}
	}
	return applyList(settings, open, file, func() error { return nil })
}

// applyList sets the flags that a list has as keys. check is called after each.
func applyList(flags *pflag.FlagSet, list suite.List, file *suite.File, check func() error) error {
	for _, entry := range list.Entries {
		if flags.Lookup(entry.Key) == nil {
			return file.Wrong(entry.Place, fmt.Errorf("unknown key %q, want one of %s", entry.Key, flagNames(flags)))
		}
		if err := flags.Set(entry.Key, strings.Join(entry.Values, ",")); err != nil {
			return file.Wrong(entry.Place, err)
		}
		if err := check(); err != nil {
			return file.Wrong(entry.Place, err)
		}
	}
	return nil
}

func flagNames(flags *pflag.FlagSet) string {
	var names []string
	flags.VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	return strings.Join(names, ", ")
}
