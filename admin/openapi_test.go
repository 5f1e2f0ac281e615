package admin_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/airhost/airhost/admin"
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
	Paths map[string]map[string]struct {
		Responses map[string]struct {
			Content map[string]struct{ Schema schema }
		}
	}
	Components struct{ Schemas map[string]schema }
}

type schema struct {
	Reference            string `json:"$ref"`
	Type                 string
	Properties           map[string]schema
	Required             []string
	Enum                 []string
	Items                *schema
	AdditionalProperties json.RawMessage
}

// fits returns why a value is not as a schema says, or "".
func (d *described) fits(value any, s schema, path string) string {
	if name, ok := strings.CutPrefix(s.Reference, "#/components/schemas/"); ok {
		known, ok := d.Components.Schemas[name]
		if !ok {
			return path + ": the schema " + name + " is missing"
		}
		return d.fits(value, known, path)
	}
	switch value := value.(type) {
	case map[string]any:
		if s.Type != "object" {
			return path + ": is an object"
		}
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
	case []any:
		if s.Type != "array" {
			return path + ": is an array"
		}
		for i, inner := range value {
			if wrong := d.fits(inner, *s.Items, fmt.Sprintf("%s[%d]", path, i)); wrong != "" {
				return wrong
			}
		}
	case string:
		if s.Type != "string" || s.Enum != nil && !strings.Contains(","+strings.Join(s.Enum, ",")+",", ","+value+",") {
			return path + ": is " + value
		}
	case float64:
		if s.Type != "number" && s.Type != "integer" || s.Type == "integer" && value != float64(int64(value)) {
			return path + ": is a number"
		}
	case bool:
		if s.Type != "boolean" {
			return path + ": is a truth value"
		}
	case nil:
		return path + ": is null"
	}
	return ""
}

// TestAnswersAreDescribed: the answers of a server are as the document says.
func TestAnswersAreDescribed(t *testing.T) {
	s := serve(t, nil)
	ctx := t.Context()
	check(t, s.Send(ctx, id, []byte("panic")))
	check(t, s.host.Quiesce(ctx))
	var d described
	check(t, json.Unmarshal(admin.OpenAPI(), &d))
	seen := make(map[string]bool)
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/v1/snapshot", ""}, {"GET", "/v1/components", ""}, {"GET", "/v1/components/a/b", ""}, {"GET", "/v1/components/a/none", ""},
		{"PUT", "/v1/components/a/b", "id: a/b"}, {"POST", "/v1/components/a/b/restart", ""}, {"POST", "/v1/components/a/none/restart", ""},
		{"POST", "/v1/apply", "{}"}, {"POST", "/v1/apply", "x"}, {"POST", "/v1/messages?target=a/b", "x"}, {"POST", "/v1/messages?target=a/none", "x"},
		{"POST", "/v1/requests?target=a/b", "x"}, {"POST", "/v1/requests?target=a/b", "panic"}, {"GET", "/v1/dead-letters", ""}, {"GET", "/v1/dead-letters/1", ""},
		{"POST", "/v1/dead-letters/1/resend", ""}, {"DELETE", "/v1/dead-letters/1", ""}, {"DELETE", "/v1/dead-letters", ""},
		{"GET", "/v1/events", ""}, {"GET", "/v1/logs", ""}, {"GET", "/v1/log-level", ""}, {"PUT", "/v1/log-level", `{"level":"info"}`}, {"DELETE", "/v1/components/a/b", ""},
	} {
		status, body, _ := strings.Cut(s.raw(t, c.method, c.path, c.body), " ")
		pattern, operation := d.find(c.method, c.path)
		seen[c.method+" "+pattern] = true
		response, known := operation[status]
		if !known {
			t.Errorf("%s %s answers %s, which is not described", c.method, c.path, status)
			continue
		}
		content, isJSON := response.Content["application/json"]
		var value any
		if json.Unmarshal([]byte(body), &value) != nil || !isJSON {
			continue
		}
		if wrong := d.fits(value, content.Schema, ""); wrong != "" {
			t.Errorf("%s %s answers %s: %s", c.method, c.path, body, wrong)
		}
	}
	for path, operations := range d.Paths {
		for method := range operations {
			if key := strings.ToUpper(method) + " " + path; !seen[key] && strings.HasPrefix(path, "/v1/") {
				t.Errorf("%s is described, and no request was made", key)
			}
		}
	}
}

// find returns the path of the document that stands for a path, and its responses to a method.
func (d *described) find(method, path string) (string, map[string]struct {
	Content map[string]struct{ Schema schema }
}) {
	path, _, _ = strings.Cut(path, "?")
	for pattern, operations := range d.Paths {
		expression := "^" + regexp.MustCompile(`\{\w+\}`).ReplaceAllString(pattern, "[^/]+") + "$"
		if operation, ok := operations[strings.ToLower(method)]; ok && regexp.MustCompile(expression).MatchString(path) {
			return pattern, operation.Responses
		}
	}
	return "", nil
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
