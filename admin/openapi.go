package admin

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// object is a JSON object.
type object = map[string]any

// OpenAPI returns the description of the API, in JSON (https://spec.openapis.org/oas/v3.1.0). The
// caller must not change it.
var OpenAPI = sync.OnceValue(func() []byte {
	d := document{schemas: object{}}
	paths := object{}
	for _, r := range allRoutes() {
		operations, _ := paths[r.path].(object)
		if operations == nil {
			operations = object{}
			paths[r.path] = operations
		}
		operations[strings.ToLower(r.method)] = d.operation(r)
	}
	d.schema(reflect.TypeFor[End]())      // the last entry of a stream that the host ends
	text, _ := json.MarshalIndent(object{ // nothing in it that JSON lacks
		"openapi": "3.1.0",
		"info":    object{"title": "airhost admin API", "version": "1", "description": "The API of a running host, on its Unix socket, or on host:port with a token."},
		"paths":   paths,
		"components": object{
			"schemas":         d.schemas,
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer", "description": "Needed on host:port: the content of host.admin_token_file."}},
		},
		"security": []any{object{"token": []any{}}, object{}},
	}, "", "  ")
	return append(text, '\n')
})

// document collects the schemas of a description.
type document struct{ schemas object }

func (d *document) operation(r route) object {
	op := object{"summary": r.about}
	if r.open {
		op["security"] = []any{}
	}
	var parameters []any
	for _, p := range r.parameters {
		where := "query"
		if r.inPath(p) {
			where = "path"
		}
		parameters = append(parameters, object{"name": p.name, "in": where, "required": where == "path" || p == target || p == ofBucket || p == ofKey, "description": p.about, "schema": object{"type": p.kind}})
	}
	if r.stream {
		parameters = append(parameters, object{"name": "Last-Event-ID", "in": "header", "description": "The number of the last entry that the client has: go on after it.", "schema": object{"type": "integer"}})
	}
	if parameters != nil {
		op["parameters"] = parameters
	}
	switch r.request.(type) {
	case nil:
		if r.raw {
			op["requestBody"] = object{"content": bytesContent()}
		}
	case configuration:
		op["requestBody"] = object{"required": true, "content": object{"application/yaml": object{}, jsonText: object{}}}
	default:
		op["requestBody"] = object{"required": true, "content": object{jsonText: object{"schema": d.schema(reflect.TypeOf(r.request))}}}
	}
	responses := object{}
	for _, status := range slices.Concat(r.commonFailures(), r.failures) {
		responses[strconv.Itoa(status)] = object{"description": http.StatusText(status), "content": object{jsonText: object{"schema": d.schema(reflect.TypeFor[answer]())}}}
	}
	if r.path == "/readyz" { // its answer is for people, and for programs that look at the status
		responses["503"] = object{"description": "the reason", "content": object{plainText: object{}}}
	}
	d.success(r, responses)
	op["responses"] = responses
	return op
}

func bytesContent() object { return object{"application/octet-stream": object{}} }

// success adds the response of a route that has done its work.
func (d *document) success(r route, responses object) {
	content := object{}
	switch {
	case r.kind != "":
		content[r.kind] = object{}
	case r.response == nil && r.raw:
		responses["202"] = object{"description": "The component has the message in its mailbox."}
		return
	case r.response == nil:
		responses["204"] = object{"description": "Done."}
		return
	case r.raw:
		content = bytesContent()
	case r.stream:
		entries := []any{d.schema(reflect.TypeOf(r.response)), d.schema(reflect.TypeFor[End]())}
		content["text/event-stream"] = object{"schema": object{"anyOf": entries}}
	default:
		content[jsonText] = object{"schema": d.schema(reflect.TypeOf(r.response))}
	}
	if r.progress {
		events := []any{d.schema(reflect.TypeFor[Progress]()), d.schema(reflect.TypeOf(r.response)), d.schema(reflect.TypeFor[answer]())}
		content["text/event-stream"] = object{"schema": object{"anyOf": events}}
	}
	responses["200"] = object{"description": "Done.", "content": content}
}

// schema returns the schema of a type. Those of structs stand once in the document.
func (d *document) schema(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[[]byte]():
		return object{"type": "string", "contentEncoding": "base64"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.schema(t.Elem())
	case reflect.Slice:
		return object{"type": "array", "items": d.schema(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.schema(t.Elem())}
	case reflect.Struct:
		return d.structure(t)
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Interface:
		return object{}
	}
	return object{"type": "integer"}
}

func (d *document) structure(t reflect.Type) object {
	name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	reference := object{"$ref": "#/components/schemas/" + name}
	if d.schemas[name] != nil {
		return reference
	}
	s := object{"type": "object", "additionalProperties": false}
	d.schemas[name] = s
	properties, required := object{}, []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if key == "-" {
			continue
		}
		property := d.schema(f.Type)
		if about := f.Tag.Get("doc"); about != "" {
			property["description"] = about
		}
		if enum := f.Tag.Get("enum"); enum != "" {
			property["enum"] = strings.Split(enum, ",")
		}
		properties[key] = property
		if options != "omitempty" {
			required = append(required, key)
		}
	}
	slices.Sort(required)
	s["properties"], s["required"] = properties, required
	return reference
}
