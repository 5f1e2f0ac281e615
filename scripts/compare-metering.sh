#!/bin/sh
# Shows the cost of metering for a message: the headline figures of wazero with guests
# that can be interrupted, against a build in which they cannot, in turns, in half a
# minute:
#
#   scripts/compare-metering.sh [flags of `benchrunner compare`]
#
# The exit code is 1 if a message takes more than 5 % longer.
set -eu
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 2' INT TERM

go build -o "$folder/metered" ./cmd/benchrunner
go build -tags airhost_unmetered -o "$folder/unmetered" ./cmd/benchrunner
if go tool nm "$folder/unmetered" | grep -q 'internal/meter\.(\*rewriter)'; then
	echo "the build without metering has it" >&2
	exit 2
fi
"$folder/metered" compare --against-program "$folder/unmetered" --threshold 0.05 \
	--engine wazero --pattern fire-and-forget,request-response,call "$@"
