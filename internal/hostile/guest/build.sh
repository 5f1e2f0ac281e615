#!/bin/sh
# Builds the attacking guest into the directory given, by default this one.
# The same source gives the same bytes with clang 19 and wasm-ld 19 of Debian.
set -eu
out=$(cd "${1:-$(dirname "$0")}" && pwd)
cd "$(dirname "$0")"
clang-19 --target=wasm32-unknown-unknown -std=c17 -O2 -Wall -Wextra -Werror \
	-Wno-unused-parameter -Wno-infinite-recursion -Wno-implicit-fallthrough \
	-ffreestanding -nostdlib -mbulk-memory \
	-Wl,--no-entry -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=16384 \
	-o "$out/attacker.wasm" attacker.c
chmod 644 "$out/attacker.wasm"
