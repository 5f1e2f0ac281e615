;; Guests that do not end by themselves.
(module
  (import "host" "started" (func $started))
  (memory (export "memory") 16)
  (table 2 funcref)
  (elem (i32.const 0) $ping $pong)
  (type $v (func))

  (func (export "spin") (call $started) (loop $l (br $l)))

  (func (export "recurse") (call $started) (call $ping))
  (func $ping (return_call $pong))
  (func $pong (return_call_indirect (type $v) (i32.const 0)))

  ;; 2^40 calls, no loop
  (func $t0 (nop))
  (func $t1 (call $t0) (call $t0) (call $t0) (call $t0) (call $t0) (call $t0) (call $t0) (call $t0)
            (call $t0) (call $t0) (call $t0) (call $t0) (call $t0) (call $t0) (call $t0) (call $t0))
  (func $t2 (call $t1) (call $t1) (call $t1) (call $t1) (call $t1) (call $t1) (call $t1) (call $t1)
            (call $t1) (call $t1) (call $t1) (call $t1) (call $t1) (call $t1) (call $t1) (call $t1))
  (func $t3 (call $t2) (call $t2) (call $t2) (call $t2) (call $t2) (call $t2) (call $t2) (call $t2)
            (call $t2) (call $t2) (call $t2) (call $t2) (call $t2) (call $t2) (call $t2) (call $t2))
  (func $t4 (call $t3) (call $t3) (call $t3) (call $t3) (call $t3) (call $t3) (call $t3) (call $t3)
            (call $t3) (call $t3) (call $t3) (call $t3) (call $t3) (call $t3) (call $t3) (call $t3))
  (func $t5 (call $t4) (call $t4) (call $t4) (call $t4) (call $t4) (call $t4) (call $t4) (call $t4)
            (call $t4) (call $t4) (call $t4) (call $t4) (call $t4) (call $t4) (call $t4) (call $t4))
  (func $t6 (call $t5) (call $t5) (call $t5) (call $t5) (call $t5) (call $t5) (call $t5) (call $t5)
            (call $t5) (call $t5) (call $t5) (call $t5) (call $t5) (call $t5) (call $t5) (call $t5))
  (func $t7 (call $t6) (call $t6) (call $t6) (call $t6) (call $t6) (call $t6) (call $t6) (call $t6)
            (call $t6) (call $t6) (call $t6) (call $t6) (call $t6) (call $t6) (call $t6) (call $t6))
  (func $t8 (call $t7) (call $t7) (call $t7) (call $t7) (call $t7) (call $t7) (call $t7) (call $t7)
            (call $t7) (call $t7) (call $t7) (call $t7) (call $t7) (call $t7) (call $t7) (call $t7))
  (func $t9 (call $t8) (call $t8) (call $t8) (call $t8) (call $t8) (call $t8) (call $t8) (call $t8)
            (call $t8) (call $t8) (call $t8) (call $t8) (call $t8) (call $t8) (call $t8) (call $t8))
  (func (export "tree") (call $started) (call $t9) (call $t9) (call $t9) (call $t9))

  (func (export "table") (local $i i32)
    (call $started)
    (loop $l
      (block $c (block $b (block $a
        (br_table $a $b $c $l (i32.and (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 7))))
        (br $l)) (br $l)) (br $l)))

  (func (export "fill")
    (call $started)
    (loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 1048576)) (br $l)))

  (func (export "copy")
    (call $started)
    (loop $l (memory.copy (i32.const 0) (i32.const 8) (i32.const 1000000)) (br $l)))

  (func $start (call $started) (loop $l (br $l)))
  (start $start))
