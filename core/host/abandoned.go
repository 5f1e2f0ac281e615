package host

import "github.com/airhost/airhost/core"

var (
	_ core.Abandoner = (*component)(nil)
	_ core.Abandoner = (*waitingCall)(nil)
)

// Abandoned implements [core.Abandoner].
func (c *component) Abandoned(id core.RequestID, reason *core.RequestError) {
	c.host.givenUp.Add(1)
	c.outcome(abandoned(id, reason), nil)
}

// Abandoned implements [core.Abandoner].
func (w *waitingCall) Abandoned(id core.RequestID, reason *core.RequestError) {
	w.host.givenUp.Add(1)
	w.outcome <- abandoned(id, reason)
}

// abandoned is the outcome of a request that its tracker has failed.
func abandoned(id core.RequestID, reason *core.RequestError) *core.Message {
	m := core.NewMessage(nil)
	m.Correlation = id
	m.Fail(boundRequestError(reason, core.MaxErrorText))
	return m
}
