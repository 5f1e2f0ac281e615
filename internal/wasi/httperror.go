package wasi

import (
	"strings"
	"sync"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wit"
)

// errorCodeType is the type error-code of wasi:http.
var errorCodeType = sync.OnceValue(func() *wit.Type {
	for _, f := range wit.Find("wasi:http/types").Funcs {
		if f.Name == "http-error-code" {
			return f.Result.Of[1]
		}
	}
	panic("wasi: there is no http-error-code")
})

// errorCode returns an error as the error-code of wasi:http. The details of its case are left out
// but for the size of a body, and the text of internal-error.
func errorCode(e *core.HTTPError) variant {
	t, v := errorCodeType(), variant{number: uint32(e.Code)}
	if v.number >= uint32(len(t.Of)) {
		v.number = uint32(core.HTTPInternalError)
	}
	switch code := core.HTTPErrorCode(v.number); {
	case code == core.HTTPInternalError && e.Text != "":
		v.value = some(core.CutText(strings.ToValidUTF8(e.Text, "\ufffd"), core.MaxErrorText))
	case (code == core.HTTPRequestBodySize || code == core.HTTPResponseBodySize) && e.Size > 0:
		v.value = some(uint64(e.Size))
	default:
		v.value = empty(t.Of[v.number])
	}
	return v
}

// empty returns the value of a type in which all options are none.
func empty(t *wit.Type) any {
	switch {
	case t == nil:
		return nil
	case t.Kind == wit.Tuple:
		fields := make([]any, len(t.Of))
		for i, f := range t.Of {
			fields[i] = empty(f)
		}
		return fields
	}
	return none
}

// httpErrorCode is the function http-error-code.
func httpErrorCode(c *call) any {
	if code := c.args[0].(*handle).value.(*streamError).code; code != nil {
		return some(code)
	}
	return none
}
