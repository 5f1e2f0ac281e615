;; Its imports have the versions at their names' ends that wit-component and others
;; add, or a later minor version of the interface. A message is answered with the error
;; numbers of the two functions of WASI: 0, 0.
(module
  (import "wasi_snapshot_preview1" "clock_time_get [v2]" (func $time (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get [v12]" (func $random (param i32 i32) (result i32)))
  (import "airhost:core/host-services@0.1.0" "log [v2]" (func $log (param i32 i32 i32)))
  (import "airhost:timers/timers@0.1.12" "cancel" (func $cancel (param i64) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\00\00\00\00 \00\00\00\02\00\00\00")
  (data (i32.const 64) "versioned")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "airhost:core/component-lifecycle@0.1.0#handle-message")
    (param i32 i32 i32 i32) (result i32)
    (call $log (i32.const 2) (i32.const 64) (i32.const 9))
    (i32.store8 (i32.const 32) (call $time (i32.const 0) (i64.const 1) (i32.const 128)))
    (i32.store8 (i32.const 33) (call $random (i32.const 136) (i32.const 8)))
    (drop (call $cancel (i64.const 5)))
    (i32.const 16)))
