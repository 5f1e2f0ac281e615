;; Falls short of the contract in several ways.
(module
  (import "env" "abort\1b[2J" (func))
  (import "airhost:core/host-services@0.1.0" "log" (func (param i32)))
  (memory 1)
  (table 3 funcref)
  (func (export "airhost:core/component-lifecycle@0.1.0#handle-message") (param i32) (result i32) (i32.const 0))
  (func (export "airhost:core/component-management@0.1.0#health") (result i32) (i32.const 0)))
