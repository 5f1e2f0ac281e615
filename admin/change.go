package admin

import (
	"net/http"
	"strings"
	"time"
)

// waitingSteps is how many steps of a change wait for a client. A slower one sees fewer.
const waitingSteps = 1024

// change makes a change and answers with its result: in JSON, or as a stream with its steps. It
// goes on only as long as the client is there.
func change[T any](s *Server, w http.ResponseWriter, r *http.Request, do func(func(Progress)) (T, error)) (any, error) {
	if s.config.Manager == nil {
		return nil, unsupported("configuration file that could be applied")
	}
	if !strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		return do(func(Progress) {})
	}
	steps, done := make(chan Progress, waitingSteps), make(chan func() (T, error), 1)
	go func() {
		result, err := do(func(p Progress) {
			select {
			case steps <- p:
			default:
			}
		})
		done <- func() (T, error) { return result, err }
	}()
	out := s.newEventWriter(w)
	result, err := followSteps(out, steps, done, s.config.Heartbeat)
	switch {
	case err != nil && !out.begun:
		return nil, err // with its status
	case err != nil:
		out.add("error", 0, answer{errorOf(err)})
	default:
		out.add("result", 0, result)
	}
	_ = out.send() // the change has been made, or not
	return answered{}, err
}

// followSteps writes the steps of a change, and returns its result. A client that is gone ends the
// context of the change.
func followSteps[T any](out *eventWriter, steps <-chan Progress, done <-chan func() (T, error), heartbeat time.Duration) (T, error) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case p := <-steps:
			out.add("progress", 0, p)
		case <-beat.C:
			out.comment()
		case result := <-done:
			for len(steps) > 0 {
				out.add("progress", 0, <-steps)
			}
			if out.begun || len(out.text) > 0 {
				_ = out.send() // as below
			}
			return result()
		}
		if len(steps) == 0 {
			_ = out.send() // the change goes on until it notices
		}
	}
}
