package http

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// notInName are the characters that the name of an attribute of a CloudEvent cannot have.
var notInName = regexp.MustCompile(`[^a-z0-9]`)

// attribute returns a name for an attribute of a CloudEvent: lower-case letters and digits.
func attribute(prefix, name string) string {
	return prefix + notInName.ReplaceAllString(strings.ToLower(name), "")
}

// event returns a request as a CloudEvent 1.0 in the JSON format, with the body as its data.
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
func (a *answerer) event(r *http.Request, body []byte) ([]byte, error) {
	event := map[string]any{
		"specversion": "1.0",
		"id":          r.Header.Get(requestIDHeader),
		"source":      a.route.Path,
		"type":        "airhost.http.request",
		"time":        time.Now().UTC().Format(time.RFC3339Nano),
		"httpmethod":  r.Method,
		"httppath":    r.URL.Path,
	}
	if r.URL.RawQuery != "" {
		event["httpquery"] = r.URL.RawQuery
	}
	for _, name := range a.parameters {
		event[attribute("param", name)] = r.PathValue(name)
	}
	for _, name := range a.route.Headers {
		if values := r.Header.Values(name); len(values) > 0 {
			event[attribute("header", name)] = strings.Join(values, ", ")
		}
	}
	for _, name := range []string{"traceparent", "tracestate"} {
		if value := r.Header.Get(name); value != "" {
			event[name] = value
		}
	}
	kind := r.Header.Get("Content-Type")
	if kind != "" {
		event["datacontenttype"] = kind
	}
	switch {
	case len(body) == 0:
	case isJSON(kind) && json.Valid(body):
		event["data"] = json.RawMessage(body)
	default:
		event["data_base64"] = body
	}
	return json.Marshal(event)
}

// isJSON reports whether a content type is JSON.
func isJSON(kind string) bool {
	kind, _, _ = strings.Cut(kind, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}
