package result

import (
	"fmt"
	"regexp"
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

// full names all that distinguishes the machine.
func (m Machine) full() string {
	return fmt.Sprintf("%s, %d cores, GOMAXPROCS %d, %s governor, %s/%s", m.CPU, m.Cores, m.GOMAXPROCS, m.Governor, m.OS, m.Arch)
}

// MachineNames names machines among each other: by their processors, or, where two
// have processors of one name, by all that there is.
func MachineNames(all []Machine) []string {
	count := make(map[string]int)
	for _, m := range all {
		count[m.Processor()]++
	}
	var names []string
	for _, m := range all {
		name := m.Processor()
		if count[name] > 1 {
			name = m.full()
		}
		names = append(names, name)
	}
	return names
}
