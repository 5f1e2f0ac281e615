package component

import (
	"regexp"
	"strings"
)

// The grammar of names in the component model: words are of lower case or acronyms.
const (
	firstWord  = `(?:[a-z][0-9a-z]*|[A-Z][0-9A-Z]*)`
	nextWord   = `(?:-(?:[0-9a-z]+|[0-9A-Z]+))*`
	labelText  = firstWord + nextWord
	lowerText  = `[a-z][0-9a-z]*(?:-[0-9a-z]+)*`
	number     = `(?:0|[1-9][0-9]*)`
	preID      = `(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)`
	buildID    = `[0-9a-zA-Z-]+`
	semver     = number + `\.` + number + `\.` + number + `(?:-` + preID + `(?:\.` + preID + `)*)?(?:\+` + buildID + `(?:\.` + buildID + `)*)?`
	canonical1 = `(?:[1-9][0-9]*|0\.[1-9][0-9]*|0\.0\.[1-9][0-9]*|0\.0\.0)`
)

var (
	label         = regexp.MustCompile(`^` + labelText + `$`)
	plainName     = regexp.MustCompile(`^(?:\[(constructor)\](` + labelText + `)|\[(method|static)\](` + labelText + `)\.(` + labelText + `)|` + labelText + `)$`)
	interfaceName = regexp.MustCompile(`^` + lowerText + `:` + lowerText + `/` + labelText + `(?:@(` + semver + `|` + canonical1 + `))?$`)
	semverOnly    = regexp.MustCompile(`^` + semver + `$`)
	canonOnly     = regexp.MustCompile(`^` + canonical1 + `$`)
)

// dependency matches names of former versions of the format, for components that are to be
// found by a package's name, a URL or a hash.
var dependency = regexp.MustCompile(`^(?:unlocked-dep|locked-dep|url|relative-url|integrity)=<`)

// maxName bounds the names that are checked, in bytes.
const maxName = 100_000

// nameParts is a name of an import or export, taken apart.
type nameParts struct {
	annotation string // constructor, method, static or ""
	resource   string // of an annotation
	function   string // of a method or static
	iface      bool   // the name of an interface
	version    string
}

// parseName takes a name of an import or export apart.
func parseName(name string) (p nameParts, ok bool) {
	if len(name) > maxName {
		return p, false
	}
	if m := plainName.FindStringSubmatch(name); m != nil {
		p.annotation, p.resource, p.function = m[1]+m[3], m[2]+m[4], m[5]
		return p, true
	}
	if m := interfaceName.FindStringSubmatch(name); m != nil {
		p.iface, p.version = true, m[1]
		return p, true
	}
	return p, false
}

// unique returns the name in the form in which names of one scope must differ.
func unique(name string) string {
	p, ok := parseName(name)
	switch {
	case !ok || p.iface:
	case p.annotation == "constructor" || p.annotation == "":
	case strings.EqualFold(p.resource, p.function):
		name = p.resource
	default:
		name = p.resource + "." + p.function
	}
	return strings.ToLower(name)
}
