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
	for _, r := range table {
		operations, _ := paths[r.path].(object)
		if operations == nil {
			operations = object{}
			paths[r.path] = operations
		}
		operations[strings.ToLower(r.method)] = d.operation(r)
	}
	for path, about := range map[string]string{"/livez": "ok while the host runs.", "/readyz": "ok, or 503 and the reason, while the host starts, stops, or lacks a required component."} {
		paths[path] = object{"get": object{"summary": about, "security": []any{}, "responses": object{
			"200": object{"description": "ok", "content": object{"text/plain": object{}}},
			"503": object{"description": "the reason", "content": object{"text/plain": object{}}},
		}}}
	}
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
	var parameters []any
	for _, p := range r.parameters {
		where := "query"
		if strings.Contains(r.path, "{"+p.name+"}") {
			where = "path"
		}
		parameters = append(parameters, object{"name": p.name, "in": where, "required": where == "path" || p == target, "description": p.about, "schema": object{"type": p.kind}})
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
		op["requestBody"] = object{"required": true, "content": object{"application/yaml": object{}, "application/json": object{}}}
	default:
		op["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": d.schema(reflect.TypeOf(r.request))}}}
	}
	responses := object{}
	d.success(r, responses)
	for _, status := range append([]int{http.StatusBadRequest, http.StatusUnauthorized}, r.failures...) {
		responses[strconv.Itoa(status)] = object{"description": http.StatusText(status), "content": object{"application/json": object{"schema": d.schema(reflect.TypeFor[answer]())}}}
	}
	op["responses"] = responses
	return op
}

func bytesContent() object { return object{"application/octet-stream": object{}} }

// success adds the response of a route that has done its work.
func (d *document) success(r route, responses object) {
	if r.response == nil {
		status := http.StatusNoContent
		if r.raw {
			status = http.StatusAccepted
		}
		responses[strconv.Itoa(status)] = object{"description": "done"}
		return
	}
	content := object{}
	switch {
	case r.raw:
		content = bytesContent()
	case r.stream:
		content["text/event-stream"] = object{"schema": d.schema(reflect.TypeOf(r.response))}
	default:
		content["application/json"] = object{"schema": d.schema(reflect.TypeOf(r.response))}
	}
	if r.progress {
		content["text/event-stream"] = object{"schema": object{"anyOf": []any{d.schema(reflect.TypeFor[Progress]()), d.schema(reflect.TypeOf(r.response)), d.schema(reflect.TypeFor[answer]())}}}
	}
	responses["200"] = object{"description": "done", "content": content}
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
