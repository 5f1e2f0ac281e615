;; Its start function sends a message.
(module
  (import "airhost:core/host-services@0.1.0" "send-message" (func $send (param i32 i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "a/b")
  (func $start (call $send (i32.const 16) (i32.const 3) (i32.const 16) (i32.const 3) (i32.const 32)))
  (start $start)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "airhost:core/component-lifecycle@0.1.0#handle-message")
    (param i32 i32 i32 i32) (result i32) (i32.const 0)))
