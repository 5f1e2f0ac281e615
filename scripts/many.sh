#!/bin/sh
# Starts COUNT components of one Go guest, 1,000 unless set, on each engine, and prints
# the many.md that results/ keeps of each processor: the time until `airhost run` has
# initialized all, the time of `airhost check`, and the memory beyond that of the guests.
# It takes about a minute.
#
# The guests' memory is the memory in mappings that engines make for it: those without a
# reserve, and Wasmtime's images of memory.
set -eu
cd "$(dirname "$0")/.."

count=${COUNT:-1000}
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2> /dev/null || true; rm -rf "$folder"' EXIT
trap 'exit 2' INT TERM

go build -o "$folder/airhost" ./cmd/airhost
examples/build.sh "$folder/guests" > /dev/null
cp "$folder/guests/echo.wasm" "$folder/"

# seconds since some time
now() { awk '{print $1}' /proc/uptime; }

# run CACHE: prints a row's figures of `airhost run`.
run() {
	began=$(now)
	"$folder/airhost" run "$folder/many.yaml" --cache "$1" 2> "$folder/log" &
	pid=$!
	until grep -q 'airhost is running' "$folder/log"; do
		kill -0 "$pid" 2> /dev/null || { cat "$folder/log" >&2; exit 1; }
		sleep 0.05
	done
	awk -v began="$began" -v ended="$(now)" -v tick="$(getconf CLK_TCK)" '
		FILENAME ~ /stat$/ { sub(/.*\) /, ""); processor = ($12 + $13) / tick; next }
		/^[0-9a-f]+-/ { image = /wasm-memory-image/ }
		/^Rss:/ { rss = $2 }
		/^VmFlags:/ { if (image || / nr /) guests += rss; else others += rss }
		END { printf "%.1f s | %.1f s | %d MiB | %d MiB", ended - began, processor, guests / 1024, others / 1024 }
	' "/proc/$pid/stat" "/proc/$pid/smaps"
	kill -TERM "$pid"
	wait "$pid"
	pid=
}

# check CACHE: prints a row's figures of `airhost check`.
check() {
	began=$(now)
	"$folder/airhost" check "$folder/many.yaml" --cache "$1" > /dev/null
	awk -v began="$began" -v ended="$(now)" 'BEGIN { printf "%.1f s", ended - began }'
}

cat << TEXT
# $count components of one Go guest

\`echo.wasm\` of examples/, $(($(wc -c < "$folder/echo.wasm") / 1000)) KB, $count times in one file, by \`scripts/many.sh\` on
$(nproc) processors at $(git rev-parse --short HEAD), with a load of $(cut -d' ' -f1 /proc/loadavg) when it began${NOTE:+: $NOTE}.

| engine | cache | start of all | processor time | guests' memory | beyond it | check |
|---|---|---|---|---|---|---|
TEXT
for engine in wazero wasmtime; do
	{
		echo "components:"
		for i in $(seq "$count"); do echo "  - {id: many/c$i, source: echo.wasm, engine: $engine}"; done
	} > "$folder/many.yaml"
	for cache in none cold warm; do
		case $cache in none) dir= ;; *) dir=$folder/cache-$engine ;; esac
		row=$(run "$dir")
		echo "| $engine | $cache | $row | $(check "$dir") |"
	done
done
