package core

import (
	"errors"
	"fmt"
	"strings"
)

// The sizes of a [Topic] and of a [TopicPattern].
const (
	MaxTopic      = 255 // bytes
	MaxTopicParts = 16
	MaxTopicPart  = MaxIDPart // bytes
)

// ErrInvalidTopic is matched by every error of [ParseTopic] and [ParseTopicPattern].
var ErrInvalidTopic = errors.New("invalid topic")

// Topic names a subject on which messages are published, such as "orders.eu.created". It
// has 1 to [MaxTopicParts] parts, divided by '.', and at most [MaxTopic] bytes. A part is 1
// to [MaxTopicPart] bytes of lower-case ASCII letters, digits, '-' and '_'. A Topic is
// comparable. The zero value is no topic.
type Topic struct{ text string }

// ParseTopic checks text and returns its topic. An error matches [ErrInvalidTopic] and
// says which character or part is wrong.
func ParseTopic(text string) (Topic, error) {
	if err := checkTopic(text, checkTopicPart); err != nil {
		return Topic{}, err
	}
	return Topic{text}, nil
}

// MustTopic is [ParseTopic] for topics that are written in source code. It panics if text is
// not a topic.
func MustTopic(text string) Topic {
	t, err := ParseTopic(text)
	if err != nil {
		panic(err)
	}
	return t
}

// checkTopic checks the size of a topic or a pattern, and each of its parts by check.
func checkTopic(text string, check func(topic string, number int, part string, last bool) error) error {
	if len(text) > MaxTopic {
		return fmt.Errorf("%w %q: it has %d bytes, want at most %d", ErrInvalidTopic, clip(text), len(text), MaxTopic)
	}
	if n := strings.Count(text, ".") + 1; n > MaxTopicParts {
		return fmt.Errorf("%w %q: it has %d parts, want at most %d", ErrInvalidTopic, clip(text), n, MaxTopicParts)
	}
	for number, rest, more := 1, text, true; more; number++ {
		var part string
		part, rest, more = strings.Cut(rest, ".")
		if err := check(text, number, part, !more); err != nil {
			return err
		}
	}
	return nil
}

func checkTopicPart(topic string, number int, part string, _ bool) error {
	if len(part) == 0 || len(part) > MaxTopicPart {
		return fmt.Errorf("%w %q: part %d has %d bytes, want 1 to %d", ErrInvalidTopic, clip(topic), number, len(part), MaxTopicPart)
	}
	for i := range len(part) {
		if !isTopicByte(part[i]) {
			return fmt.Errorf("%w %q: part %d contains %q, want a-z, 0-9, '-' or '_'", ErrInvalidTopic, clip(topic), number, part[i:i+1])
		}
	}
	return nil
}

func isTopicByte(b byte) bool { return b != '.' && isIDByte(b) }

// String returns the topic's text, or "" for the zero value.
func (t Topic) String() string { return t.text }

// IsZero reports whether t is the zero value.
func (t Topic) IsZero() bool { return t.text == "" }

// MarshalText implements [encoding.TextMarshaler].
func (t Topic) MarshalText() ([]byte, error) { return []byte(t.text), nil }

// UnmarshalText implements [encoding.TextUnmarshaler] by [ParseTopic].
func (t *Topic) UnmarshalText(text []byte) error {
	parsed, err := ParseTopic(string(text))
	if err == nil {
		*t = parsed
	}
	return err
}

// CheckQueue checks the name of a queue group of subscribers: it is like one part of a topic.
// An error matches [ErrInvalidTopic].
func CheckQueue(name string) error {
	if err := checkTopicPart(name, 1, name, true); err != nil {
		return fmt.Errorf("the name of a queue group is like one part of a topic: %w", err)
	}
	return nil
}

// The parts of a [TopicPattern] that stand for others.
const (
	AnyTopicPart  = "*" // any one part
	AnyTopicParts = ">" // one or more parts; the last part of a pattern only
)

// TopicPattern stands for a set of topics. It is written like a topic, and a part may be '*',
// which is any one part; a last part may be '>', which is one or more parts. So "orders.*" is
// "orders.created" and not "orders.eu.created", and "orders.>" is both, but not "orders". The
// zero value matches no topic.
type TopicPattern struct{ text string }

// ParseTopicPattern checks text and returns its pattern. An error matches
// [ErrInvalidTopic].
func ParseTopicPattern(text string) (TopicPattern, error) {
	if err := checkTopic(text, checkPatternPart); err != nil {
		return TopicPattern{}, fmt.Errorf("%w (in a pattern, a part may be *, and the last part >)", err)
	}
	return TopicPattern{text}, nil
}

// MustTopicPattern is [ParseTopicPattern] for patterns that are written in source code. It
// panics if text is not a pattern.
func MustTopicPattern(text string) TopicPattern {
	p, err := ParseTopicPattern(text)
	if err != nil {
		panic(err)
	}
	return p
}

func checkPatternPart(topic string, number int, part string, last bool) error {
	switch {
	case part == AnyTopicPart, part == AnyTopicParts && last:
		return nil
	case part == AnyTopicParts:
		return fmt.Errorf("%w %q: part %d is >, which only the last part may be", ErrInvalidTopic, clip(topic), number)
	}
	return checkTopicPart(topic, number, part, last)
}

// Matches reports whether topic is in the set.
func (p TopicPattern) Matches(topic Topic) bool { return p.Covers(TopicPattern(topic)) }

// Overlaps reports whether there is a topic that both patterns match.
func (p TopicPattern) Overlaps(q TopicPattern) bool {
	return p.alike(q,
		func(a, b string) bool { return a == AnyTopicParts || b == AnyTopicParts },
		func(a, b string) bool { return a == b || a == AnyTopicPart || b == AnyTopicPart })
}

// Covers reports whether p matches every topic that q matches. The zero value covers nothing, and
// nothing covers it.
func (p TopicPattern) Covers(q TopicPattern) bool {
	return p.alike(q,
		func(a, _ string) bool { return a == AnyTopicParts },
		func(a, b string) bool { return a == b || a == AnyTopicPart && b != AnyTopicParts })
}

// alike compares two patterns part by part. They are alike if all parts fit, or those before two that
// decide. The zero value is like nothing.
func (p TopicPattern) alike(q TopicPattern, decide, fit func(a, b string) bool) bool {
	if p.text == "" || q.text == "" {
		return false
	}
	one, other := p.text, q.text
	for {
		var a, b string
		var moreOne, moreOther bool
		a, one, moreOne = strings.Cut(one, ".")
		b, other, moreOther = strings.Cut(other, ".")
		switch {
		case decide(a, b):
			return true
		case !fit(a, b), moreOne != moreOther:
			return false
		case !moreOne:
			return true
		}
	}
}

// String returns the pattern as it was written.
func (p TopicPattern) String() string { return p.text }

// IsZero reports whether p is the zero value.
func (p TopicPattern) IsZero() bool { return p.text == "" }

// MarshalText implements [encoding.TextMarshaler].
func (p TopicPattern) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// UnmarshalText implements [encoding.TextUnmarshaler] by [ParseTopicPattern].
func (p *TopicPattern) UnmarshalText(text []byte) error {
	parsed, err := ParseTopicPattern(string(text))
	if err == nil {
		*p = parsed
	}
	return err
}
