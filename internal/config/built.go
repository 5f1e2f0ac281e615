package config

import "strings"

// Choice is a word that is valid as the value of a key.
type Choice struct {
	Name string
	// About completes the sentence that begins with Name, for the schema.
	About string
	// LeftOut is the reason for the absence of the choice from this program; empty if the
	// program has it.
	LeftOut string
}

// Built is the vocabulary of a program: the engines, brokers and trackers that a file may
// name, of which the first of each is the default, and the components that its native
// engine has.
type Built struct {
	Engines, Brokers, Trackers []Choice
	Native                     []string
	// NATSServer is the reason for the absence of the embedded NATS server; empty if the program
	// has it.
	NATSServer string
	// Lookup returns the value of a variable of the environment; os.LookupEnv by default.
	Lookup func(name string) (value string, set bool)
}

// choices returns the words that a key allows, or nil if it allows any.
func (b Built) choices(r rules) []Choice {
	switch r.key {
	case "engine":
		return b.Engines
	case "broker":
		return b.Brokers
	case "tracker":
		return b.Trackers
	}
	var all []Choice
	for _, word := range r.enum {
		all = append(all, Choice{Name: word})
	}
	return all
}

// names returns the words that are built in.
func names(choices []Choice) []string {
	var all []string
	for _, c := range choices {
		if c.LeftOut == "" {
			all = append(all, c.Name)
		}
	}
	return all
}

// about describes the choices in a sentence, if there is anything to say.
func about(choices []Choice) string {
	var all []string
	for _, c := range choices {
		if c.About != "" {
			all = append(all, c.Name+" "+c.About)
		}
	}
	if all == nil {
		return ""
	}
	return " " + strings.Join(all, "; ") + "."
}
