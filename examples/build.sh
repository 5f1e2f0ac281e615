#!/bin/sh
# Builds the example guests into the directory given, by default bin/guests:
# each examples/*/wasm as NAME.wasm, each examples/*/process as the executable NAME,
# and the one in C where clang-19 is installed.
set -eu
cd "$(dirname "$0")/.."
out=${1:-bin/guests}
mkdir -p "$out"
for main in examples/*/wasm; do
	name=$(basename "$(dirname "$main")")
	GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 go build -trimpath -buildvcs=false -buildmode=c-shared -ldflags="-s -w" -o "$out/$name.wasm" "./$main"
done
for main in examples/*/process; do
	go build -trimpath -buildvcs=false -ldflags="-s -w" -o "$out/$(basename "$(dirname "$main")")" "./$main"
done
if command -v clang-19 >/dev/null; then
	clang-19 --target=wasm32 -O2 -nostdlib -Wl,--no-entry -Wl,--strip-all -o "$out/c-echo.wasm" examples/c-echo/echo.c
else
	echo "examples/c-echo is left out: clang-19 is not installed" >&2
fi
