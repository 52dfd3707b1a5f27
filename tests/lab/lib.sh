#!/bin/bash
# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the lab's tests have in common. Sourced from the top of each; the test runs in the source's root and ends
# with `plan`.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
set -u
DMAFLOW=${DMAFLOW:-$PWD/build/dmaflow}
export DMAFLOW
mkdir -p build/lab || exit 1
test_name=$(basename "$0" .sh)
n=0

point() { # status, description
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

skip() { # reason, description
	n=$((n + 1))
	echo "ok $n - $2 # SKIP $1"
}

plan() { echo "1..$n"; }

# lab NAME ARGUMENT...: lab/run with its own folder, what it printed in $out/said. Sets $out.
lab() {
	local status
	out=build/lab/$test_name-$1
	lab/run --name "$test_name-$1" "${@:2}" >"$out.said" 2>&1
	status=$?
	[ "$status" -eq 0 ] || sed 's/^/# /' "$out.said"
	mv "$out.said" "$out/said"
	return "$status"
}

# points NAME: the points of the TAP that the guest's programs printed, each as one of ours.
points() {
	local line before=$n
	while read -r line; do
		case $line in
		'ok '*) point 0 "$1: ${line#ok * - }" ;;
		'not ok '*) point 1 "$1: ${line#not ok * - }" ;;
		esac
	done <"$out/said"
	[ "$n" -gt "$before" ]
	point $? "$1: its programs had points to make"
}

# meter_rows FOLDER: "loaded stored user-instructions kernel-instructions mmio" of each measured stretch.
meter_rows() {
	python3 -c '
import json, sys
for line in open(sys.argv[1] + "/meter.json"):
    m = json.loads(line)
    if m["unknown"]:
        sys.exit("the meter lost sight of %d accesses" % m["unknown"])
    print(m["user_loaded"] + m["kernel_loaded"], m["user_stored"] + m["kernel_stored"],
          m["user_insns"], m["kernel_insns"], m["mmio"])' "$1"
}

# apart A B WHOLE: how far A is from B, as a share of WHOLE.
apart() { awk -v a="${1:-inf}" -v b="${2:-0}" -v n="$3" 'BEGIN { d = a - b; print (d < 0 ? -d : d) / n }'; }

# less A B: whether A is less than B; numbers with fractions.
less() { awk -v a="${1:-inf}" -v b="$2" 'BEGIN { exit !(a < b) }'; }
