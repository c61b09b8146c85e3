# What to measure, for prun.sh, sbatch.sh and cell.sbatch. Every value can be set from outside:
#   PROGRAMS="alist go-redis" NODES="1 8" ./prun.sh
# shellcheck shell=bash disable=SC2034 # the scripts that read this file use them

# The paper's ten. Write alist@2024 for the commits of early 2024 (distgo bench fetch --list shows both).
PROGRAMS=${PROGRAMS-"alist BubblePL-Go gg go-cyclic go-gin-example go-redis osmedeus simplebank tdl wego"}
NODES=${NODES-"1 2 4 8"}
CORES=${CORES-"1 2 4 8 16"}
BARRIERS=${BARRIERS-"split,blocking"}
REPETITIONS=${REPETITIONS-10}

# Cores of a node. DAS-5 at the VU: two CPUs of 8.
NODE_CORES=${NODE_CORES-16}

# The daytime limit of a job is 15 minutes. A build may take LIMIT; a job begins no sample that would end after SLOT, and
# the next one goes on there. Outside working hours longer ones are allowed: SLOT=50m JOB_MINUTES=60.
LIMIT=${LIMIT-14m}
SLOT=${SLOT-13m}
JOB_MINUTES=${JOB_MINUTES-15}

# On a file system that all nodes see.
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DISTGO=${DISTGO-$(cd "$HERE/../.." && pwd)/distgo}
RESULTS=${RESULTS-$PWD/results}
CHECKOUTS=${CHECKOUTS-$HOME/distgo-bench}

# The node's own disk, for work directories and caches; the nodes make it themselves if it can be made.
LOCAL=${LOCAL-/local/$(id -un)}

# Further arguments of bench run, as --no-pin, or --through-arg=-native --through-arg='-C cpunode'.
MORE=${MORE-}

[[ -x $DISTGO ]] || {
	echo "there is no $DISTGO: make builds it, or say DISTGO=..." >&2
	exit 2
}
mkdir -p "$RESULTS"

# cell PROGRAM NODES CORES THROUGH [ARG...] measures a cell with its baselines into a file of its own, as far as the time
# goes, and goes on where the last call stopped.
cell() {
	local program=$1 nodes=$2 cores=$3 through=$4
	shift 4
	# shellcheck disable=SC2086 # MORE is words
	"$DISTGO" bench run "$program" --through "$through" --nodes "$nodes" --cores "$cores" --barrier "$BARRIERS" \
		-r "$REPETITIONS" -o "$(cell_file "$program" "$nodes" "$cores")" --resume --limit "$LIMIT" --node-cores "$NODE_CORES" \
		--checkouts "$CHECKOUTS" --node-tmp "$LOCAL" "$@" $MORE
}

# cell_name PROGRAM NODES CORES: of a cell's job. cell_file: where its samples go.
cell_name() { echo "${1//\//_}-${2}x$3"; }
cell_file() { echo "$RESULTS/$(cell_name "$@").jsonl"; }

# cells prints the matrix, a line "PROGRAM NODES CORES" a cell, the small worlds first.
cells() {
	local program nodes cores
	for nodes in $NODES; do
		for cores in $CORES; do
			for program in $PROGRAMS; do
				echo "$program $nodes $cores"
			done
		done
	done
}
