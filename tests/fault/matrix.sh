#!/bin/sh
# SPDX-License-Identifier: MIT
# Every kind against faulty partners: nothing lost when nothing says so, nothing twice, errors surface
# and are explained, no hang. Under AddressSanitizer a leak changes the exit status.
# usage: matrix.sh [KIND...]
set -u
here=$(cd "$(dirname "$0")" && pwd)
: "${DMAFLOW:?path of the program}"
work=$(mktemp -d "${DMAF_BUILD:-/tmp}/fault.XXXXXX") || exit 1
helper=
trap '[ "$helper" ] && kill "$helper"; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1
addr=''
export cut=0 # kinds.sh asks
# shellcheck source=tests/fault/kinds.sh disable=SC1091
. "$here/kinds.sh"

size=300000 # no multiple of a block: there is a tail
pool=block=16K,blocks=6
port=$((20000 + $$ % 10000))
n=0

# For the background: its process id is the one to end; asked once, it would wait for its peer.
beside() { exec timeout -k 0.1 20 "$DMAFLOW" run --quiet "$@"; }
# Killed, because one that is asked to stop stops well, and a hang would pass.
program() { timeout -s KILL 20 "$DMAFLOW" run --quiet "$@"; }
escaped() { printf %s "$1" | sed 's/[\\,]/\\&/g'; }

point() { # OK NAME: the rest of what went wrong is in ./err
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		sed 's/^/# /' why err helper.err 2>/dev/null
	fi
}

# same WHOLE: is ./out what was sent, or (WHOLE 0) the beginning of it?
same() {
	[ "$1" = 1 ] && { cmp ref out >>why 2>&1; return; }
	[ -f out ] || return 0
	head -c "$(wc -c <out)" ref | cmp - out >>why 2>&1
}

clear() {
	rm -f out stdout err why helper.err
	: >helper.err
	: >why
	port=$((port + 1))
	blind=
	cut=0
}

# meet_sink KIND SOURCE OPTIONS STATUS TEXT: OPTIONS are a faulty's in front of it, or empty
meet_sink() {
	clear
	fn=sink_$(echo "$1" | tr - _)
	"$fn" up
	keeps=$?
	to=$addr
	[ "$3" ] && to="faulty:$(escaped "$addr"),$3"
	program "$2" "$to" >stdout 2>err </dev/null
	status=$?
	[ "$4" = 0 ] && [ "$status" = 0 ] || cut=1
	"$fn" down 2>/dev/null
	ok=0
	[ "$status" = "$4" ] || { ok=1; echo "status $status, not $4" >>why; }
	[ -z "$5" ] || grep -qF "$5" err || { ok=1; echo "no '$5'" >>why; }
	[ "$keeps" = 1 ] || same "$((!$4))" || ok=1
	point $ok "$2 $to"
}

# meet_source KIND OPTIONS SINK STATUS TEXT
meet_source() {
	clear
	fn=source_$(echo "$1" | tr - _)
	"$fn" up
	from=$addr,$pool
	[ "$2" ] && case $addr in
	*,bytes=*) from="faulty:$(escaped "${addr%,bytes=*}"),bytes=$size,$pool,$2" ;;
	*:bytes=*) from="faulty:$(escaped "${addr%bytes=*}"),bytes=$size,$pool,$2" ;;
	*) from="faulty:$(escaped "$addr"),$pool,$2" ;;
	esac
	to=$3
	[ "$blind" ] && to=$(echo "$to" | sed 's/verify:/null:/')
	program --json "$from" "$to" >stdout 2>err <ref
	status=$?
	[ "$4" = 0 ] && [ "$status" = 0 ] || cut=1
	"$fn" down 2>/dev/null
	ok=0
	[ "$status" = "$4" ] || { ok=1; echo "status $status, not $4" >>why; }
	[ -z "$5" ] || grep -qF "$5" err || { ok=1; echo "no '$5'" >>why; }
	[ "$4" != 0 ] || grep -q "^  \"bytes\": $size," stdout ||
		{ ok=1; grep '^  "bytes"' stdout >>why; }
	point $ok "$from $to"
}

as_sink() {
	for o in short partial-every=5 short,delay=1ms stall-after=7,stall=50ms; do
		meet_sink "$1" "faulty:,bytes=$size,$pool,$o" "" 0 ""
	done
	for o in short reorder,delay=1ms short,reorder,keep=3 stall-after=5,stall=50ms pace=10M; do
		meet_sink "$1" "faulty:,bytes=$size,$pool" "$o" 0 ""
	done
	meet_sink "$1" "faulty:,bytes=$size,$pool,fail-at=2" "" 1 "dequeue number 2 failed"
	for o in submit reap complete; do
		meet_sink "$1" "faulty:,bytes=$size,$pool" "fail-op=$o,fail-at=4" 1 \
			"$o number 4 failed"
	done
	meet_sink "$1" "faulty:,bytes=$size,$pool" fail-op=flush 1 "flush number 1 failed"
	meet_sink "$1" "faulty:,bytes=$size,$pool" fail-op=begin 1 "begin number 1 failed"
	meet_sink "$1" "faulty:,bytes=$size,block=16K,blocks=1" short 0 ""
}

as_source() {
	for o in short reorder,keep=3 short,delay=1ms stall-after=7,stall=50ms; do
		# A line has no end at which what is kept back would come out.
		[ "$1 $o" = "serial reorder,keep=3" ] || meet_source "$1" "$o" verify: 0 ""
	done
	for o in short,delay=1ms reorder,short,keep=4 pace=10M; do
		meet_source "$1" "" "faulty:verify:,$o" 0 ""
	done
	for o in submit reap complete; do
		meet_source "$1" "" "faulty:,fail-op=$o,fail-at=3" 1 "$o number 3 failed"
	done
	meet_source "$1" fail-at=2 verify: 1 "dequeue number 2 failed"
	meet_source "$1" fail-op=queue,fail-at=2 verify: 1 "queue number 2 failed"
}

as_stage() {
	clear
	for o in short short,delay=1ms,keep=2 stall-after=5,stall=50ms; do
		program "faulty:,bytes=$size,$pool" "faulty:$1:,$o" file:out 2>err &&
			same 1
		point $? "faulty:$1:,$o as a stage"
	done
	for o in submit dequeue; do
		program "faulty:,bytes=$size,$pool" "faulty:$1:,fail-op=$o,fail-at=4" null: 2>err
		[ $? = 1 ] && grep -qF "$o number 4 failed" err
		point $? "faulty:$1:,fail-op=$o as a stage"
	done
}

program "faulty:,bytes=$size" file:ref || exit 1
tried=some
[ $# -gt 0 ] || tried=all
# shellcheck disable=SC2046 # names of kinds
[ $# -gt 0 ] || set -- $("$DMAFLOW" list | sed -n 's/^\([a-z][a-z0-9-]*\):.*/\1/p; s/^- .*/-/p')
for kind; do
	can=$("$DMAFLOW" list | grep "^${kind}[: ]" | head -1)
	[ "$can" ] || { echo "no kind $kind" >why; point 1 "$kind"; }
	for role in sink source; do
		case $can in
		*" $role "*) ;;
		*) continue ;;
		esac
		[ "$tried" = all ] && missing_here "$kind" && continue
		if command -v "${role}_$(echo "$kind" | tr - _)" >/dev/null; then
			"as_$role" "$kind"
		else
			echo "$kind: tests/fault/kinds.sh has no ${role}_$kind" >why
			point 1 "$kind as a $role"
		fi
	done
	case $can in
	*" stage "*) as_stage "$kind" ;;
	esac
done
echo "1..$n"
