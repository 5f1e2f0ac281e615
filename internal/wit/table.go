package wit

import "sync"

// table has the interfaces of WASI 0.2 in the notation of [parser]. A test compares it
// with WASI's own texts.
const table = `
wasi:io/error
resource error
error.to-debug-string() string

wasi:io/poll
resource pollable
pollable.ready() bool
pollable.block()
poll(list<borrow<pollable>>) list<u32>

wasi:io/streams
resource input-stream, output-stream
stream-error = variant<error, _>
input-stream.read(u64) result<list<u8>, stream-error>
input-stream.blocking-read(u64) result<list<u8>, stream-error>
input-stream.skip(u64) result<u64, stream-error>
input-stream.blocking-skip(u64) result<u64, stream-error>
input-stream.subscribe() pollable
output-stream.check-write() result<u64, stream-error>
output-stream.write(list<u8>) result<_, stream-error>
output-stream.blocking-write-and-flush(list<u8>) result<_, stream-error>
output-stream.flush() result<_, stream-error>
output-stream.blocking-flush() result<_, stream-error>
output-stream.subscribe() pollable
output-stream.write-zeroes(u64) result<_, stream-error>
output-stream.blocking-write-zeroes-and-flush(u64) result<_, stream-error>
output-stream.splice(borrow<input-stream>, u64) result<u64, stream-error>
output-stream.blocking-splice(borrow<input-stream>, u64) result<u64, stream-error>

wasi:clocks/monotonic-clock
now() u64
resolution() u64
subscribe-instant(u64) pollable
subscribe-duration(u64) pollable

wasi:clocks/wall-clock
datetime = tuple<u64, u32>
now() datetime
resolution() datetime

wasi:random/random
get-random-bytes(u64) list<u8>
get-random-u64() u64

wasi:random/insecure
get-insecure-random-bytes(u64) list<u8>
get-insecure-random-u64() u64

wasi:random/insecure-seed
insecure-seed() tuple<u64, u64>

wasi:cli/environment
get-environment() list<tuple<string, string>>
get-arguments() list<string>
initial-cwd() option<string>

wasi:cli/exit
exit(result)
exit-with-code(u8)

wasi:cli/stdin
get-stdin() input-stream

wasi:cli/stdout
get-stdout() output-stream

wasi:cli/stderr
get-stderr() output-stream

wasi:cli/terminal-input
resource terminal-input

wasi:cli/terminal-output
resource terminal-output

wasi:cli/terminal-stdin
get-terminal-stdin() option<terminal-input>

wasi:cli/terminal-stdout
get-terminal-stdout() option<terminal-output>

wasi:cli/terminal-stderr
get-terminal-stderr() option<terminal-output>
` + filesystemTable + socketsTable + httpTable + keyValueTable + configTable

const filesystemTable = `
wasi:filesystem/types
resource descriptor, directory-entry-stream
descriptor-type = enum<8>
descriptor-flags = flags<6>
path-flags = flags<1>
open-flags = flags<4>
descriptor-stat = tuple<descriptor-type, u64, u64, option<datetime>, option<datetime>, option<datetime>>
new-timestamp = variant<_, _, datetime>
directory-entry = tuple<descriptor-type, string>
file-error = enum<37>
advice = enum<6>
metadata-hash-value = tuple<u64, u64>
descriptor.read-via-stream(u64) result<input-stream, file-error>
descriptor.write-via-stream(u64) result<output-stream, file-error>
descriptor.append-via-stream() result<output-stream, file-error>
descriptor.advise(u64, u64, advice) result<_, file-error>
descriptor.sync-data() result<_, file-error>
descriptor.get-flags() result<descriptor-flags, file-error>
descriptor.get-type() result<descriptor-type, file-error>
descriptor.set-size(u64) result<_, file-error>
descriptor.set-times(new-timestamp, new-timestamp) result<_, file-error>
descriptor.read(u64, u64) result<tuple<list<u8>, bool>, file-error>
descriptor.write(list<u8>, u64) result<u64, file-error>
descriptor.read-directory() result<directory-entry-stream, file-error>
descriptor.sync() result<_, file-error>
descriptor.create-directory-at(string) result<_, file-error>
descriptor.stat() result<descriptor-stat, file-error>
descriptor.stat-at(path-flags, string) result<descriptor-stat, file-error>
descriptor.set-times-at(path-flags, string, new-timestamp, new-timestamp) result<_, file-error>
descriptor.link-at(path-flags, string, borrow<descriptor>, string) result<_, file-error>
descriptor.open-at(path-flags, string, open-flags, descriptor-flags) result<descriptor, file-error>
descriptor.readlink-at(string) result<string, file-error>
descriptor.remove-directory-at(string) result<_, file-error>
descriptor.rename-at(string, borrow<descriptor>, string) result<_, file-error>
descriptor.symlink-at(string, string) result<_, file-error>
descriptor.unlink-file-at(string) result<_, file-error>
descriptor.is-same-object(borrow<descriptor>) bool
descriptor.metadata-hash() result<metadata-hash-value, file-error>
descriptor.metadata-hash-at(path-flags, string) result<metadata-hash-value, file-error>
directory-entry-stream.read-directory-entry() result<option<directory-entry>, file-error>
filesystem-error-code(borrow<error>) option<file-error>

wasi:filesystem/preopens
get-directories() list<tuple<descriptor, string>>
`

const socketsTable = `
wasi:sockets/network
resource network
socket-error = enum<21>
network-error-code(borrow<error>) option<socket-error>
family = enum<2>
ipv4 = tuple<u8, u8, u8, u8>
ipv6 = tuple<u16, u16, u16, u16, u16, u16, u16, u16>
ip-address = variant<ipv4, ipv6>
ip-socket-address = variant<tuple<u16, ipv4>, tuple<u16, u32, ipv6, u32>>

wasi:sockets/instance-network
instance-network() network

wasi:sockets/ip-name-lookup
resource resolve-address-stream
resolve-addresses(borrow<network>, string) result<resolve-address-stream, socket-error>
resolve-address-stream.resolve-next-address() result<option<ip-address>, socket-error>
resolve-address-stream.subscribe() pollable

wasi:sockets/tcp
resource tcp-socket
tcp-socket.start-bind(borrow<network>, ip-socket-address) result<_, socket-error>
tcp-socket.finish-bind() result<_, socket-error>
tcp-socket.start-connect(borrow<network>, ip-socket-address) result<_, socket-error>
tcp-socket.finish-connect() result<tuple<input-stream, output-stream>, socket-error>
tcp-socket.start-listen() result<_, socket-error>
tcp-socket.finish-listen() result<_, socket-error>
tcp-socket.accept() result<tuple<tcp-socket, input-stream, output-stream>, socket-error>
tcp-socket.local-address() result<ip-socket-address, socket-error>
tcp-socket.remote-address() result<ip-socket-address, socket-error>
tcp-socket.is-listening() bool
tcp-socket.address-family() family
tcp-socket.set-listen-backlog-size(u64) result<_, socket-error>
tcp-socket.keep-alive-enabled() result<bool, socket-error>
tcp-socket.set-keep-alive-enabled(bool) result<_, socket-error>
tcp-socket.keep-alive-idle-time() result<u64, socket-error>
tcp-socket.set-keep-alive-idle-time(u64) result<_, socket-error>
tcp-socket.keep-alive-interval() result<u64, socket-error>
tcp-socket.set-keep-alive-interval(u64) result<_, socket-error>
tcp-socket.keep-alive-count() result<u32, socket-error>
tcp-socket.set-keep-alive-count(u32) result<_, socket-error>
tcp-socket.hop-limit() result<u8, socket-error>
tcp-socket.set-hop-limit(u8) result<_, socket-error>
tcp-socket.receive-buffer-size() result<u64, socket-error>
tcp-socket.set-receive-buffer-size(u64) result<_, socket-error>
tcp-socket.send-buffer-size() result<u64, socket-error>
tcp-socket.set-send-buffer-size(u64) result<_, socket-error>
tcp-socket.subscribe() pollable
tcp-socket.shutdown(enum<3>) result<_, socket-error>

wasi:sockets/tcp-create-socket
create-tcp-socket(family) result<tcp-socket, socket-error>

wasi:sockets/udp
resource udp-socket, incoming-datagram-stream, outgoing-datagram-stream
udp-socket.start-bind(borrow<network>, ip-socket-address) result<_, socket-error>
udp-socket.finish-bind() result<_, socket-error>
udp-socket.stream(option<ip-socket-address>) result<tuple<incoming-datagram-stream, outgoing-datagram-stream>, socket-error>
udp-socket.local-address() result<ip-socket-address, socket-error>
udp-socket.remote-address() result<ip-socket-address, socket-error>
udp-socket.address-family() family
udp-socket.unicast-hop-limit() result<u8, socket-error>
udp-socket.set-unicast-hop-limit(u8) result<_, socket-error>
udp-socket.receive-buffer-size() result<u64, socket-error>
udp-socket.set-receive-buffer-size(u64) result<_, socket-error>
udp-socket.send-buffer-size() result<u64, socket-error>
udp-socket.set-send-buffer-size(u64) result<_, socket-error>
udp-socket.subscribe() pollable
incoming-datagram-stream.receive(u64) result<list<tuple<list<u8>, ip-socket-address>>, socket-error>
incoming-datagram-stream.subscribe() pollable
outgoing-datagram-stream.check-send() result<u64, socket-error>
outgoing-datagram-stream.send(list<tuple<list<u8>, option<ip-socket-address>>>) result<u64, socket-error>
outgoing-datagram-stream.subscribe() pollable

wasi:sockets/udp-create-socket
create-udp-socket(family) result<udp-socket, socket-error>
`

const httpTable = `
wasi:http/types
resource fields, incoming-request, outgoing-request, request-options, response-outparam
resource incoming-response, incoming-body, future-trailers, outgoing-response, outgoing-body
resource future-incoming-response
method = variant<_, _, _, _, _, _, _, _, _, string>
scheme = variant<_, _, string>
text = option<string>
size = option<u32>
field-size = tuple<text, size>
http-error = variant<_, tuple<text, option<u16>>, _, _, _, _, _, _, _, _, _, _, _, _, tuple<option<u8>, text>, _, _, option<u64>, _, _, _, size, option<field-size>, size, field-size, _, size, field-size, option<u64>, size, field-size, text, text, _, _, _, _, _, text>
http-error-code(borrow<error>) option<http-error>
header-error = enum<3>
new fields()
fields::from-list(list<tuple<string, list<u8>>>) result<fields, header-error>
fields.get(string) list<list<u8>>
fields.has(string) bool
fields.set(string, list<list<u8>>) result<_, header-error>
fields.delete(string) result<_, header-error>
fields.append(string, list<u8>) result<_, header-error>
fields.entries() list<tuple<string, list<u8>>>
fields.clone() fields
incoming-request.method() method
incoming-request.path-with-query() text
incoming-request.scheme() option<scheme>
incoming-request.authority() text
incoming-request.headers() fields
incoming-request.consume() result<incoming-body>
new outgoing-request(fields)
outgoing-request.body() result<outgoing-body>
outgoing-request.method() method
outgoing-request.set-method(method) result
outgoing-request.path-with-query() text
outgoing-request.set-path-with-query(text) result
outgoing-request.scheme() option<scheme>
outgoing-request.set-scheme(option<scheme>) result
outgoing-request.authority() text
outgoing-request.set-authority(text) result
outgoing-request.headers() fields
new request-options()
request-options.connect-timeout() option<u64>
request-options.set-connect-timeout(option<u64>) result
request-options.first-byte-timeout() option<u64>
request-options.set-first-byte-timeout(option<u64>) result
request-options.between-bytes-timeout() option<u64>
request-options.set-between-bytes-timeout(option<u64>) result
response-outparam.send-informational(u16, fields) result<_, http-error>
response-outparam::set(response-outparam, result<outgoing-response, http-error>)
incoming-response.status() u16
incoming-response.headers() fields
incoming-response.consume() result<incoming-body>
incoming-body.stream() result<input-stream>
incoming-body::finish(incoming-body) future-trailers
future-trailers.subscribe() pollable
future-trailers.get() option<result<result<option<fields>, http-error>>>
new outgoing-response(fields)
outgoing-response.status-code() u16
outgoing-response.set-status-code(u16) result
outgoing-response.headers() fields
outgoing-response.body() result<outgoing-body>
outgoing-body.write() result<output-stream>
outgoing-body::finish(outgoing-body, option<fields>) result<_, http-error>
future-incoming-response.subscribe() pollable
future-incoming-response.get() option<result<result<incoming-response, http-error>>>

wasi:http/outgoing-handler
handle(outgoing-request, option<request-options>) result<future-incoming-response, http-error>
`

// keyValueTable is of version 0.2.0-draft2. A s64 has the form of a u64.
const keyValueTable = `
wasi:keyvalue/store
resource bucket
store-error = variant<_, _, string>
key-response = tuple<list<string>, option<string>>
open(string) result<bucket, store-error>
bucket.get(string) result<option<list<u8>>, store-error>
bucket.set(string, list<u8>) result<_, store-error>
bucket.delete(string) result<_, store-error>
bucket.exists(string) result<bool, store-error>
bucket.list-keys(option<string>) result<key-response, store-error>

wasi:keyvalue/atomics
resource cas
cas-error = variant<store-error, cas>
increment(borrow<bucket>, string, u64) result<u64, store-error>
cas::new(borrow<bucket>, string) result<cas, store-error>
cas.current() result<option<list<u8>>, store-error>
swap(cas, list<u8>) result<_, cas-error>

wasi:keyvalue/batch
pair = tuple<string, list<u8>>
get-many(borrow<bucket>, list<string>) result<list<option<pair>>, store-error>
set-many(borrow<bucket>, list<pair>) result<_, store-error>
delete-many(borrow<bucket>, list<string>) result<_, store-error>
`

// configTable is of version 0.2.0-draft, and of 0.2.0-rc.1, which is the same.
const configTable = `
wasi:config/store
config-error = variant<string, string>
get(string) result<option<string>, config-error>
get-all() result<list<tuple<string, string>>, config-error>
`

// Interfaces returns the interfaces of WASI 0.2 that a core module may import from.
// Callers must not change them.
var Interfaces = sync.OnceValue(func() []Interface { return parse(table) })

// Find returns an interface by its name without a version, or nil.
func Find(name string) *Interface {
	for i, all := 0, Interfaces(); i < len(all); i++ {
		if all[i].Name == name {
			return &all[i]
		}
	}
	return nil
}
