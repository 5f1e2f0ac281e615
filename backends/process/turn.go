package process

import (
	"fmt"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/frame"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// maxTurn is how many services a process may use in one turn.
const maxTurn = 64

// turns is the state of an instance for a process that sends on its own.
type turns struct {
	report    func()        // tells the host that the process wants a turn, or nil
	wanted    atomic.Bool   // and has not got one yet
	begun     chan struct{} // gets an entry when it has
	listening sync.WaitGroup
}

// listen begins to listen for the wishes of the process between calls.
func (i *instance) listen() error {
	stream, err := i.process.Conn().NewStream(i.ctx, &pluginv1.Component_ServiceDesc.Streams[1], pluginv1.Component_Wants_FullMethodName,
		grpc.MaxCallRecvMsgSize(frameSlack))
	if err == nil {
		err = stream.SendMsg(&pluginv1.WantsRequest{})
	}
	if err == nil {
		err = stream.CloseSend()
	}
	if err != nil {
		return i.end(&core.TrapError{Kind: core.TrapFault, Text: oneLine(err.Error())}, err)
	}
	i.turns.listening.Go(func() { i.hear(stream) })
	return nil
}

// hear reports each wish for a turn. It reads the next one when the turn has begun: so a process
// gets one turn after the other, however often it asks. It returns when the process ends, or
// breaks off the stream: then there are no more turns.
func (i *instance) hear(stream grpc.ClientStream) {
	for stream.RecvMsg(new(pluginv1.Wanted)) == nil {
		i.turns.wanted.Store(true)
		if i.turns.report != nil {
			i.turns.report()
		}
		select {
		case <-i.turns.begun:
		case <-i.ctx.Done():
			return
		}
	}
}

// Turn implements [core.Turner].
func (i *instance) Turn() (err error) {
	if err := i.enter(); err != nil {
		return err
	}
	if !i.turns.wanted.Swap(false) {
		return i.leave(nil)
	}
	i.turns.begun <- struct{}{} // has room: hear has taken the last one before it set wanted
	defer i.recoverPanic(&err)
	i.call(&pluginv1.Call{Call: &pluginv1.Call_Turn{Turn: &pluginv1.Turn{Most: maxTurn}}})
	if err := i.send(); err != nil {
		return err
	}
	for left, over := maxTurn, false; !over; {
		if err := i.stream.RecvMsg(&i.in); err != nil {
			return i.streamFailed(err)
		}
		if over, err = i.handleTurn(&left); err != nil {
			return err
		}
	}
	return i.leave(nil)
}

// handleTurn handles a frame of a turn, and answers its events, of which the process may send so
// many more. over reports whether the turn has ended.
func (i *instance) handleTurn(left *int) (over bool, err error) {
	data, answers := i.in.Bytes, i.out.Bytes[:0]
	if len(data) == 0 {
		return false, i.breach(fmt.Errorf("%w: without events", ErrMalformed))
	}
	for len(data) > 0 {
		var event frame.Event
		if data, err = frame.NextEvent(data, &event); err != nil {
			return false, i.breach(err)
		}
		current := i.lastCall
		if over {
			current++
		}
		if err := i.checkCall(event.Call, current); err != nil {
			return false, i.breach(err)
		}
		switch asks, err := i.checkTurn(&event, left); {
		case err != nil:
			return false, i.breach(err)
		case asks:
			answers = frame.AppendAnswerOfTurn(answers, i.callHost(event.Other))
			continue
		}
		if _, over, err = i.handleEvent(&event, false); err != nil {
			return false, err
		}
	}
	if i.out.Bytes = answers; len(answers) > 0 {
		err = i.send()
	}
	return over, err
}

// checkTurn checks an event of a turn. asks reports whether it is one that the host answers.
func (i *instance) checkTurn(event *frame.Event, left *int) (asks bool, err error) {
	if event.Other == nil {
		return false, nil
	}
	switch event.Other.Event.(type) {
	case *pluginv1.Event_Result, *pluginv1.Event_Log, *pluginv1.Event_State:
		return false, nil
	case *pluginv1.Event_CallFunction, *pluginv1.Event_KeyValue:
		return false, fmt.Errorf("%w: a function or a bucket is called in a turn", ErrBadEvent)
	}
	if *left--; *left < 0 {
		return false, fmt.Errorf("%w: %d", ErrLongTurn, maxTurn)
	}
	return true, nil
}
