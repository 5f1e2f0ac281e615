#!/bin/sh
# Builds the peers' guests into the directory given, by default this one.
# The same sources give the same bytes with clang 19 and wasm-ld 19 of Debian.
set -eu
out=$(cd "${1:-$(dirname "$0")}" && pwd)
cd "$(dirname "$0")/src"
for guest in bare extism greeter; do
	clang-19 --target=wasm32-unknown-unknown -std=c17 -O2 -Wall -Wextra -Werror -Wno-unused-parameter \
		-ffreestanding -nostdlib -mbulk-memory \
		-Wl,--no-entry -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=1024 \
		-o "$out/$guest.wasm" "$guest.c"
	chmod 644 "$out/$guest.wasm"
done
clang-19 --version | head -1 >&2
