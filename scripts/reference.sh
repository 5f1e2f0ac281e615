#!/bin/sh
# Measures all that results/ keeps of this machine's processor, in the folder of its name,
# and draws the figures anew. It takes half an hour, with nothing else running.
#
#	scripts/reference.sh            measure and draw
#	scripts/reference.sh figures    only draw, and put the table into the documents
#
# PROCESSOR=NAME sets the folder's name.
set -eu
cd "$(dirname "$0")/.."

# processor prints the processor's name, such as amd-epyc.
processor() {
	{ sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2> /dev/null || sysctl -n machdep.cpu.brand_string; } |
		head -n 1 | tr '[:upper:]' '[:lower:]' |
		sed -E 's/\((r|tm|c)\)//g; s/ (cpu|processor)( |$)/ /g; s/ [0-9]+-core//; s/@.*//; s/[^a-z0-9]+/-/g; s/^-|-$//g'
}

measure() {
	folder=results/${PROCESSOR:-$(processor)}
	mkdir -p "$folder"
	bin/benchrunner run --samples 30 --max-samples 40 --warmup 300ms --json "$folder/headline.json"
	bin/benchrunner run --suite reference --json "$folder/reference.json"
	bin/benchrunner run --mode load --engine wazero,wasmtime,native --broker inproc,channel --pattern request-response \
		--samples 15 --interval 0 --warmup 200ms --json "$folder/load.json"
	bin/benchrunner run --engine wazero,wasmtime --peer all --samples 30 --sample-time 5ms --interval 0 --total-ops 0 \
		--json "$folder/peers.json"
	scripts/many.sh > "$folder/many.md.new"
	mv "$folder/many.md.new" "$folder/many.md"
}

# figures draws what is kept of all processors, and replaces the table below the line
# "<!-- table: results/headline.md -->" of each document that has it.
figures() {
	bin/benchrunner report results/*/headline.json --svg results/headline.svg --markdown results/headline.md
	for doc in $(git grep -l '^<!-- table: results/headline.md -->$' -- '*.md'); do
		awk '
			FNR == NR { if (/^\|/) table = table $0 "\n"; next }
			/^<!-- table: results\/headline.md -->$/ { print; printf "%s", table; old = 1; next }
			old && /^\|/ { next }
			{ old = 0; print }
		' results/headline.md "$doc" > "$doc.new"
		mv "$doc.new" "$doc"
	done
}

if [ "${1:-}" != figures ]; then measure; fi
figures
