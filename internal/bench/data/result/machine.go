package result

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Machine is the part of two environments that must be the same for their times to be
// compared.
type Machine struct {
	CPU               string
	Cores, GOMAXPROCS int
	Governor          string
	OS, Arch          string
}

// Machine returns the machine of the environment.
func (e Environment) Machine() Machine {
	return Machine{e.CPU, e.Cores, e.GOMAXPROCS, e.Governor, e.OS, e.Arch}
}

// filler matches the parts of a processor's name that say nothing.
var filler = regexp.MustCompile(`(?i)\((r|tm|c)\)|\b(cpu|processor)\b|@.*$|\b\d+-core\b`)

// Processor is the name of the processor without such filler, for example "Intel Xeon".
func (m Machine) Processor() string {
	if name := strings.Join(strings.Fields(filler.ReplaceAllString(m.CPU, " ")), " "); name != "" {
		return name
	}
	return m.CPU
}

// traits are the other properties, in words.
func (m Machine) traits() []string {
	return []string{
		fmt.Sprintf("%d cores", m.Cores), fmt.Sprintf("GOMAXPROCS %d", m.GOMAXPROCS), m.Governor + " governor", m.OS + "/" + m.Arch, m.CPU,
	}
}

// MachineNames names machines among each other: by their processors and, where several
// have processors of one name, by the other properties in which these differ.
func MachineNames(all []Machine) []string {
	var names []string
	for _, m := range all {
		name := m.Processor()
		for i, trait := range m.traits() {
			differs := func(other Machine) bool { return other.Processor() == m.Processor() && other.traits()[i] != trait }
			if slices.ContainsFunc(all, differs) {
				name += ", " + trait
			}
		}
		names = append(names, name)
	}
	return names
}
