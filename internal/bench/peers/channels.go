package main

import (
	"context"
	"sync"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

// mailbox is the number of messages that a channel holds; it is airhost's default for
// a mailbox.
const mailbox = 1024

// openChannels sets up two goroutines that message each other over channels, without
// any host. Nothing is isolated or copied: one message belongs to one goroutine at a
// time.
func openChannels(_ context.Context, pattern cells.Pattern, payload int) (host, error) {
	if pattern == cells.RequestResponse {
		return newChannelRequests(payload), nil
	}
	return newChannelBalls(payload), nil
}

// channelBalls is fire-and-forget.
type channelBalls struct {
	message    []byte
	forwarders [2]forwarder
	inboxes    [2]chan []byte
	done       chan error
	running    sync.WaitGroup
}

func newChannelBalls(payload int) *channelBalls {
	c := &channelBalls{message: newMessage(payload), done: make(chan error, 1)}
	for i := range c.forwarders {
		c.forwarders[i].done = c.done
		c.inboxes[i] = make(chan []byte, mailbox)
	}
	for i := range c.forwarders {
		c.running.Go(func() { c.play(&c.forwarders[i], c.inboxes[i], c.inboxes[1-i]) })
	}
	return c
}

func (c *channelBalls) play(p *forwarder, inbox <-chan []byte, peer chan<- []byte) {
	for message := range inbox {
		if p.take(message) {
			peer <- message
		}
	}
}

// run implements host.
func (c *channelBalls) run(n int) error {
	rewind(c.message, n)
	c.inboxes[0] <- c.message
	return await(c.done)
}

// counts implements host.
func (c *channelBalls) counts() (counts, error) {
	return counts{Handled: c.forwarders[0].handled + c.forwarders[1].handled}, nil
}

// close implements host.
func (c *channelBalls) close() error {
	for _, inbox := range c.inboxes {
		close(inbox)
	}
	c.running.Wait()
	return nil
}

// channelRequest is a request with the place for its response.
type channelRequest struct {
	payload  []byte
	response chan<- []byte
}

// channelRequests is request-response.
type channelRequests struct {
	asker    asker
	answerer answerer
	starts   chan int
	requests chan channelRequest
	done     chan error
	running  sync.WaitGroup
}

func newChannelRequests(payload int) *channelRequests {
	done := make(chan error, 1)
	c := &channelRequests{
		asker: asker{request: newMessage(payload), done: done}, done: done,
		starts: make(chan int), requests: make(chan channelRequest, mailbox),
	}
	c.running.Go(c.ask)
	c.running.Go(c.answer)
	return c
}

func (c *channelRequests) ask() {
	responses := make(chan []byte, 1)
	for n := range c.starts {
		for again := c.asker.start(n); again; again = c.asker.take(<-responses) {
			c.requests <- channelRequest{c.asker.request, responses}
		}
	}
	close(c.requests)
}

func (c *channelRequests) answer() {
	for request := range c.requests {
		request.response <- c.answerer.answer(request.payload)
	}
}

// run implements host.
func (c *channelRequests) run(n int) error {
	c.starts <- n
	return await(c.done)
}

// counts implements host.
func (c *channelRequests) counts() (counts, error) {
	return counts{c.answerer.handled, c.asker.callbacks}, nil
}

// close implements host.
func (c *channelRequests) close() error {
	close(c.starts)
	c.running.Wait()
	return nil
}
