#!/usr/bin/env bash
# speed.sh: distgo against go build, in one table.
set -euo pipefail

usage() {
	cat <<'USAGE'
usage: bench/speed.sh [STEP ...]      default: all of them

Measures pairs of builds, interleaved, and prints medians with their spread. Run it again after a break: it goes on.
The machine must have nothing else to do. Only `fetch`, `bare` and `table` work without root.

  fetch     clones the programs
  bare      one rank on this machine's cores beside go build: wego, gg, go-gin-example ten times, alist three times
  nodes     1, 2, 4, 8, 16 emulated nodes of one core and 8 of two: wego, gg, go-gin-example three times, alist once
  levers    what the split barrier and the pipelined compiler are worth: wego on 8 nodes of one core, three times
  giants    tdl and osmedeus on 16 nodes of one core, once
  table     prints what there is

How long it takes is printed before it begins (on two cores a night: alist, tdl and osmedeus are most of it).
Variables: OUT=DIR (out/speed), PROGRAMS="wego gg go-gin-example", LARGE=alist, GIANTS="tdl osmedeus" (an empty one leaves
them out; directories are written with a slash), REPETITIONS=N (for every step), NODES=1,2,4,8,16, DISTGO=FILE.
USAGE
}

die() {
	echo "speed.sh: $*" >&2
	exit 2
}

steps=()
for arg; do
	case $arg in
	-h | --help)
		usage
		exit 0
		;;
	fetch | bare | nodes | levers | giants | table) steps+=("$arg") ;;
	*) die "unknown step $arg: fetch, bare, nodes, levers, giants or table" ;;
	esac
done
((${#steps[@]})) || steps=(fetch bare nodes levers giants table)

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
distgo=${DISTGO-./distgo} out=${OUT-out/speed}
read -ra programs <<<"${PROGRAMS-wego gg go-gin-example}"
read -ra large <<<"${LARGE-alist}"
read -ra giants <<<"${GIANTS-tdl osmedeus}"
nodes=${NODES-1,2,4,8,16}
[[ -x $distgo ]] || die "there is no $distgo: run make"

# run FILE REPETITIONS [ARGUMENT ...] is one experiment, into a file of its own. MODE=--estimate only says how long it takes.
run() {
	local file=$1 repetitions=${REPETITIONS-$2}
	shift 2
	"$distgo" bench run -o "$out/$file.jsonl" -r "$repetitions" --resume ${MODE-} "$@"
}

# experiments STEP runs those of a step.
experiments() {
	local all=(${programs[@]+"${programs[@]}"}) emulated=(--through emulate --barrier split --nodes "$nodes" --cores 1)
	case $1 in
	bare)
		local here=(--through local --barrier split --nodes 1 --cores "$(nproc)")
		if ((${#all[@]})); then run bare 10 "${here[@]}" "${all[@]}"; fi
		if ((${#large[@]})); then run bare-large 3 "${here[@]}" "${large[@]}"; fi
		;;
	nodes)
		# NODES of one's own have no 8 x 2 beside them.
		if [[ -z ${NODES-} ]]; then emulated+=(--shape 8x2); fi
		if ((${#all[@]})); then run nodes 3 "${emulated[@]}" "${all[@]}"; fi
		if ((${#large[@]})); then run nodes-large 1 "${emulated[@]}" "${large[@]}"; fi
		;;
	levers)
		((${#all[@]})) || return 0
		local lever=(--through emulate --nodes "${nodes##*,}" --cores 1 --no-baselines "${all[0]}")
		if [[ -z ${NODES-} ]]; then lever[3]=8; fi
		run levers 3 --barrier split,blocking "${lever[@]}"
		run levers-stock 3 --barrier split,blocking --variant stock --distgo-arg=--pipeline=off "${lever[@]}"
		;;
	giants)
		if ((${#giants[@]})); then run giants 1 --through emulate --barrier split --nodes "${nodes##*,}" --cores 1 "${giants[@]}"; fi
		;;
	esac
}

# estimate prints how long the steps' samples will take.
estimate() {
	local step samples seconds all=0 some
	for step in "${steps[@]}"; do
		some=0
		while read -r samples seconds; do
			some=$((some + seconds))
		done < <(MODE=--estimate experiments "$step")
		if ((some > 0)); then echo "$step: about $(((some + 59) / 60)) minutes"; fi
		all=$((all + some))
	done
	if ((all > 0)); then echo "all of it: about $(((all + 59) / 60)) minutes"; fi
}

mkdir -p "$out"
estimated=''
for step in "${steps[@]}"; do
	case $step in
	fetch)
		names=()
		for name in ${programs[@]+"${programs[@]}"} ${large[@]+"${large[@]}"} ${giants[@]+"${giants[@]}"}; do
			if [[ $name != */* ]]; then names+=("$name"); fi
		done
		if ((${#names[@]})); then "$distgo" bench fetch --no-build "${names[@]}"; fi
		;;
	table) "$distgo" bench table "$out" ;;
	*)
		[[ -n $estimated ]] || estimate
		estimated=yes
		experiments "$step"
		;;
	esac
done
