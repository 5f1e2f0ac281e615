;; Functions that are left in every way, without exceptions.
(module
  (import "host" "started" (func $started))
  (table 1 funcref)
  (elem (i32.const 0) $ways)
  (type $unary (func (param i32) (result i32)))

  ;; calls itself without end
  (func $deep (export "deep") (call $started) (call $deep) (call $started))

  ;; the same, with 64 locals
  (func $wide (export "wide")
    (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
    (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
    (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
    (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
    (call $started) (call $wide) (call $started))

  (func $nothing (loop))
  (func $pair (param i32) (result i32 i64)
    (call $nothing)
    (local.get 0) (i64.const 4)
    (br_if 0 (i32.eqz (local.get 0)))
    (return))

  ;; is left in another way for each argument
  (func $ways (param $n i32) (result i32)
    (call $nothing)
    (block $d (block $c (block $b (block $a
      (br_table $a $b $c $d (i32.and (local.get $n) (i32.const 3))))
      (br 3 (i32.const 1)))
      (return (i32.const 2)))
      (return_call $tail (local.get $n)))
    (drop (call $pair (local.get $n)))
    (drop)
    (return_call_indirect (type $unary) (i32.shr_u (local.get $n) (i32.const 1)) (i32.const 0)))

  (func $tail (param $n i32) (result i32)
    (call $nothing)
    (if (i32.eqz (local.get $n)) (then (return (i32.const 7))))
    (return_call $tail (i32.sub (local.get $n) (i32.const 1))))

  (func (export "all") (param $n i32) (result i32)
    (local $x i32)
    (loop $l
      (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 3)) (call $ways (local.get $n))))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $x)))
