package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/airhost/airhost/core"
)

// zeros matches a number with leading zeros, which some programs read as octal.
var zeros = regexp.MustCompile(`^[-+]?0[0-9]`)

var errZeros = errors.New("leading zeros: write the number without them")

// errTooLarge is the error of a size or a time beyond 64 bits.
var errTooLarge = errors.New("too large")

// Duration is a time that is written with its unit, such as 250ms or 1m30s.
type Duration time.Duration

const durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`

var durationSyntax = regexp.MustCompile(durationPattern)

var errDuration = errors.New("want a duration with its unit, such as 250ms, 5s or 1m30s")

// UnmarshalText reads the syntax of [time.ParseDuration], without a sign and always with
// a unit.
func (d *Duration) UnmarshalText(text []byte) error {
	if !durationSyntax.Match(text) {
		return errDuration
	}
	if zeros.Match(text) {
		return errZeros
	}
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is %w: %w", text, errTooLarge, errDuration)
	}
	*d = Duration(parsed)
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (d Duration) MarshalText() ([]byte, error) {
	text := time.Duration(d).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return []byte(text), nil
}

// Size is a number of bytes, written plainly or with a unit: 1024, 1KiB, 16MiB.
type Size int64

const sizePattern = `^[0-9]+(B|KiB|MiB|GiB|TiB)?$`

var sizeSyntax = regexp.MustCompile(sizePattern)

// sizeUnits are in descending order, each 1,024 of the next.
var sizeUnits = []string{"TiB", "GiB", "MiB", "KiB", "B"}

var errSize = errors.New("want a size in bytes, such as 65536, 64KiB or 16MiB")

// UnmarshalText reads a whole number and an optional unit, without a space.
func (s *Size) UnmarshalText(text []byte) error {
	if !sizeSyntax.Match(text) {
		return errSize
	}
	if zeros.Match(text) {
		return errZeros
	}
	digits := strings.TrimRight(string(text), "BKMGTi")
	number, err := strconv.ParseInt(digits, 10, 64)
	scale := unitScale(string(text[len(digits):]))
	if err != nil || number > math.MaxInt64/scale {
		return fmt.Errorf("%q is %w: %w", text, errTooLarge, errSize)
	}
	*s = Size(number * scale)
	return nil
}

func unitScale(unit string) int64 {
	for i, known := range sizeUnits[:len(sizeUnits)-1] {
		if unit == known {
			return 1 << (10 * (len(sizeUnits) - 1 - i))
		}
	}
	return 1
}

// MarshalText writes s in the largest unit that leaves a whole number.
func (s Size) MarshalText() ([]byte, error) {
	for _, unit := range sizeUnits {
		if scale := Size(unitScale(unit)); s >= scale && s%scale == 0 {
			return fmt.Appendf(nil, "%d%s", s/scale, unit), nil
		}
	}
	return []byte("0B"), nil
}

var looseUnit = regexp.MustCompile(`^([0-9.]+)\s*([A-Za-z]*)$`)

// meantUnit returns the nearest size or duration to a word with a wrong unit, or "" if no
// valid one is near. err is the error of reading the word.
func meantUnit(word string, err error) string {
	parts := looseUnit.FindStringSubmatch(word)
	switch {
	case parts == nil || parts[2] == "":
		return ""
	case errors.Is(err, errDuration) && durationSyntax.MatchString(parts[1]+durationUnit(parts[2])):
		return parts[1] + durationUnit(parts[2])
	case errors.Is(err, errSize) && sizeSyntax.MatchString(parts[1]+sizeUnit(parts[2])):
		return parts[1] + sizeUnit(parts[2])
	}
	return ""
}

func durationUnit(unit string) string {
	unit = strings.ToLower(unit)
	for word, short := range map[string]string{"milli": "ms", "msec": "ms", "micro": "us", "sec": "s", "min": "m", "hour": "h"} {
		if strings.HasPrefix(unit, word) {
			return short
		}
	}
	return unit
}

func sizeUnit(unit string) string {
	unit = strings.ToUpper(unit)
	if strings.HasPrefix(unit, "B") {
		return "B"
	}
	return unit[:1] + "iB"
}

// Pairs are a component's own settings, in the order of the file. Numbers and
// truth values are kept as they were written.
type Pairs []core.ConfigPair

// MarshalYAML returns the pairs as one mapping.
func (p Pairs) MarshalYAML() (any, error) {
	mapping := make(yaml.MapSlice, len(p))
	for i, pair := range p {
		mapping[i] = yaml.MapItem{Key: pair.Key, Value: pair.Value}
	}
	return mapping, nil
}

// Instances is a number of instances; auto is -1.
type Instances int

const maxInstances = 256

var errInstances = fmt.Errorf("want a number of instances from 1 to %d, or auto", maxInstances)

// UnmarshalText reads a whole number or the word auto.
func (i *Instances) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*i = -1
		return nil
	}
	if zeros.Match(text) {
		return errZeros
	}
	n, err := strconv.ParseUint(string(text), 10, 16)
	if err != nil || n < 1 || n > maxInstances {
		return errInstances
	}
	*i = Instances(n)
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (i Instances) MarshalText() ([]byte, error) {
	if i < 0 {
		return []byte("auto"), nil
	}
	return strconv.AppendInt(nil, int64(i), 10), nil
}
