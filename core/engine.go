package core

import (
	"context"
	"math"
	"time"
)

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

// Source is where a guest's code comes from. Engines say which fields they use.
type Source struct {
	// Path is the file that holds the code or is executed, or the name under
	// which the native engine knows a component.
	Path string
	// Code is the code itself, where it is already in memory. It is not changed,
	// and must not be changed while Compile runs.
	Code []byte
	// Value is a component in the form of a Go value, for the native engine, or
	// how to start one, for the process engine.
	Value any
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

// ConfigPair is one entry of a component's configuration.
type ConfigPair struct{ Key, Value string }

// HealthStatus is the contract's health-status; the values are its
// discriminants.
type HealthStatus uint8

// The statuses.
const (
	HealthHealthy HealthStatus = iota
	HealthDegraded
	HealthUnhealthy
)

// Valid reports whether s is a status of the contract.
func (s HealthStatus) Valid() bool { return s <= HealthUnhealthy }

// String returns the status's name in the contract.
func (s HealthStatus) String() string {
	return nameOf(s, "healthy", "degraded", "unhealthy")
}

// LogLevel is the contract's log-level; the values are its discriminants.
type LogLevel uint8

// The levels.
const (
	LogTrace LogLevel = iota
	LogDebug
	LogInfo
	LogWarn
	LogError
)

// Valid reports whether l is a level of the contract.
func (l LogLevel) Valid() bool { return l <= LogError }

// String returns the level's name in the contract.
func (l LogLevel) String() string {
	return nameOf(l, "trace", "debug", "info", "warn", "error")
}

func nameOf[T ~uint8](value T, names ...string) string {
	if int(value) < len(names) {
		return names[value]
	}
	return "invalid"
}

// Limits bound what one component may use. A zero field stands for its default;
// [Limits.Check] knows the ranges. Those that not every engine can keep are in
// [LimitSet].
type Limits struct {
	// Memory is the largest linear memory in bytes; 32 MiB by default. It is
	// rounded down to whole pages of 64 KiB.
	Memory int64
	// TableElements is the largest size of each table; 10,000 by default.
	TableElements uint32
	// Nesting is how deep the blocks of a WebAssembly guest's functions may be nested;
	// 10,000 by default, 100,000 at the most.
	Nesting int
	// Stack is how many bytes the open calls of a WebAssembly guest may take of the
	// stack, at least 64 KiB; 1 MiB by default, which is the most on Wasmtime. As engines differ, it is
	// what the values of its functions take: 32 bytes a call, and 8 for each
	// parameter, local and operand, 16 in functions that compute with vectors.
	Stack int64
	// HandlerTime is for how long the guest may run in one call; 250 ms by
	// default. Where the engine does not count the time for which it runs on a
	// processor ([Traits.CountsRunningTime]), it is the time that passes.
	HandlerTime time.Duration
	// HandlerWallTime is for how long it may run and wait in one call, where the
	// engine counts both; 10 times HandlerTime by default. The time for which the
	// guest is ready and gets no processor is not in it.
	HandlerWallTime time.Duration
	// StartTime is for how long an instance may run and wait until it has been
	// initialized, from Instantiate to the end of Initialize; 10 s by default. It
	// is the time that passes where HandlerTime is.
	StartTime time.Duration
	// Fuel is how much one call may use up; 0, the default, is without a limit
	// and without counting.
	Fuel uint64
	// Mailbox is how many messages may wait; 1,024 by default. Outcomes of the
	// component's own requests have their place beyond it.
	Mailbox int
	// MailboxBytes is how much memory the messages that wait may take, in bytes:
	// the buffers of their payloads, and [MessageOverhead] for each; 64 MiB by
	// default, and at least MessageSize and MessageOverhead. Outcomes that wait
	// may take as much again. A response for which there is no place is dropped,
	// and its request fails with a text that names limits.mailbox_bytes.
	MailboxBytes int64
	// MessageSize is the largest message that the component may send or be
	// sent, in bytes, responses included; 1 MiB by default. Its key is
	// quota.message_size.
	MessageSize int
	// LogLines and LogBytes are how many lines, and how many bytes of them, the
	// component may log in a second; 1,000 and 1 MiB by default. More are dropped,
	// which the log says. Their keys are logs.lines_per_second and
	// logs.bytes_per_second.
	LogLines int
	LogBytes int64
}

// MessageOverhead is what each message that waits counts for in
// [Limits.MailboxBytes], in bytes, beside its payload.
const MessageOverhead = 256

// WithDefaults returns l with its zero fields set.
func (l Limits) WithDefaults() Limits {
	setDefault(&l.Memory, 32<<20)
	setDefault(&l.TableElements, 10_000)
	setDefault(&l.Nesting, 10_000)
	setDefault(&l.Stack, 1<<20)
	setDefault(&l.HandlerTime, 250*time.Millisecond)
	setDefault(&l.HandlerWallTime, 10*min(l.HandlerTime, math.MaxInt64/10))
	setDefault(&l.StartTime, 10*time.Second)
	setDefault(&l.Mailbox, 1024)
	setDefault(&l.MailboxBytes, 64<<20)
	setDefault(&l.MessageSize, 1<<20)
	setDefault(&l.LogLines, 1000)
	setDefault(&l.LogBytes, 1<<20)
	return l
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
