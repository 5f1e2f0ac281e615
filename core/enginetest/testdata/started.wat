;; Its start function and then its _initialize count, in a way that tells their
;; order. Then _initialize logs. A message is answered with the count: 42.
(module
  (import "airhost:core/host-services@0.1.0" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\00\00\00\00 \00\00\00\01\00\00\00")
  (data (i32.const 64) "starting")
  (func $start (i32.store8 (i32.const 32) (i32.const 21)))
  (start $start)
  (func (export "_initialize")
    (i32.store8 (i32.const 32) (i32.mul (i32.load8_u (i32.const 32)) (i32.const 2)))
    (call $log (i32.const 2) (i32.const 64) (i32.const 8)))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "airhost:core/component-lifecycle@0.1.0#handle-message")
    (param i32 i32 i32 i32) (result i32) (i32.const 16)))
