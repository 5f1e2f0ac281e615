package hostile

import (
	"fmt"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/wasm"
)

const (
	byHandlerTime = "limits.handler_time"
	byStartTime   = "limits.start_time"
	byMemory      = "limits.memory"
	byTables      = "limits.table_elements"
	byABI         = "the contract's ABI"
	byValidation  = "the check before compiling"
	byRate        = "quota.messages_per_second"
	byTracker     = "requests have owners"
	byLogQuota    = "1,000 lines and 1 MiB a second"
)

// inGuest returns an attack that exceeds its handler time.
func inGuest(name string, message ...byte) Attack {
	return Attack{Name: name, Bound: byHandlerTime, Message: message, Kind: core.TrapHandler}
}

// armed returns an attack from another function than handle-message. The message in
// arm selects the function.
func armed(name, arm string, message ...byte) Attack {
	a := inGuest(name, message...)
	a.Arm = arm
	return a
}

// of sets the group of attacks.
func of(group string, attacks ...Attack) []Attack {
	for i := range attacks {
		attacks[i].Group = group
	}
	return attacks
}

// starting returns an attack before the guest's first message.
func starting(name string, change func(*wasm.Module), kind core.TrapKind) Attack {
	return Attack{Name: name, Bound: byStartTime, Guest: forge(change), By: ByLoad, End: NotStarted, Kind: kind}
}

func processor() []Attack {
	table := inGuest("a jump table of 10,000 entries, for ever", 'j')
	table.Guest = forge(jumps(10_000))
	fills := inGuest("all of its memory filled 2,000 times, without a loop", 'j')
	fills.Guest = forge(fillMemory(2000))
	refer := inGuest("references taken in a small function, for ever", 'j')
	refer.Guest = forge(references(30))
	carry := inGuest("branches that carry 999 values, for ever", 'j')
	carry.Guest = forge(carried(999))
	health := armed("a loop in health", "aho")
	health.By, health.Tune = ByHealth, func(d *host.Deployment) { d.HealthInterval = time.Millisecond }
	shutdown := armed("a loop in shutdown", "aso")
	shutdown.By = ByShutdown
	callback := armed("a loop in handle-callback", "aco", 'q')
	callback.Peer, callback.End, callback.By = "a", Trapped, BySend
	initialize := starting("a loop in initialize", func(*wasm.Module) {}, core.TrapHandler)
	initialize.Config = "o"
	return of("processor",
		inGuest("a loop", 'o'),
		inGuest("2^36 calls without a loop", 'x'),
		inGuest("two functions that call each other, exponentially", 'm'),
		table,
		inGuest("all of its memory filled, for ever", 'F'),
		fills,
		refer,
		carry,
		starting("a loop in the start function", startsWith("spin"), core.TrapHandler),
		starting("a loop in _initialize", initializesWith("spin"), core.TrapHandler),
		initialize,
		armed("a loop in cabi_realloc", "aRo", []byte("e hello")...),
		inGuest("a loop in a post-return", []byte("apo")...),
		callback,
		health,
		shutdown,
	)
}

func memory() []Attack {
	table := inGuest("a table grown until refused, then filled for ever", 'j')
	table.Guest, table.Bound = forge(growTable), byTables+", "+byHandlerTime
	response := Attack{Name: "a response of all its memory", Bound: "quota.message_size", Message: []byte("b"), End: Answered, Fails: core.ErrRequestFailed}
	return of("memory",
		Attack{Name: "memory grown until refused, and all of it touched", Bound: byMemory, Message: []byte("g"), End: Answered, Check: allPages},
		Attack{Name: "the same, and a trap", Bound: byMemory, Message: []byte("T"), Kind: core.TrapFault},
		response,
		table,
		declares("a memory of 4 GiB declared", byMemory, byMemory, func(m *wasm.Module) { m.Memories[0].Min = 1 << 16 }),
		declares("a table of 2^27 elements declared", byTables, byTables, tables(1, 1<<27)),
		Attack{Name: "17 bytes with a table of 2^27 elements", Bound: byValidation, By: ByLoad, End: Refused, Guest: func() []byte {
			return []byte("\x00asm\x01\x00\x00\x00\x04\x07\x01\x70\x00\x80\x80\x80\x40")
		}},
		declares("10,000 tables of 10,000 elements", "100 tables", "tables", tables(10_000, 10_000)),
	)
}

// declares returns an attack by a module that declares too much.
func declares(name, bound, limit string, change func(*wasm.Module)) Attack {
	return Attack{Name: name, Bound: bound, Guest: forge(change), By: ByLoad, End: Refused, Limit: limit}
}

// guestMemory is the memory limit of an attacker.
const guestMemory = 16 << 20

func allPages(c Counts) error {
	if c[0] != guestMemory>>16 {
		return fmt.Errorf("the guest got %d pages, want %d", c[0], guestMemory>>16)
	}
	return nil
}

func stack() []Attack {
	small := Attack{Name: "endless recursion", Bound: "the guest's stack", Message: []byte("z"), Kind: core.TrapStack}
	large := Attack{Name: "endless recursion with 1,000 locals", Bound: "the guest's stack", Message: []byte("j"), Kind: core.TrapStack, Guest: forge(frames(1000))}
	return of("stack", small, large)
}

// hostCalls returns attacks by host calls with all of the guest's memory.
func hostCalls() []Attack {
	var all []Attack
	for _, call := range []struct {
		which byte
		name  string
	}{
		{'t', "send-message to a target of 16 MiB, for ever"},
		{'u', "the same, of letters that are not ASCII"},
		{'m', "send-message of 16 MiB, for ever"},
		{'r', "send-request of 16 MiB, for ever"},
		{'l', "log of 16 MiB, for ever"},
		{'n', "random_get of 16 MiB, for ever"},
		{'w', "fd_write of 2^28 buffers, for ever"},
		{'p', "poll_oneoff of 2^20 subscriptions, for ever"},
		{'z', "poll_oneoff for an hour"},
	} {
		a := inGuest(call.name, 'c', call.which)
		a.Peer = "b"
		all = append(all, a)
	}
	queue := inGuest("send-message of 1 MiB to itself, without a quota, for ever", 'c', 's')
	queue.Peer, queue.Tune = "a", withoutRate
	return of("host calls", append(all, queue,
		inGuest("wasi:io/poll of 4,000 pollables that are ready, for ever", 'W', 'q'),
		inGuest("fields.has of wasi:http with 13,000 fields, for ever", 'W', 'f'),
		inGuest("poll_oneoff of 1,024 clocks that are over, for ever", 'W', 'o'),
	)...)
}

func violations() []Attack {
	var all []Attack
	add := func(name, arm string, message string) {
		all = append(all, Attack{Name: name, Bound: byABI, Arm: arm, Message: []byte(message), Kind: core.TrapABI, Peer: "b"})
	}
	for how, name := range map[byte]string{
		'a': "a result area at 2^32−8", 'e': "a result area that ends out of range", 'm': "a misaligned result area",
		'd': "an unknown discriminant", 'c': "an unknown error case", 'p': "a response out of range",
		'o': "a response of 2^32−1 bytes", 'u': "an error text that is not UTF-8",
		'1': "a target out of range", '2': "a target that is not UTF-8", '3': "a message of 2^32−1 bytes",
		'4': "an area for an answer at 2^32−16", '5': "a misaligned area for an answer", '6': "self-id into nowhere",
		'7': "cancel-request into nowhere", '8': "an unknown log level", '9': "a log line out of range",
	} {
		add(name, "", "v"+string(how))
	}
	for how, name := range map[byte]string{
		'0': "cabi_realloc that returns 0", 'h': "cabi_realloc that returns 2^32−16",
		'e': "cabi_realloc that returns the end of memory",
		's': "send-message from cabi_realloc", 'q': "send-request from cabi_realloc",
	} {
		add(name, "aR"+string(how), "e hello")
	}
	add("send-message from a post-return", "", "aps")
	add("send-request from a post-return", "", "apq")
	health := Attack{Name: "an unknown health", Bound: byABI, Arm: "ahb", By: ByHealth, Kind: core.TrapABI,
		Tune: func(d *host.Deployment) { d.HealthInterval = time.Millisecond }}
	harmless := func(name, arm, message string) Attack {
		return Attack{Name: name, Bound: byABI, Arm: arm, Message: []byte(message), End: Answered}
	}
	return of("ABI", append(sortByName(all), health,
		harmless("a response that is its own area", "", "vs"),
		harmless("cabi_realloc that grows memory at each call", "arg", "e hello"),
		harmless("cabi_realloc that returns the same memory for all", "arv", "e hello"),
	)...)
}

// advances returns attacks after a call has ended, when the guest allocates the arguments
// of the next one.
func advances() []Attack {
	var all []Attack
	for _, how := range []struct {
		letter byte
		name   string
		bound  string
		kind   core.TrapKind
	}{
		{'0', "returns 0", byABI, core.TrapABI},
		{'h', "returns 2^32−16", byABI, core.TrapABI},
		{'e', "returns the end of memory", byABI, core.TrapABI},
		{'s', "sends a message", byABI, core.TrapABI},
		{'q', "sends a request", byABI, core.TrapABI},
		{'t', "traps", byABI, core.TrapFault},
		{'o', "loops", byHandlerTime, core.TrapHandler},
		{'z', "recurses without end", "the guest's stack", core.TrapStack},
	} {
		all = append(all, Attack{Name: "cabi_realloc that " + how.name, Bound: how.bound, Message: []byte{'a', 'r', how.letter}, End: Afterwards, Kind: how.kind})
	}
	harmless := func(name, arm string, guest func() []byte) Attack {
		return Attack{Name: name, Bound: byABI, Arm: arm, Message: []byte("e hello"), End: Answered, Guest: guest}
	}
	return of("in advance", append(all,
		harmless("cabi_realloc that grows all of its memory", "arG", nil),
		harmless("cabi_realloc that overwrites all of its memory", "arf", nil),
		harmless("exports with names that a host adds", "e", forge(exports(10, "airhost:entry"))),
		harmless("1,000 exports", "e", forge(exports(1000, "airhost:word-"))),
		harmless("no post-return", "e", forge(unexported("cabi_post_airhost:core/component-lifecycle@0.1.0#handle-message"))),
	)...)
}

// handOvers returns attacks by the state that a guest hands over when it is replaced.
func handOvers() []Attack {
	var all []Attack
	for _, how := range []struct {
		letter byte
		name   string
		bound  string
		kind   core.TrapKind
	}{
		{'o', "a loop", byHandlerTime, core.TrapHandler},
		{'z', "endless recursion", "the guest's stack", core.TrapStack},
		{'t', "a trap", "the old version stays", core.TrapFault},
		{'a', "a result area at 2^32−8", byABI, core.TrapABI},
		{'d', "an unknown discriminant", byABI, core.TrapABI},
		{'p', "a state out of range", byABI, core.TrapABI},
	} {
		a := Attack{Name: how.name + " in save", Bound: how.bound, Arm: "av" + string(how.letter), By: ByReplace, End: RolledBack, Kind: how.kind}
		all = append(all, a)
		if how.letter == 'p' {
			continue
		}
		a.Name, a.Arm, a.Config = how.name+" in restore", "", "aV"+string(how.letter)
		all = append(all, a)
	}
	for letter, name := range map[byte]string{'0': "returns 0", 'h': "returns 2^32−16", 's': "sends a message"} {
		all = append(all, Attack{Name: "cabi_realloc for a state that " + name, Bound: byABI, Arm: "e a state", Config: "ar" + string(letter),
			By: ByReplace, End: RolledBack, Kind: core.TrapABI})
	}
	return of("state", append(sortByName(all),
		Attack{Name: "all of its memory", Bound: byMemory, Arm: "avb", By: ByReplace, End: Answered},
	)...)
}
