;; Writes its message, but for the first byte, to standard error and then ends as that
;; byte says: u traps; g traps once memory.grow was refused; a traps once memory.grow was
;; granted after it was refused; l does not end; o writes to standard output instead and
;; returns; r returns. Its cabi_realloc traps when it is asked for 13 bytes.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
    (if (i32.eq (local.get $size) (i32.const 13)) (then (unreachable)))
    (i32.const 1024))
  (func $grow (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))))
  (func (export "airhost:core/component-lifecycle@0.1.0#handle-message")
    (param i32 i32) (param $message i32) (param $size i32) (result i32) (local $end i32)
    (local.set $end (i32.load8_u (local.get $message)))
    (i32.store (i32.const 16) (i32.add (local.get $message) (i32.const 1)))
    (i32.store (i32.const 20) (i32.sub (local.get $size) (i32.const 1)))
    (drop (call $write (select (i32.const 1) (i32.const 2) (i32.eq (local.get $end) (i32.const 0x6f)))
      (i32.const 16) (i32.const 1) (i32.const 24)))
    (if (i32.eq (local.get $end) (i32.const 0x67)) (then (call $grow)))
    (if (i32.eq (local.get $end) (i32.const 0x61)) (then (call $grow) (drop (memory.grow (i32.const 0)))))
    (if (i32.eq (local.get $end) (i32.const 0x6c)) (then (loop $again (br $again))))
    (if (i32.and (i32.ne (local.get $end) (i32.const 0x6f)) (i32.ne (local.get $end) (i32.const 0x72)))
      (then (unreachable)))
    (i32.store (i32.const 32) (i32.const 0))
    (i32.store (i32.const 36) (i32.const 16))
    (i32.store (i32.const 40) (i32.const 0))
    (i32.const 32)))
