#!/usr/bin/env bash
# Submits the whole matrix through sbatch: each cell is a job of 15 minutes that measures with srun as many samples as its
# time allows, and submits itself again until its file is complete. Run this once; run it again after failures, it
# submits only what is incomplete and not in the queue.
#
#   bench/das5/sbatch.sh           # the paper's ten programs, 1 2 4 8 nodes of 1 2 4 8 16 cores, ten repetitions
#   PROGRAMS=wego NODES="1 4" CORES=8 REPETITIONS=3 SBATCH_ARGS="--partition=defq" bench/das5/sbatch.sh
#   WAIT=yes bench/das5/sbatch.sh  # waits for each job before the next is submitted
#
# config.sh lists what can be set.
set -euo pipefail
case ${1-} in
-h | --help)
	sed -n '2,11s/^# \{0,1\}//p' "$0"
	exit
	;;
esac
. "$(dirname "$0")/config.sh"
type -P sbatch >/dev/null || {
	echo "there is no sbatch on PATH: on DAS-5, module load slurm" >&2
	exit 2
}
export PROGRAMS NODES CORES BARRIERS REPETITIONS NODE_CORES LIMIT SLOT JOB_MINUTES DISTGO RESULTS CHECKOUTS LOCAL MORE
export DAS5=$HERE SBATCH_ARGS=${SBATCH_ARGS-}

queued=$(squeue --noheader --format=%j --user "$(id -un)" 2>/dev/null || true)
submitted=0
while read -r program nodes cores; do
	name=distgo-$(cell_name "$program" "$nodes" "$cores")
	if grep -qxF -- "$name" <<<"$queued"; then continue; fi
	if [[ -e $(cell_file "$program" "$nodes" "$cores") && $(cell "$program" "$nodes" "$cores" srun --left </dev/null) == 0 ]]; then continue; fi
	# shellcheck disable=SC2086 # SBATCH_ARGS is words
	sbatch ${WAIT:+--wait} --job-name="$name" --nodes="$nodes" --ntasks-per-node=1 --cpus-per-task="$NODE_CORES" --exclusive \
		--time="$JOB_MINUTES" --output="$RESULTS/$name.%j.log" $SBATCH_ARGS "$HERE/cell.sbatch" "$program" "$nodes" "$cores" </dev/null
	submitted=$((submitted + 1))
done < <(cells)
echo "$submitted jobs are submitted. When squeue is empty: $DISTGO bench report --paper $RESULTS"
