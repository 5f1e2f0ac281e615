#!/bin/sh
# Shows how well `benchrunner compare` finds changes, in a quarter of an hour: it compares
# the program with itself, and with builds in which each message takes about 5 % and 10 %
# longer. RUNS is the number of comparisons of each, 20 unless set.
#
# A change as large as the threshold is found half of the time, so that the threshold is
# half of the smaller delay. It is the same for all three.
set -eu
cd "$(dirname "$0")/.."

runs=${RUNS:-20}
threshold=${THRESHOLD:-0.025}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 2' INT TERM

go build -o "$folder/itself" ./cmd/benchrunner
go build -tags airhost_delay5 -o "$folder/delay5" ./cmd/benchrunner
go build -tags airhost_delay10 -o "$folder/delay10" ./cmd/benchrunner
if go tool nm "$folder/itself" | grep -q 'core/host\.spin$'; then
	echo "the delay is in the ordinary build" >&2
	exit 2
fi

# try BUILD: compares the build with the ordinary one, and counts in $slower and
# $faster in how many runs a cell is called that. The changes of all cells are kept.
try() {
	slower=0 faster=0
	for run in $(seq "$runs"); do
		code=0
		"$folder/$1" compare --against-program "$folder/itself" --threshold "$threshold" \
			--engine wazero --pattern fire-and-forget,request-response \
			--samples 96 --warmup 30ms --json - >"$folder/comparison.json" 2>"$folder/errors" || code=$?
		if [ "$code" -gt 1 ]; then
			cat "$folder/errors" >&2
			exit 2
		fi
		if grep -q '"verdict": "worse"' "$folder/comparison.json"; then slower=$((slower + 1)); fi
		if grep -q '"verdict": "better"' "$folder/comparison.json"; then faster=$((faster + 1)); fi
		sed -n 's/^ *"change": \(.*\),$/\1/p' "$folder/comparison.json" >>"$folder/$1.changes"
	done
	middle=$(sort -g "$folder/$1.changes" | awk '{c[NR] = $1} END {printf "%+.1f %%", 100 * (c[int((NR + 1) / 2)] + c[int(NR / 2) + 1]) / 2}')
}

# row NAME WANTED OK: prints a line, and remembers a wish that was not met.
missed=0
row() {
	result=ok
	if ! [ "$3" -eq 1 ]; then
		result="not met"
		missed=1
	fi
	printf '%-10s %6d %8d %8d %12s   %s: %s\n' "$1" "$runs" "$slower" "$faster" "$middle" "$2" "$result"
}

printf '%-10s %6s %8s %8s %12s   %s\n' build runs slower faster 'median' wanted
try itself
row itself "at most 1 in 20 slower or faster" $(((slower + faster) * 20 <= runs))
try delay10
row '10 % more' "all slower" $((slower == runs))
try delay5
row '5 % more' "15 in 20 slower" $((slower * 20 >= 15 * runs))
exit "$missed"
