#!/usr/bin/env bash
# launchers.sh: distgo under the real launchers, all of them on this machine.
set -euo pipefail

usage() {
	cat <<'USAGE'
usage: testdata/launchers.sh [--install] [LAUNCHER ...]

Builds a small program with ./distgo under each LAUNCHER (openmpi, mpich, slurm, prun, ssh; default: all) and compares it,
byte for byte, with go build's. Also checks that a usage error's exit code comes through.

  --install   apt-get install what is missing first (root, Debian)
  -h, --help  this text

A launcher that is not installed is an error. Everything runs below a temporary directory with daemons of its own on free
ports (munged, slurmctld, four slurmd, sshd), which are ended. slurm needs root.
Exit code: 0 if all went well, 1 if not, 2 for usage.
USAGE
}

say() { echo "launchers.sh: $*"; }
die() {
	echo "launchers.sh: $*" >&2
	exit 2
}

all=(openmpi mpich slurm prun ssh)
chosen=() install=''
for arg; do
	case $arg in
	--install) install=yes ;;
	-h | --help)
		usage
		exit 0
		;;
	*)
		[[ " ${all[*]} " == *" $arg "* ]] || die "unknown launcher $arg: one of ${all[*]}"
		chosen+=("$arg")
		;;
	esac
done
((${#chosen[@]})) || chosen=("${all[@]}")

cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
distgo=$PWD/distgo prun=$PWD/prun.sh
[[ -x $distgo ]] || die "there is no ./distgo: run make"

# needs COMMAND PACKAGE... makes sure of a launcher's command.
needs() {
	command -v "$1" >/dev/null && return
	[[ -n $install ]] || die "$1 is not installed: --install, or apt-get install ${*:2}"
	say "installing ${*:2}"
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${@:2}" >/dev/null
}

work=$(mktemp -d)
daemons=()
cleanup() {
	local pid
	for pid in ${daemons[@]+"${daemons[@]}"}; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	rm -rf -- "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# daemon LOG COMMAND... starts a daemon that stays in the foreground.
daemon() {
	"${@:2}" >"$work/$1.log" 2>&1 &
	daemons+=($!)
}

# eventually COMMAND... waits half a minute for a daemon to be ready.
eventually() {
	for ((try = 0; try < 150; try++)); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.2
	done
	say "this never succeeded: $*"
	tail -n 5 -- "$work"/*.log
	return 1
}

# free_ports N prints the first of N adjoining ports on which nobody listens.
free_ports() {
	local port taken
	while :; do
		port=$((20000 + RANDOM % 10000)) taken=''
		for ((i = 0; i < $1; i++)); do
			if (: <"/dev/tcp/127.0.0.1/$((port + i))") 2>/dev/null; then taken=yes; fi
		done
		[[ -n $taken ]] || break
	done
	echo "$port"
}

mkdir "$work/hello" "$work/home" "$work/tmp"
printf 'module example.com/hello\n\ngo 1.23\n' >"$work/hello/go.mod"
printf 'package main\n\nfunc main() { println("hello") }\n' >"$work/hello/main.go"
flags=(-trimpath -ldflags=-buildid=)
go build -C "$work/hello" -o "$work/reference" "${flags[@]}" .

# The ranks find the go command and its settings as here, but a home and a directory for temporary files of their own.
while IFS= read -r setting; do export "${setting?}"; done < <(go env GOCACHE GOMODCACHE GOPATH | paste -d= <(printf 'GOCACHE\nGOMODCACHE\nGOPATH\n') -)
export HOME=$work/home TMPDIR=$work/tmp DISTGO_PIPELINE=off
unset XDG_CONFIG_HOME XDG_CACHE_HOME DISTGO_RANK DISTGO_SIZE DISTGO_ROOT DISTGO_RUN DISTGO_SECRET

# limited SECONDS COMMAND... ends a command, or a function of this script, after a while.
limited() {
	if [[ $(type -t "$2") == function ]]; then "${@:2}"; else timeout "$@"; fi
}

failed=0
# builds NAME SIZE LAUNCHER... builds under a launcher.
builds() {
	local name=$1 size=$2 code=0 words=$work/words
	shift 2
	rm -f "$work/program"
	limited 300 "$@" "$distgo" -p "$work/hello" -o "$work/program" -- "${flags[@]}" >"$words" 2>&1 </dev/null || code=$?
	if ((code == 0)) && cmp -s "$work/reference" "$work/program" &&
		{ ((size == 1)) || grep -q "on $size ranks" "$words"; } && [[ -z $(find "$TMPDIR" -mindepth 2 -print -quit) ]]; then
		say "$name: right"
		return
	fi
	failed=1
	say "$name: WRONG (exit code $code, left behind: $(find "$TMPDIR" -mindepth 2 | head -n 3))"
	sed 's/^/    /' "$words"
}

# refuses NAME LAUNCHER... starts what cannot be built.
refuses() {
	local name=$1 code=0
	shift
	limited 60 "$@" "$distgo" -p "$work/nowhere" >"$work/words" 2>&1 </dev/null || code=$?
	if ((code == 2)) && grep -q 'nowhere is not there' "$work/words"; then
		say "$name: exit code 2 comes through"
		return
	fi
	failed=1
	say "$name: WRONG: exit code $code"
	sed 's/^/    /' "$work/words"
}

run_openmpi() {
	needs mpirun.openmpi openmpi-bin
	local mpirun=(mpirun.openmpi --oversubscribe)
	if ((EUID == 0)); then mpirun+=(--allow-run-as-root); fi
	builds 'openmpi, 3 ranks' 3 "${mpirun[@]}" -np 3
	refuses openmpi "${mpirun[@]}" -np 2
}

run_mpich() {
	needs mpiexec.hydra mpich
	builds 'mpich, 3 ranks' 3 mpiexec.hydra -np 3
	refuses mpich mpiexec.hydra -np 2
}

run_slurm() {
	needs slurmctld slurm-wlm
	needs munged munge
	((EUID == 0)) || die "slurmd needs root"
	local dir=$work/slurm port
	mkdir -m 755 "$dir" "$dir/state"
	chmod 755 "$work" # munged looks at the way to its socket
	port=$(free_ports 5)
	dd if=/dev/urandom of="$dir/munge.key" bs=128 count=1 2>/dev/null
	chmod 600 "$dir/munge.key"
	cat >"$dir/slurm.conf" <<CONF
ClusterName=emulated
SlurmctldHost=$(hostname -s)(127.0.0.1)
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
NodeName=node[001-004] NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + 4))] CPUs=2
PartitionName=all Nodes=node[001-004] Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
CONF
	export SLURM_CONF=$dir/slurm.conf
	daemon munged munged -F --key-file="$dir/munge.key" --socket="$dir/munge.socket" \
		--pid-file="$dir/munged.pid" --log-file="$dir/munged.log" --seed-file="$dir/munged.seed"
	eventually test -S "$dir/munge.socket"
	daemon slurmctld slurmctld -D -i
	eventually scontrol ping
	local node
	for node in node001 node002 node003 node004; do daemon "slurmd.$node" slurmd -D -N "$node"; done
	eventually srun -N4 -n4 true
	local size
	for size in 1 2 4; do builds "slurm, $size nodes" "$size" srun -N"$size" -n"$size"; done
	builds 'slurm, 2 ranks on each of 2 nodes' 4 srun -N2 -n4 --ntasks-per-node=2
	builds 'slurm, PMI, 2 nodes' 2 srun --mpi=pmi2 -N2 -n2
	refuses slurm srun -N2 -n2
	unset SLURM_CONF
}

run_prun() {
	# The stand-in sets SLURM_PROCID=0 in every process, as prun's batch step does; these make it worse.
	export SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=7 SLURM_STEP_NODELIST='node[050-056]' SLURM_STEP_TASKS_PER_NODE='1(x7)'
	(
		cd "$work"
		builds 'prun, 3 nodes' 3 "$prun" -np 3
		builds 'prun, 2 ranks on each of 2 nodes' 4 "$prun" -np 2 -2
		refuses prun "$prun" -np 2
		exit "$failed"
	) || failed=1
	unset SLURM_STEP_ID SLURM_STEP_NUM_TASKS SLURM_STEP_NODELIST SLURM_STEP_TASKS_PER_NODE
}

run_ssh() {
	needs sshd openssh-server
	needs ssh-keygen openssh-client
	local dir=$work/sshd port user
	user=$(id -un)
	mkdir -p -m 700 "$dir" "$HOME/.ssh"
	((EUID != 0)) || mkdir -p /run/sshd
	port=$(free_ports 1)
	ssh-keygen -q -t ed25519 -N '' -f "$dir/host"
	ssh-keygen -q -t ed25519 -N '' -f "$HOME/.ssh/id_ed25519"
	cp "$HOME/.ssh/id_ed25519.pub" "$dir/authorized"
	cat >"$dir/config" <<CONF
Port $port
ListenAddress 127.0.0.1
HostKey $dir/host
AuthorizedKeysFile $dir/authorized
PidFile $dir/pid
StrictModes no
UsePAM no
PasswordAuthentication no
Subsystem sftp internal-sftp
SetEnv TMPDIR=$TMPDIR HOME=$HOME GOCACHE=$GOCACHE
CONF
	daemon sshd "$(command -v sshd)" -D -e -f "$dir/config"
	eventually bash -c ": </dev/tcp/127.0.0.1/$port"
	local host=$user@127.0.0.1:$port
	unset SSH_AUTH_SOCK
	refuses_host() {
		local code=0
		"$distgo" --hosts "$host" -p "$work/hello" >"$work/words" 2>&1 || code=$?
		if ((code == 2)) && grep -q "$1" "$work/words"; then say "ssh: $2"; else
			failed=1
			say "ssh: WRONG: exit code $code, no '$1'"
			sed 's/^/    /' "$work/words"
		fi
	}
	refuses_host 'is in none of .*known_hosts' 'a host whose key is unknown is refused'
	printf '[127.0.0.1]:%s %s\n' "$port" "$(cut -d' ' -f1,2 "$dir/host.pub")" >"$HOME/.ssh/known_hosts"
	ssh-keygen -q -p -N secret -f "$HOME/.ssh/id_ed25519" >/dev/null
	refuses_host 'has a passphrase: load it into an agent' 'a key with a passphrase is refused without an agent'
	ssh-keygen -q -p -P secret -N '' -f "$HOME/.ssh/id_ed25519" >/dev/null
	printf 'Host near\n  HostName 127.0.0.1\n  Port %s\n  User %s\n' "$port" "$user" >"$HOME/.ssh/config"
	builds 'ssh, 2 ranks' 2 hosts "$host,$host"
	builds 'ssh, 3 ranks by names of ~/.ssh/config' 3 hosts near,near,near
	refuses ssh hosts near,near

	# Whatever ends the starter ends the ranks, and they leave nothing.
	local signal pid
	busy() { [[ $(find "$TMPDIR" -mindepth 2 -maxdepth 2 -type d | wc -l) -ge 2 ]]; }
	idle() { [[ -z $(find "$TMPDIR" -mindepth 2 -print -quit) ]]; }
	for signal in INT KILL; do
		# A background process of a script ignores INT; the starter must not.
		env --default-signal=INT "$distgo" -q -a --hosts near,near -p "$work/hello" >"$work/words" 2>&1 &
		pid=$!
		if eventually busy && kill -s "$signal" "$pid" && eventually idle; then
			say "ssh: SIG$signal to the starter ends the ranks"
		else
			failed=1
			say "ssh: WRONG after SIG$signal: $(find "$TMPDIR" -mindepth 1 | head -n 3)"
		fi
		wait "$pid" || true
	done 2>/dev/null # the shell's note of the killing

	# Files go there, are verified by the distgo that was put there, come back, and go away.
	local node=$work/node
	if "$distgo" stage -q --hosts near --to "$node/deep" --project -p "$work/hello" "$work/reference" &&
		cmp "$distgo" "$node/deep/distgo" && diff -r "$work/hello" "$node/deep/hello" &&
		"$distgo" stage fetch -q --hosts near --into "$work/back" "$node/deep/ref*" && cmp "$work/reference" "$work/back/near/reference" &&
		"$distgo" stage clean -q --hosts near && [[ ! -e $node && ! -e $HOME/.local ]]; then
		say 'ssh: stage, stage fetch and stage clean: right'
	else
		failed=1
		say "ssh: WRONG: staging; left: $(find "$node" "$HOME/.local" 2>/dev/null)"
	fi
}

# hosts LIST DISTGO ARGUMENT... is distgo that starts its own ranks.
hosts() { "$2" --hosts "$1" "${@:3}"; }

for launcher in "${chosen[@]}"; do "run_$launcher"; done
exit "$failed"
