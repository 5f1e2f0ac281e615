package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

// natsHost is an embedded NATS server with two clients in its process, connected
// without a network. Clients are isolated from each other by permissions at most.
type natsHost struct {
	server     *server.Server
	clients    [2]*nats.Conn
	pattern    cells.Pattern
	message    []byte
	forwarders [2]forwarder
	answerer   answerer
	asker      asker
	done       chan error
}

// natsSubjects are the subjects of the two clients.
var natsSubjects = [2]string{"peers.a", "peers.b"}

const natsStart = 10 * time.Second

func openNATS(_ context.Context, pattern cells.Pattern, payload int) (host, error) {
	instance, err := server.NewServer(&server.Options{DontListen: true, NoLog: true, NoSigs: true})
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	h := &natsHost{
		server: instance, pattern: pattern, message: newMessage(payload),
		forwarders: [2]forwarder{{done: done}, {done: done}},
		asker:      asker{request: newMessage(payload), done: done}, done: done,
	}
	if err := h.start(); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

func (h *natsHost) start() error {
	h.server.Start()
	if !h.server.ReadyForConnections(natsStart) {
		return fmt.Errorf("the server was not ready within %v", natsStart)
	}
	for i := range h.clients {
		client, err := nats.Connect("", nats.InProcessServer(h.server))
		if err != nil {
			return err
		}
		h.clients[i] = client
		if _, err := client.Subscribe(natsSubjects[i], h.handler(i)); err != nil {
			return err
		}
		// When this returns, the server knows of the subscription.
		if err := client.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// handler handles the messages of client i.
func (h *natsHost) handler(i int) nats.MsgHandler {
	if h.pattern == cells.RequestResponse {
		return func(request *nats.Msg) { h.report(request.Respond(h.answerer.answer(request.Data))) }
	}
	return func(message *nats.Msg) {
		if h.forwarders[i].take(message.Data) {
			h.report(h.clients[i].Publish(natsSubjects[1-i], message.Data))
		}
	}
}

// report ends the run if there is an error.
func (h *natsHost) report(err error) {
	if err != nil {
		select {
		case h.done <- err:
		default: // the run has ended for another reason
		}
	}
}

// run implements host.
func (h *natsHost) run(n int) error {
	if h.pattern == cells.RequestResponse {
		return h.requests(n)
	}
	rewind(h.message, n)
	if err := h.clients[1].Publish(natsSubjects[0], h.message); err != nil {
		return err
	}
	return await(h.done)
}

// requests makes n requests of the second client, and waits for each response:
// nats.go has no callback.
func (h *natsHost) requests(n int) error {
	for again := h.asker.start(n); again; {
		response, err := h.clients[0].Request(natsSubjects[1], h.asker.request, patience)
		if err != nil {
			return err
		}
		again = h.asker.take(response.Data)
	}
	return await(h.done)
}

// counts implements host.
func (h *natsHost) counts() (counts, error) {
	handled := h.forwarders[0].handled + h.forwarders[1].handled + h.answerer.handled
	return counts{handled, h.asker.callbacks}, nil
}

// close implements host.
func (h *natsHost) close() error {
	for _, client := range h.clients {
		if client != nil {
			client.Close()
		}
	}
	h.server.Shutdown()
	h.server.WaitForShutdown()
	return nil
}
