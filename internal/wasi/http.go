package wasi

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wit"
)

// httpMethods are those of wasi:http/types.
var httpMethods = map[string]method{
	"[constructor]fields":      newFields,
	"[static]fields.from-list": fieldsFromList,
	"[method]fields.get":       func(c *call) any { return viewOf(c.args[0]).values(c.args[1].(string)) },
	"[method]fields.has":       func(c *call) any { return len(viewOf(c.args[0]).values(c.args[1].(string))) > 0 },
	"[method]fields.set":       changes(setField, func(c *call) []any { return c.args[2].([]any) }),
	"[method]fields.delete":    changes(deleteField, func(*call) []any { return nil }),
	"[method]fields.append":    changes(appendField, func(c *call) []any { return c.args[2:] }),
	"[method]fields.entries":   fieldEntries,
	"[method]fields.clone":     func(c *call) any { return fieldsView{fields: viewOf(c.args[0]).copied(c.Instance)} },

	"[constructor]outgoing-request":                newRequest,
	"[method]outgoing-request.body":                takeBody,
	"[method]outgoing-request.headers":             headers,
	"[method]outgoing-request.method":              get(verb),
	"[method]outgoing-request.set-method":          set(verb, isMethod),
	"[method]outgoing-request.path-with-query":     get(path),
	"[method]outgoing-request.set-path-with-query": set(path, isPath),
	"[method]outgoing-request.scheme":              get(scheme),
	"[method]outgoing-request.set-scheme":          set(scheme, isScheme),
	"[method]outgoing-request.authority":           get(authority),
	"[method]outgoing-request.set-authority":       set(authority, isAuthority),

	"[method]incoming-request.method":              part(verb),
	"[method]incoming-request.path-with-query":     part(path),
	"[method]incoming-request.scheme":              part(scheme),
	"[method]incoming-request.authority":           part(authority),
	"[method]incoming-request.headers":             incomingHeaders,
	"[method]incoming-request.consume":             consume,
	"[method]response-outparam.send-informational": sendInformational,
	"[static]response-outparam.set":                setResponse,

	"[constructor]request-options":                      func(*call) any { return &requestOptions{} },
	"[method]request-options.connect-timeout":           getTimeout(0),
	"[method]request-options.set-connect-timeout":       setTimeout(0),
	"[method]request-options.first-byte-timeout":        getTimeout(1),
	"[method]request-options.set-first-byte-timeout":    setTimeout(1),
	"[method]request-options.between-bytes-timeout":     getTimeout(2),
	"[method]request-options.set-between-bytes-timeout": setTimeout(2),

	"[constructor]outgoing-response":            newResponse,
	"[method]outgoing-response.status-code":     func(c *call) any { return outgoingOf(c).status },
	"[method]outgoing-response.set-status-code": setStatus,
	"[method]outgoing-response.headers":         headers,
	"[method]outgoing-response.body":            takeBody,
	"[method]outgoing-body.write":               writeBody,
	"[static]outgoing-body.finish":              finishBody,

	"[method]future-incoming-response.subscribe": subscribeFuture,
	"[method]future-incoming-response.get":       getResponse,
	"[method]incoming-response.status":           func(c *call) any { return incomingOf(c).status },
	"[method]incoming-response.headers":          incomingHeaders,
	"[method]incoming-response.consume":          consume,
	"[method]incoming-body.stream":               streamBody,
	"[static]incoming-body.finish":               finishIncoming,
	"[method]future-trailers.subscribe":          subscribe,
	"[method]future-trailers.get":                getTrailers,

	"http-error-code": httpErrorCode,
}

// outgoing is a request or a response that a guest has made.
type outgoing struct {
	headers *fields
	body    *body
	taken   bool // the guest has its body

	parts  [parts]variant // of a request
	status uint64         // of a response
}

// The parts of a request: a method, and options of the others.
const (
	verb = iota
	path
	scheme
	authority
	parts
)

func outgoingOf(c *call) *outgoing { return c.args[0].(*handle).value.(*outgoing) }

func (o *outgoing) dropped(in *Instance) {
	o.release(in)
	o.body.leave(in)
}

// release gives back the texts and headers.
func (o *outgoing) release(in *Instance) {
	for _, p := range o.parts {
		in.hold(-len(textIn(p)))
	}
	o.headers.dropped(in)
}

// textIn returns the text in a variant, or in one within it.
func textIn(v any) string {
	switch v := v.(type) {
	case variant:
		return textIn(v.value)
	case string:
		return v
	}
	return ""
}

func newRequest(c *call) any { return c.newOutgoing(core.HTTPRequestBodySize) }

func newResponse(c *call) any {
	o := c.newOutgoing(core.HTTPResponseBodySize)
	o.status = 200
	return o
}

// newOutgoing takes the headers. The error-code is that of a body of another size than
// they say.
func (c *call) newOutgoing(wrongSize core.HTTPErrorCode) *outgoing {
	view := c.args[0].(fieldsView)
	o := &outgoing{headers: view.fields, body: &body{wrongSize: wrongSize}}
	if view.child { // another one owns them
		o.headers = view.copied(c.Instance)
	}
	if lengths := o.headers.values("content-length"); len(lengths) > 0 {
		n, err := strconv.ParseUint(string(lengths[0].([]byte)), 10, 64)
		o.body.length, o.body.sized = n, err == nil
	}
	return o
}

func headers(c *call) any { return child{fieldsView{outgoingOf(c).headers, true}, c.args[0].(*handle)} }

func takeBody(c *call) any {
	o := outgoingOf(c)
	if o.taken {
		return failed(nil)
	}
	o.taken = true
	return ok(o.body)
}

func setStatus(c *call) any {
	status := c.args[1].(uint64)
	if status < 100 || status > 999 {
		return failed(nil)
	}
	outgoingOf(c).status = status
	return ok(nil)
}

func get(part int) method {
	return func(c *call) any { return outgoingOf(c).parts[part] }
}

func part(i int) method { return func(c *call) any { return incomingOf(c).parts[i] } }

func set(part int, valid func(v variant) bool) method {
	return func(c *call) any {
		v, o := c.args[1].(variant), outgoingOf(c)
		if !valid(v) {
			return failed(nil)
		}
		c.hold(len(textIn(v)) - len(textIn(o.parts[part])))
		o.parts[part] = v
		return ok(nil)
	}
}

func isMethod(v variant) bool { return v.number != wit.MethodOther || isToken(textIn(v)) }

func isPath(v variant) bool {
	_, err := url.PathUnescape(textIn(v))
	return err == nil && only(textIn(v), "-._~!$&'()*+,;=:@/?%[]")
}

func isScheme(v variant) bool {
	if inner, given := v.value.(variant); !given || inner.number != wit.SchemeOther {
		return true
	}
	s := textIn(v)
	return s != "" && only(s[:1], "") && (s[0] > '9') && only(s, "+-.")
}

func isAuthority(v variant) bool {
	if v.number == 0 {
		return true
	}
	u, err := url.Parse("//" + textIn(v))
	return err == nil && u.Host != "" && only(textIn(v), "-._~!$&'()*+,;=:@%[]") && !strings.HasSuffix(u.Host, ":")
}

// requestOptions are three timeouts.
type requestOptions [3]variant

func getTimeout(i int) method {
	return func(c *call) any { return c.args[0].(*handle).value.(*requestOptions)[i] }
}

func setTimeout(i int) method {
	return func(c *call) any {
		c.args[0].(*handle).value.(*requestOptions)[i] = c.args[1].(variant)
		return ok(nil)
	}
}
