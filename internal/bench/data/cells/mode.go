package cells

import (
	"fmt"
	"reflect"
	"slices"
)

// modes is the table of all modes, in the order in which programs and documents
// list them. To add a mode, write its file and add it here.
var modes = complete(latency, calls, throughput, load, cold, stages)

// ModeName is the name of a mode.
type ModeName string

// Mode is one question that cells answer: how its cells are chosen, how they are
// measured, and how their figures are shown. Loop, Column and Figure are names of
// functions in the rooms measure and show; a test in each room checks that it
// knows all that the modes name. Every field is required unless it says otherwise.
type Mode struct {
	Name  ModeName
	About string // the question, in a few words

	// Vary returns the keys of a selection's cells that are as key in everything
	// but the fields that only this mode has. It clears the fields of key that
	// this mode's figures do not depend on. It may return a key twice.
	Vary func(s Selection, key Key) []Key
	// Required and Allowed are the fields that keys of this mode have, and may
	// have, beside those of all keys. Optional.
	Required, Allowed []Field
	// Parts returns the parts of the question for a pattern, in the order in
	// which a message passes them. Optional: without it cells have no parts.
	Parts func(pattern Pattern) []Part
	// Terms returns the measurements that a cell's figure is the sum of.
	// Optional: without it each cell is measured itself.
	Terms func(key Key) []Term
	// Unit is the unit of the figures, but of parts that have their own.
	Unit string
	// Tails says that a sample is the 99.9th percentile of one round, and that
	// cells have percentiles. Optional.
	Tails bool
	// Floor says that cells are compared with a floor. Optional.
	Floor bool
	// Targets are the most nanoseconds that a median may be on a WebAssembly
	// engine. Optional.
	Targets map[Pattern]float64
	// Multiples are the most that a median may be as a multiple of the floor, by
	// engine. Optional.
	Multiples map[string]map[Pattern]float64

	Loop   Loop   // how the cells are measured
	Sample Sample // how large their samples are

	Columns  []Column  // of the table that a terminal shows
	Sections []Section // of the report's page
	// Glossary explains the words that only this mode has. Optional.
	Glossary []Word
}

// optional are the fields that a mode may leave empty.
var optional = []string{"Required", "Allowed", "Parts", "Terms", "Tails", "Floor", "Targets", "Multiples", "Glossary"}

// Loop is a way to run a cell's operations. The package measure knows all of them.
type Loop string

// The loops.
const (
	OneInFlight  Loop = "one in flight"  // the next operation begins after the last
	ManyInFlight Loop = "many in flight" // as many operations at once as have room
	FixedRate    Loop = "fixed rate"     // operations begin at set times
	PartByPart   Loop = "part by part"   // each part runs by itself
)

// Sample is the size of a mode's samples, beside those of a run.
type Sample struct {
	// Times is how many times as long as the run's samples those of this mode
	// take.
	Times int
	// Ops is the most operations that a sample is asked to have at least; 0 for no
	// such limit. Optional.
	Ops int
	// AnyTotal says that the run's least number of operations in all samples of a
	// cell does not apply. Optional.
	AnyTotal bool
}

// Column is a column of a table of cells, by the name in its header. The package
// output knows all of them.
type Column string

// Section is a part of the report's page.
type Section struct {
	ID, Title, Lead string
	Figures         []Figure
}

// Figure is a way to draw the cells of a mode. The package report knows all of
// them.
type Figure string

// Word is an entry of the report's glossary.
type Word struct{ Word, Meaning string }

// Part is a part of a mode's question.
type Part struct {
	Name  string
	About string // in a few words
	Unit  string // "" for the mode's
	Ops   int    // in place of the mode's [Sample.Ops], or 0
}

// Modes returns all modes.
func Modes() []Mode { return slices.Clone(modes) }

// ModeNames returns the names of all modes.
func ModeNames() []ModeName {
	var names []ModeName
	for _, mode := range modes {
		names = append(names, mode.Name)
	}
	return names
}

// Find returns the mode of this name. An unknown name is an error.
func Find(name ModeName) (Mode, error) {
	for _, mode := range modes {
		if mode.Name == name {
			return mode, nil
		}
	}
	return Mode{}, fmt.Errorf("unknown mode %q", name)
}

// MustFind is [Find] of a name that has been checked. It panics where there is no
// such mode.
func MustFind(name ModeName) Mode {
	mode, err := Find(name)
	if err != nil {
		panic("cells: " + err.Error())
	}
	return mode
}

// PartOf returns the part that the key names. A key of another part, or of none,
// gets a part with its name alone.
func (m Mode) PartOf(key Key) Part {
	if m.Parts != nil {
		for _, part := range m.Parts(key.Pattern) {
			if part.Name == key.Part {
				return part
			}
		}
	}
	return Part{Name: key.Part}
}

// complete returns the modes. It panics where one lacks something, or two have the
// same name, so that no program starts with half a mode.
func complete(all ...Mode) []Mode {
	seen := make(map[ModeName]bool)
	for _, mode := range all {
		if err := mode.check(); err != nil || seen[mode.Name] {
			panic(fmt.Sprintf("cells: mode %q is there twice, or is not complete: %v", mode.Name, err))
		}
		seen[mode.Name] = true
	}
	return all
}

// check returns an error that names a field which is empty and must not be.
func (m Mode) check() error {
	value := reflect.ValueOf(m)
	for i := range value.NumField() {
		name := value.Type().Field(i).Name
		if value.Field(i).IsZero() && !slices.Contains(optional, name) {
			return fmt.Errorf("%s is missing", name)
		}
	}
	return nil
}
