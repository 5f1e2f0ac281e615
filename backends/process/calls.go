package process

import (
	"fmt"
	"strings"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/frame"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// nextCall returns the number of the next call.
func (i *instance) nextCall() uint64 {
	i.lastCall++
	return i.lastCall
}

// call writes a frame with one call of any kind.
func (i *instance) call(call *pluginv1.Call) {
	call.Id = i.nextCall()
	i.out.Bytes = frame.AppendCall(i.out.Bytes[:0], call)
}

// runCall sends the frame with one call and waits for the call's end.
func (i *instance) runCall() (r result, err error) {
	defer i.recoverPanic(&err)
	r, err = i.runCalls(1, nil)
	if err != nil {
		return r, err
	}
	return r, i.leave(r.err)
}

// manage runs a call of component-management. It returns at once if the component
// has none.
func (i *instance) manage(call *pluginv1.Call) (result, error) {
	if err := i.enter(); err != nil {
		return result{}, err
	}
	if !i.traits.Management {
		return result{}, i.leave(nil)
	}
	i.call(call)
	return i.runCall()
}

func (i *instance) Initialize(config []core.ConfigPair) error {
	m := &pluginv1.Initialize{}
	for _, pair := range config {
		m.Config = append(m.Config, &pluginv1.ConfigPair{Key: validText(pair.Key), Value: validText(pair.Value)})
	}
	_, err := i.manage(&pluginv1.Call{Call: &pluginv1.Call_Initialize{Initialize: m}})
	return err
}

func (i *instance) HandleMessage(sender core.ComponentID, message []byte, response *[]byte) error {
	if err := i.enter(); err != nil {
		return err
	}
	i.out.Bytes = frame.AppendMessage(i.out.Bytes[:0], i.nextCall(), sender.String(), message, response == nil)
	r, err := i.runCall()
	if err == nil && response != nil {
		*response = append(*response, r.response...)
	}
	return err
}

func (i *instance) HandleCallback(id core.RequestID, response []byte, failure *core.RequestError) error {
	if err := i.enter(); err != nil {
		return err
	}
	i.out.Bytes = frame.AppendCallback(i.out.Bytes[:0], i.nextCall(), uint64(id), response, failureText(failure))
	_, err := i.runCall()
	return err
}

func failureText(failure *core.RequestError) *string {
	if failure == nil {
		return nil
	}
	text := validText(failure.Error())
	return &text
}

func (i *instance) HandleBatch(batch []core.Delivery, done func(int, []byte, error)) (err error) {
	if err := i.enter(); err != nil {
		return err
	}
	defer i.recoverPanic(&err)
	i.out.Bytes = i.out.Bytes[:0]
	for _, d := range batch {
		m := d.Message
		if d.Outcome {
			i.out.Bytes = frame.AppendCallback(i.out.Bytes, i.nextCall(), uint64(m.Correlation), m.Payload, failureText(m.Failure))
			continue
		}
		i.out.Bytes = frame.AppendMessage(i.out.Bytes, i.nextCall(), m.Sender.String(), m.Payload, !m.IsRequest())
	}
	if _, err := i.runCalls(len(batch), done); err != nil {
		return err
	}
	return i.leave(nil)
}

func (i *instance) Health() (core.HealthStatus, error) {
	r, err := i.manage(&pluginv1.Call{Call: &pluginv1.Call_Health{Health: &pluginv1.Health{}}})
	if err != nil {
		return core.HealthUnhealthy, err
	}
	if r.health > uint32(core.HealthUnhealthy) {
		return core.HealthUnhealthy, i.breach(fmt.Errorf("%w: health %d", ErrBadEvent, r.health))
	}
	return core.HealthStatus(r.health), nil
}

func (i *instance) Shutdown() error {
	_, err := i.manage(&pluginv1.Call{Call: &pluginv1.Call_Shutdown{Shutdown: &pluginv1.Shutdown{}}})
	return err
}

func (i *instance) Save(dst []byte) ([]byte, error) {
	i.saving = true
	defer func() { i.saving, i.saved = false, nil }()
	r, err := i.handOver(&pluginv1.Call{Call: &pluginv1.Call_Save{Save: &pluginv1.Save{MaxSize: uint64(i.limits.Memory)}}})
	switch {
	case err != nil:
		return dst, err
	case r.stateSize > uint64(i.limits.Memory):
		return dst, i.limits.CheckState(r.stateSize)
	case r.stateSize > 0:
		return dst, i.breach(fmt.Errorf("%w: a state of %d bytes that is left out", ErrBadEvent, r.stateSize))
	}
	return append(dst, i.saved...), nil
}

func (i *instance) Restore(state []byte) error {
	if err := i.limits.CheckState(uint64(len(state))); err != nil {
		return err
	}
	_, err := i.handOver(&pluginv1.Call{Call: &pluginv1.Call_Restore{Restore: &pluginv1.Restore{State: state}}})
	i.out.Bytes = nil // a state may be large, and does not come again
	return err
}

// handOver runs a call of component-state.
func (i *instance) handOver(call *pluginv1.Call) (result, error) {
	if err := i.enter(); err != nil {
		return result{}, err
	}
	if !i.traits.State {
		return result{}, i.leave(core.ErrNoState)
	}
	i.call(call)
	return i.runCall()
}

func validText(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func oneLine(text string) string {
	return validText(strings.NewReplacer("\r", " ", "\n", " ").Replace(text))
}
