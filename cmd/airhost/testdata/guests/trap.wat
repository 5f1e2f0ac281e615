;; Traps on each message.
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "airhost:core/component-lifecycle@0.1.0#handle-message") (param i32 i32 i32 i32) (result i32)
    unreachable))
