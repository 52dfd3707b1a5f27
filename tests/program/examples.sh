#!/bin/sh
# SPDX-License-Identifier: MIT
# The examples do what their heads say. $DMAFLOW: the program; $EXAMPLES: where they were built.
set -u
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
n=0
point() { # status, description
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

timeout 20 "$DMAFLOW" run --quiet --plugin "$EXAMPLES/counter.so" counter:lines=70000 "file:$tmp/lines.txt"
seq 0 69999 | awk '{printf "%15d\n", $1}' | cmp -s - "$tmp/lines.txt"
point $? "the counter plug-in gives 70000 numbered lines"

timeout 20 "$DMAFLOW" run --quiet --plugin "$EXAMPLES/lines.so" "file:$tmp/lines.txt" lines: 2>"$tmp/err"
grep -q 'lines:: 70000 lines$' "$tmp/err"
point $? "the lines plug-in counts them"

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
timeout 20 "$DMAFLOW" run --quiet "tcp-listen:127.0.0.1:$port,frame,ack" "file:$tmp/sent" &
receiver=$!
timeout 20 "$EXAMPLES/sender" memory:block=64K,blocks=4 "tcp:127.0.0.1:$port,frame,ack"
point $? "the sender delivers"
wait "$receiver"
point $? "its receiver ends well"
python3 - "$tmp/sent" <<'PY'
import sys
want = b"".join(bytes([ord("a") + i % 26]) * 65536 for i in range(64))
sys.exit(open(sys.argv[1], "rb").read() != want)
PY
point $? "and has what was sent"

"$EXAMPLES/sender" memory:block=64K "tcp:127.0.0.1:99999" 2>"$tmp/err"
[ $? -eq 1 ] && grep -q "port '99999'" "$tmp/err"
point $? "a sender that can't explains why"
echo "1..$n"
