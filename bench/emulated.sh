#!/usr/bin/env bash
# The figures of the README, measured on an emulated cluster on this machine: wego at 1, 2, 4 and 8 nodes of one core and 4 of
# two, in both barrier modes, three times; alist at 1, 4 and 8 nodes once; go build beside each. One to two hours on two
# cores, which must have nothing else to do. Needs root, iproute2 and control groups. Run it again after a break: it goes on.
#
#   bench/emulated.sh [DIRECTORY]     # default: out/bench
set -euo pipefail
case ${1-} in
-h | --help)
	sed -n '2,7s/^# \{0,1\}//p' "$0"
	exit
	;;
esac
cd "$(dirname "$0")/.."
out=${1-out/bench}
distgo=${DISTGO-./distgo}
mkdir -p "$out"

"$distgo" bench fetch --no-build wego alist
"$distgo" bench run wego --through emulate --nodes 1,2,4,8 --cores 1 --shape 4x2 -r "${REPETITIONS-3}" -o "$out/wego.jsonl" --resume
"$distgo" bench run alist --through emulate --nodes 1,4,8 --cores 1 -r 1 -o "$out/alist.jsonl" --resume
# What the undilated parts are worth: the same cells under twice the factor.
"$distgo" bench run wego --through emulate --shape 4x1 --barrier split --dilation 4 -r "${REPETITIONS-3}" -o "$out/wego-f4.jsonl" --resume
"$distgo" bench report --paper "$out" -o "$out/report"
