// Package probe is a component that obeys a test. It shows that a component behaves the
// same in every build.
package probe

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/airhost/airhost/guest"
)

// Component obeys messages of the form "word argument argument". Words can show all of
// its state.
type Component struct {
	state    []byte
	config   guest.Config
	outcomes []string
	health   guest.HealthStatus
}

// Initialize keeps the configuration; the key "fail" makes it fail.
func (c *Component) Initialize(host guest.Host, config guest.Config) error {
	c.config = config
	if text, ok := config.Get("fail"); ok {
		return guest.Failed("%s", text)
	}
	return nil
}

// HandleMessage obeys a message.
func (c *Component) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	word, rest, _ := strings.Cut(string(message), " ")
	switch word {
	case "echo":
		return message, nil
	case "part":
		return message[1:3], nil
	case "nothing":
		return nil, nil
	case "size":
		n, err := strconv.Atoi(rest)
		return make([]byte, n), err
	case "config":
		return fmt.Append(nil, c.config), nil
	case "outcomes":
		return fmt.Append(nil, c.outcomes), nil
	case "keep":
		c.state = []byte(rest)
		return nil, nil
	case "kept":
		return c.state, nil
	case "health":
		c.health = guest.HealthStatus(rest[0] - '0')
		return nil, nil
	case "error":
		return nil, failure(rest)
	case "collect":
		runtime.GC()
		return nil, nil
	case "panic":
		panic(rest)
	}
	if text, ok := askBucket(host, word, rest); ok {
		return []byte(text), nil
	}
	return askHost(host, sender, word, rest)
}

func askHost(host guest.Host, sender, word, rest string) ([]byte, error) {
	target, payload, _ := strings.Cut(rest, " ")
	switch word {
	case "send":
		return outcome(0, host.Send(target, []byte(payload)))
	case "request":
		return outcome(host.Request(target, []byte(payload), 1500*time.Microsecond))
	case "negative":
		return outcome(host.Request(target, nil, -1))
	case "cancel":
		id, err := strconv.ParseUint(rest, 10, 64)
		return outcome(0, errors.Join(err, host.Cancel(guest.RequestID(id))))
	case "after":
		id, err := guest.After(host, 1500*time.Microsecond, []byte(rest))
		return outcome(guest.RequestID(id), err)
	case "negative-after":
		id, err := guest.After(host, -time.Second, nil)
		return outcome(guest.RequestID(id), err)
	case "stop":
		id, err := strconv.ParseUint(rest, 10, 64)
		return fmt.Append(nil, guest.CancelTimer(host, guest.TimerID(id))), err
	case "call":
		return called(host.Call(target, []byte(payload)))
	case "publish":
		return outcome(0, host.Publish(target, []byte(payload)))
	case "log":
		host.Log(guest.LogWarn, rest)
		host.Log(99, "\xff")
		return nil, nil
	case "who":
		return fmt.Appendf(nil, "%s from %s at %d", host.SelfID(), sender, host.Now().UnixNano()), nil
	}
	return nil, guest.InvalidMessage("%q", word)
}

func called(result []byte, err error) ([]byte, error) {
	var failure *guest.CallError
	if errors.As(err, &failure) {
		return fmt.Appendf(nil, "no result: %d, %q", failure.Case, failure.Text), nil
	}
	runtime.GC() // the result is the component's
	return result, err
}

func outcome(id guest.RequestID, err error) ([]byte, error) {
	var refusal *guest.MessagingError
	if errors.As(err, &refusal) {
		return fmt.Appendf(nil, "refused: %d, %q", refusal.Case, refusal.Text), nil
	}
	return fmt.Append(nil, id), err
}

func failure(text string) error {
	switch text {
	case "invalid":
		return guest.InvalidMessage("no %s", "sense")
	case "unavailable":
		return fmt.Errorf("wrapped: %w", guest.Unavailable("later"))
	case "garbage":
		return guest.Failed("%s", "\xffbytes")
	case "case":
		return &guest.ComponentError{Case: 77, Text: "no case"}
	case "empty":
		return guest.Failed("")
	}
	return errors.New(text)
}

// HandleCallback keeps its arguments, and returns the failure.
func (c *Component) HandleCallback(host guest.Host, id guest.RequestID, response []byte, failure error) error {
	c.outcomes = append(c.outcomes, fmt.Sprintf("%d: %q %v", id, response, failure))
	return failure
}

// Health returns the status of the last message "health".
func (c *Component) Health() guest.HealthStatus { return c.health }

// Shutdown logs that it was called.
func (c *Component) Shutdown(host guest.Host) { host.Log(guest.LogInfo, "over") }

// Save logs, and returns the state, or fails if that is "fail".
func (c *Component) Save(host guest.Host) ([]byte, error) {
	guest.Logf(host, guest.LogInfo, "save of %d bytes", len(c.state))
	if string(c.state) == "fail" {
		return nil, guest.Unavailable("the state %q", c.state)
	}
	return c.state, nil
}

// Restore logs, and keeps the state unless that is "fail".
func (c *Component) Restore(host guest.Host, state []byte) error {
	guest.Logf(host, guest.LogInfo, "restore of %d bytes", len(state))
	if string(state) == "fail" {
		return guest.InvalidMessage("the state %q", state)
	}
	c.state = append([]byte(nil), state...)
	return nil
}
