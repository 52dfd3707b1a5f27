#!/bin/sh
# SPDX-License-Identifier: MIT
#
# tests/ring/model.sh   checks ring.pml with spin: the protocol as it is has no error on either
# machine, and leaving out any one fence, release, acquire or recheck has the error named for it.
# Prints TAP. Two searches at a time, each up to 700 MiB; under a minute in all.
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

for tool in spin gcc; do
	command -v "$tool" >/dev/null || {
		echo "1..0 # SKIP no $tool: apt-get install $tool"
		exit 0
	}
done

# NAME|EXPECTED|FLAGS. EXPECTED: none (every state visited, no error, no statement unreached),
# deadlock (someone sleeps for ever) or data (the consumer reads the wrong entry).
variants='
TSO, ring of 1|none|-DTSO -DCOUNT=1
TSO, ring of 2|none|-DTSO -DCOUNT=2 -DDEPTH=3
weak, ring of 2|none|-DCOUNT=2 -DDEPTH=3
weak, ring of 1|none|-DCOUNT=1
weak, ring of 1, sleeping on the kick word|none|-DCOUNT=1 -DFUTEX
TSO, sleeping on the index|deadlock|-DTSO -DCOUNT=1 -DINDEX
TSO without the fence of submit|deadlock|-DTSO -DCOUNT=1 -DNO_FENCE_3P
TSO without the fence of the consumer going to sleep|deadlock|-DTSO -DCOUNT=1 -DNO_FENCE_3C
TSO without the fence of the producer going to sleep|deadlock|-DTSO -DCOUNT=1 -DNO_FENCE_4P
TSO without the fence of release|deadlock|-DTSO -DCOUNT=1 -DNO_FENCE_4C
weak without the fence of submit|deadlock|-DCOUNT=1 -DNO_FENCE_3P
weak without the fence of the consumer going to sleep|deadlock|-DCOUNT=1 -DNO_FENCE_3C
weak without the fence of the producer going to sleep|deadlock|-DCOUNT=1 -DNO_FENCE_4P
weak without the fence of release|deadlock|-DCOUNT=1 -DNO_FENCE_4C
weak without the release of head|data|-DCOUNT=1 -DNO_REL1
weak without the acquire of head|data|-DCOUNT=1 -DNO_ACQ1
weak without the release of tail|data|-DCOUNT=1 -DNO_REL2
weak without the acquire of tail|data|-DCOUNT=1 -DNO_ACQ2
no recheck before the producer sleeps|deadlock|-DTSO -DCOUNT=1 -DNO_RECHECK_P
no recheck before the consumer sleeps|deadlock|-DTSO -DCOUNT=1 -DNO_RECHECK_C
'

# check DIR EXPECTED FLAGS: runs one variant in DIR; 0 if spin found what was expected.
check() (
	mkdir "$1" && cd "$1" || exit 1
	expected=$2
	shift 2
	spin "$@" -a "$here/ring.pml" >log 2>&1 || exit 1
	case $expected in # what is compiled longest should search longest
	none) optimise=-O2 ;;
	*) optimise=-O0 ;;
	esac
	gcc $optimise -w -DSAFETY -DMEMLIM=1500 -o pan pan.c >>log 2>&1 || exit 1
	./pan -m1000000 -w22 >out 2>&1
	cat out >>log
	grep -q 'max search depth too small\|MEMLIM' out && exit 1
	case $expected in
	none)
		grep -q 'errors: 0$' out || exit 1
		# A statement that no execution reaches would be proven of nothing.
		! sed -n '/^unreached in proctype \(producer\|consumer\)/,/^unreached in init/p' out |
			grep 'state [0-9]' | grep -qv -- '-end-'
		;;
	deadlock) grep -q '^pan:1: invalid end state' out ;;
	data) grep -q '^pan:1: assertion violated .*\(tail\|early\|wrong\)' out ;;
	esac
)

# Odd and even lines run beside each other; the two long searches are one of each.
lane() {
	n=0
	echo "$variants" | while IFS='|' read -r name expected flags; do
		[ -n "$name" ] || continue
		n=$((n + 1))
		[ $((n % 2)) -eq "$1" ] || continue
		# shellcheck disable=SC2086 # flags are words
		check "$work/$n" "$expected" $flags && echo ok >"$work/$n.ok"
	done
}
lane 1 &
other=$!
lane 0
wait "$other"

n=0
failed=0
while IFS='|' read -r name expected flags; do
	[ -n "$name" ] || continue
	n=$((n + 1))
	states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$work/$n/out" 2>/dev/null)
	case $expected in
	none) says="no error in $states states" ;;
	*) says="fails as it must: $expected" ;;
	esac
	if [ -e "$work/$n.ok" ]; then
		echo "ok $n - $name: $says"
	else
		failed=$((failed + 1))
		echo "not ok $n - $name: expected $expected ($flags)"
		sed 's/^/# /' "$work/$n/log" | tail -20
	fi
done <<EOF
$variants
EOF
echo "1..$n"
exit $((failed > 0))
