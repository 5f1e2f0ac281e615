#!/bin/sh
# Builds the tests' guest from its source, into the directory $1 or, without it,
# beside the source. Needs clang-19 and lld-19, both from Debian.
set -eu
cd "$(dirname "$0")"
clang-19 --target=wasm32 -nostdlib -Oz -mbulk-memory -Wall \
	-Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=8192 \
	-o "${1:-.}/script.wasm" script.c
chmod 644 "${1:-.}/script.wasm"
