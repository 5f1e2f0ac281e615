package main

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// producer is an entry of the custom section "producers": a language, a tool or an SDK
// that the module was made with.
type producer struct {
	Field   string `json:"field"`
	Name    string `json:"name"`
	Version string `json:"version"`
}

func (r *moduleReport) customs(m *wasm.Module) {
	for _, c := range m.Customs {
		r.Customs = listed(r, "custom_sections", r.Customs, customReport{short(c.Name), len(c.Data)})
		// Custom sections may hold anything; one that cannot be read is left out.
		switch c.Name {
		case "producers":
			if found, err := readProducers(c.Data); err == nil {
				r.producers(found)
			}
		case "target_features":
			if found, err := readFeatures(c.Data); err == nil {
				r.Features = append(r.Features, found[:min(len(found), maxListed-len(r.Features))]...)
			}
		}
	}
	slices.Sort(r.Features)
}

// producers adds those that are not there: a component may have the same in each of its parts.
func (r *moduleReport) producers(found []producer) {
	for _, p := range found {
		if len(r.Producers) < maxListed && !slices.Contains(r.Producers, p) {
			r.Producers = append(r.Producers, p)
		}
	}
}

// readProducers reads fields, each a name and a list of names with versions. A section
// of more than maxListed of them is malformed.
func readProducers(data []byte) ([]producer, error) {
	var found []producer
	s := &section{data: data}
	for range s.count() {
		field := s.name()
		for range s.count() {
			found = append(found, producer{field, s.name(), s.name()})
			if len(found) > maxListed {
				return nil, errSection
			}
		}
	}
	return found, s.err
}

// readFeatures reads names with a prefix each: '+' is used, '=' required, '-'
// disallowed. A section of more than maxListed of them is malformed.
func readFeatures(data []byte) ([]string, error) {
	var found []string
	s := &section{data: data}
	for range s.count() {
		prefix := s.take(1)
		if name := s.name(); string(prefix) == "+" || string(prefix) == "=" {
			found = append(found, name)
		}
		if len(found) > maxListed {
			return nil, errSection
		}
	}
	return found, s.err
}

var errSection = errors.New("malformed section")

// section reads the encoding that custom sections share. After an error it
// returns zeros.
type section struct {
	data []byte
	err  error
}

func (s *section) number() int {
	n, size := binary.Uvarint(s.data)
	if s.err != nil || size <= 0 || n > math.MaxUint32 {
		s.err = errSection
		return 0
	}
	s.data = s.data[size:]
	return int(n)
}

// count is a number of entries, each of which takes at least a byte.
func (s *section) count() int {
	n := s.number()
	if n > len(s.data) {
		s.err = errSection
		return 0
	}
	return n
}

func (s *section) take(n int) []byte {
	if s.err != nil || n > len(s.data) {
		s.err = errSection
		return nil
	}
	taken := s.data[:n]
	s.data = s.data[n:]
	return taken
}

func (s *section) name() string { return short(string(s.take(s.number()))) }
