#!/usr/bin/env bash
# A Slurm of virtual nodes on this machine, for trying sbatch.sh and --through srun where there is no cluster. It is made
# from nothing below a temporary directory, and ends with the command.
#
#   slurm-here.sh [-N NODES] [-c CPUS] COMMAND...     default: 8 nodes of 2 CPUs
#
# All nodes share this machine's cores: what is measured so says whether things work, not how fast they are. Needs root and
# apt-get install slurm-wlm munge. Exit code: the command's.
set -euo pipefail

nodes=8 cpus=2
while getopts 'N:c:h' option; do
	case $option in
	N) nodes=$OPTARG ;;
	c) cpus=$OPTARG ;;
	*)
		sed -n '2,9s/^# \{0,1\}//p' "$0"
		[[ $option == h ]] && exit 0 || exit 2
		;;
	esac
done
shift $((OPTIND - 1))
(($# > 0)) || {
	echo "slurm-here.sh: which command? slurm-here.sh -h" >&2
	exit 2
}
[[ $nodes =~ ^[1-9][0-9]?$ && $cpus =~ ^[1-9][0-9]?$ ]] || {
	echo "slurm-here.sh: -N and -c are 1 to 99" >&2
	exit 2
}
for tool in slurmctld slurmd munged; do
	type -P "$tool" >/dev/null || {
		echo "slurm-here.sh: $tool is missing: apt-get install slurm-wlm munge" >&2
		exit 2
	}
done
((EUID == 0)) || {
	echo "slurm-here.sh: slurmd needs root" >&2
	exit 2
}

dir=$(mktemp -d)
chmod 755 "$dir" # munged looks at the way to its socket
daemons=()
cleanup() {
	trap '' INT TERM
	scancel --full --user "$(id -un)" >/dev/null 2>&1 || true
	local i
	for ((i = ${#daemons[@]} - 1; i >= 0; i--)); do
		kill "${daemons[i]}" 2>/dev/null || true
		wait "${daemons[i]}" 2>/dev/null || true
	done
	rm -rf -- "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

daemon() {
	"${@:2}" >"$dir/$1.log" 2>&1 &
	daemons+=($!)
}

# eventually COMMAND... waits half a minute for a daemon to be ready.
eventually() {
	local try
	for ((try = 0; try < 150; try++)); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.2
	done
	echo "slurm-here.sh: this never succeeded: $*" >&2
	tail -n 5 -- "$dir"/*.log >&2
	return 1
}

# A run of free ports, below those that the kernel hands out.
while :; do
	port=$((20000 + RANDOM % 10000)) taken=''
	for ((i = 0; i <= nodes; i++)); do
		if (: <"/dev/tcp/127.0.0.1/$((port + i))") 2>/dev/null; then taken=yes; fi
	done
	[[ -n $taken ]] || break
done

host=$(hostname -s)
printf -v last '%03d' "$nodes"
mkdir "$dir/state"
dd if=/dev/urandom of="$dir/munge.key" bs=128 count=1 2>/dev/null
chmod 600 "$dir/munge.key"
cat >"$dir/slurm.conf" <<CONF
ClusterName=here
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmctldPort=$port
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
ReturnToService=2
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool.%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.%n.pid
NodeName=node[001-$last] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + nodes))] CPUs=$cpus
PartitionName=all Nodes=node[001-$last] Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$dir/slurm.conf
daemon munged munged -F --key-file="$dir/munge.key" --socket="$dir/munge.socket" \
	--pid-file="$dir/munged.pid" --log-file="$dir/munged.log" --seed-file="$dir/munged.seed"
eventually test -S "$dir/munge.socket"
daemon slurmctld slurmctld -D -i
eventually scontrol ping
for ((i = 1; i <= nodes; i++)); do
	printf -v node 'node%03d' "$i"
	daemon "slurmd.$node" slurmd -D -N "$node"
done
eventually srun -N"$nodes" -n"$nodes" true

code=0
"$@" || code=$?
# Jobs that the command submitted belong to it.
while [[ -n $(squeue --noheader) ]]; do sleep 1; done
exit "$code"
