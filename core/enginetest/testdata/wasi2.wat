;; A guest that imports WASI 0.2 as core modules do, in several versions. The first byte
;; of a message tells what it does: see wasi2.go. Results of WASI are at 64, the response
;; is the bytes at (global $at), (global $size) of them.
(module
  (import "airhost:core/host-services@0.1.0" "current-time" (func $current-time (result i64)))
  (import "wasi:io/poll@0.2" "[resource-drop]pollable" (func $drop-pollable (param i32)))
  (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/poll@0.2.3" "[method]pollable.ready" (func $ready (param i32) (result i32)))
  (import "wasi:io/poll@0.2.12" "poll" (func $poll (param i32 i32 i32)))
  (import "wasi:io/streams@0.2.6" "[method]output-stream.check-write" (func $check-write (param i32 i32)))
  (import "wasi:io/streams@0.2.6" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.6" "[method]output-stream.blocking-write-and-flush" (func $write-now (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.6" "[resource-drop]output-stream" (func $drop-stream (param i32)))
  (import "wasi:io/streams@0.2.6" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
  (import "wasi:cli/stdin@0.2.6" "get-stdin" (func $stdin (result i32)))
  (import "wasi:cli/stdout@0.2.6" "get-stdout" (func $stdout (result i32)))
  (import "wasi:cli/stderr@0.2.6" "get-stderr" (func $stderr (result i32)))
  (import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
  (import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param i32)))
  (import "wasi:cli/terminal-stdout@0.2.0" "get-terminal-stdout" (func $terminal (param i32)))
  (import "wasi:cli/exit@0.2.6" "exit-with-code" (func $exit (param i32)))
  (import "wasi:clocks/wall-clock@0.2.0" "now" (func $wall (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $monotonic (result i64)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
  (import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))
  (import "wasi:filesystem/preopens@0.2.6" "get-directories" (func $directories (param i32)))
  (import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $socket (param i32 i32)))
  (import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.start-connect"
    (func $connect (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.10" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.10" "[method]fields.append" (func $append (param i32 i32 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.10" "[method]fields.entries" (func $entries (param i32 i32)))
  (import "wasi:http/types@0.2.10" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
  (import "wasi:http/types@0.2.10" "[method]outgoing-request.set-authority" (func $set-authority (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.2.10" "[method]future-incoming-response.subscribe" (func $subscribe (param i32) (result i32)))
  (import "wasi:http/types@0.2.10" "[method]future-incoming-response.get" (func $get (param i32 i32)))
  (import "wasi:http/types@0.2.10" "[method]incoming-response.consume" (func $consume (param i32 i32)))
  (import "wasi:http/types@0.2.10" "[method]incoming-body.stream" (func $stream (param i32 i32)))
  (import "wasi:http/types@0.2.10" "[resource-drop]future-incoming-response" (func $drop-future (param i32)))
  (import "wasi:http/types@0.2.10" "[resource-drop]incoming-response" (func $drop-response (param i32)))
  (import "wasi:http/types@0.2.10" "[resource-drop]incoming-body" (func $drop-body (param i32)))
  (import "wasi:io/streams@0.2.6" "[resource-drop]input-stream" (func $drop-input (param i32)))
  (import "wasi:http/outgoing-handler@0.2.10" "handle" (func $handle (param i32 i32 i32 i32)))

  (memory (export "memory") 2)
  (global $at (mut i32) (i32.const 0))
  (global $size (mut i32) (i32.const 0))
  (global $heap (mut i32) (i32.const 4096))
  (global $nested (mut i32) (i32.const 0))
  (global $started (mut i32) (i32.const 0))

  ;; A message's memory is used again by the next one, from 4096 on; the start's is below.
  (func $realloc (export "cabi_realloc") (param $old i32) (param i32) (param $align i32) (param $size i32) (result i32)
    (local $new i32)
    (if (i32.eq (global.get $nested) (i32.const 1)) (then (drop (call $monotonic))))
    (if (i32.eq (global.get $nested) (i32.const 2)) (then (call $random (i64.const 8) (i32.const 128))))
    (local.set $new (i32.and (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $new) (local.get $size)))
    (if (i32.gt_u (global.get $heap) (i32.const 131072)) (then unreachable))
    (local.get $new))

  (func (export "_initialize")
    (call $random (i64.const 8) (i32.const 64))
    (i64.store (i32.const 1024) (i64.load (i32.load (i32.const 64)))))

  (func $reply (param $at i32) (param $size i32)
    (global.set $at (local.get $at))
    (global.set $size (local.get $size)))

  (func $time
    (call $wall (i32.const 64))
    (i64.store (i32.const 80) (call $monotonic))
    (call $reply (i32.const 64) (i32.const 24)))

  (func $bytes (param $n i64) (param $area i32)
    (call $random (local.get $n) (local.get $area))
    (call $reply (i32.load (i32.const 64)) (i32.load (i32.const 68))))

  (func $print (param $ptr i32) (param $size i32)
    (local $to i32)
    (local.set $to (call $stdout))
    (call $check-write (local.get $to) (i32.const 64))
    (call $write (local.get $to) (local.get $ptr) (local.get $size) (i32.const 96))
    (call $drop-stream (local.get $to))
    (call $reply (i32.const 96) (i32.const 1)))

  (func $nothing
    (call $environment (i32.const 64))
    (call $arguments (i32.const 72))
    (call $directories (i32.const 80))
    (call $terminal (i32.const 88))
    (call $socket (i32.const 0) (i32.const 96))
    (call $read (call $stdin) (i64.const 10) (i32.const 108))
    (i32.store8 (i32.const 120) (i32.load8_u (i32.const 68)))
    (i32.store8 (i32.const 121) (i32.load8_u (i32.const 76)))
    (i32.store8 (i32.const 122) (i32.load8_u (i32.const 84)))
    (i32.store8 (i32.const 123) (i32.load8_u (i32.const 88)))
    (i32.store8 (i32.const 124) (i32.load8_u (i32.const 96)))
    (i32.store8 (i32.const 125) (i32.load8_u (i32.const 100)))
    (i32.store8 (i32.const 126) (i32.load8_u (i32.const 108)))
    (i32.store8 (i32.const 127) (i32.load8_u (i32.const 112)))
    (call $reply (i32.const 120) (i32.const 8)))

  ;; Adds a field named as the message to fields, and says their number, their first
  ;; name, and why a request with them is refused.
  (func $send (param $ptr i32) (param $size i32)
    (local $f i32) (local $r i32)
    (local.set $f (call $fields))
    (call $append (local.get $f) (local.get $ptr) (local.get $size) (local.get $ptr) (local.get $size) (i32.const 64))
    (call $entries (local.get $f) (i32.const 64))
    (local.set $r (call $request (local.get $f)))
    (drop (call $set-authority (local.get $r) (i32.const 1) (local.get $ptr) (local.get $size)))
    (call $handle (local.get $r) (i32.const 0) (i32.const 0) (i32.const 128))
    (i32.store8 (i32.const 200) (i32.load8_u (i32.const 68)))
    (i32.store8 (i32.const 201) (i32.load8_u (i32.load (i32.load (i32.const 64)))))
    (i32.store8 (i32.const 202) (i32.load8_u (i32.const 128)))
    (i32.store8 (i32.const 203) (i32.load8_u (i32.const 136)))
    (call $reply (i32.const 200) (i32.const 4)))

  ;; Sends a request to the host that the message names, waits for the response, and replies
  ;; with its body, or with the number of the error.
  (func $fetch (param $ptr i32) (param $size i32)
    (local $r i32) (local $future i32) (local $body i32)
    (local.set $r (call $request (call $fields)))
    (drop (call $set-authority (local.get $r) (i32.const 1) (local.get $ptr) (local.get $size)))
    (call $handle (local.get $r) (i32.const 0) (i32.const 0) (i32.const 128))
    (if (i32.load8_u (i32.const 128)) (then (call $reply (i32.const 136) (i32.const 1)) (return)))
    (local.set $future (i32.load (i32.const 136)))
    (call $get (local.get $future) (i32.const 256))
    (if (i32.load8_u (i32.const 256)) (then unreachable)) ;; the response is not there yet
    (local.set $r (call $subscribe (local.get $future)))
    (call $block (local.get $r))
    (call $drop-pollable (local.get $r))
    (call $get (local.get $future) (i32.const 256))
    (if (i32.eqz (i32.load8_u (i32.const 256))) (then unreachable))
    (call $drop-future (local.get $future))
    (if (i32.load8_u (i32.const 272)) (then (call $reply (i32.const 280) (i32.const 1)) (return)))
    (local.set $r (i32.load (i32.const 280)))
    (call $consume (local.get $r) (i32.const 64))
    (local.set $body (i32.load (i32.const 68)))
    (call $drop-response (local.get $r))
    (call $stream (local.get $body) (i32.const 64))
    (local.set $r (i32.load (i32.const 68)))
    (call $read (local.get $r) (i64.const 1000) (i32.const 64))
    (call $drop-input (local.get $r))
    (call $drop-body (local.get $body))
    (call $reply (i32.load (i32.const 68)) (i32.load (i32.const 72))))

  ;; Waits for the first of an hour and a millisecond.
  (func $first
    (i32.store (i32.const 128) (call $after (i64.const 3600000000000)))
    (i32.store (i32.const 132) (call $after (i64.const 1000000)))
    (call $poll (i32.const 128) (i32.const 2) (i32.const 64))
    (i32.store8 (i32.const 136) (i32.load8_u (i32.const 68)))
    (i32.store8 (i32.const 137) (i32.load8_u (i32.load (i32.const 64))))
    (i32.store8 (i32.const 138) (call $ready (i32.load (i32.const 132))))
    (call $drop-pollable (i32.load (i32.const 128)))
    (call $drop-pollable (i32.load (i32.const 132)))
    (call $reply (i32.const 136) (i32.const 3)))

  (func $sleep
    (drop (call $current-time))
    (call $block (call $after (i64.const 3600000000000))))

  (func $attack (param $how i32)
    (local $p i32)
    (if (i32.eq (local.get $how) (i32.const 0x66)) ;; f: a flood of handles
      (then (loop $more (drop (call $stdin)) (br $more))))
    (local.set $p (call $after (i64.const 0)))
    (i32.store (i32.const 128) (local.get $p))
    (if (i32.eq (local.get $how) (i32.const 0x64)) ;; d: drops twice
      (then (call $drop-pollable (local.get $p)) (call $drop-pollable (local.get $p))))
    (if (i32.eq (local.get $how) (i32.const 0x75)) ;; u: an unknown handle
      (then (drop (call $ready (i32.const 77)))))
    (if (i32.eq (local.get $how) (i32.const 0x6b)) ;; k: of another kind
      (then (call $drop-stream (local.get $p))))
    (if (i32.eq (local.get $how) (i32.const 0x73)) ;; s: a socket that is not there
      (then (call $connect (i32.const 1) (i32.const 1) (i32.const 0) (i32.const 80) (i32.const 127) (i32.const 0) (i32.const 0)
        (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))))
    (if (i32.eq (local.get $how) (i32.const 0x6c)) ;; l: a list of 4 Gi
      (then (call $poll (i32.const 128) (i32.const -1) (i32.const 64))))
    (if (i32.eq (local.get $how) (i32.const 0x65)) ;; e: an empty list
      (then (call $poll (i32.const 128) (i32.const 0) (i32.const 64))))
    (if (i32.eq (local.get $how) (i32.const 0x6f)) ;; o: a list out of range
      (then (call $poll (i32.const 131068) (i32.const 2) (i32.const 64))))
    (if (i32.eq (local.get $how) (i32.const 0x61)) ;; a: a result out of range
      (then (call $random (i64.const 8) (i32.const 131068))))
    (if (i32.eq (local.get $how) (i32.const 0x67)) ;; g: 4 GiB of randomness
      (then (call $random (i64.const 4294967296) (i32.const 64))))
    (if (i32.eq (local.get $how) (i32.const 0x77)) ;; w: writes without check-write
      (then (call $write (call $stdout) (i32.const 128) (i32.const 1) (i32.const 64))))
    (if (i32.eq (local.get $how) (i32.const 0x6e)) ;; n: calls WASI from cabi_realloc
      (then (global.set $nested (i32.const 1)) (call $random (i64.const 8) (i32.const 64))))
    (if (i32.eq (local.get $how) (i32.const 0x72)) ;; r: and there what calls cabi_realloc
      (then (global.set $nested (i32.const 2)) (call $random (i64.const 8) (i32.const 64)))))

  (func (export "airhost:core/component-lifecycle@0.1.0#handle-message")
    (param $sender i32) (param $sender-size i32) (param $ptr i32) (param $size i32) (result i32)
    (local $what i32)
    (local.set $what (i32.load8_u (local.get $ptr)))
    (call $reply (i32.const 0) (i32.const 0))
    (local.set $ptr (i32.add (local.get $ptr) (i32.const 1)))
    (local.set $size (i32.sub (local.get $size) (i32.const 1)))
    (if (i32.eq (local.get $what) (i32.const 0x69)) (then (call $reply (i32.const 1024) (i32.const 8)))) ;; i
    (if (i32.eq (local.get $what) (i32.const 0x74)) (then (call $time))) ;; t
    (if (i32.eq (local.get $what) (i32.const 0x72)) (then (call $bytes (i64.const 32) (i32.const 64)))) ;; r
    (if (i32.eq (local.get $what) (i32.const 0x6f)) (then (call $print (local.get $ptr) (local.get $size)))) ;; o
    (if (i32.eq (local.get $what) (i32.const 0x65)) ;; e
      (then (call $write-now (call $stderr) (local.get $ptr) (local.get $size) (i32.const 64))))
    (if (i32.eq (local.get $what) (i32.const 0x6e)) (then (call $nothing))) ;; n
    (if (i32.eq (local.get $what) (i32.const 0x68)) (then (call $send (local.get $ptr) (local.get $size)))) ;; h
    (if (i32.eq (local.get $what) (i32.const 0x66)) (then (call $fetch (local.get $ptr) (local.get $size)))) ;; f
    (if (i32.eq (local.get $what) (i32.const 0x70)) (then (call $first))) ;; p
    (if (i32.eq (local.get $what) (i32.const 0x73)) (then (call $sleep))) ;; s
    (if (i32.eq (local.get $what) (i32.const 0x78)) (then (call $exit (i32.const 7)))) ;; x
    (if (i32.eq (local.get $what) (i32.const 0x41)) (then (call $attack (i32.load8_u (local.get $ptr))))) ;; A
    (global.set $heap (i32.const 4096))
    (i32.store8 (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (global.get $at))
    (i32.store (i32.const 24) (global.get $size))
    (i32.const 16)))
