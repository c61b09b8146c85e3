#!/usr/bin/env bash
# load.sh: many ranks, many runs, many users on one machine.
set -euo pipefail

usage() {
	cat <<'USAGE'
usage: testdata/load.sh [-r RUNS] [-n RANKS]

Builds a small program
  on RANKS ranks of this machine (default 64);
  RUNS times in a row (default 1000), of ten variants in turn: from the second ten on, nothing may be there that was not;
  ten times at once, as root by two users who share the project and TMPDIR (else by this user alone).
Each program is compared with go build's. After each part no process, no scratch directory and no shared memory of it may
be left. Prints figures. Needs ./distgo, or DISTGO=PATH. What one process would leak is asked by
DISTGO_RUNS=1000 go test -run TestManyRuns ./rank.

Exit code: 0 if all is well, 1 if not, 2 for usage.
USAGE
}

die() {
	echo "load.sh: $*" >&2
	exit 2
}

runs=1000 ranks=64
while (($#)); do
	case $1 in
	-r) runs=$2 && shift 2 ;;
	-n) ranks=$2 && shift 2 ;;
	-h | --help) usage && exit 0 ;;
	*) die "$1? load.sh --help says what there is" ;;
	esac
done
((runs >= 20)) || die "-r $runs: at least 20, or a leak does not show"
distgo=$(realpath -- "${DISTGO:-$(dirname -- "${BASH_SOURCE[0]}")/../distgo}")
[[ -x $distgo ]] || die "there is no $distgo: run make"

work=$(mktemp -d)
other= # the second user, if this script made one
cleanup() {
	local pids
	pids=$(jobs -p)
	[[ -z $pids ]] || kill $pids 2>/dev/null || true
	wait
	[[ -z $other ]] || userdel -r "$other" 2>/dev/null || true
	rm -rf -- "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

failed=0
wrong() {
	echo "load.sh: WRONG: $*" >&2
	failed=1
}

chmod 755 "$work"
mkdir -m 1777 "$work/tmp"
mkdir "$work/project" "$work/out"
printf 'module example.com/load\n\ngo 1.23\n' >"$work/project/go.mod"
mkdir "$work/project/a" "$work/project/b"
printf 'package a\n\nfunc F() int { return 1 }\n' >"$work/project/a/a.go"
printf 'package b\n\nimport "example.com/load/a"\n\nfunc F() int { return 2 + a.F() }\n' >"$work/project/b/b.go"
# variant K writes the program's Kth variant.
variant() {
	printf 'package main\n\nimport "example.com/load/b"\n\nfunc main() { println(%d, b.F()) }\n' "$1" >"$work/project/main.go"
}

flags=(-trimpath -ldflags=-buildid=)
export TMPDIR=$work/tmp CGO_ENABLED=0 DISTGO_PIPELINE=off GOFLAGS=
# build OUT WORDS... builds the project with a store of this script's own.
build() {
	local out=$1
	shift
	"$distgo" -q -p "$work/project" -m . -o "$out" --slots 1 --store "$work/store" "$@" -- "${flags[@]}"
}
reference() { (cd "$work/project" && go build "${flags[@]}" -o "$work/out/$1" .); }

# remains prints what of distgo is there: processes of this script's executable, files in TMPDIR, shared memory.
remains() {
	local exe
	for exe in /proc/[0-9]*/exe; do
		[[ $(readlink "$exe" 2>/dev/null) != "$distgo" ]] || echo "process ${exe//[^0-9]/}"
	done
	find "$TMPDIR" /dev/shm -mindepth 1 -newer "$work/project/go.mod" -path '*distgo*' 2>/dev/null || true
}
# clean WHAT waits ten seconds for everything to be gone.
clean() {
	local i
	for ((i = 0; i < 100; i++)); do
		[[ -n $(remains) ]] || return 0
		sleep 0.1
	done
	wrong "after $1 there is left: $(remains | head -5 | tr '\n' ';')"
}
now() { date +%s%N; }
seconds() { awk -v ns=$(($(now) - $1)) 'BEGIN { printf "%.1f s", ns / 1e9 }'; }
processes() { set -- /proc/[0-9]*; echo $#; } # what ls is told of may be gone when it looks
free() { awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo; }

variant 0
reference reference-0
build "$work/out/first" -n 2 # the standard library into the store
begun=$(now)
build "$work/out/one" -n 1 -a --no-plan-cache
alone=$(seconds "$begun")

begun=$(now)
build "$work/out/many" -n "$ranks" -a --meet-timeout 120s >"$work/many.log" 2>&1 || wrong "$ranks ranks: exit code $?: $(tail -3 "$work/many.log")"
took=$(seconds "$begun")
cmp -s "$work/out/many" "$work/out/reference-0" || wrong "$ranks ranks made another program than go build"
clean "$ranks ranks"
echo "$ranks ranks on $(nproc) cores, everything compiled: $took; one rank: $alone"

for ((k = 0; k < 10; k++)); do
	variant "$k"
	reference "reference-$k"
done
files() { find "$work/store" -type f | wc -l; }
bytes() { du -sb "$work/store" | cut -f1; }
begun=$(now) of=$((runs / 10))
for ((i = 0; i < runs; i++)); do
	variant $((i % 10))
	build "$work/out/run" -n 2 >"$work/run.log" 2>&1 || wrong "run $i: exit code $?: $(tail -3 "$work/run.log")"
	cmp -s "$work/out/run" "$work/out/reference-$((i % 10))" || wrong "run $i made another program than go build"
	if ((i == 19)); then # each variant has been built twice: what comes now is a leak
		clean "20 runs"
		files0=$(files) bytes0=$(bytes) free0=$(free) fds0=$(cut -f1 /proc/sys/fs/file-nr) processes0=$(processes)
	fi
done
took=$(seconds "$begun")
clean "$runs runs"
files1=$(files) bytes1=$(bytes) free1=$(free) fds1=$(cut -f1 /proc/sys/fs/file-nr) processes1=$(processes)
echo "$runs runs on 2 ranks: $took; from the 20th to the last: files in the store $files0 → $files1, bytes $bytes0 → $bytes1;" \
	"the whole machine: open files $fds0 → $fds1, processes $processes0 → $processes1, MiB free $free0 → $free1"
# History and journals are rewritten at bounded sizes; a file or a kilobyte a run is none of that.
((files1 - files0 < of)) || wrong "the store grew from $files0 to $files1 files"
((bytes1 - bytes0 < runs * 256)) || wrong "the store grew from $bytes0 to $bytes1 bytes"

variant 0
users=("$(id -un)" "$(id -un)")
if [[ $(id -u) == 0 ]]; then
	other=distgoload
	useradd -m "$other" && users[1]=$other || other=
fi
begun=$(now)
pids=()
for ((i = 0; i < 10; i++)); do
	user=${users[$((i % 2))]}
	into=$work/at-once-$user
	[[ -d $into ]] || mkdir "$into"
	[[ $user == "$(id -un)" ]] || chown "$user" "$into"
	command=("$distgo" -q -p "$work/project" -m . -o "$into/$i" -n 2 --slots 1 --store "$into/store" -- "${flags[@]}")
	if [[ $user == "$(id -un)" ]]; then
		"${command[@]}" >"$work/at-once-$i.log" 2>&1 &
	else
		runuser -u "$user" -- env "HOME=/home/$user" "GOCACHE=/home/$user/gocache" "PATH=$PATH" "${command[@]}" >"$work/at-once-$i.log" 2>&1 &
	fi
	pids+=($!)
done
for ((i = 0; i < 10; i++)); do
	wait "${pids[$i]}" || wrong "run $i of ten at once (${users[$((i % 2))]}): exit code $?: $(tail -3 "$work/at-once-$i.log")"
	cmp -s "$work/at-once-${users[$((i % 2))]}/$i" "$work/out/reference-0" || wrong "run $i of ten at once made another program than go build"
done
took=$(seconds "$begun")
clean "ten runs at once"
echo "ten runs at once, five by ${users[0]} and five by ${users[1]}, two ranks each, two cold stores: $took"
exit "$failed"
