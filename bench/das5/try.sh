#!/usr/bin/env bash
# try.sh: the scripts of this directory, tried on one machine.
set -euo pipefail

usage() {
	cat <<'USAGE'
usage: bench/das5/try.sh [--install] [srun] [prun]      default: both

The same small experiment through sbatch.sh, under a real Slurm of eight virtual nodes, and through prun.sh, with the
stand-in for prun on an emulated cluster: the same program, sample files with nothing missing, figures drawn from them.
Both clusters are made from nothing and gone afterwards. A few minutes; needs root.

  --install   apt-get install slurm-wlm and munge where they are missing (Debian)

Variables: PROGRAM (a small one that is made for it), NODES ("2 8"), OUT=DIR (out/das5-try, made anew), DISTGO=FILE.
USAGE
}

die() {
	echo "try.sh: $*" >&2
	exit 2
}

ways=() install=''
for arg; do
	case $arg in
	--install) install=yes ;;
	-h | --help)
		usage
		exit 0
		;;
	srun | prun) ways+=("$arg") ;;
	*) die "unknown argument $arg: try.sh -h" ;;
	esac
done
((${#ways[@]})) || ways=(srun prun)

here=$(cd "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
DISTGO=$(realpath -- "${DISTGO-./distgo}") OUT=$(realpath -m -- "${OUT-out/das5-try}")
[[ -x $DISTGO ]] || die "there is no $DISTGO: run make"
((EUID == 0)) || die "namespaces and slurmd need root"

dir=$(mktemp -d)
trap 'rm -rf -- "$dir"' EXIT

# A program that imports a fair part of the standard library, and still builds in seconds.
if [[ -z ${PROGRAM-} ]]; then
	PROGRAM=$dir/small
	mkdir "$PROGRAM"
	printf 'module small\n\ngo 1.24\n' >"$PROGRAM/go.mod"
	printf 'package main\n\nimport (\n\t"encoding/json"\n\t"os"\n)\n\nfunc main() { _ = json.NewEncoder(os.Stdout).Encode(os.Args) }\n' >"$PROGRAM/main.go"
fi

# Nodes of one core: on both clusters that is what a rank can have without two of them sharing it.
export DISTGO PROGRAMS=$PROGRAM NODES=${NODES-2 8} CORES=1 NODE_CORES=1 REPETITIONS=1
export CHECKOUTS=${CHECKOUTS-${XDG_CACHE_HOME-$HOME/.cache}/distgo-bench}

through_srun() {
	if ! type -P slurmctld slurmd munged >/dev/null; then
		[[ -n $install ]] || die "Slurm is missing: --install, or apt-get install slurm-wlm munge"
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends slurm-wlm munge >/dev/null
	fi
	WAIT=yes LOCAL=$dir/local "$here/slurm-here.sh" -N 8 -c 1 "$here/sbatch.sh"
}

through_prun() {
	mkdir -p "$dir/bin"
	# A fixed dilation: the time of 8 nodes is to be comparable with that of 2.
	cat >"$dir/bin/prun" <<PRUN
#!/usr/bin/env bash
exec $PWD/prun.sh --emulate --dilation 4 "\$@"
PRUN
	chmod +x "$dir/bin/prun"
	PATH=$dir/bin:$PATH MORE=--no-pin LOCAL=/local/tmp "$here/prun.sh" # /local is an emulated node's own disk
}

# digests prints the programs that a way's samples are of.
digests() { cat -- "$OUT/$1"/*.jsonl | grep -o '"program_sha256":"[0-9a-f]*"' | sort -u; }

rm -rf -- "$OUT"
failed=''
for way in "${ways[@]}"; do
	echo "== through $way"
	export RESULTS=$OUT/$way
	mkdir -p "$RESULTS"
	"through_$way"
	samples=$(cat -- "$RESULTS"/*.jsonl | wc -l)
	refused=$(cat -- "$RESULTS"/*.jsonl | grep -c '"refused"' || true)
	# A world of n nodes: go build, and both barrier modes.
	wanted=$(($(wc -w <<<"$NODES") * 3))
	if ((samples != wanted || refused > 0)); then
		echo "try.sh: $samples samples through $way, $refused of them refused; $wanted good ones were to be taken" >&2
		cat -- "$RESULTS"/*.log >&2 2>/dev/null || true
		failed=yes
	fi
	"$DISTGO" bench report "$RESULTS" -o "$RESULTS/report"
done
all=$(for way in "${ways[@]}"; do digests "$way"; done | sort -u | wc -l)
if ((all != 1)); then
	echo "try.sh: $all different programs were built" >&2
	failed=yes
fi
[[ -z $failed ]] || exit 1
echo "try.sh: the same program through ${ways[*]}, nothing is missing; see $OUT"
