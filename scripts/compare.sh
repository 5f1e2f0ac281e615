#!/bin/sh
# Measures this tree and a revision in turns, and names the cells that became slower:
#
#   scripts/compare.sh REVISION [flags of `benchrunner compare`]
#
# It prints the comparison, and writes to the folder benchmark/ (or $OUT): comment.md
# for a pull request, comparison.json, and all samples. The exit code is 0 if no cell has
# become worse, 1 if one has, 2 if they could not be compared. BENCHRUNNER is the path of
# a program that is built already.
set -eu

revision=${1:?"usage: scripts/compare.sh REVISION [flags of benchrunner compare]"}
shift
out=${OUT:-benchmark}
mkdir -p "$out"
program=${BENCHRUNNER:-}
if [ -z "$program" ]; then
	program=$out/benchrunner
	go build -o "$program" ./cmd/benchrunner
	case $program in /*) ;; *) program=./$program ;; esac
fi
exec "$program" compare --against "$revision" \
	--markdown "$out/comment.md" --json "$out/comparison.json" --output "$out" "$@"
