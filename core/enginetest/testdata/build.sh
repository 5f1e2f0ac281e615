#!/bin/sh
# Builds the suite's guests from their sources, into the directory $1 or, without
# it, beside the sources. Needs clang-19, lld-19 and wabt, all from Debian.
set -eu
cd "$(dirname "$0")"
out=${1:-.}
for source in *.c; do
	clang-19 --target=wasm32 -nostdlib -Oz -mbulk-memory -Wall -Wno-infinite-recursion \
		-Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=8192 \
		-o "$out/${source%.c}.wasm" "$source"
done
for source in *.wat; do
	wat2wasm "$source" -o "$out/${source%.wat}.wasm"
done
chmod 644 "$out"/*.wasm
