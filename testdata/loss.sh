#!/usr/bin/env bash
# loss.sh: what it costs to lose one of four ranks at a random moment, and what the death of root leaves.
set -euo pipefail

usage() {
	cat <<'USAGE'
usage: testdata/loss.sh [-t TRIALS] [-r ROOTS] [-s SEED] DIR MAIN

Builds MAIN of the project DIR on four ranks of this machine, cold but for the pipelined compiler:
  three times undisturbed;
  TRIALS times (default 20) with kill -9 of one of the ranks 1 to 3 at a random moment. Of the time that this costs, what the
  rank had lost is told: compiles that it had not finished, and those that others did again. The median of what was lost
  beyond that may be 5 s; the program must be go build's.
  ROOTS times (default 5) with kill -9 of root at a random moment: within 10 s all processes and scratch directories must
  be gone, and of the packages that had been compiled the next run may compile a tenth again.
SEED (default 1) makes the moments and the victims. Needs ./distgo, or DISTGO=PATH, and a quiet machine.

Exit code: 0 if all is well, 1 if not, 2 for usage.
USAGE
}

die() {
	echo "loss.sh: $*" >&2
	exit 2
}

trials=20 roots=5 seed=1
while (($#)); do
	case $1 in
	-t) trials=$2 && shift 2 ;;
	-r) roots=$2 && shift 2 ;;
	-s) seed=$2 && shift 2 ;;
	-h | --help) usage && exit 0 ;;
	-*) die "$1? loss.sh --help says what there is" ;;
	*) break ;;
	esac
done
(($# == 2)) || die "which program? DIR MAIN"
project=$(realpath -- "$1") main=$2
distgo=$(realpath -- "${DISTGO:-$(dirname -- "${BASH_SOURCE[0]}")/../distgo}")
[[ -x $distgo ]] || die "there is no $distgo: run make"
compilers=${XDG_CACHE_HOME:-$HOME/.cache}/distgo/compilers
RANDOM=$seed

work=$(mktemp -d)
running=
cleanup() {
	[[ -z $running ]] || kill "$running" 2>/dev/null || true
	wait
	rm -rf -- "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

failed=0
wrong() {
	echo "loss.sh: WRONG: $*" >&2
	failed=1
}

# Each compile passes this; it notes who began and finished what, and when.
cat >"$work/wrap" <<'SH'
#!/bin/sh
case ${1##*/} in *compile*) ;; *) exec "$@" ;; esac
last= package=
for word; do
	[ "$last" != -p ] || { package=$word && break; }
	last=$word
done
[ -n "$package" ] || exec "$@"
rank=${TMPDIR%/tmp} rank=${rank%-*} rank=${rank##*-}
read -r at _ </proc/uptime
echo "begin $package $rank $at" >>"$0.log"
"$@"
code=$?
read -r at _ </proc/uptime
[ "$code" != 0 ] || echo "end $package $rank $at" >>"$0.log"
exit "$code"
SH
chmod +x "$work/wrap"
mkdir "$work/tmp"
export TMPDIR=$work/tmp DISTGO_TOOLEXEC=$work/wrap
flags=(-trimpath -ldflags=-buildid=)

now() { cut -d' ' -f1 /proc/uptime; }
# calc EXPRESSION: awk's arithmetic.
calc() { awk "BEGIN { printf \"%.2f\", $1 }"; }
below() { awk "BEGIN { exit !($1 <= $2) }"; }
median() { sort -n | awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)]; else print 0 }'; }

fresh() {
	rm -rf -- "$work/store"
	mkdir "$work/store"
	[[ ! -d $compilers ]] || cp -r -- "$compilers" "$work/store/"
}
# start begins a build in the background, with the store as it is.
start() {
	: >"$work/wrap.log"
	begun=$(now)
	"$distgo" -n 4 -p "$project" -m "$main" -o "$work/program" --store "$work/store" -- "${flags[@]}" >"$work/said" 2>&1 &
	running=$!
}
# finish waits for the build, and sets code and took.
finish() {
	code=0
	wait "$running" || code=$?
	running=
	took=$(calc "$(now) - $begun")
}
built() {
	((code == 0)) || { wrong "$1: exit code $code: $(tail -5 "$work/said")" && return; }
	cmp -s "$work/program" "$work/reference" || wrong "$1: the program is not go build's"
}
processes() {
	local p
	for p in /proc/[0-9]*; do
		[[ ! $p/exe -ef $distgo ]] || echo "${p##*/}"
	done
}
# process RANK: guardians have no environment, and who started the ranks has no rank.
process() {
	local p
	for p in $(processes); do
		tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null | grep -qx "DISTGO_RANK=$1" || continue
		tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null | grep -qx "TMPDIR=$TMPDIR" && echo "$p" && return
	done
}
# strike RANK kills it at a random moment, and sets moment and struck. It fails when the build was over.
strike() {
	local pid
	moment=$(calc "$undisturbed * (0.03 + 0.94 * $RANDOM / 32768)")
	sleep "$moment"
	pid=$(process "$1")
	struck=$(now)
	[[ -n $pid ]] && kill -9 "$pid"
}

(cd "$project" && go build "${flags[@]}" -o "$work/reference" "$main")
for ((i = 0; i < 3; i++)); do
	fresh
	start
	finish
	built undisturbed
	echo "$took"
done >"$work/undisturbed"
undisturbed=$(median <"$work/undisturbed")
echo "undisturbed: $(tr '\n' ' ' <"$work/undisturbed")s"

: >"$work/beyond" >"$work/cost"
for ((i = 1; i <= trials; i++)); do
	fresh
	victim=$((1 + RANDOM % 3))
	start
	if ! strike "$victim"; then
		finish
		echo "trial $i: over before $moment s"
		continue
	fi
	finish
	built "trial $i"
	# What the victim had begun and not ended, and what it had ended and others began again.
	lost=$(awk -v victim="$victim" -v struck="$struck" '
		$3 == victim && $4 <= struck && $1 == "begin" { begun[$2] = $4 }
		$3 == victim && $4 <= struck && $1 == "end" { took[$2] = $4 - begun[$2]; delete begun[$2] }
		$3 != victim && $4 >= struck && $1 == "begin" && $2 in took { again += took[$2]; n++; delete took[$2] }
		END { for (p in begun) { cut += struck - begun[p]; m++ }; printf "%.2f %d %.2f %d", again + cut, m, again, n }' "$work/wrap.log")
	read -r lost cut again redone <<<"$lost"
	cost=$(calc "$took - $undisturbed")
	echo "$cost" >>"$work/cost"
	calc "$cost - $lost" >>"$work/beyond"
	echo >>"$work/beyond"
	echo "trial $i: rank $victim killed after $moment s: $took s, $cost s more; lost $lost s: $cut compiles cut off, $redone done again ($again s);$(sed -n 's/^distgo: \([0-9]* actions go to other ranks.*\)/ \1/p' "$work/said")"
done
if ((trials)); then
	beyond=$(median <"$work/beyond")
	echo "a lost rank cost $(median <"$work/cost") s (median), $beyond s beyond what it had lost; allowed are 5 s"
	below "$beyond" 5 || wrong "$beyond s beyond what was lost"
fi

for ((i = 1; i <= roots; i++)); do
	fresh
	start
	if ! strike 0; then
		finish
		echo "root, trial $i: over before $moment s"
		continue
	fi
	while [[ -n $(processes) || -n $(find "$TMPDIR" -mindepth 2 -maxdepth 2) ]]; do
		below "$(now) - $struck" 30 || break
		sleep 0.1
	done
	gone=$(calc "$(now) - $struck")
	finish
	below "$gone" 10 || wrong "root, trial $i: after $gone s there is left: $(processes) $(find "$TMPDIR" -mindepth 2 -maxdepth 2)"
	[[ ! -e $work/program || $code != 0 ]] || wrong "root, trial $i: exit code 0"
	awk '$1 == "end" { print $2 }' "$work/wrap.log" | sort -u >"$work/finished"
	start
	finish
	built "after root, trial $i"
	awk '$1 == "begin" { print $2 }' "$work/wrap.log" | sort -u >"$work/again"
	finished=$(wc -l <"$work/finished")
	again=$(comm -12 "$work/finished" "$work/again" | wc -l)
	echo "root, trial $i: killed after $moment s: all was gone after $gone s; $finished packages had been compiled, the next run ($took s) compiled $again of them again"
	((again * 10 <= finished)) || wrong "root, trial $i: $again of $finished packages were compiled again"
done
exit "$failed"
