//go:build cgo && (linux || darwin) && (amd64 || arm64)

package fusetest

import (
	"strings"

	"github.com/airhost/airhost/internal/fuse"
	"github.com/airhost/airhost/internal/wasm"
)

const (
	// libc is a module with the things that the others share.
	libc = `(memory (export "memory") 1) (table (export "table") 8 funcref)
		(global (export "base") i32 (i32.const 4)) (global (export "count") (mut i32) (i32.const 40))
		(func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
		(func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
		(type $f (func (result i32)))
		(func (export "at") (param i32) (result i32) (call_indirect (type $f) (local.get 0)))
		(func (export "null") (param i32) (result i32) (ref.is_null (table.get (local.get 0))))`

	imports = `(import "host" "log" (func $log (param i32))) (import "libc" "memory" (memory 1))
		(import "libc" "table" (table 8 funcref)) (import "libc" "load" (func $load (param i32) (result i32)))
		(import "libc" "base" (global $base i32)) (import "libc" "count" (global $count (mut i32)))
		(import "libc" "at" (func $at (param i32) (result i32))) (import "libc" "null" (func $null (param i32) (result i32)))
		(import "libc" "grow" (func $grow (param i32) (result i32)))`
)

// user is an instance of a module that begins with imports.
func user(module int) fuse.Instance { return of(module, "host", 0, "libc", 1) }

var scenarios = map[string]scenario{
	"functions of each other": {
		modules: []string{
			`(func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))`,
			`(import "m" "add" (func $add (param i32 i32) (result i32)))
			 (func (export "twice") (param i32) (result i32) (call $add (local.get 0) (local.get 0)))`,
		},
		instances: []fuse.Instance{of(0), of(1, "m", 0)},
		exports:   named("twice", function(1, "twice"), "sum", function(0, "add")),
		calls:     []call{do("twice", 21), do("sum", 1, 2)},
		want:      results("[42]", "[3]"),
	},
	"through lists and exports of imports": {
		modules: []string{
			`(func (export "one") (result i32) (i32.const 1))`,
			`(import "a" "one" (func $one (result i32))) (export "eins" (func $one)) (export "un" (func $one))`,
			`(import "b" "x" (func $x (result i32))) (export "y" (func $x))`,
		},
		instances: []fuse.Instance{of(0), of(1, "a", 0), bag("x", function(1, "un")), bag("x", function(2, "x")), of(2, "b", 3)},
		exports:   named("y", function(4, "y"), "eins", function(1, "eins")),
		calls:     []call{do("y"), do("eins")},
		want:      results("[1]", "[1]"),
	},
	"start functions see earlier data, and no later one": {
		modules: []string{libc,
			imports + `(func $s (call $log (call $load (i32.const 0)))) (start $s)`,
			imports + `(data (i32.const 0) "x")`,
			imports + `(func $s (call $log (i32.add (i32.const 1000) (call $load (i32.const 0))))) (start $s)`,
		},
		instances: []fuse.Instance{host(), of(0), user(1), user(2), user(3), user(1)},
		exports:   named("load", function(1, "load")),
		calls:     []call{do("load", 0)},
		want:      outcome{Log: []int32{0, 1120, 120}, Results: []string{"[120]"}},
	},
	"start functions see earlier elements, and no later one": {
		modules: []string{libc,
			imports + `(func $s (call $log (call $null (i32.const 0)))) (start $s)`,
			imports + `(func $f (result i32) (i32.const 7)) (elem (i32.const 0) func $f)`,
			imports + `(func $s (call $log (call $at (i32.const 0)))) (start $s)`,
		},
		instances: []fuse.Instance{host(), of(0), user(1), user(2), user(3)},
		exports:   named("at", function(1, "at")),
		calls:     []call{do("at", 0), do("at", 1), do("at", 9)},
		want:      outcome{Log: []int32{1, 7}, Results: []string{"[7]", "trap", "trap"}},
	},
	"a start function overwrites earlier data, and later data overwrite its own": {
		modules: []string{libc,
			imports + `(data (i32.const 0) "ab") (func $s (i32.store16 (i32.const 1) (i32.const 0x5858))) (start $s)`,
			imports + `(data (i32.const 2) "c")`,
		},
		instances: []fuse.Instance{host(), of(0), user(1), user(2)},
		exports:   named("load", function(1, "load")),
		calls:     []call{do("load", 0), do("load", 1), do("load", 2)},
		want:      results("[97]", "[88]", "[99]"),
	},
	"a start function that traps ends everything": {
		modules: []string{libc,
			imports + `(func $s (call $log (i32.const 1))) (start $s)`,
			imports + `(func $s (call $log (i32.const 2)) unreachable) (start $s)`,
		},
		instances: []fuse.Instance{host(), of(0), user(1), user(2), user(1)},
		exports:   named("load", function(1, "load")),
		want:      outcome{Failed: true, Log: []int32{1, 2}},
	},
	"a function of the host that fails ends everything": {
		modules: []string{libc,
			imports + `(import "host" "fail" (func $fail)) (func $s (call $log (i32.const 1)) (call $fail)) (start $s)`,
			imports + `(func $s (call $log (i32.const 2))) (start $s)`,
		},
		instances: []fuse.Instance{host(), of(0), user(1), user(2)},
		exports:   named("load", function(1, "load")),
		want:      outcome{Failed: true, Log: []int32{1}},
	},
	"data beyond the memory fail after the start functions before them": {
		modules: []string{libc,
			imports + `(func $s (call $log (i32.const 1))) (start $s)`,
			imports + `(data (i32.const 65535) "ab")`,
		},
		instances: []fuse.Instance{host(), of(0), user(1), user(2), user(1)},
		exports:   named("load", function(1, "load")),
		want:      outcome{Failed: true, Log: []int32{1}},
	},
	"elements beyond the table fail after the start functions before them": {
		modules: []string{libc,
			imports + `(func $s (call $log (i32.const 1))) (start $s)`,
			imports + `(elem (i32.const 8) func $log)`,
		},
		linkedOnWasmtimeOnly: true, // wazero 1.12 ignores such elements
		instances:            []fuse.Instance{host(), of(0), user(1), user(2), user(1)},
		exports:              named("load", function(1, "load")),
		want:                 outcome{Failed: true, Log: []int32{1}},
	},
	"data beyond the memory of nobody else fail": {
		modules:   []string{`(func (export "f"))`, `(memory 1) (data (i32.const 65536) "a")`},
		instances: []fuse.Instance{of(0), of(1)},
		exports:   named("f", function(0, "f")),
		want:      outcome{Failed: true},
	},
	"data beyond the memory of nobody else fail after the start functions before them": {
		modules: []string{
			`(import "host" "log" (func $log (param i32))) (func $s (call $log (i32.const 1))) (start $s) (func (export "f"))`,
			`(memory 1) (data (i32.const 65536) "a")`,
		},
		instances: []fuse.Instance{host(), of(0, "host", 0), of(1)},
		exports:   named("f", function(1, "f")),
		want:      outcome{Failed: true, Log: []int32{1}},
	},
	"what was written late is dropped": {
		modules: []string{libc,
			imports + `(func $s (call $log (i32.const 1))) (start $s)`,
			imports + `(data $d (i32.const 0) "x") (elem $e (i32.const 0) func $log)
			 (func (export "data") (param i32) (memory.init $d (i32.const 0) (i32.const 0) (local.get 0)))
			 (func (export "elem") (param i32) (table.init $e (i32.const 0) (i32.const 0) (local.get 0)))`,
		},
		instances:            []fuse.Instance{host(), of(0), user(1), user(2)},
		exports:              named("load", function(1, "load"), "data", function(3, "data"), "elem", function(3, "elem")),
		calls:                []call{do("load", 0), do("data", 0), do("data", 1), do("elem", 0), do("elem", 1)},
		want:                 outcome{Log: []int32{1}, Results: []string{"[120]", "[]", "trap", "[]", "trap"}},
		linkedOnWasmtimeOnly: true, // wazero 1.12 keeps the segments
	},
	"data fit into memory that a start function has grown": {
		modules: []string{libc,
			imports + `(func $s (drop (call $grow (i32.const 1)))) (start $s)`,
			imports + `(data (i32.const 65535) "ab")`,
		},
		instances: []fuse.Instance{host(), of(0), user(1), user(2)},
		exports:   named("load", function(1, "load")),
		calls:     []call{do("load", 65536), do("load", 131072)},
		want:      results("[98]", "trap"),
	},
	"elements fit into a table that a start function has grown": {
		modules: []string{
			`(table (export "table") 1 funcref) (type $f (func (result i32)))
			 (func (export "at") (param i32) (result i32) (call_indirect (type $f) (local.get 0)))`,
			`(import "a" "table" (table 1 funcref)) (func $s (drop (table.grow (ref.null func) (i32.const 1)))) (start $s)`,
			`(import "a" "table" (table 1 funcref)) (elem (i32.const 1) func $f) (func $f (result i32) (i32.const 9))`,
		},
		instances: []fuse.Instance{of(0), of(1, "a", 0), of(2, "a", 0)},
		exports:   named("at", function(0, "at")),
		calls:     []call{do("at", 1), do("at", 0)},
		want:      results("[9]", "trap"),
	},
	"a module twice has its own globals and tables": {
		modules: []string{
			`(global $n (mut i32) (i32.const 0)) (table 1 funcref) (elem (i32.const 0) func $next)
			 (func $next (export "next") (result i32) (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n))
			 (type $f (func (result i32))) (func (export "called") (result i32) (call_indirect (type $f) (i32.const 0)))`,
		},
		instances: []fuse.Instance{of(0), of(0)},
		exports:   named("a", function(0, "next"), "b", function(1, "called")),
		calls:     []call{do("a"), do("a"), do("b"), do("a"), do("b")},
		want:      results("[1]", "[2]", "[1]", "[3]", "[2]"),
	},
	"a mutable global is shared": {
		modules: []string{libc,
			imports + `(func (export "more") (result i32) (global.set $count (i32.add (global.get $count) (i32.const 1))) (global.get $count))`,
		},
		instances: []fuse.Instance{host(), of(0), user(1), user(1)},
		exports:   named("a", function(2, "more"), "b", function(3, "more")),
		calls:     []call{do("a"), do("b"), do("a")},
		want:      results("[41]", "[42]", "[43]"),
	},
	"addresses come from globals, also by arithmetic": {
		modules: []string{libc,
			imports + `(global $own i32 (i32.sub (i32.mul (global.get $base) (i32.const 3)) (i32.const 2)))
			 (global $far i64 (i64.add (i64.const 5) (i64.mul (i64.const -3) (i64.sub (i64.const 1) (i64.const 9)))))
			 (data (global.get $base) "four") (data (i32.add (global.get $base) (i32.const 9)) "thirteen")
			 (elem (global.get $base) func $f) (func $f (result i32) (i32.add (global.get $own) (global.get $base)))
			 (func (export "far") (result i64) (global.get $far)) (export "own" (global $own))`,
			`(import "m" "own" (global $own i32)) (global $next i32 (i32.add (global.get $own) (i32.const 1)))
			 (func (export "next") (result i32) (global.get $next))`,
		},
		instances: []fuse.Instance{host(), of(0), user(1), of(2, "m", 2)},
		exports:   named("load", function(1, "load"), "at", function(1, "at"), "far", function(2, "far"), "next", function(3, "next")),
		calls:     []call{do("load", 4), do("load", 13), do("at", 4), do("far"), do("next")},
		want:      results("[102]", "[116]", "[14]", "[29]", "[11]"),
	},
	"constants of every type": {
		modules: []string{
			`(global (export "f") f32 (f32.const 1.5)) (global (export "d") f64 (f64.const -2.25)) (global (export "l") i64 (i64.const -9223372036854775808))
			 (global (export "v") v128 (v128.const i32x4 1 2 3 4)) (global (export "i") i32 (i32.const -1))
			 (global (export "n") externref (ref.null extern)) (func $r (export "r") (result i32) (i32.const 77)) (global (export "g") funcref (ref.func $r))`,
			`(import "m" "f" (global $f f32)) (import "m" "d" (global $d f64)) (import "m" "l" (global $l i64)) (import "m" "v" (global $v v128))
			 (import "m" "i" (global $i i32)) (import "m" "n" (global $n externref)) (import "m" "g" (global $g funcref))
			 (table 2 funcref) (elem (i32.const 0) funcref (global.get $g) (ref.null func)) (type $t (func (result i32)))
			 (func (export "sum") (result i64) (i64.add (global.get $l) (i64.extend_i32_s (i32.add (i32.add (global.get $i) (i32x4.extract_lane 2 (global.get $v)))
			   (i32.trunc_f64_s (f64.add (global.get $d) (f64.promote_f32 (global.get $f))))))))
			 (func (export "null") (result i32) (ref.is_null (global.get $n)))
			 (func (export "call") (param i32) (result i32) (call_indirect (type $t) (local.get 0)))`,
		},
		instances: []fuse.Instance{of(0), of(1, "m", 0)},
		exports:   named("sum", function(1, "sum"), "null", function(1, "null"), "call", function(1, "call")),
		calls:     []call{do("sum"), do("null"), do("call", 0), do("call", 1)},
		want:      results("[9223372036854775810]", "[1]", "[77]", "trap"),
	},
	"passive segments": {
		modules: []string{libc,
			imports + `(data $d "hello") (data $gone (i32.const 0) "x") (elem $e func $f $g) (elem declare func $g)
			 (func $f (result i32) (i32.const 5)) (func $g (result i32) (i32.const 6))
			 (func (export "data") (param i32 i32 i32) (memory.init $d (local.get 0) (local.get 1) (local.get 2)))
			 (func (export "drop") (data.drop $d) (elem.drop $e))
			 (func (export "gone") (param i32) (memory.init $gone (i32.const 0) (i32.const 0) (local.get 0)))
			 (func (export "elem") (param i32 i32 i32) (table.init $e (local.get 0) (local.get 1) (local.get 2)))
			 (func (export "ref") (result i32) (table.set (i32.const 7) (ref.func $g)) (call $at (i32.const 7)))`,
		},
		instances: []fuse.Instance{host(), of(0), user(1)},
		exports: named("load", function(1, "load"), "at", function(1, "at"), "data", function(2, "data"), "drop", function(2, "drop"),
			"gone", function(2, "gone"), "elem", function(2, "elem"), "ref", function(2, "ref")),
		calls: []call{do("load", 0), do("data", 10, 1, 3), do("load", 10), do("gone", 0), do("elem", 0, 1, 1), do("at", 0), do("ref"),
			do("drop"), do("data", 10, 1, 1), do("data", 10, 0, 0), do("elem", 0, 1, 1)},
		want: results("[120]", "[]", "[101]", "[]", "[]", "[6]", "[6]", "[]", "trap", "[]", "trap"),
	},
	"tables of two modules": {
		modules: []string{libc,
			imports + `(table $own 2 4 funcref) (type $t (func (result i32))) (elem (table $own) (i32.const 0) func $f $g)
			 (func $f (result i32) (i32.const 5)) (func $g (result i32) (i32.const 6))
			 (func (export "copy") (table.copy 0 $own (i32.const 3) (i32.const 1) (i32.const 1)))
			 (func (export "back") (table.copy $own 0 (i32.const 0) (i32.const 3) (i32.const 1)))
			 (func (export "own") (param i32) (result i32) (call_indirect $own (type $t) (local.get 0)))
			 (func (export "grow") (result i32) (drop (table.grow $own (table.get $own (i32.const 1)) (i32.const 2)))
			   (table.fill $own (i32.const 0) (ref.null func) (i32.const 2)) (table.size $own))`,
		},
		instances: []fuse.Instance{host(), of(0), user(1), user(1)},
		exports: named("at", function(1, "at"), "copy", function(2, "copy"), "back", function(3, "back"), "own", function(3, "own"),
			"grow", function(2, "grow"), "first", function(2, "own")),
		calls: []call{do("at", 3), do("copy"), do("at", 3), do("own", 0), do("back"), do("own", 0), do("grow"), do("first", 0), do("first", 3), do("own", 1)},
		want:  results("trap", "[]", "[6]", "[5]", "[]", "[6]", "[4]", "trap", "[6]", "[6]"),
	},
	"references to functions that only the module exported": {
		modules: []string{libc,
			imports + `(func $f (export "f") (result i32) (i32.const 3)) (func (export "set") (table.set (i32.const 2) (ref.func $f)))`,
		},
		instances: []fuse.Instance{host(), of(0), user(1)},
		exports:   named("at", function(1, "at"), "set", function(2, "set")),
		calls:     []call{do("set"), do("at", 2)},
		want:      results("[]", "[3]"),
	},
	"functions that the host does not have": {
		modules: []string{
			`(import "h" "a" (func $a (param i32) (result i32))) (import "h" "b" (func $b)) (import "h" "c" (func $c (param f64)))
			 (func (export "a") (result i32) (call $a (i32.const 1))) (func (export "b") (call $b)) (func (export "c") (result i32) (i32.const 1))`,
		},
		instances: []fuse.Instance{bag("a", fuse.Trap("a", nil), "b", fuse.Trap("b", &wasm.FuncType{}), "c", fuse.Trap("a", nil)), of(0, "h", 0)},
		exports:   named("a", function(1, "a"), "b", function(1, "b"), "c", function(1, "c")),
		calls:     []call{do("a"), do("b"), do("c")},
		want:      results("trap", "trap", "[1]"),
	},
	"a second memory that nobody uses": {
		modules: []string{libc,
			`(memory (export "memory") 0) (func (export "f") (result i32) (i32.const 8)) (func $s) (start $s)`,
			`(import "m" "memory" (memory 0)) (import "m" "f" (func $f (result i32))) (export "f" (func $f))`,
		},
		instances: []fuse.Instance{of(1), of(0), of(2, "m", 0)},
		exports:   named("f", function(2, "f"), "load", function(1, "load")),
		calls:     []call{do("f"), do("load", 0), do("load", 65536)},
		want:      results("[8]", "[0]", "trap"),
	},
	"a start function that is imported": {
		modules: []string{libc,
			imports + `(func (export "f") (call $log (i32.const 3)))`,
			`(import "m" "f" (func $f)) (start $f)`,
		},
		instances: []fuse.Instance{host(), of(0), user(1), of(2, "m", 2)},
		exports:   named("load", function(1, "load")),
		want:      outcome{Log: []int32{3}},
	},
	"blocks, tail calls and large indices": {
		modules: []string{
			strings.Repeat(`(func) (global i32 (i32.const 1))`, 130),
			`(type $unused (func (param f32))) (type $two (func (param i32) (result i32 i32)))` + strings.Repeat(`(func (result i32) (i32.const 2))`, 70) +
				`(type $t (func (param i32) (result i32))) (table 1 funcref) (elem (i32.const 0) func $last) (global $g (mut i32) (i32.const 100))
			 (func $last (export "last") (param i32) (result i32) (i32.add (local.get 0) (global.get $g)))
			 (func (export "two") (param i32) (result i32) (local.get 0) (block (param i32) (result i32 i32) (i32.const 4)) (i32.add) (loop (type $two) (i32.const 2))
			   (i32.mul) (return_call $last)) (func (export "tail") (param i32) (result i32) (return_call_indirect (type $t) (local.get 0) (i32.const 0)))`,
		},
		instances: []fuse.Instance{of(0), of(1), of(0), of(1)},
		exports:   named("two", function(3, "two"), "tail", function(3, "tail"), "last", function(1, "last")),
		calls:     []call{do("tail", 9), do("last", 1), do("two", 3)},
		want:      results("[109]", "[101]", "[114]"),
	},
	// As shared-everything-dynamic-linking.wast of the component model, with one program.
	"libraries that share everything": {
		modules: []string{
			`(memory (export "memory") 1) (global $next (mut i32) (i32.const 8192))
			 (func (export "malloc") (param $n i32) (result i32) (local $p i32) (local.set $p (global.get $next))
			   (global.set $next (i32.add (global.get $next) (local.get $n))) (local.get $p))
			 (func (export "peek") (param i32) (result i32) (i32.load (local.get 0)))`,
			`(import "libc" "memory" (memory 1)) (import "libc" "malloc" (func $malloc (param i32) (result i32)))
			 (func (export "zip") (param $x i32) (result i32) (local $p i32) (local.set $p (call $malloc (i32.const 4)))
			   (i32.store (local.get $p) (local.get $x)) (i32.mul (i32.load (local.get $p)) (i32.const 2)))`,
			`(import "libc" "memory" (memory 1)) (import "libc" "malloc" (func (param i32) (result i32))) (import "libzip" "zip" (func $zip (param i32) (result i32)))
			 (func (export "compress") (param $x i32) (result i32) (i32.add (call $zip (local.get $x)) (i32.const 100)))`,
			`(import "libimg" "compress" (func $compress (param i32) (result i32)))
			 (func (export "transform") (param $x i32) (result i32) (i32.add (call $compress (local.get $x)) (i32.const 42)))`,
		},
		instances: []fuse.Instance{of(0), of(1, "libc", 0), of(2, "libc", 0, "libzip", 1), of(3, "libimg", 2)},
		exports:   named("transform", function(3, "transform"), "zip", function(1, "zip"), "peek", function(0, "peek")),
		calls:     []call{do("transform", 5), do("zip", 7), do("peek", 8192), do("peek", 8196), do("peek", 8200)},
		want:      results("[152]", "[14]", "[5]", "[7]", "[0]"),
	},
	// As link-time-virtualization.wast, without the lowered functions between the parts.
	"a file system that is virtual twice": {
		modules: []string{
			`(memory (export "mem") 1) (func (export "read") (param i32) (result i32) (i32.load8_u (local.get 0)))
			 (func (export "write") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))`,
			`(global (export "base") i32 (i32.const 256))`, `(global (export "base") i32 (i32.const 512))`,
			`(import "fs" "read" (func $read (param i32) (result i32))) (import "fs" "write" (func $write (param i32 i32)))
			 (import "cfg" "base" (global $base i32)) (global $calls (mut i32) (i32.const 0))
			 (func $count (global.set $calls (i32.add (global.get $calls) (i32.const 1))))
			 (func (export "read") (param i32) (result i32) (call $count) (call $read (i32.add (local.get 0) (global.get $base))))
			 (func (export "write") (param i32 i32) (call $count) (call $write (i32.add (local.get 0) (global.get $base)) (local.get 1)))
			 (func (export "calls") (result i32) (global.get $calls))`,
			`(import "fs" "read" (func $read (param i32) (result i32))) (import "fs" "write" (func $write (param i32 i32)))
			 (func (export "run") (param i32) (result i32) (call $write (i32.const 10) (local.get 0)) (i32.mul (call $read (i32.const 10)) (i32.const 2)))`,
		},
		instances: []fuse.Instance{of(0), of(1), of(2), of(3, "fs", 0, "cfg", 1), of(3, "fs", 0, "cfg", 2), of(4, "fs", 3), of(4, "fs", 4)},
		exports: named("run-a", function(5, "run"), "run-b", function(6, "run"), "calls-a", function(3, "calls"), "calls-b", function(4, "calls"),
			"real-read", function(0, "read")),
		calls: []call{do("run-a", 42), do("real-read", 266), do("run-b", 7), do("real-read", 522), do("real-read", 10), do("calls-a"), do("calls-b")},
		want:  results("[84]", "[42]", "[14]", "[7]", "[0]", "[2]", "[2]"),
	},
	"libraries that break a cycle by a table": {
		modules: []string{
			`(table (export "t") 2 funcref) (memory (export "memory") 1) (global (export "bar-index") (mut i32) (i32.const 0))`,
			`(import "env" "t" (table 2 funcref)) (import "env" "bar-index" (global $b (mut i32))) (type $f (func (param i32) (result i32)))
			 (func (export "foo") (param i32) (result i32) (i32.add (i32.const 1) (call_indirect (type $f) (local.get 0) (global.get $b))))`,
			`(import "env" "t" (table 2 funcref)) (import "env" "bar-index" (global $b (mut i32))) (import "foo" "foo" (func $foo (param i32) (result i32)))
			 (elem (i32.const 1) func $bar) (func $s (global.set $b (i32.const 1))) (start $s)
			 (func $bar (export "bar") (param i32) (result i32)
			   (if (result i32) (local.get 0) (then (i32.add (i32.const 10) (call $foo (i32.sub (local.get 0) (i32.const 1))))) (else (i32.const 100))))`,
		},
		instances: []fuse.Instance{of(0), of(1, "env", 0), of(2, "env", 0, "foo", 1)},
		exports:   named("foo", function(1, "foo"), "bar", function(2, "bar")),
		calls:     []call{do("bar", 3), do("foo", 0)},
		want:      results("[133]", "[101]"),
	},
}

func init() {
	for name, s := range shims() {
		scenarios["shim: "+name] = s
	}
}

// shims has the graphs that wit-component makes to let a module be instantiated before
// the functions that it imports, and graphs that only look like them.
func shims() map[string]scenario {
	const shim = `(table (export "$imports") 2 funcref) (type $f (func (param i32) (result i32))) (type $v (func (param i32)))
		(func (export "0") (param i32) (result i32) (call_indirect (type $f) (local.get 0) (i32.const 0)))
		(func (export "1") (param i32) (call_indirect (type $v) (local.get 0) (i32.const 1)))`
	const main = `(import "shim" "0" (func $real (param i32) (result i32))) (import "shim" "1" (func $log (param i32)))
		(memory (export "memory") 1) (table 1 funcref) (elem (i32.const 0) func $real) (type $f (func (param i32) (result i32)))
		(func (export "run") (param i32) (result i32) (call $log (local.get 0)) (call_indirect (type $f) (local.get 0) (i32.const 0)))`
	const adapter = `(func (export "real") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))`
	const fixup = `(import "" "0" (func $f (param i32) (result i32))) (import "" "1" (func $v (param i32))) (import "" "$imports" (table 2 funcref))`
	const starter = `(import "main" "run" (func $run (param i32) (result i32))) (func $s (drop (call $run (i32.const 1)))) (start $s)`
	modules := func(elements string) []string { return []string{shim, main, adapter, fixup + elements, starter} }
	actual := bag("0", function(3, "real"), "1", function(0, "log"), "$imports", fuse.Of(1, wasm.KindTable, "$imports"))
	instances := []fuse.Instance{host(), of(0), of(1, "shim", 1), of(2), actual, of(3, "", 4)}
	exports := named("run", function(2, "run"), "memory", fuse.Of(2, wasm.KindMemory, "memory"))
	base := scenario{modules: modules(`(elem (i32.const 0) func $f $v)`), instances: instances, exports: exports,
		calls: []call{do("run", 5)}, want: outcome{Log: []int32{5}, Results: []string{"[15]"}}}
	with := func(change func(*scenario)) scenario {
		s := base
		change(&s)
		return s
	}
	return map[string]scenario{
		"as it is": base,
		"filled in part": with(func(s *scenario) {
			s.modules, s.want = modules(`(elem (i32.const 1) func $v)`), outcome{Log: []int32{5}, Results: []string{"trap"}}
		}),
		"filled with another type": with(func(s *scenario) {
			s.modules, s.want = modules(`(elem (i32.const 0) func $v $v)`), outcome{Log: []int32{5}, Results: []string{"trap"}}
		}),
		"filled in part with null": with(func(s *scenario) {
			s.modules = modules(`(elem (i32.const 0) func $f $v) (elem (i32.const 0) funcref (ref.null func))`)
			s.want = outcome{Log: []int32{5}, Results: []string{"trap"}}
		}),
		"filled beyond its end": with(func(s *scenario) {
			s.modules, s.want, s.onWasmtimeOnly = modules(`(elem (i32.const 0) func $f $v $v)`), outcome{Failed: true}, true // wazero 1.12 ignores it
		}),
		"exported": with(func(s *scenario) {
			s.exports = append(exports[:2:2], named("table", fuse.Of(1, wasm.KindTable, "$imports"))...)
		}),
		"filled twice": with(func(s *scenario) {
			s.modules = modules(`(elem (i32.const 0) func $f $f) (elem (i32.const 1) func $v)`)
		}),
		"called too early": with(func(s *scenario) {
			s.instances, s.want = []fuse.Instance{host(), of(0), of(1, "shim", 1), of(2), actual, of(4, "main", 2), of(3, "", 4)}, outcome{Failed: true}
		}),
		"called by a later start function": with(func(s *scenario) {
			s.instances, s.want = append(instances[:6:6], of(4, "main", 2)), outcome{Log: []int32{1, 5}, Results: []string{"[15]"}}
		}),
		"changed by a start function": with(func(s *scenario) {
			s.modules = modules(`(elem (i32.const 0) func $f $v) (elem declare func $g) (func $g (param i32) (result i32) (i32.const 9))
				(func $s (table.set (i32.const 0) (ref.func $g))) (start $s)`)
			s.want = outcome{Log: []int32{5}, Results: []string{"[9]"}}
		}),
		"its trampolines in each other's place": with(func(s *scenario) {
			s.instances = []fuse.Instance{host(), of(0), of(1, "shim", 1), of(2),
				bag("0", function(1, "0"), "1", function(0, "log"), "$imports", fuse.Of(1, wasm.KindTable, "$imports")), of(3, "", 4)}
			s.want = outcome{Log: []int32{5}, Results: []string{"trap"}}
		}),
		"through two of them": with(func(s *scenario) {
			second := bag("0", function(6, "0"), "1", function(6, "1"), "$imports", fuse.Of(1, wasm.KindTable, "$imports"))
			first := bag("0", function(3, "real"), "1", function(0, "log"), "$imports", fuse.Of(6, wasm.KindTable, "$imports"))
			s.instances = []fuse.Instance{host(), of(0), of(1, "shim", 1), of(2), bag(), bag(), of(0), second, of(3, "", 7), first, of(3, "", 9)}
		}),
	}
}
