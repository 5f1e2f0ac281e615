#!/bin/sh
# Builds the committed guests from their sources, in C and in WebAssembly's text.
#
#   scripts/build-guests.sh [FOLDER]
#
# writes each guest beside its source, or to the same path below FOLDER. It needs
# clang-19, lld-19 and wabt, all from Debian: they give the committed bytes.
set -eu
cd "$(dirname "$0")/.."
out=${1:-.}
object=$(mktemp)
trap 'rm -f "$object"' EXIT

# c SOURCE GUEST STACK-SIZE [FLAG…]: flags that begin with "--" are the linker's.
# Compiling and linking are two steps: clang as a linker also runs the wasm-opt that
# it finds in PATH, and the bytes would depend on it.
c() {
	source=$1 guest=$out/$2 stack=$3
	shift 3
	compiler= linker=
	for flag; do
		case $flag in
		--*) linker="$linker $flag" ;;
		*) compiler="$compiler $flag" ;;
		esac
	done
	mkdir -p "$(dirname "$guest")"
	# shellcheck disable=SC2086 # the flags are words
	clang-19 --target=wasm32 -std=c17 -mbulk-memory -ffreestanding -Wall -Wextra -Werror \
		-Wno-unused-parameter $compiler -c "$source" -o "$object"
	# shellcheck disable=SC2086
	wasm-ld-19 --no-entry -z stack-size="$stack" $linker "$object" -o "$guest"
	chmod 644 "$guest"
}

# text FOLDER [FLAG…]: all texts of a folder.
text() {
	folder=$1
	shift
	mkdir -p "$out/$folder"
	for source in "$folder"/*.wat; do
		wat2wasm "$@" "$source" -o "$out/${source%.wat}.wasm"
	done
}

c examples/c-echo/echo.c examples/c-echo/echo.wasm 8192 -O2 --strip-all

bench=internal/bench/measure/guests
for guest in pingpong roundtrip floor; do
	c $bench/src/$guest.c $bench/$guest.wasm 1024 -O2 --strip-all --stack-first
done
peers=internal/bench/peers/guests
for guest in bare extism function greeter; do
	c $peers/src/$guest.c $peers/$guest.wasm 1024 -O2 --strip-all --stack-first
done

attacker=internal/hostile/guest/attacker
c $attacker.c $attacker.wasm 16384 -O2 --strip-all --stack-first -Wno-infinite-recursion -Wno-implicit-fallthrough

hoarder=internal/hostile/guest/hoarder
c $hoarder.c $hoarder.wasm 16384 -O2 --strip-all --stack-first -Wno-implicit-fallthrough

reacher=internal/hostile/guest/reacher
c $reacher.c $reacher.wasm 16384 -O2 --strip-all --stack-first -Wno-implicit-fallthrough

script=backends/wasmtime/testdata/script
c $script.c $script.wasm 8192 -Oz --strip-all
player=internal/allengines/testdata/player
c $player.c $player.wasm 8192 -Oz -mtail-call --strip-all --initial-memory=262144
diver=internal/allengines/testdata/diver
caller=internal/allengines/testdata/caller
c $caller.c $caller.wasm 1024 -O2 --strip-all --stack-first
for guest in keyvalue settings web; do
	c internal/allengines/testdata/$guest.c internal/allengines/testdata/$guest.wasm 1024 -O2 --strip-all --stack-first
done
files=internal/allengines/testdata/files
c $files.c $files.wasm 16384 -O2 --strip-all --stack-first
c $diver.c $diver.wasm 8192 -Oz --strip-all -Wno-infinite-recursion
suite=core/enginetest/testdata
for guest in actor hostile; do
	c $suite/$guest.c $suite/$guest.wasm 8192 -Oz --strip-all -Wno-infinite-recursion
done
c $suite/actor.c $suite/buckets.wasm 8192 -Oz -DBUCKETS --strip-all -Wno-infinite-recursion
text $suite
text cmd/airhost/testdata/guests

meter=internal/meter/testdata
c $meter/crc.c $meter/crc.wasm 65536 -O2 --export-dynamic
text $meter --debug-names --enable-threads --enable-tail-call --enable-extended-const
