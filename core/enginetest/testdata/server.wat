;; A guest that handles requests of HTTP by WASI 0.2. The first byte of the path, behind the
;; slash, tells what it does: see http.go. Results of WASI are at 64.
(module
  (import "wasi:io/streams@0.2.6" "[method]output-stream.check-write" (func $check-write (param i32 i32)))
  (import "wasi:io/streams@0.2.6" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.6" "[resource-drop]output-stream" (func $drop-output (param i32)))
  (import "wasi:io/streams@0.2.6" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
  (import "wasi:io/streams@0.2.6" "[resource-drop]input-stream" (func $drop-input (param i32)))
  (import "wasi:http/types@0.2.6" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.6" "[method]fields.append" (func $append (param i32 i32 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.6" "[method]incoming-request.path-with-query" (func $path (param i32 i32)))
  (import "wasi:http/types@0.2.6" "[method]incoming-request.consume" (func $consume (param i32 i32)))
  (import "wasi:http/types@0.2.6" "[method]incoming-body.stream" (func $body-stream (param i32 i32)))
  (import "wasi:http/types@0.2.6" "[resource-drop]incoming-request" (func $drop-request (param i32)))
  (import "wasi:http/types@0.2.6" "[resource-drop]incoming-body" (func $drop-incoming (param i32)))
  (import "wasi:http/types@0.2.6" "[constructor]outgoing-response" (func $new-response (param i32) (result i32)))
  (import "wasi:http/types@0.2.6" "[method]outgoing-response.set-status-code" (func $status (param i32 i32) (result i32)))
  (import "wasi:http/types@0.2.6" "[method]outgoing-response.body" (func $response-body (param i32 i32)))
  (import "wasi:http/types@0.2.6" "[method]outgoing-body.write" (func $body-write (param i32 i32)))
  (import "wasi:http/types@0.2.6" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.6" "[resource-drop]outgoing-body" (func $drop-outgoing (param i32)))
  (import "wasi:http/types@0.2.6" "[resource-drop]outgoing-response" (func $drop-response (param i32)))
  (import "wasi:http/types@0.2.6" "[resource-drop]response-outparam" (func $drop-outparam (param i32)))
  (import "wasi:http/types@0.2.6" "[method]response-outparam.send-informational" (func $inform (param i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.6" "[static]response-outparam.set"
    (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))

  (memory (export "memory") 2)
  (data (i32.const 0) "x-made-by")
  (global $heap (mut i32) (i32.const 8192))
  (global $visits (mut i32) (i32.const 0x30))
  (global $body (mut i32) (i32.const 0))
  (global $stream (mut i32) (i32.const 0))

  (func (export "cabi_realloc") (param $old i32) (param i32) (param $align i32) (param $size i32) (result i32)
    (local $new i32)
    (local.set $new (i32.and (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $new) (local.get $size)))
    (if (i32.gt_u (global.get $heap) (i32.const 131072)) (then unreachable))
    (local.get $new))

  ;; Makes a response with one field, and opens its body.
  (func $respond (result i32)
    (local $f i32) (local $r i32)
    (local.set $f (call $fields))
    (call $append (local.get $f) (i32.const 0) (i32.const 9) (i32.const 7) (i32.const 2) (i32.const 64))
    (local.set $r (call $new-response (local.get $f)))
    (call $response-body (local.get $r) (i32.const 64))
    (global.set $body (i32.load (i32.const 68)))
    (call $body-write (global.get $body) (i32.const 64))
    (global.set $stream (i32.load (i32.const 68)))
    (local.get $r))

  (func $put (param $at i32) (param $size i32)
    (call $check-write (global.get $stream) (i32.const 64))
    (if (i32.load8_u (i32.const 64)) (then (return)))
    (call $write (global.get $stream) (local.get $at) (local.get $size) (i32.const 64)))

  (func $end
    (call $drop-output (global.get $stream))
    (call $finish (global.get $body) (i32.const 0) (i32.const 0) (i32.const 64)))

  (func $give (param $out i32) (param $r i32)
    (call $set (local.get $out) (i32.const 0) (local.get $r) (i32.const 0) (i64.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))

  ;; Answers with the request's body.
  (func $echo (param $request i32) (param $out i32)
    (local $in i32) (local $s i32)
    (call $consume (local.get $request) (i32.const 64))
    (local.set $in (i32.load (i32.const 68)))
    (call $body-stream (local.get $in) (i32.const 64))
    (local.set $s (i32.load (i32.const 68)))
    (call $give (local.get $out) (call $respond))
    (block $done (loop $more
      (global.set $heap (i32.const 8192))
      (call $read (local.get $s) (i64.const 1000) (i32.const 128))
      (br_if $done (i32.load8_u (i32.const 128)))
      (call $put (i32.load (i32.const 132)) (i32.load (i32.const 136)))
      (br $more)))
    (call $drop-input (local.get $s))
    (call $drop-incoming (local.get $in))
    (call $end))

  ;; Answers with the number of requests that this instance has had.
  (func $count (param $out i32)
    (local $r i32)
    (local.set $r (call $respond))
    (i32.store8 (i32.const 200) (global.get $visits))
    (call $put (i32.const 200) (i32.const 1))
    (call $end)
    (call $give (local.get $out) (local.get $r)))

  (func $attack (param $how i32) (param $request i32) (param $out i32)
    (local $r i32) (local $n i32)
    (if (i32.eq (local.get $how) (i32.const 0x63)) ;; c: sets an error-code, connection-refused
      (then (call $set (local.get $out) (i32.const 1) (i32.const 6) (i32.const 0) (i64.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) (return)))
    (if (i32.eq (local.get $how) (i32.const 0x6c)) (then (loop $ever (br $ever)))) ;; l: loops
    (if (i32.eq (local.get $how) (i32.const 0x70)) (then unreachable)) ;; p: traps
    (if (i32.eq (local.get $how) (i32.const 0x64)) ;; d: drops its outparam
      (then (call $drop-outparam (local.get $out)) (return)))
    (if (i32.eq (local.get $how) (i32.const 0x71)) ;; q: sets what is no response
      (then (call $give (local.get $out) (local.get $request)) (return)))
    (if (i32.eq (local.get $how) (i32.const 0x6f)) ;; o: drops the body below its stream
      (then (call $consume (local.get $request) (i32.const 64))
        (local.set $r (i32.load (i32.const 68)))
        (call $body-stream (local.get $r) (i32.const 64))
        (call $drop-incoming (local.get $r))))
    (local.set $r (call $respond))
    (if (i32.eq (local.get $how) (i32.const 0x73)) ;; s: a status that is none, and then 599
      (then
        (if (i32.eqz (call $status (local.get $r) (i32.const 99))) (then unreachable))
        (if (call $status (local.get $r) (i32.const 599)) (then unreachable))))
    (if (i32.eq (local.get $how) (i32.const 0x69)) ;; i: an informational response before
      (then (call $inform (local.get $out) (i32.const 103) (call $fields) (i32.const 64))
        (if (i32.load8_u (i32.const 64)) (then unreachable))))
    (if (i32.eq (local.get $how) (i32.const 0x74)) ;; t: sets twice
      (then (call $give (local.get $out) (local.get $r)) (call $give (local.get $out) (local.get $r))))
    (if (i32.eq (local.get $how) (i32.const 0x66)) ;; f: drops the body unfinished
      (then (call $drop-output (global.get $stream)) (call $drop-outgoing (global.get $body))
        (call $give (local.get $out) (local.get $r)) (return)))
    (if (i32.eq (local.get $how) (i32.const 0x61)) ;; a: drops the response in place of setting it
      (then (call $end) (call $drop-response (local.get $r)) (call $drop-outparam (local.get $out)) (return)))
    (call $give (local.get $out) (local.get $r))
    (if (i32.eq (local.get $how) (i32.const 0x75)) (then (return))) ;; u: does not finish the body
    (if (i32.eq (local.get $how) (i32.const 0x62)) ;; b: writes 20 MiB
      (then (loop $more
        (call $put (i32.const 65536) (i32.const 4096))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $n) (i32.const 5120))))))
    (if (i32.eq (local.get $how) (i32.const 0x6d)) ;; m: writes a little more than a message may have
      (then (call $put (i32.const 65536) (i32.const 2000))))
    (call $end))

  (func (export "wasi:http/incoming-handler@0.2.6#handle") (param $request i32) (param $out i32)
    (local $what i32)
    (global.set $heap (i32.const 8192))
    (global.set $visits (i32.add (global.get $visits) (i32.const 1)))
    (call $path (local.get $request) (i32.const 64))
    (local.set $what (i32.load8_u (i32.add (i32.load (i32.const 68)) (i32.const 1))))
    (if (i32.eq (local.get $what) (i32.const 0x65)) (then (call $echo (local.get $request) (local.get $out)))) ;; e
    (if (i32.or (i32.eq (local.get $what) (i32.const 0x76)) (i32.eq (local.get $what) (i32.const 0x6b))) ;; v, k
      (then (call $count (local.get $out))))
    (if (i32.eq (local.get $what) (i32.const 0x41)) ;; A
      (then (call $attack (i32.load8_u (i32.add (i32.load (i32.const 68)) (i32.const 2))) (local.get $request) (local.get $out))))
    (if (i32.ne (local.get $what) (i32.const 0x6b)) ;; k keeps the request
      (then (call $drop-request (local.get $request))))))
