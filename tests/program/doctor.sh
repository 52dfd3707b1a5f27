#!/bin/sh
# SPDX-License-Identifier: MIT
# The doctor as its user meets it: output, messages, exit statuses. $DMAFLOW is the program.
set -u

dmaflow=${DMAFLOW:?path of the program}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
n=0

ok() { # STATUS NAME
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		sed 's/^/# /' "$work/out" "$work/err" 2>/dev/null
	fi
}

# Run the doctor with arguments; leaves $status, out and err.
doctor() {
	"$dmaflow" doctor "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
}

# NAME STATUS MESSAGE ARGUMENTS...: one line on stderr, which has MESSAGE; nothing on stdout.
refuses() {
	name=$1 want=$2 message=$3
	shift 3
	doctor "$@"
	[ "$status" -eq "$want" ] && [ ! -s "$work/out" ] &&
		[ "$(wc -l <"$work/err")" -eq 1 ] &&
		grep -q '^dmaflow: doctor: ' "$work/err" && grep -qF -- "$message" "$work/err"
	ok $? "$name"
}

# NAME PYTHON ARGUMENTS...: status 0, and JSON (j; rows by name in r) of which PYTHON is true.
json() {
	name=$1 test=$2
	shift 2
	doctor --json "$@"
	[ "$status" -eq 0 ] && python3 -c '
import json, sys
j = json.load(open(sys.argv[1]))
r = {row["name"]: row for row in j["rows"]}
assert all(set(row) == {"area", "name", "verdict", "detail", "reason", "remedy"} for row in j["rows"])
assert all(row["verdict"] in ("yes", "no", "limited", "unknown") for row in j["rows"])
assert all(row["reason"] and row["remedy"] for row in j["rows"] if row["verdict"] != "yes")
assert eval(sys.argv[2]), sys.argv[2]
' "$work/out" "$test" 2>"$work/err"
	ok $? "$name"
}

json "the whole machine" 'len(r) > 20 and "io_uring" in r and "interface lo" in r'

doctor
[ "$status" -eq 0 ] && [ "$(awk 'length > 80' "$work/out" | grep -cv /)" -eq 0 ]
ok $? "lines of at most 80 columns when piped"

doctor --help
[ "$status" -eq 0 ] && grep -q '^usage: dmaflow doctor' "$work/out" && [ ! -s "$work/err" ]
ok $? "help"

json "a process with a PFN mapping" \
	'any(m["path"] == "[vvar]" and m["kind"] == "pfn" and
	 not any(f["works"] for f in m["facilities"].values()) for m in j["mappings"])' --pid $$

doctor --pid $$
[ "$status" -eq 0 ] && grep -q 'PFN map' "$work/out" && grep -q 'MSG_ZEROCOPY' "$work/out"
ok $? "the same for people"

refuses "no such process" 1 "no such process" --pid 2147483647
refuses "not a pid" 2 "not a process id" --pid abc
refuses "pid 0" 2 "not a process id" --pid 0
refuses "pid missing" 2 "needs a value" --pid
refuses "unknown option" 2 "no option --bogus" --bogus
refuses "two addresses" 2 "one ADDRESS at a time" null: null:
refuses "a process and an address" 2 "not both" --pid $$ null:
refuses "unknown kind" 2 "unknown kind 'nosuch'" nosuch:x
refuses "no kind" 2 "file:/data/x" /data/x
refuses "port out of range" 2 "99999" tcp:127.0.0.1:99999
refuses "a directory" 2 "a directory" file:/
refuses "no such directory" 1 "No such file" file:/no/such/dir/x
refuses "no device of the driver's" 1 "there is no /dev/dmaflow9" dma:/dev/dmaflow9
refuses "another driver's device" 2 "no device of dmaflow.ko" dma:/dev/null
refuses "no device" 2 "dma:/dev/dmaflow0" dma:
refuses "no camera" 1 "ls /dev/video*" v4l2:/dev/video99
json "another driver's device is no camera" \
	'r["memory=udmabuf"]["verdict"] == "no" and "no video device" in r["memory=userptr"]["reason"]' \
	--open v4l2:/dev/null
refuses "no such line" 1 "No such file" serial:/dev/nosuch

json "a file" 'r["file"]["verdict"] == "limited" and "free space" in r' file:new
[ ! -e new ]
ok $? "looking at a file doesn't make it"
json "not a serial line" 'r["serial line"]["verdict"] == "no"' serial:/dev/null
json "another kind" 'r["kind null"]["verdict"] == "yes"' null:
json "nobody listens" 'r["connect 127.0.0.1 port 1"]["verdict"] == "no"' tcp:127.0.0.1:1

# In a network of its own, where interfaces can be made and spoilt: a veth pair copies late, one without
# scatter-gather (ETHTOOL_SSG) copies each packet, and a loopback that is down can't be tried.
cat >"$work/net.py" <<'END'
import array, fcntl, json, socket, struct, subprocess, sys

def ip(*words):
    return subprocess.run(("ip", "link", *words), capture_output=True, check=False).returncode == 0

def spoil(name):
    value = array.array("I", [0x19, 0])
    request = struct.pack("16sP16x", name.encode(), value.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8946, request)

assert ip("add", "v0", "type", "veth", "peer", "name", "v1"), "no veth"
assert any(ip("add", "plain", "type", kind) for kind in ("dummy", "ifb", "bridge")), "no interface"
spoil("plain")
out = subprocess.run((sys.argv[1], "doctor", "--json"), stdout=subprocess.PIPE, check=True).stdout
rows = {row["name"]: row for row in json.loads(out)["rows"]}
assert rows["interface v0"]["verdict"] == "limited", rows["interface v0"]
assert rows["interface plain"]["verdict"] == "no", rows["interface plain"]
assert "scatter-gather" in rows["interface plain"]["reason"]
assert "ethtool -K plain" in rows["interface plain"]["remedy"]
assert rows["MSG_ZEROCOPY over TCP"]["verdict"] == "unknown"
END
own=-n
unshare $own true 2>/dev/null || own=-rn
unshare $own python3 "$work/net.py" "$dmaflow" >"$work/out" 2>"$work/err"
ok $? "interfaces that copy"

# Who may not look is told who may. Where the test isn't root it is itself such a user.
if [ "$(id -u)" -eq 0 ]; then
	chmod 755 "$work"
	setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$dmaflow" doctor --pid $$ >"$work/out" 2>"$work/err"
	status=$?
else
	doctor --pid 1
fi
[ "$status" -eq 1 ] && grep -q 'not permitted.*CAP_SYS_PTRACE' "$work/err"
ok $? "another user's process"

"$dmaflow" doctor >/dev/full 2>"$work/err"
[ $? -eq 1 ] && grep -q 'printing what was found: ' "$work/err"
ok $? "output that can't be written"

echo "1..$n"
