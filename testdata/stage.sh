#!/usr/bin/env bash
# stage.sh: what distgo stage does with a large tree, beside rsync over the same ssh.
set -euo pipefail

usage() {
	cat <<'USAGE'
usage: testdata/stage.sh [-m MEGABYTES] [-f FILES] [-r ROUNDS]

Puts a tree of FILES files (default 20000), MEGABYTES together (default 1000), on four nodes: sshds on loopback, each in a
mount namespace that has a directory of its own where the others have theirs.
  ROUNDS times (default 3) with rsync -a, to the four at once, and with distgo stage, in turn; distgo may take 1.25 times as long
    (0.8 times the throughput).
  Once killed half-way and run again: it goes on.
  Once with a file system on one node that is too small: one sentence, and the files that were there stay.
Needs root, sshd, rsync and ./distgo, or DISTGO=PATH; 9 times MEGABYTES of disk; a quiet machine.

Exit code: 0 if all is well, 1 if not, 2 for usage.
USAGE
}

die() {
	echo "stage.sh: $*" >&2
	exit 2
}
say() { echo "stage.sh: $*"; }
wrong() {
	failed=1
	say "WRONG: $*"
}

megabytes=1000 files=20000 rounds=3
while (($#)); do
	case $1 in
	-m) megabytes=$2 && shift 2 ;;
	-f) files=$2 && shift 2 ;;
	-r) rounds=$2 && shift 2 ;;
	-h | --help) usage && exit 0 ;;
	*) die "$1? stage.sh --help says what there is" ;;
	esac
done
[[ $(id -u) == 0 ]] || die "mount namespaces need root"
sshd=$(command -v sshd) || die "there is no sshd"
command -v rsync >/dev/null || die "there is no rsync"
distgo=$(realpath -- "${DISTGO:-$(dirname -- "${BASH_SOURCE[0]}")/../distgo}")
[[ -x $distgo ]] || die "there is no $distgo: run make"

work=$(mktemp -d)
daemons=()
failed=0
cleanup() {
	((${#daemons[@]} == 0)) || kill "${daemons[@]}" 2>/dev/null || true
	wait
	rm -rf -- "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The tree: sizes as of sources and objects, content that nothing compresses.
tree=$work/tree
python3 - "$tree" "$files" "$megabytes" <<'PY'
import os, random, sys
tree, files, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) * 1000000
random.seed(1)
weights = [random.lognormvariate(0, 1.5) for _ in range(files)]
whole = sum(weights)
for i, w in enumerate(weights):
    d = f"{tree}/{i % 40}/{i % 1000}"
    os.makedirs(d, exist_ok=True)
    with open(f"{d}/{i}", "wb") as f: f.write(random.randbytes(int(size * w / whole)))
PY

# The nodes: what is theirs alone lies at $work/node and $HOME.
export HOME=$work/home
mkdir -p -m 700 "$HOME/.ssh" "$work/node" "$work/sshd" /run/sshd
cp -r "$HOME" "$work/user"
ssh-keygen -q -t ed25519 -N '' -f "$work/sshd/host"
ssh-keygen -q -t ed25519 -N '' -f "$HOME/.ssh/id_ed25519"
cp "$HOME/.ssh/id_ed25519.pub" "$work/sshd/authorized"
unset SSH_AUTH_SOCK
base=$((20000 + RANDOM % 10000))
hosts=()
for n in 1 2 3 4; do
	port=$((base + n))
	cat >"$work/sshd/config.$n" <<CONF
Port $port
ListenAddress 127.0.0.1
HostKey $work/sshd/host
AuthorizedKeysFile $work/sshd/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
Subsystem sftp internal-sftp
SetEnv HOME=$work/user
CONF
	printf 'Host n%d\n  HostName 127.0.0.1\n  Port %d\n  User root\n  IdentityFile %s\n  UserKnownHostsFile %s\n' "$n" "$port" "$HOME/.ssh/id_ed25519" "$HOME/.ssh/known_hosts" >>"$HOME/.ssh/config"
	printf '[127.0.0.1]:%d %s\n' "$port" "$(cut -d' ' -f1,2 "$work/sshd/host.pub")" >>"$HOME/.ssh/known_hosts"
	mkdir -p "$work/node.$n" "$work/user.$n" "$work/small"
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount --propagation private bash -euc '
		mount --bind "$1/node.$2" "$1/node"
		mount --bind "$1/user.$2" "$1/user"
		if (($2 == 4)); then mount -t tmpfs -o size=60m small "$1/small"; fi
		exec "$3" -D -e -f "$1/sshd/config.$2"
	' - "$work" "$n" "$sshd" 2>"$work/sshd/log.$n" &
	daemons+=($!)
	hosts+=("n$n")
done
all=$(IFS=, && echo "${hosts[*]}")
for n in 1 2 3 4; do
	for ((i = 0; i < 100; i++)); do (: <"/dev/tcp/127.0.0.1/$((base + n))") 2>/dev/null && break || sleep 0.1; done
done

empty() { rm -rf -- "$work"/node.?/* "$work"/user.?/.local "$work"/user.?/.cache; }
right() { for n in 1 2 3 4; do diff -r -- "$tree" "$work/node.$n/tree" || return 1; done; }
stage() { "$distgo" stage -q --hosts "$all" --to "$work/node" "$tree"; }
rsyncs() {
	local h pids=()
	for h in "${hosts[@]}"; do
		rsync -a -e "ssh -F $HOME/.ssh/config" "$tree" "$h:$work/node/" &
		pids+=($!)
	done
	for h in "${pids[@]}"; do wait "$h"; done
}
# took COMMAND prints how many milliseconds it takes.
took() {
	local begun
	begun=$(date +%s%3N)
	"$@" >&2
	echo $(($(date +%s%3N) - begun))
}
median() { sort -n | sed -n "$(((rounds + 1) / 2))p"; }

for ((round = 1; round <= rounds; round++)); do
	for tool in rsyncs stage; do
		empty
		sync
		ms=$(took "$tool")
		echo "$ms" >>"$work/took.$tool"
		right || wrong "what $tool put there is not what is here"
		say "round $round: $tool: $ms ms"
	done
done
ours=$(median <"$work/took.stage") theirs=$(median <"$work/took.rsyncs")
say "$megabytes MB in $files files to four nodes: stage $ours ms, rsync $theirs ms (medians): $((100 * theirs / ours)) % of its throughput"
((100 * theirs / ours >= 80)) || wrong "at least 80 % are wanted"

empty
stage &
killed=$!
sleep "$((ours / 2000)).$(printf %03d $((ours / 2 % 1000)))"
kill -KILL "$killed"
wait "$killed" 2>/dev/null || true
held=$(du -sm --apparent-size "$work"/node.? | awk '{ s += $1 } END { print s }')
"$distgo" stage --hosts "$all" --to "$work/node" "$tree" >"$work/words" 2>&1 || wrong "after a kill: exit code $?"
right || wrong "after a kill, and again, the files are not what they are here"
say "killed half-way, when $held of $((4 * megabytes)) MB were there; again: $(tail -n 1 "$work/words")"
same=$(sed -n 's/.* \([0-9]*\) were there already.*/\1/p' "$work/words")
((${same:-0} > files)) || wrong "it did not go on where it was"
left=$(find "$work"/node.? -name '.distgo-part*' | sed -n 1,3p)
[[ -z $left ]] || wrong "left behind: $left"

# A node whose disk is too small for the tree, and holds an older file of it.
first=$(cd "$tree" && find . -type f | sort | sed -n 1p)
mkdir -p "$work/old/tree/$(dirname "$first")"
echo older >"$work/old/tree/$first"
"$distgo" stage -q --hosts n4 --to "$work/small" "$work/old/tree"
code=0
"$distgo" stage -q --hosts n4 --to "$work/small" "$tree" >"$work/words" 2>&1 || code=$?
say "a full disk: exit code $code: $(cat "$work/words")"
(($(wc -l <"$work/words") == 1)) && grep -q ' MB left and ' "$work/words" || wrong "one sentence is wanted"
"$distgo" stage fetch -q --hosts n4 --into "$work/back" "$work/small/tree/$first" || true
was=$(find "$work/back" -type f -exec cat {} + | cksum)
[[ $was == "$(echo older | cksum)" || $was == "$(cksum <"$tree/$first")" ]] || wrong "the older $first is not whole"
((failed == 0)) && say "all is well"
exit "$failed"
