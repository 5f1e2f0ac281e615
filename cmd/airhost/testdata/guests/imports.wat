;; Imports what no guest may, and runs code when it is instantiated.
(module
  (import "env" "memory" (memory 1 4))
  (import "env" "table" (table 2 8 funcref))
  (import "env" "base" (global i32))
  (func $start)
  (start $start))
