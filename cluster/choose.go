package cluster

import "github.com/airhost/airhost/core"

// Choose returns the host that a component belongs to, or "" if there are no hosts. All that know
// the same hosts choose the same one, in any order of them. When a host comes, components move to
// it alone; when one goes, those of the others stay: each host has a number for the component, by a
// hash of both names, and the highest one has it (rendezvous hashing).
func Choose(id core.ComponentID, hosts []string) string {
	best, most := "", uint64(0)
	for _, host := range hosts {
		n := weight(host, id.String())
		if best == "" || n > most || n == most && host < best {
			best, most = host, n
		}
	}
	return best
}

// weight is a hash: FNV-1a. Its bits are mixed afterwards, so that names which differ in their last
// letter have nothing in common.
func weight(host, id string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for _, text := range [...]string{host, id} {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * prime
		}
		h = (h ^ '\n') * prime // which is in no name
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// Fits reports whether a host with these labels has all that are wanted.
func Fits(labels, wanted map[string]string) bool {
	for key, value := range wanted {
		if has, ok := labels[key]; !ok || has != value {
			return false
		}
	}
	return true
}
