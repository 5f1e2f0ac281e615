package wasi

import "github.com/airhost/airhost/internal/wit"

// methods are the functions of WASI 0.2 by interface and name. It lacks those of resources
// that no guest has: a socket.
var methods = map[string]map[string]method{
	"wasi:io/error": {"[method]error.to-debug-string": debugString},
	"wasi:io/poll": {
		"[method]pollable.ready": func(c *call) any { return pollableOf(c.args[0]).ready() },
		"[method]pollable.block": block,
		"poll":                   poll,
	},
	"wasi:io/streams": {
		"[method]input-stream.read":                             read,
		"[method]input-stream.blocking-read":                    read,
		"[method]input-stream.skip":                             skip,
		"[method]input-stream.blocking-skip":                    skip,
		"[method]input-stream.subscribe":                        subscribe,
		"[method]output-stream.check-write":                     toStream(checkWrite),
		"[method]output-stream.write":                           toStream(write),
		"[method]output-stream.blocking-write-and-flush":        toStream(writeAndFlush),
		"[method]output-stream.flush":                           toStream(flush),
		"[method]output-stream.blocking-flush":                  toStream(flush),
		"[method]output-stream.subscribe":                       subscribe,
		"[method]output-stream.write-zeroes":                    toStream(writeZeroes),
		"[method]output-stream.blocking-write-zeroes-and-flush": toStream(writeZeroesAndFlush),
		"[method]output-stream.splice":                          toStream(splice),
		"[method]output-stream.blocking-splice":                 toStream(splice),
	},
	"wasi:clocks/monotonic-clock": {
		"now":                func(*call) any { return uint64(monotonic()) },
		"resolution":         func(*call) any { return uint64(resolution) },
		"subscribe-instant":  func(c *call) any { return &pollable{at: durationOf(c.args[0].(uint64))} },
		"subscribe-duration": func(c *call) any { return &pollable{at: after(c.args[0].(uint64))} },
	},
	"wasi:clocks/wall-clock": {
		"now":        func(c *call) any { return datetime(c.guest.Now()) },
		"resolution": func(*call) any { return datetime(resolution) },
	},
	"wasi:random/random": {
		"get-random-bytes": randomBytes,
		"get-random-u64":   func(c *call) any { return c.randomNumber() },
	},
	"wasi:random/insecure": {
		"get-insecure-random-bytes": randomBytes,
		"get-insecure-random-u64":   func(c *call) any { return c.randomNumber() },
	},
	"wasi:random/insecure-seed": {
		"insecure-seed": func(c *call) any { return []any{c.randomNumber(), c.randomNumber()} },
	},
	"wasi:cli/environment": {
		"get-environment": getEnvironment,
		"get-arguments":   getArguments,
		"initial-cwd":     nothing,
	},
	"wasi:cli/exit": {
		"exit":           func(c *call) any { exit(c.args[0].(variant).number); return nil },
		"exit-with-code": func(c *call) any { exit(uint32(c.args[0].(uint64))); return nil },
	},
	"wasi:cli/stdin":           {"get-stdin": func(*call) any { return &inputStream{} }},
	"wasi:cli/stdout":          {"get-stdout": func(*call) any { return &outputStream{to: logSink(1)} }},
	"wasi:cli/stderr":          {"get-stderr": func(*call) any { return &outputStream{to: logSink(2)} }},
	"wasi:cli/terminal-stdin":  {"get-terminal-stdin": nothing},
	"wasi:cli/terminal-stdout": {"get-terminal-stdout": nothing},
	"wasi:cli/terminal-stderr": {"get-terminal-stderr": nothing},

	"wasi:filesystem/types":    fileMethods,
	"wasi:filesystem/preopens": {"get-directories": getDirectories},

	"wasi:sockets/network":           {"network-error-code": nothing},
	"wasi:sockets/instance-network":  {"instance-network": func(*call) any { return network{} }},
	"wasi:sockets/ip-name-lookup":    {"resolve-addresses": noSocket},
	"wasi:sockets/tcp-create-socket": {"create-tcp-socket": noSocket},
	"wasi:sockets/udp-create-socket": {"create-udp-socket": noSocket},

	"wasi:keyvalue/store":   storeMethods,
	"wasi:keyvalue/atomics": atomicsMethods,
	"wasi:keyvalue/batch":   batchMethods,

	"wasi:config/store": configMethods,

	"wasi:http/types":            httpMethods,
	"wasi:http/outgoing-handler": {"handle": handleRequest},
}

// denied are the functions that are there to be refused.
var denied = map[string]bool{"resolve-addresses": true, "create-tcp-socket": true, "create-udp-socket": true}

// network is the network that every guest may have, and open no socket in.
type network struct{}

// noSocket refuses a socket and a name's addresses.
func noSocket(*call) any { return failed(variant{number: wit.SocketAccessDenied}) }

// nothing returns none: a guest has no terminal, no working directory, and no error of a file or a socket.
func nothing(*call) any { return none }

func getEnvironment(c *call) any {
	list := []any{}
	for _, v := range c.grants.Environment {
		list = append(list, []any{v.Key, v.Value})
	}
	return list
}

func getArguments(c *call) any {
	list := []any{}
	for _, a := range c.grants.Arguments {
		list = append(list, a)
	}
	return list
}
