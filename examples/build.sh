#!/bin/sh
# Builds the examples into the given folder, by default bin/guests: each
# examples/*/wasm as NAME.wasm, and each examples/*/process as the executable NAME.
# The example in C is committed as a module (scripts/build-guests.sh builds it).
set -eu
cd "$(dirname "$0")/.."
out=${1:-bin/guests}
mkdir -p "$out"
for main in examples/*/wasm; do
	name=$(basename "$(dirname "$main")")
	GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 go build -trimpath -buildvcs=false -buildmode=c-shared -ldflags="-s -w" -o "$out/$name.wasm" "./$main"
done
for main in examples/*/process; do
	name=$(basename "$(dirname "$main")")
	go build -trimpath -buildvcs=false -ldflags="-s -w" -o "$out/$name" "./$main"
done
cp examples/c-echo/echo.wasm "$out/c-echo.wasm"
