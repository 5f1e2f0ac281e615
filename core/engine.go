package core

import "context"

// Engine compiles guests. Its methods may be called from any goroutine.
type Engine interface {
	// Name returns the engine's name in configurations and results, such as "wazero".
	Name() string

	// Compile turns a guest's code into a component. It may take seconds. It checks the
	// sizes that the code declares against limits before it allocates memory of these
	// sizes. The error for code that is malformed or does not meet the contract is a
	// [ModuleError], or wraps a [LimitError].
	Compile(ctx context.Context, src Source, limits Limits) (Component, error)

	// Close waits until all instances have been closed and no Compile is in progress,
	// and then releases the engine. If ctx ends before, it returns an error that wraps
	// [ErrInUse] and ctx's error and names the number of instances. It has released
	// nothing then, the instances go on, and Close may be called again. After Close,
	// Compile and Instantiate return ErrClosed, and a second Close returns nil.
	Close(ctx context.Context) error
}

// Component is a compiled guest, from which any number of instances can be made,
// at the same time and from any goroutine.
type Component interface {
	// Traits returns the exports of the guest and the guarantees of the engine.
	Traits() Traits

	// Instantiate makes a live guest with its own memory, and runs its start function
	// and _initialize if it has them. The caller can stop this guest code by
	// [Instance.Interrupt]: see [Environment.Starting]. The error for a guest that
	// fails is a [TrapError].
	Instantiate(ctx context.Context, env Environment) (Instance, error)

	// Close waits until the component's instances have been closed, and releases the
	// code. If ctx ends before, the error is that of [Engine.Close], and nothing has
	// been released. After Close, Instantiate returns ErrClosed, and a second Close
	// returns nil.
	Close(ctx context.Context) error
}

// Traits are the exports of a component, and the guarantees of its engine.
type Traits struct {
	Callback   bool // exports handle-callback, so that it may send requests
	Management bool // exports component-management
	State      bool // exports component-state: instances implement [StateKeeper]
	// HTTP: it exports wasi:http/incoming-handler, and not handle-message. Its messages are
	// requests of HTTP, and its responses those of HTTP, both in the form of HTTP/1.1 (RFC 9112).
	HTTP bool
	// Interruptible: a call in progress ends within milliseconds of
	// Instance.Interrupt.
	Interruptible bool
	// CountsRunningTime: the engine counts the time for which the guest runs and
	// waits, and ends a call that exceeds its [Limits]. Without it the host interrupts
	// calls by elapsed time.
	CountsRunningTime bool
	// KeepsLedger: instances act by [Environment.Ledger]. A host passes a ledger to
	// them alone.
	KeepsLedger bool
	// InGo: guests are Go code of this process, to which the methods of [Services] are
	// ordinary calls. The host gives them a credit only where it can call the target at
	// once.
	InGo bool
	// Exchanges: instances that keep a ledger also exchange messages with each other
	// while the ledger's Most is above 0. The host exchanges for all others.
	Exchanges bool
	// OwnFiles: the guest is a program with the files of its user. The host refuses a deployment that
	// grants it directories, since instances would not see them.
	OwnFiles bool
	// Enforces are the limits that the engine enforces for the component. The host
	// refuses a deployment that sets another one.
	Enforces LimitSet
}

// Environment is the host's side of an instance.
type Environment struct {
	ID     ComponentID
	Host   Services
	Limits Limits
	// Timers are the timers of the component; nil if the host has none. See [TimersOf].
	Timers Timers
	// Functions are the functions that the component may call; nil if the host has none.
	// See [FunctionsOf].
	Functions Functions
	// KeyValue are the buckets of the component; nil if the host has none. See [KeyValueOf].
	KeyValue KeyValue
	// Settings are the configuration and the secrets of the component; nil if the host has none.
	// See [SettingsOf].
	Settings Settings
	// HTTP sends requests to the web for the component; nil if the host has no client. See [HTTPOf].
	HTTP HTTP
	// Files are the directories that the component was granted; nil if it has none. See [FilesOf].
	Files Files
	// Publisher sends messages by topics; nil if the host has none. See [PublisherOf].
	Publisher Publisher
	// Variables and Arguments are those that a guest of WebAssembly gets by WASI.
	Variables []ConfigPair
	Arguments []string
	// Ledger, if not nil, lets the engine act for the host in calls of the instance.
	Ledger *Ledger
	// Starting, if not nil, is called with the instance before any guest code runs, so
	// that the host can interrupt a start function. Until Instantiate has returned,
	// only Interrupt may be called.
	Starting func(Instance)
	// Ended, if not nil, is called by an instance that ends while no call is in
	// progress, so that the host learns of the end before the next message. The
	// instance may call it from any goroutine until Close. Ended does not block.
	Ended func()
	// Wanted, if not nil, is called by a [Turner] whose guest wants to use the services while
	// no call is in progress. The host calls Turn soon, once for any number of calls of
	// Wanted. The instance may call it from any goroutine until Close. Wanted does not block.
	Wanted func()
}

// Services are the host's services for a guest, with the names of the contract. An
// instance calls them only while a call of its own is in progress, on the same
// goroutine; [Turner] has a call for guests that want them at other times. Byte slices belong to
// the guest and are valid only during the call; the host copies those that it keeps.
type Services interface {
	// SendMessage is send-message. An error is a [MessagingError].
	SendMessage(target, message []byte) error
	// SendRequest is send-request; a timeout of 0 milliseconds is the host's
	// default. An error is a [MessagingError].
	SendRequest(target, request []byte, timeoutMillis uint64) (RequestID, error)
	// CancelRequest is cancel-request. An error is a [MessagingError].
	CancelRequest(id RequestID) error
	// Log is log. The message may have any bytes; the host escapes them.
	Log(level LogLevel, message []byte)
	// Now is current-time, in nanoseconds since the Unix epoch.
	Now() uint64
}

// Instance is a live guest. Its methods are called by one goroutine at a time;
// only Interrupt may be called at any time from any goroutine.
//
// An error that is or wraps a [ComponentError] is the guest's answer, and the instance
// goes on. Any other error of a call is a [TrapError]: the instance has ended, and only
// Close may follow. After Close or a trap every call returns an error and runs no guest
// code.
type Instance interface {
	// Initialize is initialize. It is called once, before any message, with the pairs
	// of the configuration in order. It does nothing if the guest has no
	// component-management.
	Initialize(config []ConfigPair) error

	// HandleMessage is handle-message. If response is not nil, the guest's response is
	// appended to *response after the guest has returned. If response is nil, the
	// guest's response is not copied, and may have any size. *response may be
	// message[:0]; otherwise message is not changed.
	HandleMessage(sender ComponentID, message []byte, response *[]byte) error

	// HandleCallback is handle-callback. If failure is nil the request ended with
	// response. It is never called for a component without handle-callback, which
	// cannot send requests.
	HandleCallback(id RequestID, response []byte, failure *RequestError) error

	// Health is health. It returns HealthHealthy if the guest has no
	// component-management.
	Health() (HealthStatus, error)

	// Shutdown is shutdown. It is called once, after the last message. It does nothing
	// if the guest has no component-management.
	Shutdown() error

	// Interrupt ends the instance, and the call in progress if the engine can: the call
	// returns a [TrapError] of kind TrapHandler as soon as the guest's code has been
	// stopped. The instance ends even if no call is in progress. Interrupt does not
	// block.
	Interrupt()

	// Close releases the instance and its memory. No call may be in progress. A second
	// Close returns nil.
	Close() error
}

// Batcher is an [Instance] that handles several messages in one call, because a call
// costs much. The process engine has one.
type Batcher interface {
	Instance

	// HandleBatch is HandleMessage and HandleCallback for several messages. The guest
	// handles them one after the other, in order. HandleBatch calls done for each
	// handled message, in order and on the same goroutine, with the response, which is
	// valid only during done, or with the guest's [ComponentError]. The guest may have
	// begun the next message by then. An error of HandleBatch is a [TrapError]; it
	// ends the messages that were not done. HandleBatch does not keep the batch or
	// change its messages.
	HandleBatch(batch []Delivery, done func(i int, response []byte, err error)) error
}

// Delivery is one message of a batch.
type Delivery struct {
	Message *Message
	// Outcome: Message is the outcome of one of the guest's requests. Otherwise it is a
	// message, whose response is wanted only if it is a request.
	Outcome bool
}
