#!/usr/bin/env bash
# Same bytes: builds programs with distgo and with go build and compares them.
#
#   testdata/identity.sh --self              distgo itself, sizes 2 and 3, what CI runs
#   testdata/identity.sh [DIR[:MAIN[:big|:lib]]...]  programs of your own, default: distgo itself and gofmt
#
# Each program is built at several sizes (1 2 3 4 8; big ones 1 and 4), in both barrier modes, with CGO_ENABLED 0 and 1,
# with -trimpath -ldflags=-buildid=, and must equal go build's byte for byte. SIZES, BARRIERS and CGO narrow the table.
# With lib the archive of a package is compared, build IDs apart, by --verify.
set -euo pipefail

usage() { sed -n '2,9s/^# \{0,1\}//p' "$0"; }

here=$(cd "$(dirname "$0")/.." && pwd)
distgo=${DISTGO:-$here/distgo}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

# compare NAME DIR MAIN KIND SIZE BARRIER CGO
compare() {
	local name=$1 dir=$2 main=$3 kind=$4 size=$5 barrier=$6 cgo=$7
	local reference=$tmp/$name-$cgo.go made=$tmp/$name.distgo verdict=identical
	if [ "$kind" != lib ] && [ ! -e "$reference" ]; then
		(cd "$dir" && CGO_ENABLED=$cgo go build -trimpath -ldflags=-buildid= -o "$reference" "$main")
	fi
	rm -f "$made"
	# An archive holds what the linker has not resolved yet: the pipelined compiler's differ from the stock one's, by design.
	local extra=()
	[ "$kind" != lib ] || extra=(--pipeline=off --verify)
	if ! CGO_ENABLED=$cgo "$distgo" -q -n "$size" -a --barrier="$barrier" "${extra[@]}" -p "$dir" -m "$main" -o "$made" -- -trimpath -ldflags=-buildid= >"$tmp/log" 2>&1; then
		verdict="NOT BUILT: $(tail -n 1 "$tmp/log")"
	elif [ "$kind" = lib ]; then
		verdict="identical but for build IDs"
	elif ! cmp -s "$reference" "$made"; then
		verdict=DIFFERENT
	fi
	printf '%-16s size %d  %-8s  CGO_ENABLED=%s  %s\n' "$name" "$size" "$barrier" "$cgo" "$verdict"
	[[ "$verdict" = identical* ]] || failed=1
}

table() {
	local spec dir main kind sizes
	for spec in "$@"; do
		IFS=: read -r dir main kind <<<"$spec"
		main=${main:-.} kind=${kind:-}
		sizes=${SIZES:-1 2 3 4 8}
		[ "$kind" != big ] || sizes=${SIZES:-1 4}
		for cgo in ${CGO:-0 1}; do
			for barrier in ${BARRIERS:-split blocking}; do
				for size in $sizes; do
					compare "$(basename "$dir")" "$dir" "$main" "$kind" "$size" "$barrier" "$cgo"
				done
			done
		done
	done
}

case "${1:-}" in
-h | --help) usage; exit 0 ;;
--self)
	# Both modes, both settings of CGO_ENABLED; not their product, which takes a quarter of an hour. One rank's programs
	# are compared in testdata/script.
	SIZES=2 BARRIERS=blocking CGO=0 table "$here:."
	SIZES=3 BARRIERS=split CGO=1 table "$here:." ;;
"")
	table "$here:." "$(go env GOROOT)/src/cmd:./gofmt" ;;
*) table "$@" ;;
esac
exit $failed
