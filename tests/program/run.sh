#!/bin/bash
# SPDX-License-Identifier: MIT
# `dmaflow run` as people use it: summaries, signals, stages, narrow terminals. $DMAFLOW: the program.
set -u
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
n=0
point() { # status, description
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}
d() { timeout 20 "$DMAFLOW" "$@"; }

head -c 3000001 /dev/urandom >f
want=$(python3 -c '
import json, sys
j = json.load(sys.stdin)
assert j["bytes"] == 3000001 and j["buffers"] == 46 and j["lost"] == 0 and j["status"] == 0, j
assert j["sinks"][0]["bytes"] == 3000001 and j["sinks"][1]["bytes"] == 3000001, j
for k in ("seconds", "mode", "completions", "copies", "latency", "cpu", "first_byte_ms", "memory"):
    assert k in j, k
assert set(j["latency"]) == {"p50", "p99", "max"} and set(j["completions"]) == {"zerocopied", "copied"}
assert 0 < j["latency"]["p50"] <= j["latency"]["p99"] <= j["latency"]["max"], j
print(j["stages"][0]["note"])
' < <(d run file:f,block=64K hash: file:g file:h --json 2>err))
point $? "the JSON of two sinks and a stage adds up"
cmp -s f g && cmp -s f h
point $? "both sinks have what the source had"
[ "${want#xxh128 }" != "$want" ] && grep -q "dmaflow: hash:: $want" err
point $? "the hash stage tells what it computed, in the note and in the JSON"
again=$(d run file:g,block=1000 hash: null: 2>&1 | grep -o 'xxh128 [0-9a-f]*')
[ "$again" = "$want" ]
point $? "the same bytes in other blocks have the same hash"
printf X | dd of=g bs=1 seek=2999999 conv=notrunc status=none
again=$(d run file:g hash: null: 2>&1 | grep -o 'xxh128 [0-9a-f]*')
[ -n "$again" ] && [ "$again" != "$want" ]
point $? "one other byte, another hash"

d run file:f,slice=4+8,block=16 file:s --quiet
python3 -c '
f = open("f", "rb").read()
want = b"".join(f[i + 4:i + 12] for i in range(0, len(f), 16))
import sys; sys.exit(open("s", "rb").read() != want)'
point $? "slice= passes on its part of each block"

"$DMAFLOW" run pattern:rate=20M,duration=20s null: >out 2>&1 &
pid=$!
sleep 0.5
kill -INT "$pid"
wait "$pid"
status=$?
[ "$status" -eq 0 ] && grep -q '^source .* lost 0$' out
point $? "SIGINT ends a flow cleanly, with status 0 and the summary"

"$DMAFLOW" run pattern:rate=20M,duration=20s null: --quiet >out 2>&1 &
pid=$!
sleep 0.5
kill -USR1 "$pid"
sleep 0.3
kill -TERM "$pid"
wait "$pid"
status=$?
[ "$status" -eq 0 ] && [ "$(grep -c 'in flight' out)" -eq 1 ]
point $? "SIGUSR1 prints one line of figures, SIGTERM ends cleanly"

d run pattern:rate=20M,duration=1s null: --interval 200ms --quiet 2>out
lines=$(grep -c '| lost 0 |' out)
[ "$lines" -ge 2 ] && [ "$lines" -le 6 ]
point $? "--interval prints lines ($lines)"

script -qec "stty cols 30; exec timeout 20 '$DMAFLOW' run pattern:rate=20M,duration=1s null:" typescript >/dev/null 2>&1 </dev/null
tr '\r' '\n' <typescript | sed 's/\x1b\[K//g' | awk '/B\/s \|/ { live++; if (length($0) > 30) bad++ } END { exit !(live && !bad) }'
point $? "the live line fits a terminal of 30 columns"
d run pattern:bytes=1M null: >out 2>&1
! grep -q $'\r' out
point $? "without a terminal there is no live line"

d run null:count=10,block=64 verify: >/dev/null 2>err
[ $? -eq 1 ] && grep -q 'byte 0 of the stream\|byte [0-9]* of the stream is' err
point $? "verify fails where the first byte differs, with status 1"
d run pattern:rate=1G,duration=300ms,overwriting,block=4K,blocks=2 null:,on-full=drop-new --json >out 2>/dev/null
status=$?
python3 -c '
import json, sys
j = json.load(open("out"))
sys.exit(not (j["lost"] > 0 and '"$status"' == 3 or j["lost"] == 0 and '"$status"' == 0))'
point $? "status 3 when, and only when, something was lost ($status)"

d run pattern:bytes=1M file:/dev/full >/dev/null 2>err
[ $? -eq 1 ] && grep -q 'No space left' err
point $? "a full device fails with status 1 and its reason"
echo "1..$n"
