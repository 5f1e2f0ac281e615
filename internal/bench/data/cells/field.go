package cells

import (
	"fmt"
	"slices"
)

// Field is a field of a [Key] that only some modes have, by its name in JSON.
type Field string

// The fields.
const (
	FieldCores Field = "cores"
	FieldLoad  Field = "load_percent"
	FieldPart  Field = "part"
)

// Check returns an error if the key has an unknown pattern or mode, lacks a field
// that its mode requires, or has one that its mode does not allow.
func (k Key) Check() error {
	if !slices.Contains(Patterns(), k.Pattern) {
		return fmt.Errorf("unknown pattern %q", k.Pattern)
	}
	mode, err := Find(k.Mode)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name  Field
		value int
	}{{FieldCores, k.Cores}, {FieldLoad, k.LoadPercent}, {FieldPart, len(k.Part)}} {
		switch {
		case f.value < 0:
			return fmt.Errorf("%s is %d, want at least 0", f.name, f.value)
		case f.value == 0 && slices.Contains(mode.Required, f.name):
			return fmt.Errorf("mode %s: %s is missing", mode.Name, f.name)
		case f.value > 0 && !slices.Contains(mode.Required, f.name) && !slices.Contains(mode.Allowed, f.name):
			return fmt.Errorf("mode %s: there is a value of %s, want none", mode.Name, f.name)
		}
	}
	return nil
}
