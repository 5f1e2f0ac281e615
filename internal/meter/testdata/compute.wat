;; What the benchmarks and the differential tests run: loops and calls.
(module
  (memory (export "memory") 1)
  (table 4 funcref)
  (elem (i32.const 0) $add $sub $xor $leaf)
  (type $binary (func (param i32 i32) (result i32)))

  ;; xorshift, n times, in one tight loop
  (func (export "loop") (param $n i32) (result i32)
    (local $x i32)
    (local.set $x (i32.const 2463534242))
    (loop $next
      (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 13))))
      (local.set $x (i32.xor (local.get $x) (i32.shr_u (local.get $x) (i32.const 17))))
      (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 5))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $x))

  ;; FNV-1a over the first n bytes of memory, after filling it
  (func (export "hash") (param $n i32) (result i32)
    (local $h i32) (local $i i32)
    (loop $fill
      (if (i32.lt_u (local.get $i) (local.get $n))
        (then
          (i32.store8 (local.get $i) (i32.mul (local.get $i) (i32.const 7)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $fill))))
    (local.set $i (i32.const 0))
    (local.set $h (i32.const 0x811c9dc5))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
        (local.set $h
          (i32.mul (i32.const 0x01000193)
            (i32.xor (local.get $h) (i32.load8_u (local.get $i)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (local.get $h))

  (func $fib (export "fib") (param $n i32) (result i32)
    (if (result i32) (i32.lt_u (local.get $n) (i32.const 2))
      (then (local.get $n))
      (else
        (i32.add
          (call $fib (i32.sub (local.get $n) (i32.const 1)))
          (call $fib (i32.sub (local.get $n) (i32.const 2)))))))

  ;; how many primes are below n, by trial division
  (func (export "primes") (param $n i32) (result i32)
    (local $i i32) (local $d i32) (local $count i32)
    (local.set $i (i32.const 2))
    (block $done
      (loop $candidate
        (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
        (local.set $d (i32.const 2))
        (block $composite
          (block $prime
            (loop $divide
              (br_if $prime (i32.gt_u (i32.mul (local.get $d) (local.get $d)) (local.get $i)))
              (br_if $composite (i32.eqz (i32.rem_u (local.get $i) (local.get $d))))
              (local.set $d (i32.add (local.get $d) (i32.const 1)))
              (br $divide)))
          (local.set $count (i32.add (local.get $count) (i32.const 1))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $candidate)))
    (local.get $count))

  (func $add (type $binary) (i32.add (local.get 0) (local.get 1)))
  (func $sub (type $binary) (i32.sub (local.get 0) (local.get 1)))
  (func $xor (type $binary) (i32.xor (local.get 0) (local.get 1)))
  (func $leaf (type $binary) (i32.mul (local.get 0) (i32.add (local.get 1) (i32.const 3))))

  ;; calls small functions, directly and through a table
  (func (export "calls") (param $n i32) (result i32)
    (local $x i32)
    (loop $next
      (local.set $x (call $leaf (local.get $x) (local.get $n)))
      (local.set $x
        (call_indirect (type $binary) (local.get $x) (local.get $n)
          (i32.and (local.get $n) (i32.const 3))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $x))

  ;; a byte-code interpreter of one loop and one br_table
  (func (export "switch") (param $n i32) (result i32)
    (local $x i32)
    (loop $next
      (block $join
        (block $c (block $b (block $a
          (br_table $a $b $c $join (i32.rem_u (local.get $n) (i32.const 4))))
          (local.set $x (i32.add (local.get $x) (i32.const 3)))
          (br $join))
          (local.set $x (i32.mul (local.get $x) (i32.const 5)))
          (br $join))
        (if (i32.and (local.get $x) (i32.const 1))
          (then (local.set $x (i32.sub (local.get $x) (i32.const 1))))
          (else (local.set $x (i32.shr_u (local.get $x) (i32.const 1))))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $x)))
