;; Logs what a terminal would act on, and answers with nothing.
(module
  (import "airhost:core/host-services@0.1.0" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "red \1b[31m\07 bad \ff\n forged level=ERROR")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "airhost:core/component-lifecycle@0.1.0#handle-message") (param i32 i32 i32 i32) (result i32)
    (call $log (i32.const 2) (i32.const 64) (i32.const 36))
    (i32.store (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (i32.const 64))
    (i32.store (i32.const 24) (i32.const 0))
    (i32.const 16)))
