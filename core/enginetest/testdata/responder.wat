;; A pure responder: the least that meets the contract. It returns the message,
;; has no post-return, and uses the same 64 KiB for each message.
(module
  (memory (export "memory") 2)
  (global $next (mut i32) (i32.const 1024))
  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func (export "airhost:core/component-lifecycle@0.1.0#handle-message")
    (param $sender i32) (param $sender_len i32) (param $message i32) (param $len i32) (result i32)
    (i32.store (i32.const 0) (i32.const 0))
    (i32.store (i32.const 4) (local.get $message))
    (i32.store (i32.const 8) (local.get $len))
    (global.set $next (i32.const 1024))
    (i32.const 0)))
