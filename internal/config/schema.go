package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"github.com/invopop/jsonschema"

	"github.com/airhost/airhost/core"
)

// Schema returns the JSON schema of the configuration files of a program, indented and
// with a final newline. It also allows the choices that are left out of the program:
// other builds have them.
func Schema(built Built) ([]byte, error) {
	schema := reflected(reflect.TypeFor[File](), built)
	schema.Title = "airhost configuration"
	schema.AnyOf = []*jsonschema.Schema{needs("components"), needs("include")}
	withVariables(schema)
	schema.Definitions = jsonschema.Definitions{"variables": {
		Type: "string", Pattern: variablePattern, Description: "A value from variables of airhost's environment: ${NAME}, or ${NAME:-default}.",
	}}
	text, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return append(text, '\n'), nil
}

// needs is the schema of mappings that have a key.
func needs(key string) *jsonschema.Schema {
	properties := jsonschema.NewProperties()
	properties.Set(key, jsonschema.TrueSchema)
	return &jsonschema.Schema{Properties: properties, Required: []string{key}}
}

// reflected returns the schema of a struct.
func reflected(t reflect.Type, built Built) *jsonschema.Schema {
	reflector := jsonschema.Reflector{
		Anonymous:                  true,
		DoNotReference:             true,
		ExpandedStruct:             true,
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		Mapper:                     mapType,
	}
	schema := reflector.ReflectFromType(t)
	complete(schema, t, built)
	return schema
}

const (
	// variableNames are the names that an operating system takes for variables.
	variableNames = `^[^=\x00]+$`

	idPart    = `[a-z0-9_.-]{1,63}`
	idSyntax  = `^` + idPart + `/` + idPart + `$`
	idPattern = `^(\*|` + idPart + `/(\*|` + idPart + `))$`
)

// mapType returns the schema of a type that is one value with a syntax of its
// own, and nil for all others.
func mapType(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[core.ComponentID]():
		return &jsonschema.Schema{Type: "string", Pattern: idSyntax}
	case reflect.TypeFor[core.IDPattern]():
		return &jsonschema.Schema{Type: "string", Pattern: idPattern}
	case reflect.TypeFor[core.TopicPattern]():
		return topicSchema()
	case reflect.TypeFor[Queue]():
		return &jsonschema.Schema{Type: "string", Pattern: queuePattern}
	case reflect.TypeFor[ClusterName]():
		return &jsonschema.Schema{Type: "string", Pattern: clusterPattern}
	case reflect.TypeFor[Label]():
		return &jsonschema.Schema{Type: "string", Pattern: labelPattern}
	case reflect.TypeFor[Subscription]():
		return subscriptionSchema()
	case reflect.TypeFor[Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: durationPattern, Examples: []any{"250ms", "5s"}}
	case reflect.TypeFor[Size]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
			{Type: "string", Pattern: sizePattern, Examples: []any{"64KiB", "16MiB"}},
			{Type: "integer", Minimum: "0"},
		}}
	case reflect.TypeFor[Instances]():
		return &jsonschema.Schema{Default: 1, OneOf: []*jsonschema.Schema{
			{Type: "integer", Minimum: "1", Maximum: json.Number(strconv.Itoa(maxInstances))},
			{Type: "string", Enum: []any{"auto"}},
			{Type: "string", Pattern: `^([1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-6])$`}, // to maxInstances
		}}
	case reflect.TypeFor[Checksum]():
		return &jsonschema.Schema{Type: "string", Pattern: checksumPattern}
	case reflect.TypeFor[Part]():
		plugin := reflected(reflect.TypeFor[Extension](), Built{})
		plugin.Version = "" // it is the whole schema's
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string"}, plugin}}
	case reflect.TypeFor[Pairs]():
		return &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{OneOf: []*jsonschema.Schema{
			{Type: "string"}, {Type: "number"}, {Type: "boolean"},
		}}}
	}
	return nil
}

// complete adds the facts that the reflector leaves out: the choices of the program,
// defaults of values that have more than one type, and the range of values that are
// written as text.
func complete(schema *jsonschema.Schema, t reflect.Type, built Built) {
	for t.Kind() == reflect.Slice {
		schema, t = schema.Items, t.Elem()
	}
	if mapType(t) != nil {
		return // it has all already
	}
	if t.Kind() == reflect.Map {
		schema.PropertyNames = &jsonschema.Schema{Pattern: "^" + idPart + "$"}
		if t.Key() == reflect.TypeFor[core.ComponentID]() {
			schema.PropertyNames.Pattern = idSyntax
		} else if t == reflect.TypeFor[Secrets]() {
			ofSecrets(schema)
		}
		schema, t = schema.AdditionalProperties, t.Elem()
	}
	for _, f := range fieldsOf(t) {
		property, _ := schema.Properties.Get(f.key)
		kind := t.Field(f.index).Type
		restrict(property, kind, f.rules)
		if f.enum == nil {
			addChoices(property, built.choices(f.rules))
		}
		if mapType(kind) == nil {
			complete(property, kind, built)
			continue
		}
		if f.fallback != "" {
			property.Default = f.fallback
		}
		if f.minimum != "" {
			property.Description += " From " + f.span() + "."
		}
	}
}

// restrict adds what the tags do not say, or what only the decoder reads there.
func restrict(property *jsonschema.Schema, kind reflect.Type, r rules) {
	if kind == reflect.TypeFor[Defaults]() {
		property.Required = nil
		for _, key := range ownKeys {
			property.Properties.Delete(key)
		}
	}
	switch r.key {
	case "keyvalue":
		if kind == reflect.TypeFor[[]string]() { // of capabilities
			property.Items.Pattern = "^" + idPart + "$"
		}
	case "files":
		if kind == reflect.TypeFor[[]Directory]() { // of capabilities
			most := uint64(core.MaxFileGrants)
			property.MaxItems = &most
		}
	case "as":
		most := uint64(255)
		property.Pattern, property.MaxLength = guestPathPattern, &most
	case "env":
		if kind != reflect.TypeFor[string]() { // of a secret
			property.PropertyNames = &jsonschema.Schema{Pattern: variableNames}
		}
	case "labels":
		most := uint64(maxLabels)
		property.MaxProperties = &most
	case "replicas":
		property.Minimum, property.Maximum, property.Enum = "", "", []any{1, 3, 5}
	case "max_restarts":
		property.Not = &jsonschema.Schema{Const: 0}
	}
	if r.eachMinLength > 0 {
		least := uint64(r.eachMinLength)
		property.Items.MinLength = &least
	}
}

// addChoices adds words, the first of which is the default, to a property, or to the
// first form of a property that has two.
func addChoices(property *jsonschema.Schema, choices []Choice) {
	if len(choices) == 0 {
		return
	}
	property.Default = choices[0].Name
	property.Description += about(choices)
	word := property
	if property.OneOf != nil {
		word = property.OneOf[0]
	}
	for _, c := range choices {
		word.Enum = append(word.Enum, c.Name)
	}
}

// withVariables makes a schema allow variables in all values below it: a text may have some, and
// whatever is no free text may be a text with at least one.
func withVariables(schema *jsonschema.Schema) {
	switch {
	case schema.OneOf != nil:
		free := false
		for _, form := range schema.OneOf {
			if form.Type == "object" || isFree(form) {
				withVariables(form)
				free = free || isFree(form)
			}
		}
		if !free {
			schema.OneOf = append(schema.OneOf, someVariables())
		}
	case schema.Type == "object":
		for property := schema.Properties.Oldest(); property != nil; property = property.Next() {
			withVariables(property.Value)
		}
		if values := schema.AdditionalProperties; values != nil && values != jsonschema.FalseSchema {
			withVariables(values)
		}
	case schema.Type == "array":
		withVariables(schema.Items)
	case isFree(schema):
		schema.Pattern = textPattern
	default:
		form := *schema
		form.Description, form.Default = "", nil
		*schema = jsonschema.Schema{Description: schema.Description, Default: schema.Default, OneOf: []*jsonschema.Schema{&form, someVariables()}}
	}
}

// isFree reports whether a schema allows any text.
func isFree(schema *jsonschema.Schema) bool {
	return schema.Type == "string" && schema.Enum == nil && (schema.Pattern == "" || schema.Pattern == textPattern)
}

func someVariables() *jsonschema.Schema {
	return &jsonschema.Schema{Ref: "#/$defs/variables"}
}
