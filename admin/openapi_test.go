package admin_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/reach/keyvalue"
)

const document = "../docs/openapi.json"

// TestOpenAPI: the committed document is that of the code; UPDATE=1 writes it anew.
func TestOpenAPI(t *testing.T) {
	if os.Getenv("UPDATE") != "" {
		check(t, os.WriteFile(document, admin.OpenAPI(), 0o644))
	}
	text, err := os.ReadFile(document)
	check(t, err)
	if string(text) != string(admin.OpenAPI()) {
		t.Error("docs/openapi.json is not that of the code: UPDATE=1 go test ./admin")
	}
}

// described are the parts of the document that answers are compared with.
type described struct {
	Paths      map[string]map[string]operation
	Components struct{ Schemas map[string]schema }
}

type operation struct {
	Parameters []struct{ Name, In string }
	Responses  map[string]struct {
		Content map[string]struct{ Schema schema }
	}
}

type schema struct {
	Reference            string `json:"$ref"`
	Type                 string
	Description          string
	Properties           map[string]schema
	Required             []string
	Enum                 []string
	Items                *schema
	AnyOf                []schema
	AdditionalProperties json.RawMessage
}

var description = sync.OnceValue(func() (d described) {
	if err := json.Unmarshal(admin.OpenAPI(), &d); err != nil {
		panic(err)
	}
	return d
})

// fits returns why a value is not as a schema says, or "".
func (d *described) fits(value any, s schema, path string) string {
	if name, ok := strings.CutPrefix(s.Reference, "#/components/schemas/"); ok {
		known, ok := d.Components.Schemas[name]
		if !ok {
			return path + ": the schema " + name + " is missing"
		}
		return d.fits(value, known, path)
	}
	if len(s.AnyOf) > 0 {
		var wrong []string
		for _, one := range s.AnyOf {
			reason := d.fits(value, one, path)
			if reason == "" {
				return ""
			}
			wrong = append(wrong, reason)
		}
		return strings.Join(wrong, ", ")
	}
	if s.Type == "" {
		return ""
	}
	kind, wrong := "", ""
	switch value := value.(type) {
	case map[string]any:
		kind, wrong = "object", d.object(value, s, path)
	case []any:
		kind = "array"
		for i, inner := range value {
			if s.Items != nil && wrong == "" {
				wrong = d.fits(inner, *s.Items, fmt.Sprintf("%s[%d]", path, i))
			}
		}
	case string:
		kind = "string"
		if s.Enum != nil && !slices.Contains(s.Enum, value) {
			wrong = path + ": is " + value
		}
	case float64:
		kind = "number"
		if s.Type == "integer" && value == float64(int64(value)) {
			kind = "integer"
		}
	case bool:
		kind = "boolean"
	case nil:
		kind = "null"
	}
	if kind != s.Type {
		return fmt.Sprintf("%s: is of type %s, want %s", path, kind, s.Type)
	}
	return wrong
}

// object is fits for an object.
func (d *described) object(value map[string]any, s schema, path string) string {
	for _, key := range s.Required {
		if _, there := value[key]; !there {
			return path + ": lacks " + key
		}
	}
	for key, inner := range value {
		property, known := s.Properties[key]
		if !known && (string(s.AdditionalProperties) == "false" || json.Unmarshal(s.AdditionalProperties, &property) != nil) {
			return path + ": has the unknown key " + key
		}
		if wrong := d.fits(inner, property, path+"."+key); wrong != "" {
			return wrong
		}
	}
	return ""
}

// find returns the path of the document that stands for a path, and the operation.
func (d *described) find(method, path string) (string, operation) {
	path, _, _ = strings.Cut(path, "?")
	for pattern, operations := range d.Paths {
		expression := "^" + regexp.MustCompile(`\{\w+\}`).ReplaceAllString(pattern, "[^/]+") + "$"
		if found, ok := operations[strings.ToLower(method)]; ok && regexp.MustCompile(expression).MatchString(path) {
			return pattern, found
		}
	}
	return "", operation{}
}

// asDescribed checks that an answer of a server is as the document says. It returns the path of
// the document, or "" for a path or method that the API does not have.
func asDescribed(t testing.TB, method, path string, status int, kind, body string) string {
	t.Helper()
	d := description()
	pattern, operation := d.find(method, path)
	if pattern == "" {
		if status < 400 || kind != "application/json" {
			t.Errorf("%s %s is not described, and is answered by %d %s", method, path, status, kind)
		}
		return ""
	}
	response, known := operation.Responses[strconv.Itoa(status)]
	kind, _, _ = strings.Cut(kind, ";")
	content, knownKind := response.Content[kind]
	if !known || !knownKind && kind != "" {
		t.Errorf("%s %s answers %d %s, which is not described", method, path, status, kind)
		return pattern
	}
	values := []string{body}
	switch kind {
	case "text/event-stream":
		values = nil
		for line := range strings.Lines(body) {
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				values = append(values, data)
			}
		}
	case "application/json":
	default:
		return pattern
	}
	for _, text := range values {
		var value any
		check(t, json.Unmarshal([]byte(text), &value))
		if wrong := d.fits(value, content.Schema, ""); wrong != "" {
			t.Errorf("%s %s answers %s: %s", method, path, text, wrong)
		}
	}
	return pattern
}

// TestAnswersAreDescribed: the answers of a server are as the document says; so are those of all
// other tests, see raw.
func TestAnswersAreDescribed(t *testing.T) {
	s := serve(t, func(c *admin.Config) { c.KeyValue = keyvalue.NewMemory() })
	ctx := t.Context()
	check(t, s.Send(ctx, id, []byte("panic")))
	check(t, s.host.Quiesce(ctx))
	seen := make(map[string]bool)
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/livez", ""}, {"GET", "/readyz", ""}, {"GET", "/metrics", ""}, {"GET", "/v1/openapi.json", ""},
		{"GET", "/v1/snapshot", ""}, {"GET", "/v1/components", ""}, {"GET", "/v1/components/a/b", ""}, {"GET", "/v1/components/a/none", ""},
		{"PUT", "/v1/components/a/b", "id: a/b"}, {"POST", "/v1/components/a/b/restart", ""}, {"POST", "/v1/components/a/none/restart", ""},
		{"POST", "/v1/apply", "{}"}, {"POST", "/v1/apply", "x"}, {"POST", "/v1/drain", "{}"}, {"POST", "/v1/drain", "x"}, {"POST", "/v1/messages?target=a/b", "x"}, {"POST", "/v1/messages?target=a/none", "x"},
		{"POST", "/v1/requests?target=a/b", "x"}, {"POST", "/v1/requests?target=a/b", "panic"}, {"GET", "/v1/dead-letters", ""}, {"GET", "/v1/dead-letters/1", ""},
		{"POST", "/v1/dead-letters/1/resend", ""}, {"DELETE", "/v1/dead-letters/1", ""}, {"DELETE", "/v1/dead-letters", ""},
		{"GET", "/v1/events", ""}, {"GET", "/v1/logs", ""}, {"GET", "/v1/cluster", ""}, {"PUT", "/v1/keyvalue/value", `{"bucket":"a/b","key":"k","value":"dg=="}`}, {"PUT", "/v1/keyvalue/value", `{"bucket":"","key":"k"}`}, {"GET", "/v1/keyvalue", ""},
		{"GET", "/v1/keyvalue/keys?bucket=a/b", ""}, {"GET", "/v1/keyvalue/value?bucket=a/b&key=k", ""}, {"GET", "/v1/keyvalue/value?bucket=a/b&key=none", ""}, {"GET", "/v1/keyvalue/export?bucket=a/b", ""}, {"DELETE", "/v1/keyvalue/value?bucket=a/b&key=k", ""},
		{"GET", "/v1/log-level", ""}, {"PUT", "/v1/log-level", `{"level":"info"}`}, {"DELETE", "/v1/components/a/b", ""},
	} {
		_ = s.raw(t, c.method, c.path, c.body)
		d := description()
		pattern, _ := d.find(c.method, c.path)
		seen[c.method+" "+pattern] = true
	}
	for path, operations := range description().Paths {
		for method := range operations {
			if key := strings.ToUpper(method) + " " + path; !seen[key] {
				t.Errorf("%s is described, and no request was made", key)
			}
		}
	}
}

// TestSchemasAreThoseOfTheTypes: each field of the types is described, and no other.
func TestSchemasAreThoseOfTheTypes(t *testing.T) {
	var d described
	check(t, json.Unmarshal(admin.OpenAPI(), &d))
	schemas := d.Components.Schemas
	types := []any{admin.Component{}, admin.DeadLetter{}, admin.Event{}, admin.LogEntry{}, admin.End{}, admin.ApplyRequest{}, admin.Applied{}, admin.Change{}, admin.Difference{},
		admin.Progress{}, admin.Snapshot{}, admin.Wait{}, admin.Budget{}, admin.LogLevels{}, admin.LogLevel{}, admin.Dropped{}, admin.DrainRequest{}, admin.Drained{}, admin.MovedComponent{}, admin.Cluster{}, admin.ClusterHost{}, admin.HostState{}, admin.ClusterComponent{}, admin.Place{}, admin.Mistake{}, admin.Error{},
		admin.KeyValueBucket{}, admin.KeyValueKeys{}, admin.KeyValueEntry{}}
	for _, value := range types {
		kind := reflect.TypeOf(value)
		properties := schemas[kind.Name()].Properties
		for i := range kind.NumField() {
			field := kind.Field(i)
			key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			property, described := properties[key]
			if delete(properties, key); described == (key == "-") {
				t.Errorf("%s.%s: described %v", kind.Name(), field.Name, described)
			}
			if enum := strings.Join(property.Enum, ","); enum != field.Tag.Get("enum") || property.Description != field.Tag.Get("doc") {
				t.Errorf("%s.%s: is described as %+v, and has the tags %s", kind.Name(), field.Name, property, field.Tag)
			}
		}
		if len(properties) > 0 {
			t.Errorf("%s has no fields for %v", kind.Name(), properties)
		}
		delete(schemas, kind.Name())
	}
	delete(schemas, "Answer")
	if len(schemas) > 0 {
		t.Errorf("there are schemas of no type: %v", schemas)
	}
}

// FuzzRequests: no request is answered by a failure of the server itself, or by an error that is not
// JSON.
func FuzzRequests(f *testing.F) {
	for _, seed := range []struct{ method, path, body string }{
		{"GET", "/v1/components/a/b", ""}, {"PUT", "/v1/components/a/b", "id: a/b"}, {"POST", "/v1/apply", `{"dry_run":true}`},
		{"GET", "/v1/events?last=1&component=a/b", ""}, {"POST", "/v1/requests?target=a/b&timeout=1s", "x"}, {"DELETE", "/v1/dead-letters/1", ""}, {"PUT", "/v1/log-level", `{"level":"info","component":"a/b"}`},
	} {
		f.Add(seed.method, seed.path, seed.body)
	}
	s := serve(f, nil)
	f.Fuzz(func(t *testing.T, method, path, body string) {
		r, err := newRequest(method, path, body)
		if err != nil || r.URL.Query().Has("follow") || r.URL.Path == "/metrics" {
			return
		}
		w := newRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != 501 && w.Code != 502 && w.Code != 503 && w.Code != 504 {
			t.Errorf("%s %s answers %d %s", method, path, w.Code, w.Body)
		}
		if w.Code >= 400 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s answers %d %s", method, path, w.Code, w.Body)
		}
	})
}
