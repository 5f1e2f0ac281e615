package core_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/airhost/airhost/core"
)

var (
	mostParts = strings.Repeat("a.", core.MaxTopicParts-1) + "a"
	longTopic = strings.Repeat(longest+".", 3) + longest // 255 bytes
)

func TestParseTopic(t *testing.T) {
	for _, text := range []string{"a", "0", "orders", "orders.created", "orders.eu-west_1.created", "a--b", mostParts, longest, longTopic} {
		topic, err := core.ParseTopic(text)
		if err != nil || topic.String() != text || topic.IsZero() {
			t.Errorf("%q: got %q, %v", text, topic, err)
		}
		if p, err := core.ParseTopicPattern(text); err != nil || !p.Matches(topic) {
			t.Errorf("%q as a pattern: %v, and it matches itself: %v", text, err, p.Matches(topic))
		}
	}
}

// badTopics are texts that are neither topics nor patterns, with a part of their error.
var badTopics = map[string]string{
	"":                   "part 1 has 0 bytes",
	".":                  "part 1 has 0 bytes",
	"orders.":            "part 2 has 0 bytes",
	".orders":            "part 1 has 0 bytes",
	"orders..created":    "part 2 has 0 bytes",
	"a." + tooLong:       "part 2 has 64 bytes, want 1 to 63",
	mostParts + ".a":     "it has 17 parts, want at most 16",
	longTopic + "n":      "it has 256 bytes, want at most 255",
	"Orders":             `part 1 contains "O"`,
	"orders.a b":         `part 2 contains " "`,
	"orders/created":     `part 1 contains "/"`,
	"orders.cre*":        `part 2 contains "*"`,
	"orders.>x":          `part 2 contains ">"`,
	"örders":             "part 1 contains",
	"a.\xff":             `part 2 contains "\xff"`,
	"a\n":                `part 1 contains "\n"`,
	"orders.$sys":        `part 2 contains "$"`,
	"orders.created\x00": `part 2 contains "\x00"`,
}

func TestParseTopicRefuses(t *testing.T) {
	for text, want := range badTopics {
		topic, err := core.ParseTopic(text)
		if !errors.Is(err, core.ErrInvalidTopic) || !strings.Contains(err.Error(), want) || !topic.IsZero() {
			t.Errorf("%q: got %q, %v, want an invalid topic because %s", text, topic, err, want)
		}
		pattern, err := core.ParseTopicPattern(text)
		if !errors.Is(err, core.ErrInvalidTopic) || !strings.Contains(err.Error(), want) || !pattern.IsZero() {
			t.Errorf("%q: got the pattern %q, %v, want an invalid one because %s", text, pattern, err, want)
		}
	}
	for _, text := range []string{"*", ">", "orders.*", "orders.>"} {
		if _, err := core.ParseTopic(text); !errors.Is(err, core.ErrInvalidTopic) {
			t.Errorf("%q: got %v, want no topic", text, err)
		}
	}
	for _, text := range []string{">.a", "a.>.b", ">.>", ">.*"} {
		if _, err := core.ParseTopicPattern(text); !errors.Is(err, core.ErrInvalidTopic) || !strings.Contains(err.Error(), "only the last part") {
			t.Errorf("%q: got %v, want an error that names the last part", text, err)
		}
	}
}

func TestTopicErrorsAreShort(t *testing.T) {
	flood := strings.Repeat("x", 1<<20)
	for _, text := range []string{flood, strings.Repeat(".", 1<<20), strings.Repeat("*.", 1<<20), "a." + flood} {
		_, topicErr := core.ParseTopic(text)
		_, patternErr := core.ParseTopicPattern(text)
		for _, err := range []error{topicErr, patternErr} {
			if err == nil || len(err.Error()) > 400 {
				t.Errorf("a text of 1 MiB: got an error of %d bytes, want one of at most 400", len(err.Error()))
			}
		}
	}
}

func TestMustTopic(t *testing.T) {
	for name, f := range map[string]func(){
		"topic":   func() { core.MustTopic("orders.*") },
		"pattern": func() { core.MustTopicPattern("orders.>.a") },
	} {
		func() {
			defer func() {
				if err, _ := recover().(error); !errors.Is(err, core.ErrInvalidTopic) {
					t.Errorf("a wrong %s: got the panic %v", name, err)
				}
			}()
			f()
		}()
	}
}

func TestTopicPatternMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, topic string
		want           bool
	}{
		{"orders", "orders", true}, {"orders", "order", false}, {"orders", "orders.created", false},
		{"*", "orders", true}, {"*", "orders.created", false},
		{"orders.*", "orders", false}, {"orders.*", "orders.created", true}, {"orders.*", "orders.eu.created", false}, {"orders.*", "stock.created", false},
		{"orders.>", "orders", false}, {"orders.>", "orders.created", true}, {"orders.>", "orders.eu.created", true}, {"orders.>", "stock.eu.created", false},
		{">", "orders", true}, {">", mostParts, true},
		{"*.created", "orders.created", true}, {"*.created", "orders.changed", false}, {"*.created", "created", false},
		{"*.*.>", "a.b", false}, {"*.*.>", "a.b.c", true}, {"a.*.c", "a.b.c", true}, {"a.*.c", "a.b.d", false},
	} {
		if got := core.MustTopicPattern(c.pattern).Matches(core.MustTopic(c.topic)); got != c.want {
			t.Errorf("%s matches %s: got %v, want %v", c.pattern, c.topic, got, c.want)
		}
	}
	if (core.TopicPattern{}).Matches(core.MustTopic("a")) || core.MustTopicPattern(">").Matches(core.Topic{}) {
		t.Error("a zero value matches")
	}
}

// matchesNaively is Matches by the lists of parts.
func matchesNaively(pattern, topic []string) bool {
	for i, want := range pattern {
		switch {
		case i >= len(topic):
			return false
		case want == ">":
			return true
		case want != "*" && want != topic[i]:
			return false
		}
	}
	return len(pattern) == len(topic)
}

func TestTopicPatternsMatchAsTheirParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topic := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c-d"}), 1, 5).Draw(t, "topic")
		pattern := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c-d", "*"}), 1, 5).Draw(t, "pattern")
		if rapid.Bool().Draw(t, "rest") {
			pattern[len(pattern)-1] = ">"
		}
		got := core.MustTopicPattern(strings.Join(pattern, ".")).Matches(core.MustTopic(strings.Join(topic, ".")))
		if want := matchesNaively(pattern, topic); got != want {
			t.Errorf("%v matches %v: got %v, want %v", pattern, topic, got, want)
		}
	})
}

// TestTopicPatternsOverlap: two patterns overlap if and only if one of the topics matches both, and one
// covers the other if and only if it matches all of its topics.
func TestTopicPatternsOverlap(t *testing.T) {
	var topics []core.Topic
	all := []string{"a", "b", "c-d"}
	for level := all; len(level[0]) < 16; {
		var next []string
		for _, text := range level {
			topics = append(topics, core.MustTopic(text))
			if strings.Count(text, ".") < 3 {
				next = append(next, text+".a", text+".b", text+".c-d")
			}
		}
		if len(next) == 0 {
			break
		}
		level = next
	}
	draw := func(t *rapid.T) core.TopicPattern {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "*"}), 1, 3).Draw(t, "pattern")
		if rapid.Bool().Draw(t, "rest") {
			parts[len(parts)-1] = ">"
		}
		return core.MustTopicPattern(strings.Join(parts, "."))
	}
	rapid.Check(t, func(t *rapid.T) {
		p, q := draw(t), draw(t)
		want := slices.ContainsFunc(topics, func(topic core.Topic) bool { return p.Matches(topic) && q.Matches(topic) })
		if p.Overlaps(q) != want || q.Overlaps(p) != want {
			t.Errorf("%s and %s overlap: got %v and %v, want %v", p, q, p.Overlaps(q), q.Overlaps(p), want)
		}
		want = !slices.ContainsFunc(topics, func(topic core.Topic) bool { return q.Matches(topic) && !p.Matches(topic) })
		if p.Covers(q) != want {
			t.Errorf("%s covers %s: got %v, want %v", p, q, p.Covers(q), want)
		}
	})
	if p := core.MustTopicPattern(">"); p.Overlaps(core.TopicPattern{}) || (core.TopicPattern{}).Overlaps(p) {
		t.Error("the zero value overlaps")
	}
	if p := core.MustTopicPattern(">"); p.Covers(core.TopicPattern{}) || (core.TopicPattern{}).Covers(p) || (core.TopicPattern{}).Covers(core.TopicPattern{}) {
		t.Error("the zero value covers, or is covered")
	}
}

func TestTopicsAsText(t *testing.T) {
	type texts struct {
		Topic   core.Topic
		Pattern core.TopicPattern
	}
	want := texts{core.MustTopic("orders.created"), core.MustTopicPattern("orders.>")}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got texts
	if err := json.Unmarshal(data, &got); err != nil || got != want {
		t.Errorf("got %v from %s, %v", got, data, err)
	}
	for _, wrong := range []string{`{"Topic": "a.*"}`, `{"Pattern": ">.a"}`} {
		if err := json.Unmarshal([]byte(wrong), &got); !errors.Is(err, core.ErrInvalidTopic) || got != want {
			t.Errorf("%s: got %v, %v", wrong, got, err)
		}
	}
}

func FuzzTopic(f *testing.F) {
	for text := range badTopics {
		f.Add(text, "orders.created")
	}
	f.Add("orders.>", "orders.eu.created")
	f.Add("*.created", longTopic)
	f.Fuzz(func(t *testing.T, patternText, topicText string) {
		topic, topicErr := core.ParseTopic(topicText)
		pattern, patternErr := core.ParseTopicPattern(patternText)
		if topicErr != nil && !errors.Is(topicErr, core.ErrInvalidTopic) || patternErr != nil && !errors.Is(patternErr, core.ErrInvalidTopic) {
			t.Fatalf("other errors: %v, %v", topicErr, patternErr)
		}
		if topicErr != nil || patternErr != nil {
			return
		}
		if topic.String() != topicText || pattern.String() != patternText {
			t.Fatalf("got %q and %q", topic, pattern)
		}
		if want := matchesNaively(strings.Split(patternText, "."), strings.Split(topicText, ".")); pattern.Matches(topic) != want {
			t.Errorf("%s matches %s: got %v", pattern, topic, !want)
		}
	})
}
