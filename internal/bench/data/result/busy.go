package result

import "strings"

// The beginnings of warnings of a busy machine.
const (
	BusyMachine    = "busy machine: "
	BusyProcessors = "busy processors: "
)

// SaysBusy reports whether a warning is one of a busy machine.
func SaysBusy(warning string) bool {
	return strings.HasPrefix(warning, BusyMachine) || strings.HasPrefix(warning, BusyProcessors)
}
