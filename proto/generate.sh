#!/bin/sh
# Generates the Go code from the .proto files beside it, with the tools of
# tools.mod. With --check it changes nothing, and fails where the code that is
# kept differs from what the files give, or where they break buf's rules.
set -eu
cd "$(dirname "$0")"
buf() { go tool -modfile=tools.mod buf "$@"; }
case "${1:-}" in
"")
	buf generate
	;;
--check)
	buf lint
	out=$(mktemp -d)
	trap 'rm -rf "$out"' EXIT
	buf generate --output "$out"
	diff -r -x '*.proto' -x doc.go airhost "$out/airhost"
	;;
*)
	echo "usage: $0 [--check]" >&2
	exit 2
	;;
esac
