# Builds the .wasm files from their sources next to them. Needs wabt and clang.
set -e
cd "$(dirname "$0")"
for f in *.wat; do
	wat2wasm --debug-names --enable-threads --enable-tail-call --enable-extended-const "$f" -o "${f%.wat}.wasm"
done
clang-19 --target=wasm32 -O2 -mbulk-memory -nostdlib -Wl,--no-entry -Wl,--export-dynamic -o crc.wasm crc.c
