package microbench

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/fx"

	"github.com/airhost/airhost/airhostfx"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/guests"
)

// hollowName is the name of an engine without guests: its components are a few lines
// of Go that the host calls directly.
const hollowName = "hollow"

// behaviour is the reaction of such a component to a message and to a callback.
type behaviour struct {
	message  func(services core.Services, message []byte, response *[]byte) error
	callback func(services core.Services, response []byte, failure *core.RequestError) error
}

// hollow is the engine. Its components do nothing but their behaviour.
type hollow struct{}

var _ core.Engine = hollow{}

// Name implements [core.Engine].
func (hollow) Name() string { return hollowName }

// Compile implements [core.Engine]. The source's value is a behaviour.
func (hollow) Compile(_ context.Context, src core.Source, _ core.Limits) (core.Component, error) {
	return hollowComponent{src.Value.(behaviour)}, nil
}

// Close implements [core.Engine].
func (hollow) Close(context.Context) error { return nil }

type hollowComponent struct{ behaviour }

// Traits implements [core.Component].
func (hollowComponent) Traits() core.Traits { return core.Traits{Callback: true, Interruptible: true} }

// Instantiate implements [core.Component].
func (c hollowComponent) Instantiate(_ context.Context, env core.Environment) (core.Instance, error) {
	return &hollowInstance{c.behaviour, env.Host}, nil
}

// Close implements [core.Component].
func (hollowComponent) Close(context.Context) error { return nil }

type hollowInstance struct {
	behaviour
	services core.Services
}

// HandleMessage implements [core.Instance].
func (i *hollowInstance) HandleMessage(_ core.ComponentID, message []byte, response *[]byte) error {
	return i.message(i.services, message, response)
}

// HandleCallback implements [core.Instance].
func (i *hollowInstance) HandleCallback(_ core.RequestID, response []byte, failure *core.RequestError) error {
	return i.callback(i.services, response, failure)
}

// Initialize implements [core.Instance].
func (*hollowInstance) Initialize([]core.ConfigPair) error { return nil }

// Health implements [core.Instance].
func (*hollowInstance) Health() (core.HealthStatus, error) { return core.HealthHealthy, nil }

// Shutdown implements [core.Instance].
func (*hollowInstance) Shutdown() error { return nil }

// Interrupt implements [core.Instance].
func (*hollowInstance) Interrupt() {}

// Close implements [core.Instance].
func (*hollowInstance) Close() error { return nil }

// openHost starts a host of hollow components, and deploys one for each behaviour
// under the ids of a cell's guests.
func (p *part) openHost(ctx context.Context, parts Parts, behaviours ...behaviour) (*host.Host, error) {
	var h *host.Host
	err := p.start(ctx, parts.Broker, parts.Tracker, airhostfx.Host,
		fx.Supply(fx.Annotate(hollow{}, fx.As(new(core.Engine)), fx.ResultTags(`group:"engines"`))),
		fx.Supply(host.Config{DrainTimeout: time.Second, Logger: parts.Logger}),
		fx.Populate(&h))
	if err != nil {
		return nil, err
	}
	all := host.Capabilities{Send: []core.IDPattern{mustPattern("bench/*")}, Request: []core.IDPattern{mustPattern("bench/*")}}
	for i, b := range behaviours {
		err := h.Deploy(ctx, host.Deployment{
			ID: []core.ComponentID{askerID, answererID}[i], Engine: hollowName, Source: core.Source{Value: b},
			Capabilities: all,
			Limits:       core.Limits{HandlerTime: handlerTime},
			Quota:        host.Quota{MessagesPerSecond: plenty, Burst: plenty},
		})
		if err != nil {
			return nil, err
		}
	}
	return h, nil
}

// handlerTime is a limit that the host watches in each call. No call exceeds it, even
// where the machine gives this process no processor for a while.
const handlerTime = time.Minute

// plenty is a quota that the host checks for each message and that no run uses up.
const plenty = 1_000_000_000

func mustPattern(text string) core.IDPattern {
	pattern, err := core.ParseIDPattern(text)
	if err != nil {
		panic(err)
	}
	return pattern
}

// host measures a cell's operation between hollow components: all of the host, and
// nothing of an engine.
func (p *part) host(ctx context.Context, key cells.Key, parts Parts) error {
	if key.Pattern == cells.Call {
		return p.hostCalls(ctx, key, parts)
	}
	r := &loop{payload: make([]byte, key.PayloadBytes), peer: []byte(answererID.String()), done: make(chan error, 1)}
	asker, answerer := r.ball(answererID), r.ball(askerID)
	if key.Pattern == cells.RequestResponse {
		asker, answerer = r.asker(), r.answerer()
	}
	h, err := p.openHost(ctx, parts, asker, answerer)
	if err != nil {
		return err
	}
	p.chunk = manyMessages
	p.do = func(ctx context.Context, n int) (time.Duration, error) {
		r.left = n
		start := time.Now()
		if err := h.Send(askerID, r.payload); err != nil {
			return 0, err
		}
		err := r.wait(ctx, n)
		return time.Since(start), err
	}
	return p.verifyBy(1, func() (int, error) { return r.operations, nil })
}

// manyMessages is a chunk that takes so long that its beginning and its end do not
// count.
const manyMessages = 1 << 16

// loop is the state that hollow components which message each other share. One
// message is in flight, so that only one of them runs.
type loop struct {
	payload, peer    []byte
	left, operations int
	done             chan error
}

// next counts an operation that is about to begin, and reports whether one is left.
func (r *loop) next() bool {
	if r.left == 0 {
		r.done <- nil
		return false
	}
	r.left--
	r.operations++
	return true
}

// wait waits for the end of n operations.
func (r *loop) wait(ctx context.Context, n int) error {
	patience := time.NewTimer(closeTimeout)
	defer patience.Stop()
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-patience.C:
		return fmt.Errorf("the host has stalled: %d operations have not ended within %v", n, closeTimeout)
	}
}

// end reports the refusal of a message, after which no other comes.
func (r *loop) end(err error) error {
	if err != nil {
		r.done <- fmt.Errorf("the host refused a message: %w", err)
	}
	return nil
}

// ball sends each message on to peer.
func (r *loop) ball(peer core.ComponentID) behaviour {
	to := []byte(peer.String())
	return behaviour{message: func(services core.Services, message []byte, _ *[]byte) error {
		if !r.next() {
			return nil
		}
		return r.end(services.SendMessage(to, message))
	}}
}

// asker sends a request when the run begins, and with each response.
func (r *loop) asker() behaviour {
	ask := func(services core.Services) error {
		if !r.next() {
			return nil
		}
		_, err := services.SendRequest(r.peer, r.payload, 0)
		return r.end(err)
	}
	return behaviour{
		message: func(services core.Services, _ []byte, _ *[]byte) error { return ask(services) },
		callback: func(services core.Services, _ []byte, failure *core.RequestError) error {
			if failure != nil {
				r.done <- failure
				return nil
			}
			return ask(services)
		},
	}
}

func (r *loop) answerer() behaviour { return behaviour{message: answer} }

// answer responds with the message itself.
func answer(_ core.Services, message []byte, response *[]byte) error {
	*response = append(*response, message...)
	return nil
}

// hostCalls measures a Go program's requests to a hollow component.
func (p *part) hostCalls(ctx context.Context, key cells.Key, parts Parts) error {
	h, err := p.openHost(ctx, parts, behaviour{message: answer})
	if err != nil {
		return err
	}
	request := guests.NewMessage(guests.OpEcho, 0, key.PayloadBytes)
	background := context.Background()
	response, answered := make([]byte, 0, len(request)), 0
	p.chunk = manyOps
	p.do = func(_ context.Context, n int) (time.Duration, error) {
		start := time.Now()
		for range n {
			response, err := h.AppendRequest(background, response, askerID, request)
			if err != nil {
				return 0, err
			}
			if len(response) == len(request) {
				answered++
			}
		}
		return time.Since(start), nil
	}
	return p.verifyBy(1, func() (int, error) { return answered, nil })
}
