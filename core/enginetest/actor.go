package enginetest

import (
	"bytes"
	"encoding/binary"

	"github.com/airhost/airhost/core"
)

// Actor is the guest of the suite as a Go value. An engine that runs Go values adapts
// it. testdata/actor.c is the same guest for engines that run WebAssembly.
//
// The first byte of a message is a command; rest are the bytes after it.
//
//	e  returns rest, which shares memory with the message
//	f  fails with the component-error case rest[0] and the text rest[1:]
//	w  returns the sender
//	g  returns the configuration that it was initialized with, as lines key=value
//	k  returns the last callback: 8 bytes request id, 1 byte 0 response or
//	   1 failure, then the response or the failure's text, of which 4087 bytes
//	n  returns the number of calls of initialize and handle-message so far, this
//	   one included, as 8 bytes
//	b  returns the number of bytes that the 8 bytes of rest say
//	h  sets the health to rest[0], and returns nothing
//	l  logs rest[1:] at level rest[0], and returns nothing
//	t  returns current-time as 8 bytes
//	i  returns self-id
//	s  sends a message: 1 byte length of the target, target, message
//	r  sends a request: 8 bytes timeout, then the same as s
//	c  cancels the request of the 8 bytes of rest
//	p  makes rest the state, and returns nothing
//	d  returns the state
//	a  starts a timer: 8 bytes milliseconds, payload
//	q  cancels the timer of the 8 bytes of rest; returns 1 byte: 1 if it was running,
//	   else 0
//	j  calls a function: 1 byte length of the name, name, argument
//	u  publishes: 1 byte length of the topic, topic, message
//	v  uses the bucket "default": 1 byte operation, 1 byte length of the key, key, value. The
//	   operations are g get, h has, s set, d delete, l keys after the key, i increment by the
//	   8 bytes of value, and u update, which appends value
//	m  obeys several commands, one after the other: each is 1 byte length, then the
//	   command and its rest. Returns the result of the last one
//	y  obeys several commands, as m, but later: on its own, when the call has ended (only
//	   if the engine's instances are a [core.Turner]). Logs each result at level info
//	x  traps
//	o  logs "endless" at level trace, and never returns
//	z  uses up its stack (as WebAssembly only)
//
// If they succeed, s, r, c, a, j and u return one byte 0; then r and a the 8 bytes of the id,
// and j the result. Otherwise they return one byte 1, the case of the messaging-error or
// call-error, and its text. So does v, with the case of a keyvalue-error; it returns after the 0, of
// g and h 1 byte: 1 if there is a value, else 0, and then that of g; of l 1 byte: 1 if there are
// more keys, else 0, and each key behind 1 byte with its length; of i the 8 bytes of the sum. All numbers are little-endian. An empty message returns nothing.
//
// A callback obeys a response that begins with x, o or f like a message. Initialize
// obeys keys of one byte: x and o as above; f fails with the case that is the value's
// first character less '0' and with the rest of the value as text; s sends "hello" to
// the value. Health and shutdown obey a health of x or o as above; shutdown logs
// "shutdown" at level info first.
//
// Save logs "save" at level info. It obeys a state that begins with x, o, f or b like a
// message. It saves all others; if one begins with s, it sends "hello" to the rest first. Restore logs "restore", and obeys a state that begins with
// x, o or f like a message before it keeps the state.
type Actor struct {
	// Host and Timers are set before each call.
	Host   ActorHost
	Timers core.Timers
	// Loop never returns. It may panic to end the actor.
	Loop func()
	// Later calls a function of the actor when no call is in progress, beside the actor; nil if
	// the engine has no [core.Turner].
	Later func(func())

	config []byte
	seen   []byte
	state  []byte
	count  uint64
	health byte
}

// ActorMessenger sends messages for an [Actor]. Errors are messaging-errors.
type ActorMessenger interface {
	Send(target string, message []byte) error
	Request(target string, request []byte, timeoutMillis uint64) (core.RequestID, error)
	Cancel(id core.RequestID) error
	Publish(topic string, message []byte) error
}

// ActorHost is the host of an [Actor]. Errors of Call are call-errors, those of OpenBucket and of the
// bucket errors of key-value.
type ActorHost interface {
	ActorMessenger
	Call(function string, argument []byte) ([]byte, error)
	OpenBucket(name string) (ActorBucket, error)
	SelfID() string
	Log(level core.LogLevel, message string)
	Now() uint64
}

// HandleMessage is handle-message. An error is a [core.ComponentError].
func (a *Actor) HandleMessage(sender string, message []byte) ([]byte, error) {
	a.count++
	return a.obey(sender, message)
}

func (a *Actor) obey(sender string, message []byte) (response []byte, err error) {
	if len(message) == 0 {
		return message, nil
	}
	rest := message[1:]
	switch message[0] {
	case 'e':
		return rest, nil
	case 'f':
		return nil, failure(rest)
	case 'w':
		return []byte(sender), nil
	case 'g':
		return a.config, nil
	case 'k':
		return a.seen, nil
	case 'n':
		return number(a.count), nil
	case 'b':
		return make([]byte, binary.LittleEndian.Uint64(rest)), nil
	case 'h':
		a.health = rest[0]
		return nil, nil
	case 'p':
		a.state = bytes.Clone(rest)
		return nil, nil
	case 'd':
		return a.state, nil
	case 'm':
		obeyAll(rest, func(command []byte) { response, err = a.obey(sender, command) })
		return response, err
	case 'y':
		own, commands := &Actor{Host: a.Host, Timers: a.Timers}, bytes.Clone(rest)
		a.Later(func() { own.obeyLater(commands) })
		return nil, nil
	}
	return a.ask(message[0], rest)
}

// obeyLater obeys several commands between calls.
func (a *Actor) obeyLater(commands []byte) {
	obeyAll(commands, func(command []byte) {
		response, _ := a.obey("", command)
		a.Host.Log(core.LogInfo, string(response))
	})
}

// obeyAll calls obey with each of several commands.
func obeyAll(commands []byte, obey func(command []byte)) {
	for len(commands) > 0 {
		end := 1 + int(commands[0])
		obey(commands[1:end])
		commands = commands[end:]
	}
}

// ask obeys the commands that need a host service.
func (a *Actor) ask(command byte, rest []byte) ([]byte, error) {
	switch command {
	case 'l':
		a.Host.Log(core.LogLevel(rest[0]), string(rest[1:]))
		return nil, nil
	case 't':
		return number(a.Host.Now()), nil
	case 'i':
		return []byte(a.Host.SelfID()), nil
	case 's':
		target, message := split(rest)
		return answer(a.Host.Send(target, message)), nil
	case 'r':
		target, request := split(rest[8:])
		id, err := a.Host.Request(target, request, binary.LittleEndian.Uint64(rest))
		return answerID(uint64(id), err), nil
	case 'a':
		id, err := a.Timers.After(binary.LittleEndian.Uint64(rest), rest[8:])
		return answerID(uint64(id), err), nil
	case 'q':
		if a.Timers.CancelTimer(core.TimerID(binary.LittleEndian.Uint64(rest))) {
			return []byte{1}, nil
		}
		return []byte{0}, nil
	case 'j':
		function, argument := split(rest)
		return answerCall(a.Host.Call(function, argument)), nil
	case 'v':
		key, value := split(rest[1:])
		return a.askBucket(rest[0], key, value), nil
	case 'u':
		topic, message := split(rest)
		return answer(a.Host.Publish(topic, message)), nil
	case 'c':
		return answer(a.Host.Cancel(core.RequestID(binary.LittleEndian.Uint64(rest)))), nil
	}
	a.hurt(command)
	return nil, &core.ComponentError{Case: core.CaseInvalidMessage, Text: "unknown command"}
}

// HandleCallback is handle-callback. reason is "" if the request has a response.
func (a *Actor) HandleCallback(id core.RequestID, response []byte, reason string) error {
	a.seen = number(uint64(id))
	if reason != "" {
		a.seen = append(append(a.seen, 1), reason...)
		return nil
	}
	if len(response) > 0 {
		a.hurt(response[0])
	}
	a.seen = append(append(a.seen, 0), response...)
	if len(response) > 0 && response[0] == 'f' {
		return failure(response[1:])
	}
	return nil
}

// Initialize is initialize.
func (a *Actor) Initialize(config []core.ConfigPair) error {
	a.count++
	for _, pair := range config {
		a.config = append(a.config, pair.Key+"="+pair.Value+"\n"...)
		switch {
		case pair.Key == "s":
			_ = a.Host.Send(pair.Value, []byte("hello"))
		case pair.Key == "f":
			return &core.ComponentError{Case: core.ComponentErrorCase(pair.Value[0] - '0'), Text: pair.Value[1:]}
		case len(pair.Key) == 1:
			a.hurt(pair.Key[0])
		}
	}
	return nil
}

// Health is health.
func (a *Actor) Health() core.HealthStatus {
	a.hurt(a.health)
	return core.HealthStatus(a.health)
}

// Shutdown is shutdown.
func (a *Actor) Shutdown() {
	a.Host.Log(core.LogInfo, "shutdown")
	a.hurt(a.health)
}

// Save is save.
func (a *Actor) Save() ([]byte, error) {
	a.Host.Log(core.LogInfo, "save")
	if len(a.state) > 0 {
		switch a.state[0] {
		case 'f':
			return nil, failure(a.state[1:])
		case 'b':
			return make([]byte, binary.LittleEndian.Uint64(a.state[1:])), nil
		case 's':
			_ = a.Host.Send(string(a.state[1:]), []byte("hello"))
		}
		a.hurt(a.state[0])
	}
	return a.state, nil
}

// Restore is restore.
func (a *Actor) Restore(state []byte) error {
	a.Host.Log(core.LogInfo, "restore")
	if len(state) > 0 {
		if state[0] == 'f' {
			return failure(state[1:])
		}
		a.hurt(state[0])
	}
	a.state = bytes.Clone(state)
	return nil
}

func (a *Actor) hurt(how byte) {
	switch how {
	case 'x':
		panic("the actor was told to trap")
	case 'o':
		a.Host.Log(core.LogTrace, "endless")
		a.Loop()
	}
}

func failure(text []byte) error {
	return &core.ComponentError{Case: core.ComponentErrorCase(text[0]), Text: string(text[1:])}
}

func split(b []byte) (target string, message []byte) {
	end := 1 + int(b[0])
	return string(b[1:end]), b[end:]
}

func answer(err error) []byte {
	if err == nil {
		return []byte{0}
	}
	told := core.AsMessagingError(err)
	return append([]byte{1, byte(told.Case)}, told.Text...)
}

func answerID(id uint64, err error) []byte {
	if err != nil {
		return answer(err)
	}
	return append([]byte{0}, number(id)...)
}

func answerCall(result []byte, err error) []byte {
	if err != nil {
		told := core.AsCallError(err)
		return append([]byte{1, byte(told.Case)}, told.Text...)
	}
	return append([]byte{0}, result...)
}

func number(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }
