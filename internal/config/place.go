package config

import "fmt"

// placeAny is the place of a component that runs on one of several hosts.
const placeAny = "any"

// IsPlacedAny reports whether the component runs on one of several hosts.
func (c *Component) IsPlacedAny() bool { return c.Place == placeAny }

// PlacesAny reports whether the file has a component that runs on one of several hosts.
func (f *File) PlacesAny() bool {
	for i := range f.Components {
		if f.Components[i].IsPlacedAny() {
			return true
		}
	}
	return false
}

// place notes labels that mean nothing.
func (d *decoder) place(c *Component, path string) {
	if d.file.given(path+".place_labels") && !c.IsPlacedAny() && !d.wrong(path+".place") {
		d.at(path+".place_labels", "is for a component that may run on several hosts: set place to any beside it, or leave it out")
	}
	d.labels(c.PlaceLabels, path+".place_labels")
}

// placement returns mistakes for components that run on one of several hosts, but the host of the file
// is not made for it.
func (f *File) placement() (mistakes Mistakes) {
	for i := range f.Components {
		c, path := &f.Components[i], fmt.Sprintf("components[%d].place", i)
		switch {
		case !c.IsPlacedAny():
		case !f.Host.UsesNATS():
			mistakes = append(mistakes, f.Mistake(path, "any needs the broker nats, which joins hosts: set host.broker to nats, or leave place out"))
		case f.Host.NATS.Name == "":
			mistakes = append(mistakes, f.Mistake(path, "any needs host.nats.name: the hosts share the components by their names, and each keeps its own over a restart"))
		}
	}
	for name, function := range f.Functions {
		for i := range f.Components {
			if c := &f.Components[i]; c.ID == function.Component && c.IsPlacedAny() {
				mistakes = append(mistakes, f.Mistake("functions."+name.String()+".component",
					fmt.Sprintf("%s has place: any, and functions are called within a host: let their provider run on each host (place: here)", c.ID)))
			}
		}
	}
	return mistakes
}
