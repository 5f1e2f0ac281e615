package core

import "context"

// Engine compiles guests. Its methods may be called from any goroutine.
type Engine interface {
	// Name is how configurations and results call the engine, such as "wazero".
	Name() string

	// Compile turns a guest's code into a component, which may take seconds. The
	// source's declared sizes are checked against limits before anything of
	// their size is allocated. Code that is malformed or does not meet the
	// contract is a [ModuleError], or wraps a [LimitError].
	Compile(ctx context.Context, src Source, limits Limits) (Component, error)

	// Close waits until all instances have been closed and no Compile is in
	// progress, and releases the engine. If ctx ends before, it returns an error
	// that wraps [ErrInUse] and ctx's and names their number, and has released
	// nothing: whatever lives goes on, and Close may be called again. After it
	// Compile and Instantiate return ErrClosed, and a second Close nil.
	Close(ctx context.Context) error
}

// Component is a compiled guest, from which any number of instances can be made,
// at the same time and from any goroutine.
type Component interface {
	// Traits tells what the guest has and what the engine guarantees for it.
	Traits() Traits

	// Instantiate makes a live guest with memory of its own, and runs its start
	// function and _initialize, if it has them: guest code, which the caller can
	// stop with [Instance.Interrupt] through env.Starting. A guest that fails is
	// a [TrapError].
	Instantiate(ctx context.Context, env Environment) (Instance, error)

	// Close waits until the component's instances have been closed, and releases
	// the code. If ctx ends before, the error is that of [Engine.Close], and
	// nothing has been released. A second Close returns nil, Instantiate after it
	// ErrClosed.
	Close(ctx context.Context) error
}

// Traits are what a component exports, and what its engine guarantees.
type Traits struct {
	Callback   bool // exports handle-callback, so that it may send requests
	Management bool // exports component-management
	// Interruptible: a call in progress ends within milliseconds of
	// Instance.Interrupt.
	Interruptible bool
	// CountsRunningTime: the engine itself ends a call that has used up its
	// time, by what the guest has run and waited as [Limits] says. Without it
	// the host interrupts calls, by the time that has passed.
	CountsRunningTime bool
	// KeepsLedger: instances act by [Environment.Ledger]. A host fills it in for
	// these alone.
	KeepsLedger bool
	// Enforces are the limits that the engine keeps for the component. A
	// deployment that sets another one is refused.
	Enforces LimitSet
}

// Environment is what an instance is given by its host.
type Environment struct {
	ID     ComponentID
	Host   Services
	Limits Limits
	// Ledger, if not nil, lets the engine act for the host in calls of the instance.
	Ledger *Ledger
	// Starting, if not nil, is called with the instance before any guest code
	// runs, so that start functions can be interrupted. Until Instantiate has
	// returned only Interrupt may be called on it.
	Starting func(Instance)
	// Ended, if not nil, is called by an instance that has ended while no call
	// was in progress, so that its host need not wait for the next message to
	// learn of it. It may be called from any goroutine, until Close, and does
	// not block.
	Ended func()
}

// Services are what a guest can ask of its host, in the contract's words. The
// host implements them; an instance calls them only while one of its own calls
// is in progress, on the same goroutine. Byte slices are the guest's: they are
// valid only during the call, and copied where they are kept.
type Services interface {
	// SendMessage is send-message. An error is a [MessagingError].
	SendMessage(target, message []byte) error
	// SendRequest is send-request; a timeout of 0 milliseconds is the host's
	// default. An error is a [MessagingError].
	SendRequest(target, request []byte, timeoutMillis uint64) (RequestID, error)
	// CancelRequest is cancel-request. An error is a [MessagingError].
	CancelRequest(id RequestID) error
	// Log is log. The message may hold any bytes; the host escapes them.
	Log(level LogLevel, message []byte)
	// Now is current-time, in nanoseconds since the Unix epoch.
	Now() uint64
}

// Instance is a live guest. Its methods are called by one goroutine at a time;
// only Interrupt may be called at any time from any goroutine.
//
// An error that is or wraps a [ComponentError] is the guest's answer, and the
// instance goes on. Any other error of a guest call is a [TrapError]: the
// instance has ended, only Close may follow. After Close or a trap every call
// returns an error without running guest code.
type Instance interface {
	// Initialize is initialize, called once before any message, with the
	// configuration's pairs in order. Without component-management it does
	// nothing.
	Initialize(config []ConfigPair) error

	// HandleMessage is handle-message. With a non-nil response the guest's
	// response is appended to *response, once the guest has returned; with nil
	// it is neither copied nor bound in its size. *response may be message[:0];
	// message is not changed otherwise.
	HandleMessage(sender ComponentID, message []byte, response *[]byte) error

	// HandleCallback is handle-callback: with a nil failure the request ended
	// with response. A component without it is never the sender of a request.
	HandleCallback(id RequestID, response []byte, failure *RequestError) error

	// Health is health. Without component-management it is HealthHealthy.
	Health() (HealthStatus, error)

	// Shutdown is shutdown, called once after the last message. Without
	// component-management it does nothing.
	Shutdown() error

	// Interrupt ends the call in progress, if the engine can: it returns a
	// [TrapError] of kind TrapHandler as soon as the guest's code has been
	// stopped. The instance has ended even if no call was in progress. It does
	// not block.
	Interrupt()

	// Close releases the instance and its memory. No call may be in progress. A
	// second Close returns nil.
	Close() error
}

// Batcher is an [Instance] for which a call is far away, so that it takes several
// messages at once.
type Batcher interface {
	Instance

	// HandleBatch is HandleMessage and HandleCallback for several messages, which
	// the guest handles one after the other, in order. done is called on the same
	// goroutine as soon as a message has been handled, in order too: with the
	// response, which is valid only during the call, or the guest's answer, a
	// [ComponentError]. The guest has begun the next message by then. An error of
	// HandleBatch is a [TrapError]; it ends the messages that were not done. The
	// batch is not kept, nor its messages changed.
	HandleBatch(batch []Delivery, done func(i int, response []byte, err error)) error
}

// Delivery is one message of a batch.
type Delivery struct {
	Message *Message
	// Outcome says that Message is the outcome of one of the guest's requests;
	// without it the response is wanted only if Message is a request.
	Outcome bool
}
