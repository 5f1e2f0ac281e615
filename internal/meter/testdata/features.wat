;; Instructions of the proposals that wazero takes, with results to compare.
(module
  (memory (export "memory") 1 4)
  (table $t 4 8 funcref)
  (elem (i32.const 0) $inc $dec)
  (elem $e func $dec $inc)
  (data $d "abcdefghijklmnopqrstuvwxyz")
  (global $base i32 (i32.const 7))
  (type $u (func (param i32) (result i32)))
  (func $inc (type $u) (i32.add (local.get 0) (i32.const 1)))
  (func $dec (type $u) (i32.sub (local.get 0) (i32.const 1)))
  (func $swap (param i32 i32) (result i32 i32) (local.get 1) (local.get 0))

  (func (export "multi") (param i32) (result i32)
    (local $n i32)
    (local.get 0) (i32.const 3)
    (loop $l (param i32 i32) (result i32 i32)
      (call $swap)
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $n) (i32.const 5))))
    (i32.sub))

  (func (export "bulk") (param i32) (result i32)
    (memory.fill (i32.const 100) (i32.const 9) (local.get 0))
    (memory.copy (i32.const 200) (i32.const 90) (local.get 0))
    (memory.init $d (i32.const 300) (i32.const 1) (i32.const 20))
    (table.init $e (i32.const 2) (i32.const 0) (i32.const 2))
    (table.copy (i32.const 0) (i32.const 2) (i32.const 2))
    (table.fill $t (i32.const 3) (ref.func $inc) (i32.const 1))
    (drop (table.grow $t (ref.null func) (i32.const 1)))
    (drop (memory.grow (i32.const 1)))
    (i32.add
      (i32.add (i32.load (i32.const 210)) (i32.load (i32.const 303)))
      (i32.add (call_indirect (type $u) (local.get 0) (i32.const 0))
        (i32.add (memory.size) (table.size $t)))))

  (func (export "simd") (param i32) (result i32)
    (i32x4.extract_lane 2
      (i32x4.mul
        (i16x8.abs (i32x4.splat (local.get 0)))
        (i8x16.shuffle 4 5 6 7 0 1 2 3 12 13 14 15 8 9 10 11
          (v128.const i32x4 1 2 3 4) (i32x4.splat (i32.const 5))))))

  (func (export "floats") (param i32) (result i32)
    (i32.add
      (i32.trunc_sat_f64_s (f64.sqrt (f64.convert_i32_u (local.get 0))))
      (i32.extend8_s (i32.wrap_i64 (i64.extend32_s (i64.extend_i32_u (local.get 0)))))))

  (func $down (export "tail") (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (global.get $base))))
    (return_call $down (i32.sub (local.get 0) (i32.const 1))))

  (func (export "atomic") (param i32) (result i32)
    (drop (i32.atomic.rmw.add (i32.const 0) (local.get 0)))
    (atomic.fence)
    (i32.atomic.load (i32.const 0)))

  (func (export "dead") (param i32) (result i32)
    (block $out (result i32)
      (br_if $out (i32.const 1) (i32.eqz (local.get 0)))
      (drop)
      (br $out (i32.const 2))
      (loop (unreachable) (memory.fill) (br 0)))))
