#!/usr/bin/env bash
# prun.sh: prun where there is prun, and elsewhere a stand-in for it on this machine.
#
# prun is the launcher of the DAS clusters. It is not packaged, so the stand-in starts the processes of all nodes here,
# with prun's options and the variables that prun sets. What it does on purpose:
#
# - Each process gets SLURM_PROCID=0, as under prun, which runs inside a Slurm job whose batch step that is the rank of.
# - Names such as node001 lead nowhere, so DISTGO_ROOT=127.0.0.1:<free port> tells distgo's ranks where rank 0 is. Rank
#   and size come from prun's variables all the same. DISTGO_ROOT=... before the program overrides it.
# - The ranks run in sessions of their own. What is in a rank's process group ends with the rank.
set -euo pipefail

usage() {
	cat <<'USAGE'
usage: prun.sh [options] -np NODES [VAR=value ...] PROGRAM [argument ...]
       prun.sh --emulate [argument of `distgo bench cluster run` ...]

Runs PROGRAM on NODES nodes: through prun if that is on PATH (all arguments are passed on as they are), else as so
many processes on this machine. There each of them takes itself to be alone: what counts cores, as distgo does, is to be
told how many it may use (distgo --slots=N), or distgo -n NODES, which divides them, takes the place of this script.

  -np NODES        number of nodes
  -1, -2 ... -16   processes per node (default -1)
  -t TIME          time limit: seconds, MM:SS or H:MM:SS (default 15:00)
  -o PREFIX        output of process R goes to PREFIX.R
  -l               begin every line of output with the process's rank, "3: text" (not with -o; only here, not in prun)
  -v               report the reservation and the hosts on stderr
  -native ARGS     accepted and ignored
  -reserve ID      accepted and ignored
  -h, --help       this text
  --emulate ...    a cluster of network namespaces instead; must be the first argument (DISTGO says which distgo makes it)

Exit code: that of the first process that failed; 124 at the time limit; 128 + signal when interrupted; 2 for usage.
USAGE
}

die() {
	echo "prun.sh: $*" >&2
	exit 2
}

# The hook for emulated clusters: everything after --emulate belongs to distgo.
if [[ ${1-} == --emulate ]]; then
	shift
	distgo=${DISTGO-$(dirname -- "${BASH_SOURCE[0]}")/distgo}
	[[ -x $distgo ]] || distgo=distgo
	exec "$distgo" bench cluster run "$@"
fi

# The real prun goes first, unless it is this script under that name.
while IFS= read -r candidate; do
	[[ $candidate -ef ${BASH_SOURCE[0]} ]] || exec "$candidate" "$@"
done < <(type -aP prun || true)

# seconds TIME prints a time limit in seconds.
seconds() {
	[[ $1 =~ ^(([0-9]{1,4}):)?(([0-9]{1,4}):)?([0-9]{1,8})$ ]] || die "-t $1 is neither seconds nor MM:SS nor H:MM:SS"
	local first=${BASH_REMATCH[2]:-0} second=${BASH_REMATCH[4]:-} last=${BASH_REMATCH[5]}
	if [[ -n $second ]]; then
		echo $((10#$first * 3600 + 10#$second * 60 + 10#$last))
	else
		echo $((10#$first * 60 + 10#$last))
	fi
}

nodes='' per_node=1 limit=900 prefix='' label='' verbose='' notes=()
while (($# > 0)); do
	case $1 in
	-np | -t | -o | -native | -reserve)
		(($# > 1)) || die "$1 needs a value"
		case $1 in
		-np) nodes=$2 ;;
		-t) limit=$(seconds "$2") ;;
		-o) prefix=$2 ;;
		*) notes+=("$1 $2 means nothing on this machine") ;;
		esac
		shift 2
		continue
		;;
	-[1-9] | -1[0-6]) per_node=${1#-} ;;
	-l) label=yes ;;
	-v) verbose=yes ;;
	-h | --help)
		usage
		exit 0
		;;
	-*) die "unknown option $1 (prun.sh -h lists them)" ;;
	*) break ;;
	esac
	shift
done
[[ $nodes =~ ^[1-9][0-9]{0,3}$ ]] || die "-np ${nodes:-is missing}: give the number of nodes"

variables=()
while [[ ${1-} =~ ^[A-Za-z_][A-Za-z0-9_]*= ]]; do
	variables+=("$1")
	shift
done
(($# > 0)) || die "no program is given"
command -v -- "$1" >/dev/null || {
	echo "prun.sh: $1: command not found" >&2
	exit 127
}

size=$((nodes * per_node))
hosts='' entries=''
for ((node = 1; node <= nodes; node++)); do
	for ((local_rank = 0; local_rank < per_node; local_rank++)); do
		printf -v host 'node%03d' "$node"
		hosts+="${hosts:+ }$host"
		entries+="${entries:+ }$host/$local_rank"
	done
done

# free_port prints a port of 127.0.0.1 on which nobody listens. It lies where the kernel hands out none by itself.
free_port() {
	local port
	for ((try = 0; try < 50; try++)); do
		port=$((61440 + RANDOM % 4096))
		(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || {
			echo "$port"
			return
		}
	done
	die "50 ports of 127.0.0.1 are taken"
}

environment=.PRUN_ENVIRONMENT.$$.${HOSTNAME:-localhost}
export NHOSTS=$size HOSTS=$hosts PRUN_HOSTNAMES=$entries PRUN_PE_HOSTS=$hosts
export PRUN_CPUS_PER_NODE=$per_node PRUN_CPUS=$size PRUN_ENV=$environment
export SLURM_JOB_ID=$$ SLURM_JOB_NUM_NODES=$nodes SLURM_NTASKS=$size SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NODEID=0
DISTGO_ROOT=127.0.0.1:$(free_port)
export DISTGO_ROOT
unset DISTGO_RANK DISTGO_SIZE DISTGO_RUN DISTGO_HOSTS # of a run that this one may be part of

# as_rank makes a child a rank: with the signals that the shell ignores for background processes back in place, ended
# when this script is killed, and leading a session of its own.
as_rank=()
if env --default-signal=INT,QUIT true 2>/dev/null; then as_rank+=(env --default-signal=INT,QUIT); fi
if setpriv --pdeathsig KILL true 2>/dev/null; then as_rank+=(setpriv --pdeathsig KILL); fi
as_rank+=(setsid)

pids=()    # of each rank
running=() # by rank, while it runs
pipes=''   # directory of the labels' pipes
labels=()  # processes that label

# end SIGNAL asks the ranks that still run to end. KILL reaches their groups too.
end() {
	local rank
	for rank in "${!running[@]}"; do
		if [[ $1 == KILL ]]; then kill -s KILL -- "-${pids[rank]}" 2>/dev/null || true; fi
		kill -s "$1" "${pids[rank]}" 2>/dev/null || true
	done
}

cleanup() {
	trap '' INT TERM HUP
	end KILL
	local pid
	for pid in ${ticker-} ${labels[@]+"${labels[@]}"}; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	rm -rf -- "$environment" ${pipes:+"$pipes"}
}
trap cleanup EXIT

interrupted=''
for name in INT TERM HUP; do
	# shellcheck disable=SC2064 # the name is meant to be that of now
	trap "interrupted=$name" "$name"
done

# The environment file, line by line, for whoever reads it; values with newlines do not travel, as with prun.
write_environment() {
	local name
	umask 077
	for name in $(compgen -e); do
		[[ ${!name-} == *$'\n'* ]] || printf '%s=%s\n' "$name" "${!name-}"
	done
}
(write_environment >"$environment") 2>/dev/null || notes+=("$PWD is not writable, so there is no $environment")

if [[ -n $verbose ]]; then
	for note in ${notes[@]+"${notes[@]}"}; do echo "prun.sh: $note" >&2; done
	echo "Reservation number $$: Reserved $nodes hosts for $limit seconds" >&2
	echo ": $entries" >&2
fi

# relay RANK copies whole lines with the rank before them, each in one write.
relay() {
	trap '' INT TERM HUP # it ends with its input
	local line
	while IFS= read -r line || [[ -n $line ]]; do
		printf '%s: %s\n' "$1" "$line"
	done
}

start() {
	local rank=$1 input=/dev/null
	shift
	# A terminal is no good to rank 0, which is not in its session.
	if ((rank == 0)) && [[ ! -t 0 && -e /dev/fd/0 ]]; then input=/dev/fd/0; fi
	export PRUN_CPU_RANK=$rank
	if [[ -n $prefix ]]; then
		"${as_rank[@]}" env ${variables[@]+"${variables[@]}"} "$@" <"$input" >"$prefix.$rank" 2>&1 &
	elif [[ -n $label ]]; then
		mkfifo "$pipes/out.$rank" "$pipes/err.$rank"
		relay "$rank" <"$pipes/out.$rank" &
		labels+=($!)
		relay "$rank" <"$pipes/err.$rank" >&2 &
		labels+=($!)
		"${as_rank[@]}" env ${variables[@]+"${variables[@]}"} "$@" <"$input" >"$pipes/out.$rank" 2>"$pipes/err.$rank" &
	else
		"${as_rank[@]}" env ${variables[@]+"${variables[@]}"} "$@" <"$input" &
	fi
	pids[rank]=$!
	running[rank]=yes
}

if [[ -n $label && -z $prefix ]]; then pipes=$(mktemp -d); fi
for ((rank = 0; rank < size; rank++)); do start "$rank" "$@"; done

# After a failure the others have leave seconds to end by themselves, which is how the first cause gets printed. Then
# they are asked to end, and after ask seconds more they are killed.
leave=2 ask=3
code='' asked='' deadline=$limit ticker=''
SECONDS=0
while ((${#running[@]} > 0)); do
	if [[ -z $ticker ]]; then
		sleep 1 & # so that the clock is looked at now and then
		ticker=$!
	fi
	wait -n 2>/dev/null || true # returns early for a signal
	kill -0 "$ticker" 2>/dev/null || ticker=''
	for rank in "${!running[@]}"; do
		kill -0 "${pids[rank]}" 2>/dev/null && continue
		status=0
		wait "${pids[rank]}" 2>/dev/null || status=$?
		kill -s KILL -- "-${pids[rank]}" 2>/dev/null || true # what it left in its group
		unset "running[$rank]"
		if ((status != 0)) && [[ -z $code ]]; then
			code=$status
			if ((deadline > SECONDS + leave)); then deadline=$((SECONDS + leave)); fi
		fi
	done
	if [[ -n $interrupted ]]; then
		end "$interrupted"
		: "${code:=$((128 + $(kill -l "$interrupted")))}"
		if ((deadline > SECONDS + leave)); then deadline=$((SECONDS + leave)); fi
		interrupted=''
	fi
	if ((SECONDS >= deadline && ${#running[@]} > 0)); then
		if [[ -z $code ]]; then
			echo "prun.sh: the time limit of $limit seconds is reached (-t sets another)" >&2
			code=124
		fi
		if [[ -z $asked ]]; then
			asked=yes
			end TERM
		else
			end KILL
		fi
		deadline=$((SECONDS + ask))
	fi
done

# The last lines are still with the labels; a process that left a rank's group may hold them up for ever.
for ((i = 0; i < 20 && ${#labels[@]} > 0; i++)); do
	left=()
	for pid in "${labels[@]}"; do
		if kill -0 "$pid" 2>/dev/null; then left+=("$pid"); fi
	done
	labels=(${left[@]+"${left[@]}"})
	if ((${#labels[@]} > 0)); then sleep 0.1; fi
done
exit "${code:-0}"
