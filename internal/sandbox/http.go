package sandbox

import "github.com/airhost/airhost/core"

var errNotYet = &core.HTTPError{Code: core.HTTPRequestDenied, Text: "a guest sends no request from its start function or _initialize"}

// StartHTTP implements [core.HTTP].
func (g *wasiGuest) StartHTTP(request *core.HTTPRequest) (exchange core.HTTPExchange, err error) {
	s := (*State)(g)
	if s.Phase != Handling {
		return nil, errNotYet
	}
	s.outside(func() { exchange, err = core.HTTPOf(&s.Env).StartHTTP(request) })
	return exchange, err
}
