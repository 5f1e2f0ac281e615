package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"

	"github.com/goccy/go-yaml/ast"
	"github.com/invopop/jsonschema"

	"github.com/airhost/airhost/core"
)

// Subscription is a set of topics on which a component gets messages: a pattern alone, or keys
// and values.
type Subscription struct {
	Topic core.TopicPattern `yaml:"topic" jsonschema:"required" jsonschema_description:"The topics: parts divided by dots. * is any one part, and a last > one or more."`
	Queue Queue             `yaml:"queue,omitempty" jsonschema_description:"The name of a queue group: of all components that have subscribed to a topic with the same queue, one gets a message, in turns."`
}

// subscriptionKeys is the form of a Subscription with keys.
type subscriptionKeys Subscription

// Queue is the name of a queue group.
type Queue string

// UnmarshalText checks the name.
func (q *Queue) UnmarshalText(text []byte) error {
	if err := core.CheckQueue(string(text)); err != nil {
		return err
	}
	*q = Queue(text)
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (q Queue) MarshalText() ([]byte, error) { return []byte(q), nil }

// String returns the subscription as it may be written.
func (s Subscription) String() string {
	if s.Queue == "" {
		return s.Topic.String()
	}
	return fmt.Sprintf("{topic: %s, queue: %s}", s.Topic, s.Queue)
}

// The syntax of topics, as patterns of the schema.
const (
	topicPart    = `[a-z0-9_-]{1,63}`
	queuePattern = `^` + topicPart + `$`
	topicPattern = `^((` + topicPart + `|\*)\.){0,15}(` + topicPart + `|\*|>)$`
)

// topicSchema is the schema of a pattern of topics.
func topicSchema() *jsonschema.Schema {
	most := uint64(core.MaxTopic)
	return &jsonschema.Schema{Type: "string", Pattern: topicPattern, MaxLength: &most}
}

// subscriptionSchema is the schema of both forms of a subscription.
func subscriptionSchema() *jsonschema.Schema {
	whole := reflected(reflect.TypeFor[subscriptionKeys](), Built{})
	whole.Version = "" // it is the whole schema's
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{topicSchema(), whole}}
}

// subscription decodes a pattern, or keys and values.
func (d *decoder) subscription(path string, n ast.Node, into *Subscription) {
	if _, keys := n.(ast.MapNode); keys {
		d.mapping(path, n, reflect.ValueOf(into).Elem())
		return
	}
	d.text(path, n, &into.Topic, reflect.ValueOf(&into.Topic).Elem(), rules{})
}

// wantsText reports whether a value is a text that may look like a number. YAML has its own ideas
// of numbers with dots, so that such a text is in quotes.
func wantsText(target encoding.TextUnmarshaler) bool {
	switch target.(type) {
	case *core.TopicPattern, *Queue, *ClusterName, *Label:
		return true
	}
	return false
}

// isText reports whether YAML takes a value for a text, and not for a number or truth value.
func isText(n ast.Node) bool {
	_, isNumber := numberText(n)
	_, isTruth := n.(*ast.BoolNode)
	return !isNumber && !isTruth
}

// subscriptions notes patterns that are there twice.
func (d *decoder) subscriptions(all []Subscription, path string) {
	known := map[core.TopicPattern]bool{}
	for i, s := range all {
		if known[s.Topic] {
			d.at(fmt.Sprintf("%s[%d]", path, i), "%s is there twice, and the first one counts: leave this one out", s.Topic)
		}
		known[s.Topic] = !s.Topic.IsZero()
	}
}

// unshared returns warnings for subscriptions with a queue in which other hosts have no part, since an
// earlier entry may count in their place.
func (f *File) unshared() Mistakes {
	var warnings Mistakes
	for i := range f.Components {
		all := f.Components[i].Subscribe
		for k, s := range all {
			earlier := slices.IndexFunc(all[:k], func(e Subscription) bool { return e.Queue != s.Queue && e.Topic.Overlaps(s.Topic) })
			if s.Queue != "" && earlier >= 0 {
				warnings = append(warnings, f.Mistake(fmt.Sprintf("components[%d].subscribe[%d]", i, k),
					fmt.Sprintf("gets nothing of other hosts, since %s before it may count in its place: put the entry with the queue first", all[earlier].Topic)))
			}
		}
	}
	return warnings
}

// silent returns warnings for subscriptions to topics on which no component of the file may
// publish, and for capabilities to publish on topics to which none has subscribed.
func (f *File) silent() Mistakes {
	var published, subscribed []core.TopicPattern
	for i := range f.Components {
		published = append(published, f.Components[i].Capabilities.Publish...)
		for _, s := range f.Components[i].Subscribe {
			subscribed = append(subscribed, s.Topic)
		}
	}
	var warnings Mistakes
	for i := range f.Components {
		path := fmt.Sprintf("components[%d]", i)
		for k, pattern := range f.Components[i].Capabilities.Publish {
			if !slices.ContainsFunc(subscribed, pattern.Overlaps) {
				warnings = append(warnings, f.Mistake(fmt.Sprintf("%s.capabilities.publish[%d]", path, k),
					fmt.Sprintf("no component of this file has subscribed to what matches %s", pattern)))
			}
		}
		for k, s := range f.Components[i].Subscribe {
			if !slices.ContainsFunc(published, s.Topic.Overlaps) {
				warnings = append(warnings, f.Mistake(fmt.Sprintf("%s.subscribe[%d]", path, k),
					fmt.Sprintf("no component of this file may publish on what matches %s", s.Topic)))
			}
		}
	}
	return warnings
}
