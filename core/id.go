package core

import (
	"errors"
	"fmt"
	"strings"
)

// MaxIDPart is the longest namespace or name of a component id, in bytes.
const MaxIDPart = 63

// ErrInvalidID is matched by every error of [ParseComponentID] and
// [ParseIDPattern].
var ErrInvalidID = errors.New("invalid component id")

// HostNamespace is the namespace of senders that are parts of a host and send for
// many others. No component can be deployed in it.
const HostNamespace = "airhost"

// HostID is the sender of messages that a Go program sends through its host.
var HostID = MustComponentID(HostNamespace + "/host")

// ComponentID names one component in the host, as "namespace/name". Each of the two
// parts is 1 to [MaxIDPart] bytes of lower-case ASCII letters, digits, '-', '_' and
// '.'. A ComponentID is comparable. The zero value names no component.
type ComponentID struct{ text string }

// ParseComponentID checks text and returns its id. An error matches [ErrInvalidID]
// and says which character or part is wrong.
func ParseComponentID(text string) (ComponentID, error) {
	namespace, name, ok := strings.Cut(text, "/")
	if !ok {
		return ComponentID{}, fmt.Errorf("%w %q: want namespace/name, there is no '/'", ErrInvalidID, clip(text))
	}
	if err := checkIDPart(text, "namespace", namespace); err != nil {
		return ComponentID{}, err
	}
	if err := checkIDPart(text, "name", name); err != nil {
		return ComponentID{}, err
	}
	return ComponentID{text}, nil
}

// MustComponentID is [ParseComponentID] for ids that are written in source
// code. It panics if text is not a component id.
func MustComponentID(text string) ComponentID {
	id, err := ParseComponentID(text)
	if err != nil {
		panic(err)
	}
	return id
}

func checkIDPart(id, what, part string) error {
	if len(part) == 0 || len(part) > MaxIDPart {
		return fmt.Errorf("%w %q: the %s has %d bytes, want 1 to %d", ErrInvalidID, clip(id), what, len(part), MaxIDPart)
	}
	for i := range len(part) {
		if !isIDByte(part[i]) {
			return fmt.Errorf("%w %q: the %s contains %q, want a-z, 0-9, '-', '_' or '.'", ErrInvalidID, clip(id), what, part[i:i+1])
		}
	}
	return nil
}

func isIDByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '-' || b == '_' || b == '.'
}

// clip shortens an id that may be very long, for an error text.
func clip(s string) string {
	const most = 2*MaxIDPart + 1
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// String returns "namespace/name", or "" for the zero value.
func (id ComponentID) String() string { return id.text }

// IsZero reports whether id is the zero value.
func (id ComponentID) IsZero() bool { return id.text == "" }

// Namespace returns the part before the '/'.
func (id ComponentID) Namespace() string {
	namespace, _, _ := strings.Cut(id.text, "/")
	return namespace
}

// Name returns the part after the '/'.
func (id ComponentID) Name() string {
	_, name, _ := strings.Cut(id.text, "/")
	return name
}

// MarshalText implements [encoding.TextMarshaler].
func (id ComponentID) MarshalText() ([]byte, error) { return []byte(id.text), nil }

// UnmarshalText implements [encoding.TextUnmarshaler] by [ParseComponentID].
func (id *ComponentID) UnmarshalText(text []byte) error {
	parsed, err := ParseComponentID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}

// IDPattern stands for a set of component ids: one id ("shop/stock"), all ids of a
// namespace ("shop/*"), or all ids ("*"). Parts are matched as a whole, so "shop/*"
// does not match "shopping/cart". The zero value matches no id.
type IDPattern struct{ text string }

// ParseIDPattern checks text and returns its pattern. An error matches
// [ErrInvalidID].
func ParseIDPattern(text string) (IDPattern, error) {
	if text == "*" {
		return IDPattern{text}, nil
	}
	if namespace, name, _ := strings.Cut(text, "/"); name == "*" {
		if err := checkIDPart(text, "namespace", namespace); err != nil {
			return IDPattern{}, err
		}
		return IDPattern{text}, nil
	}
	if _, err := ParseComponentID(text); err != nil {
		return IDPattern{}, fmt.Errorf("%w (a pattern is namespace/name, namespace/* or *)", err)
	}
	return IDPattern{text}, nil
}

// Matches reports whether id is in the set.
func (p IDPattern) Matches(id ComponentID) bool {
	if id.IsZero() {
		return false
	}
	if namespace, name, _ := strings.Cut(p.text, "/"); name == "*" {
		return namespace == id.Namespace()
	}
	return p.text == "*" || p.text == id.text
}

// String returns the pattern as it was written.
func (p IDPattern) String() string { return p.text }

// MarshalText implements [encoding.TextMarshaler].
func (p IDPattern) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// UnmarshalText implements [encoding.TextUnmarshaler] by [ParseIDPattern].
func (p *IDPattern) UnmarshalText(text []byte) error {
	parsed, err := ParseIDPattern(string(text))
	if err == nil {
		*p = parsed
	}
	return err
}

// RequestID names one request. It is opaque and never zero. No other request has the
// same id while the request is pending, nor soon after: a late response must not be
// taken for the response to another request.
type RequestID uint64
