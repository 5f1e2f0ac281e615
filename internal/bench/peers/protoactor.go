package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

// actors are two actors of protoactor-go, with its default mailboxes, which have
// no bound, and its default dispatcher, which starts a goroutine for each message
// to an idle actor. Messages are Go values that belong to one actor at a time.
type actors struct {
	system     *actor.ActorSystem
	ids        [2]*actor.PID
	pattern    cells.Pattern
	message    []byte
	forwarders [2]forwarder
	asker      asker
	answerer   answerer
	done       chan error
}

// The messages of the actors.
type (
	actorBall     struct{ message []byte }
	actorStart    struct{ n int }
	actorRequest  struct{ payload []byte }
	actorResponse struct{ payload []byte }
)

func openProtoactor(_ context.Context, pattern cells.Pattern, payload int) (host, error) {
	done := make(chan error, 1)
	quiet := actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) })
	a := &actors{
		system: actor.NewActorSystem(quiet), pattern: pattern, message: newMessage(payload),
		forwarders: [2]forwarder{{done: done}, {done: done}},
		asker:      asker{request: newMessage(payload), done: done}, done: done,
	}
	receive := [2]actor.ReceiveFunc{a.play(0), a.play(1)}
	if pattern == cells.RequestResponse {
		receive = [2]actor.ReceiveFunc{a.ask, a.answer}
	}
	for i := range a.ids {
		a.ids[i] = a.system.Root.Spawn(actor.PropsFromFunc(receive[i]))
	}
	return a, nil
}

// play is actor i of fire-and-forget.
func (a *actors) play(i int) actor.ReceiveFunc {
	return func(context actor.Context) {
		if ball, ok := context.Message().(*actorBall); ok && a.forwarders[i].take(ball.message) {
			context.Send(a.ids[1-i], ball)
		}
	}
}

// ask is the actor that makes requests. The responses come back to it.
func (a *actors) ask(context actor.Context) {
	again := false
	switch message := context.Message().(type) {
	case *actorStart:
		again = a.asker.start(message.n)
	case *actorResponse:
		again = a.asker.take(message.payload)
	}
	if again {
		context.Request(a.ids[1], &actorRequest{a.asker.request})
	}
}

func (a *actors) answer(context actor.Context) {
	if request, ok := context.Message().(*actorRequest); ok {
		context.Respond(&actorResponse{a.answerer.answer(request.payload)})
	}
}

// run implements host.
func (a *actors) run(n int) error {
	var first any = &actorStart{n}
	if a.pattern == cells.FireAndForget {
		rewind(a.message, n)
		first = &actorBall{a.message}
	}
	a.system.Root.Send(a.ids[0], first)
	return await(a.done)
}

// counts implements host.
func (a *actors) counts() (counts, error) {
	handled := a.forwarders[0].handled + a.forwarders[1].handled + a.answerer.handled
	return counts{handled, a.asker.callbacks}, nil
}

// close implements host.
func (a *actors) close() error {
	var errs []error
	for _, id := range a.ids {
		errs = append(errs, a.system.Root.StopFuture(id).Wait())
	}
	a.system.Shutdown()
	return errors.Join(errs...)
}
