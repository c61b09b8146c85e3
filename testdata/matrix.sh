#!/usr/bin/env bash
# What distgo builds, and what it refuses: a small program for each mode of go build.
#
#   testdata/matrix.sh             the whole table, into testdata/MATRIX.md
#   testdata/matrix.sh --sample    a few rows
#   testdata/matrix.sh WORD...     rows whose title has one of the words
#   testdata/matrix.sh --plan ...  only plan the rows: what is refused, and whether the others can be planned
#
# Each program is built with go build and with distgo at sizes 1 and 3 (SIZES), and what comes out must be the same,
# byte for byte; where go build refuses or fails, words and exit code must be. Programs are in testdata/matrix.
set -euo pipefail

usage() { sed -n '2,10s/^# \{0,1\}//p' "$0"; }

here=$(cd "$(dirname "$0")" && pwd)
distgo=${DISTGO:-$here/../distgo}
sizes=${SIZES:-1 3}
export DISTGO_PIPELINE=${DISTGO_PIPELINE:-off} # the pipelined compiler has its own table, identity.sh
tmp=$(mktemp -d)
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT
failed=0 plan= words=()
lines=()

# unpack PROGRAM DIR
unpack() {
	awk -v dir="$2" '
		/^-- .* --$/ { file = dir "/" substr($0, 4, length($0) - 6); d = file; sub(/\/[^\/]*$/, "", d); system("mkdir -p \"" d "\""); printf "" > file; next }
		file { print > file }' "$here/matrix/$1.txtar"
}

# blocks FILE: the blocks of what a build said, sorted.
blocks() { awk '/^# / { n++ } { block[n] = block[n] $0 "\034" } END { for (i in block) print block[i] }' "$1" | sort; }

wanted() {
	local word
	[ ${#words[@]} -gt 0 ] || return 0
	for word in "${words[@]}"; do [[ "$1" != *"$word"* ]] || return 0; done
	return 1
}

# row EXPECTED TITLE PROGRAM ENVIRONMENT MAIN FLAGS...
# EXPECTED is same, library (nothing is kept), place (go build chooses the place), fails or refused.
row() {
	local expected=$1 title=$2 program=$3 environment=$4 main=$5
	shift 5
	wanted "$title" || return 0
	local dir=$tmp/$program size verdict verdicts=()
	[ -e "$dir" ] || { unpack "$program" "$dir"; [ "$(type -t "prepare_$program")" != function ] || (cd "$dir" && "prepare_$program"); }
	local flags=("$@") place package m=() packages
	read -ra packages <<<"$main"
	for package in "${packages[@]}"; do m+=(-m "$package"); done
	[[ " $* " == *" -ldflags="* ]] || flags+=(-ldflags=-buildid=)
	if [ -n "$plan" ]; then
		(cd "$dir" && env $environment "$distgo" plan -r 3 "${m[@]}" -- "${flags[@]}") 2>&1 | tail -n 1 | sed "s|^|$title: |" || true
		return
	fi
	build() { # build RESULT COMMAND...
		local result=$1 code=0
		shift
		rm -rf "$tmp/$result" "$tmp/place"
		mkdir "$tmp/$result" "$tmp/place"
		place=(-o "$tmp/place/")
		case $expected in library | place | fails | refused) place=() ;; esac
		[ "$expected" != place ] || touch "$tmp/stamp"
		(cd "$dir" && env $environment "$@") >"$tmp/$result.words" 2>&1 || code=$?
		echo $code >"$tmp/$result.code"
		[ "$expected" != place ] || (cd "$dir" && find . -newer "$tmp/stamp" -type f -exec mv {} "$tmp/place/" \;)
		cp -r "$tmp/place/." "$tmp/$result"
	}
	local o=()
	case $expected in same) o=(-o "$tmp/place/") ;; esac
	if [ "$expected" != refused ]; then
		build go go build "${o[@]}" "${flags[@]}" "${packages[@]}"
	fi
	local begun=$SECONDS
	for size in $sizes; do
		# A store for each size: nothing that another size made is taken, but much that other rows did.
		build made "$distgo" -q --store="$tmp/store-$size" -n "$size" "${o[@]}" "${m[@]}" -- "${flags[@]}"
		verdict=$(judge)
		verdicts+=("$verdict")
		[[ "$verdict" != !* ]] || failed=1
	done
	local shown="${environment:+$environment }go build${*:+ $*} $main"
	shown=${shown//$tmp/…}
	printf '%-44s %s  (%ds)\n' "$title" "$(printf '%s\n' "${verdicts[@]}" | uniq | paste -sd ';')" $((SECONDS - begun))
	[[ "${verdicts[*]}" != *!* ]] || sed 's/^/    /' "$tmp/made.words" | tail -n 15
	lines+=("| $title | \`$shown\` | $program |$(printf ' %s |' "${verdicts[@]}")")
}

# judge compares what build left for go and made.
judge() {
	local code go_code
	code=$(cat "$tmp/made.code")
	if [ "$expected" = refused ]; then
		if [ "$code" = 2 ]; then printf 'refused: %s' "$(sed -n '1s/^distgo: //p' "$tmp/made.words")"; else printf '!exit code %s, not refused' "$code"; fi
		return
	fi
	go_code=$(cat "$tmp/go.code")
	if [ "$code" != "$go_code" ]; then
		printf '!exit code %s, go build %s' "$code" "$go_code"
	elif [ "$code" != 0 ] && [ "$expected" != fails ]; then
		printf '!both fail'
	elif ! diff -rq "$tmp/go" "$tmp/made" >"$tmp/diff"; then
		printf '!DIFFERENT'
	elif ! cmp -s <(blocks "$tmp/go.words") <(blocks "$tmp/made.words"); then
		printf '!OTHER WORDS'
	elif [ "$expected" = fails ]; then
		printf 'fails in the same words'
	elif [ "$expected" != library ] && [ -z "$(ls "$tmp/made")" ]; then
		printf '!NOTHING BUILT'
	else
		printf 'identical'
	fi
}

prepare_archive() { cc -c -o answer.o lib/answer.c && ar rcD lib/libanswer.a answer.o && rm answer.o; }
prepare_mains() { go run "$here/matrix/hot.go" >cmd/one/default.pgo; }
prepare_plain() {
	printf 'GOAMD64=v3\nGOFLAGS=-tags=special\n' >goenv
	git init -q . && git add . && git -c user.name=n -c user.email=e commit -q -m one
}

# have TOOL...
have() {
	local tool
	for tool; do command -v "$tool" >/dev/null || { echo "skipped: $tool is not there" >&2; return 1; }; done
}

table() {
	local static=CGO_ENABLED=0
	row same "packages, generics, embed, assembly" plain $static .
	row same "-trimpath" plain $static . -trimpath
	row same "-tags" plain $static . -tags=special
	row same "-ldflags -X" plain $static . "-ldflags=-X main.version=1.2 -s -w -buildid="
	row same "-gcflags for all" plain $static . "-gcflags=all=-N -l"
	row same "-gcflags for a pattern" plain $static . "-gcflags=./set=-l" "-gcflags=./words=-N"
	row same "-gcflags that print" plain $static . "-gcflags=./set=-m"
	row same "-asmflags" plain $static . "-asmflags=-D=X=1"
	row same "version control stamp" plain $static . -buildvcs=true
	row same "go env -w" plain "$static GOENV=goenv" .
	row same "GOFLAGS" plain "$static GOFLAGS=-tags=special" .
	row same "GOAMD64" plain "$static GOAMD64=v3" .
	row same "GOEXPERIMENT" plain "$static GOEXPERIMENT=arenas" .
	row same "main given as a file" plain $static "main.go tag_off.go"
	row place "the default place" plain $static .
	row refused "one package that is no program" plain $static ./set
	row library "all packages of a module" plain $static ./...
	row same "several mains, -o DIR/" mains $static ./cmd/... -pgo=off
	row library "several mains, no -o" mains $static ./... -pgo=off
	row same "default.pgo of one main" mains $static ./cmd/...
	row same "-pgo=FILE" mains $static ./cmd/two -pgo=cmd/one/default.pgo
	row same "replace" replaced $static .
	row same "vendored tree" vendored $static .
	row same "vendored C" vendored CGO_ENABLED=1 .  -trimpath
	row same "-mod=mod" replaced $static . -mod=mod
	row same "go.work of three modules" work $static ./app
	row same "-overlay" overlaid $static . -overlay=overlay.json
	row same "linux/arm64" plain "$static GOOS=linux GOARCH=arm64" .
	row same "windows/amd64" plain "$static GOOS=windows GOARCH=amd64" .
	row same "darwin/arm64" plain "$static GOOS=darwin GOARCH=arm64" .
	row same "js/wasm" plain "$static GOOS=js GOARCH=wasm" .
	row same "-cover" plain $static . -cover
	row same "-coverpkg" mains $static ./cmd/one -cover -coverpkg=./...
	row same "-buildmode=pie" plain $static . -buildmode=pie
	row same "-buildmode=pie, C linker" plain CGO_ENABLED=1 . -buildmode=pie "-ldflags=-linkmode=external -buildid="
	row same "cgo: C, C++, assembly, exports" cgo CGO_ENABLED=1 .
	row same "cgo, -trimpath" cgo CGO_ENABLED=1 . -trimpath
	row same "cgo, static library" archive CGO_ENABLED=1 .
	row same "cgo, CGO_CFLAGS" cgo "CGO_ENABLED=1 CGO_CFLAGS=-O1 CGO_LDFLAGS=-O1" .
	row same "cgo, -cover" cgo CGO_ENABLED=1 . -cover
	row same "cgo, overlay of a header" overlaid CGO_ENABLED=1 . -overlay=overlay.json
	row same "pkg-config" zlib CGO_ENABLED=1 .
	row same "go-sqlite3" sqlite CGO_ENABLED=1 . -trimpath
	row same "-race" plain CGO_ENABLED=1 . -race
	row same "-race with cgo" cgo CGO_ENABLED=1 . -race
	row same "-asan" cgo CGO_ENABLED=1 . -asan
	row fails "-msan, which needs clang" plain "CGO_ENABLED=1 CC=gcc" . -msan
	if have clang; then
		row same "-msan with clang" cgo "CGO_ENABLED=1 CC=clang CXX=clang++" . -msan
		row same "cgo with clang" cgo "CGO_ENABLED=1 CC=clang CXX=clang++" .
	fi
	row same "-buildmode=c-archive" export CGO_ENABLED=1 . -buildmode=c-archive
	row same "-buildmode=c-shared" export CGO_ENABLED=1 . -buildmode=c-shared
	row same "-buildmode=plugin" plugin CGO_ENABLED=1 . -buildmode=plugin
	row same "toolchain line of go.mod" newer "$static GOTOOLCHAIN=auto" .
	local version
	for version in 1.23.12 1.24.11 1.25.5; do
		row same "go$version" plain "$static GOTOOLCHAIN=go$version" .
		row same "go$version, cgo" cgo "CGO_ENABLED=1 GOTOOLCHAIN=go$version" .
	done
	row refused "-buildmode=shared" plain CGO_ENABLED=1 ./set -buildmode=shared
	row refused "-linkshared" plain CGO_ENABLED=1 . -linkshared
	row refused "SWIG" swig CGO_ENABLED=1 .
	row refused "-toolexec" plain $static . -toolexec=time
	row refused "-toolexec in GOFLAGS" plain "$static GOFLAGS=-toolexec=time" .
	row refused "gccgo" plain $static . -compiler=gccgo
}

# page prints the table as the README shows it.
page() {
	cat <<END
# What distgo builds

Made by \`make matrix\` with $(go env GOVERSION) on $(go env GOOS)/$(go env GOARCH): small programs of testdata/matrix, each
built with \`go build\` and with distgo. *identical* means the same bytes (with \`-ldflags=-buildid=\`, and the same words
on standard error); *refused* that distgo says so before anything is built.

| what | as in | program |$(printf ' size %s |' $sizes)
|---|---|---|$(printf '%s|' $(sed 's/[0-9]\+/---/g' <<<"$sizes"))
END
	printf '%s\n' "${lines[@]}"
	cat <<'END'

A C compiler's `-frandom-seed` is the one flag that distgo passes with another value than `go build`: cmd/go takes it from
a hash that only a real build computes. distgo's is the package and the name of the file. The seed influences only names
inside an object for which the source gives none, and none of the programs above shows a difference. Programs whose C is
compiled with `-flto` are not compared: two runs of `go build` do not make the same one.
END
}

while [ $# -gt 0 ]; do
	case $1 in
	-h | --help) usage; exit 0 ;;
	--plan) plan=1 ;;
	--sample) words+=("-o DIR/" "cgo: C" "vendored tree" "-toolexec in") ;;
	*) words+=("$1") ;;
	esac
	shift
done
table
if [ -z "$plan" ] && [ ${#words[@]} -eq 0 ]; then page >"$here/MATRIX.md"; fi
exit $failed
