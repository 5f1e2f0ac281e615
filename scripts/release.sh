#!/bin/sh
# Makes the files of a release in dist/ (or $DIST):
#
#   scripts/release.sh archives VERSION [GOOS/GOARCH…]   archives with airhost, its manual pages, and benchrunner
#   scripts/release.sh finish VERSION                    SHA256SUMS, and notes.md from CHANGELOG.md
#
# VERSION is a tag, such as v0.1.0; `airhost version` prints it. Programs for this
# machine's platform are built with cgo where a C compiler is installed, and then have
# the engine wasmtime. All others are built without cgo.
set -eu
cd "$(dirname "$0")/.."
usage="usage: scripts/release.sh archives|finish VERSION [GOOS/GOARCH…]"
if [ -z "${2:-}" ]; then
	echo "$usage" >&2
	exit 2
fi
step=$1 version=$2
shift 2
dist=${DIST:-dist}
case $version in
v[0-9]*.[0-9]*.[0-9]*) ;;
*) echo "the version is $version, want one like v0.1.0" >&2 && exit 2 ;;
esac

archive() { # GOOS/GOARCH
	os=${1%/*} arch=${1#*/}
	name=airhost_${version}_${os}_$arch
	folder=$dist/$name
	cgo=0
	if [ "$1" = "$host" ]; then
		cgo=$(go env CGO_ENABLED)
	fi
	mkdir -p "$folder"
	GOOS=$os GOARCH=$arch CGO_ENABLED=$cgo go build -trimpath -buildvcs=auto \
		-ldflags="-s -w -X main.release=$version" -o "$folder/" ./cmd/airhost ./cmd/benchrunner
	if [ "$1" = "$host" ]; then
		"$folder/airhost" version | grep -q "^airhost *$version\$" ||
			{ echo "airhost version does not print $version" >&2 && exit 1; }
	fi
	cp LICENSE README.md CHANGELOG.md SECURITY.md "$folder/"
	mkdir -p "$folder/share/man"
	cp -r "$pages" "$folder/share/man/man1"
	tar -C "$dist" -czf "$dist/$name.tar.gz" "$name"
	rm -r "$folder"
	echo "$dist/$name.tar.gz"
}

# notes prints the version's section of the changelog, without its heading.
notes() {
	awk -v plain="${version#v}" '
		/^## / { heading = /[(][0-9-]+[)]$/ ? $2 : ""; gsub(/[][]/, "", heading); sub(/^v/, "", heading); inside = heading == plain; found += inside; next }
		inside { text = text $0 "\n" }
		END { sub(/^\n+/, "", text); sub(/\n+$/, "", text); print text; exit !found }' CHANGELOG.md
}

case $step in
archives)
	host=$(go env GOHOSTOS)/$(go env GOHOSTARCH)
	if [ $# = 0 ]; then
		set -- linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
	fi
	pages=$(mktemp -d)
	trap 'rm -rf "$pages"' EXIT
	go run -buildvcs=auto -ldflags="-X main.release=$version" ./cmd/airhost man "$pages"
	chmod 755 "$pages"
	for target; do
		archive "$target"
	done
	;;
finish)
	if ! notes >"$dist/notes.md"; then
		echo "CHANGELOG.md has no section for $version with its date: ## $version (YYYY-MM-DD)" >&2
		exit 1
	fi
	sum=$(command -v sha256sum || echo "shasum -a 256")
	(cd "$dist" && $sum airhost_"$version"_*.tar.gz >SHA256SUMS)
	cat "$dist/SHA256SUMS"
	;;
*) echo "$usage" >&2 && exit 2 ;;
esac
