#!/usr/bin/env bash
# emulated.sh: the figures of README and doc/SPEED.md, from nothing, on an emulated cluster on this machine.
set -euo pipefail

usage() {
	cat <<'USAGE'
usage: bench/emulated.sh [STEP ...]      steps: fetch small large dilation draw publish; default: all but publish

Measures distgo beside go build and draws what came out. Run it again after a break: it goes on. The machine must have
nothing else to do. Needs root, iproute2 and control groups.

  small      wego on 1, 2, 4, 8 nodes of one core and 4 of two, both barrier modes, three times
  large      gg on 1, 2, 4, 8 nodes of one core, both barrier modes, twice
  dilation   wego on 4 nodes of one core under twice the factor: what is not dilated is worth that
  draw       the figures and the report, of what there is
  publish    copies the pictures of README and doc/SPEED.md to doc/figures

Both baselines are measured beside each world: go build -a on one node of its shape, and on one that has all its cores.
How long it takes is printed before it begins (one to two hours on two cores).

Variables: OUT=DIR (out/bench), TIER=short (small alone, once, 1 and 4 nodes), SMALL=PROGRAM and LARGE=PROGRAM (others
than wego and gg: names of the manifest, or directories with a slash), REPETITIONS=N, PUBLISH=DIR, DISTGO=FILE.
USAGE
}

die() {
	echo "emulated.sh: $*" >&2
	exit 2
}

steps=()
for arg; do
	case $arg in
	-h | --help)
		usage
		exit 0
		;;
	fetch | small | large | dilation | draw | publish) steps+=("$arg") ;;
	*) die "unknown step $arg: fetch, small, large, dilation, draw or publish" ;;
	esac
done
((${#steps[@]})) || steps=(fetch small large dilation draw)

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
distgo=${DISTGO-./distgo} out=${OUT-out/bench} publish=${PUBLISH-doc/figures}
small=${SMALL-wego} large=${LARGE-gg}
small_worlds=(--nodes 1,2,4,8 --cores 1 --shape 4x2) repetitions=${REPETITIONS-3}
case ${TIER-full} in
full) ;;
short)
	small_worlds=(--nodes 1,4 --cores 1) repetitions=${REPETITIONS-1} large=''
	wanted=()
	for step in "${steps[@]}"; do
		if [[ $step != large && $step != dilation ]]; then wanted+=("$step"); fi
	done
	steps=(${wanted[@]+"${wanted[@]}"})
	;;
*) die "TIER=$TIER: full or short" ;;
esac
[[ -x $distgo ]] || die "there is no $distgo: run make"

# measure STEP [OPTION ...] is one experiment, into a file of its own.
measure() {
	local step=$1
	shift
	case $step in
	small) set -- "$small" "${small_worlds[@]}" -r "$repetitions" "$@" ;;
	large) set -- "$large" --nodes 1,2,4,8 --cores 1 -r 2 "$@" ;;
	dilation) set -- "$small" --shape 4x1 --barrier split --dilation 4 --no-baselines -r "$repetitions" "$@" ;;
	esac
	"$distgo" bench run --through emulate -o "$out/$step.jsonl" --resume "$@"
}

# estimate prints how long the steps' samples will take.
estimate() {
	local step samples seconds all=0
	for step in "${steps[@]}"; do
		[[ $step =~ ^(small|large|dilation)$ ]] || continue
		read -r samples seconds < <(measure "$step" --estimate)
		echo "$step: $samples samples, about $(((seconds + 59) / 60)) minutes"
		all=$((all + seconds))
	done
	if ((all > 0)); then echo "all of it: about $(((all + 59) / 60)) minutes"; fi
}

# fetched NAME ...: names of the manifest among programs.
fetched() {
	local name
	for name; do
		if [[ $name != */* ]]; then echo "$name"; fi
	done
}

published() { # what README and doc/SPEED.md show, by step
	local of
	case $1 in
	small) of=(time speedup supersteps-8x1-blocking supersteps-8x1-split gantt-8x1-split beyond) ;;
	large) of=(time exchange distribute speedup gantt-8x1-split) ;;
	esac
	local program=$2 figure
	for figure in "${of[@]}"; do echo "$program-emulate-$figure.png"; done
}

mkdir -p "$out"
estimated=''
for step in "${steps[@]}"; do
	case $step in
	fetch)
		mapfile -t names < <(fetched "$small" ${large:+"$large"})
		if ((${#names[@]})); then "$distgo" bench fetch --no-build "${names[@]}"; fi
		;;
	small | large | dilation)
		[[ -n $estimated ]] || estimate
		estimated=yes
		measure "$step"
		;;
	draw)
		"$distgo" bench report --paper "$out" -o "$out/report"
		;;
	publish)
		mkdir -p "$publish"
		for picture in $(published small "$(basename "$small")") ${large:+$(published large "$(basename "$large")")}; do
			if [[ -e $out/report/figures/$picture ]]; then
				cp -- "$out/report/figures/$picture" "$publish/"
			else
				echo "emulated.sh: there is no picture $picture" >&2
			fi
		done
		du -ch "$publish"/*.png | tail -n 1
		;;
	esac
done
