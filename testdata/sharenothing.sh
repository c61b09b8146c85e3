#!/usr/bin/env bash
# sharenothing.sh: ranks in private mount namespaces, in which there is neither Go nor the project nor a module cache.
set -euo pipefail

usage() {
	cat <<'USAGE'
usage: testdata/sharenothing.sh [-n RANKS] [DIR MAIN]

Builds MAIN of the project DIR (default: a small program with cgo) on RANKS ranks (default 4), each but rank 0 in a mount
namespace of its own with nothing at the place of the Go toolchain, the module cache, the build cache, the home directory and
the project; each has a store of its own. Builds twice, compares the programs with go build's, and says how many bytes were
sent: at most 1.1 times what the actions read, the first time; the second time no file, only the list of what actions read.
Needs root and ./distgo, or DISTGO=PATH.

Exit code: 0 if all went well, 1 if not, 2 for usage.
USAGE
}

die() {
	echo "sharenothing.sh: $*" >&2
	exit 2
}

ranks=4
while (($#)); do
	case $1 in
	-n) ranks=$2 && shift 2 ;;
	-h | --help)
		usage
		exit 0
		;;
	*) break ;;
	esac
done
(($# == 0 || $# == 2)) || die "DIR and MAIN, or neither"
[[ $(id -u) == 0 ]] || die "private mounts need root"
distgo=$(realpath -- "${DISTGO:-$(dirname -- "${BASH_SOURCE[0]}")/../distgo}")
[[ -x $distgo ]] || die "there is no $distgo: run make"

work=$(mktemp -d)
pids=()
cleanup() {
	((${#pids[@]})) && kill "${pids[@]}" 2>/dev/null || true
	wait
	rm -rf -- "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

project=$work/project main=.
if (($#)); then
	cp -r -- "$1" "$project"
	main=$2
else
	mkdir "$project"
	printf 'module example.com/small\n\ngo 1.23\n' >"$project/go.mod"
	cat >"$project/main.go" <<'GO'
package main

// #include "own.h"
import "C"

import (
	"fmt"
	"net"
)

func main() { fmt.Println(C.answer(), net.IPv4zero) }
GO
	printf 'static int answer(void) { return 42; }\n' >"$project/own.h"
fi
flags=(-trimpath -ldflags=-buildid=)
go build -C "$project" -o "$work/reference" "${flags[@]}" "$main"

cp -- "$distgo" "$work/distgo"
hidden=("$(go env GOROOT)" "$(go env GOMODCACHE)" "$(go env GOCACHE)" "$HOME" "$project")
secret=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
port=$((20000 + RANDOM % 10000))

# rank R RUN ... is one rank; rank 0 sees everything.
rank() {
	local r=$1 run=$2
	shift 2
	local env=(DISTGO_RANK="$r" DISTGO_SIZE="$ranks" DISTGO_ROOT="127.0.0.1:$port" DISTGO_RUN="$run" DISTGO_SECRET="$secret" DISTGO_PIPELINE="${DISTGO_PIPELINE:-auto}")
	mkdir -p "$work/store.$r" "$work/tmp.$r"
	if ((r == 0)); then
		[[ ! -d ${COMPILERS:-} || -d $work/store.0/compilers ]] || cp -r -- "$COMPILERS" "$work/store.0/compilers"
		env "${env[@]}" TMPDIR="$work/tmp.$r" "$work/distgo" --store "$work/store.$r" "$@"
		return
	fi
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount --uts --propagation private bash -euc '
		hostname "$1" && shift
		while [[ $1 != -- ]]; do mount -t tmpfs nothing "$1" && shift; done
		shift
		cd /
		exec env -i PATH=/usr/bin:/bin HOME=/nowhere "$@"
	' - "node$r" "${hidden[@]}" -- "${env[@]}" TMPDIR="$work/tmp.$r" "$work/distgo" --store "$work/store.$r" "$@"
}

failed=0
for run in first second; do
	rm -f -- "$work/made"
	pids=()
	for ((r = 0; r < ranks; r++)); do
		rank "$r" "$run" -p "$project" -m "$main" -o "$work/made" --report "$work/report" -- "${flags[@]}" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid" || { failed=1 && echo "sharenothing.sh: the $run run: a rank ended with code $?"; }; done
	pids=()
	cmp -- "$work/reference" "$work/made" || failed=1
	python3 - "$work/report" "$run" <<'PY' || failed=1
import json, sys
report, run = json.load(open(sys.argv[1])), sys.argv[2]
read = sum(r.get("read_bytes", 0) for r in report["ranks"])
fetched = sum(r.get("fetched_bytes", 0) for r in report["ranks"])
sent = sum(s["bytes"] for r in report["ranks"] for s in r.get("sent") or [] if s["kind"] == "files")
executed = [sum(a["rank"] == r["rank"] and not a.get("cached") for a in report["actions"]) for r in report["ranks"]]
print(f"sharenothing.sh: {run} run, {report['wall_us'] / 1e6:.1f} s: the actions of other ranks read {read} bytes, {fetched} were fetched, {sent} crossed the network; executed by rank {executed}")
sys.exit(not (sent <= 1.1 * read if run == "first" else fetched == 0))
PY
done
((failed == 0)) && echo "sharenothing.sh: all is well"
exit "$failed"
