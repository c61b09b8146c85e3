#!/usr/bin/env bash
# Measures the whole matrix through prun: every build is a job of its own, well within the 15 minutes that DAS-5 grants by
# day. Run it on the head node (in screen or tmux), interrupt it when you like, and run it again: it goes on.
#
#   module load prun
#   bench/das5/prun.sh             # the paper's ten programs, 1 2 4 8 nodes of 1 2 4 8 16 cores, ten repetitions
#   PROGRAMS=wego NODES="1 4" CORES=8 REPETITIONS=3 bench/das5/prun.sh
#
# config.sh lists what can be set.
set -euo pipefail
case ${1-} in
-h | --help)
	sed -n '2,9s/^# \{0,1\}//p' "$0"
	exit
	;;
esac
. "$(dirname "$0")/config.sh"
type -P prun >/dev/null || {
	echo "there is no prun on PATH: module load prun" >&2
	exit 2
}

failed=0
while read -r program nodes cores; do
	echo "== $program on $nodes nodes of $cores cores"
	cell "$program" "$nodes" "$cores" prun </dev/null || {
		code=$?
		if ((code >= 128)); then exit "$code"; fi # interrupted
		failed=$((failed + 1))
	}
done < <(cells)
if ((failed > 0)); then
	echo "$failed cells are incomplete, see above; run this again" >&2
	exit 3
fi
echo "complete: $DISTGO bench report --paper $RESULTS"
