package compare

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/result"
)

// difference is a property in which two environments differ.
type difference struct{ property, base, head string }

func (d difference) String() string {
	return fmt.Sprintf("%s: %s in base, %s in head", d.property, d.base, d.head)
}

// differing returns the properties with different values.
func differing(all ...difference) []string {
	var texts []string
	for _, d := range all {
		if d.base != d.head {
			texts = append(texts, d.String())
		}
	}
	return texts
}

// sameMachine returns an error if the two machines need not be equally fast.
func sameMachine(base, head result.Environment) error {
	if base.Machine() == head.Machine() {
		return nil
	}
	differences := differing(
		difference{"CPU", base.CPU, head.CPU},
		difference{"cores", strconv.Itoa(base.Cores), strconv.Itoa(head.Cores)},
		difference{"GOMAXPROCS", strconv.Itoa(base.GOMAXPROCS), strconv.Itoa(head.GOMAXPROCS)},
		difference{"governor", base.Governor, head.Governor},
		difference{"system", base.OS + "/" + base.Arch, head.OS + "/" + head.Arch},
	)
	return fmt.Errorf("%w: other hardware: %s", ErrIncomparable, strings.Join(differences, "; "))
}

// environmentWarnings name the other differences. One of them may be the reason of a
// change.
func environmentWarnings(base, head result.Environment) []string {
	warnings := append([]string{}, differing(
		difference{"kernel", base.Kernel, head.Kernel},
		difference{"Go", base.Go, head.Go},
	)...)
	if !sameSession(base, head) {
		warnings = append(warnings, "separate runs: what the machine did meanwhile is in the differences; compare --against measures both in turns")
	}
	return warnings
}

// sameSession reports whether both are of one session, so that their samples are
// paired.
func sameSession(base, head result.Environment) bool {
	against := func(flag string) bool { return strings.HasPrefix(flag, "--against") }
	return slices.ContainsFunc(base.Flags, against) && slices.ContainsFunc(head.Flags, against) &&
		base.Seed == head.Seed && base.Started == head.Started
}
