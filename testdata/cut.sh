#!/usr/bin/env bash
# cut.sh: nodes of an emulated cluster whose link is cut, or whose disk is full.
set -euo pipefail

usage() {
	cat <<'USAGE'
usage: testdata/cut.sh [-t TRIALS] [-s SEED]

Builds a small program, cold, on an emulated cluster of three nodes (distgo bench cluster run; root):
  TRIALS times (default 5) with the link of one of the nodes 1 and 2 cut at a random moment;
  TRIALS times with a scratch disk and store of one of them that soon is full (a tmpfs of up to 4 MB);
  once with such a disk of root.
The program must be go build's; a rank that could not meet the others, and root without disk, end the run with exit code 3 and
say why, and leave no program. Prints what was said and how long it took, beside an undisturbed run. Needs ./distgo, or DISTGO=PATH.

Exit code: 0 if all is well, 1 if not, 2 for usage.
USAGE
}

die() {
	echo "cut.sh: $*" >&2
	exit 2
}

trials=5 seed=1
while (($#)); do
	case $1 in
	-t) trials=$2 && shift 2 ;;
	-s) seed=$2 && shift 2 ;;
	-h | --help) usage && exit 0 ;;
	*) die "$1? cut.sh --help says what there is" ;;
	esac
done
[[ $(id -u) == 0 ]] || die "an emulated cluster needs root"
distgo=$(realpath -- "${DISTGO:-$(dirname -- "${BASH_SOURCE[0]}")/../distgo}")
[[ -x $distgo ]] || die "there is no $distgo: run make"
RANDOM=$seed

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
failed=0
wrong() {
	echo "cut.sh: WRONG: $*" >&2
	sed 's/^/  /' "$work/said" >&2
	failed=1
}

mkdir "$work/project"
printf 'module example.com/cut\n\ngo 1.23\n' >"$work/project/go.mod"
cat >"$work/project/main.go" <<'GO'
package main

import (
	"encoding/json"
	"os"
	"text/template"
)

func main() {
	text, err := json.Marshal(template.Must(template.New("").Parse("{{.}}")).Execute(os.Stdout, os.Args[1:]))
	println(string(text), err)
}
GO
flags=(-trimpath -ldflags=-buildid=)
export CGO_ENABLED=0
(cd "$work/project" && go build "${flags[@]}" -o "$work/reference" .)

# What each node runs. A victim's exit code is its own affair: prun would end the others for it.
cat >"$work/node" <<'SH'
#!/bin/sh
what=$1 victim=$2 how=$3
shift 3
cutter=
if [ "$PRUN_CPU_RANK" = "$victim" ]; then
	case $what in
	cut) (sleep "$how" && exec ip link set eth0 down) & cutter=$! ;;
	full) mount -t tmpfs -o "size=${how}k" tmpfs /local ;;
	esac
fi
code=0
"$@" || code=$?
[ -z "$cutter" ] || { kill "$cutter" 2>/dev/null; wait; }
[ "$PRUN_CPU_RANK" != "$victim" ] || [ "$victim" = 0 ] || exit 0
exit "$code"
SH
chmod +x "$work/node"
# build WHAT VICTIM HOW sets code and took.
build() {
	rm -f "$work/program"
	local begun
	begun=$(date +%s%N) code=0
	"$distgo" bench cluster run -np 3 -t 5:00 "$work/node" "$@" "$distgo" -p "$work/project" -m . -o "$work/program" \
		--pipeline=off --scratch /local --store /local/store --meet-timeout 20s -- "${flags[@]}" >"$work/said" 2>&1 || code=$?
	took=$(awk -v ns=$(($(date +%s%N) - begun)) 'BEGIN { printf "%.1f", ns / 1e9 }')
}
# judge NAME PATTERN: the program, or exit code 3 with words that match the pattern.
judge() {
	if ((code == 0)); then
		cmp -s "$work/program" "$work/reference" || wrong "$1: the program is not go build's"
		echo "$1: built in $took s; $(grep -hE '^distgo: (going on without|[0-9]+ actions go)' "$work/said" | cut -c1-150 | tr '\n' ';')"
	elif ((code == 3)) && [[ -n $2 ]] && grep -qE "$2" "$work/said" && [[ ! -e $work/program ]]; then
		echo "$1: ended after $took s: $(grep -hE "$2" "$work/said" | head -1 | cut -c1-200)"
	else
		wrong "$1: exit code $code after $took s"
	fi
}

build none none 0
judge undisturbed ''
undisturbed=$took
for ((i = 1; i <= trials; i++)); do
	at=$(awk "BEGIN { printf \"%.2f\", $undisturbed * $RANDOM / 32768 }") victim=$((1 + RANDOM % 2))
	build cut "$victim" "$at"
	judge "link of rank $victim cut after $at s" 'never connected|cannot connect to|did not get through|was lost while the world met'
done
for ((i = 1; i <= trials; i++)); do
	room=$((100 + RANDOM % 4000)) victim=$((1 + RANDOM % 2))
	build full "$victim" "$room"
	judge "rank $victim with $room kB of disk" ''
done
build full 0 2000
judge "root with 2 MB of disk" 'no space left on device'
exit "$failed"
