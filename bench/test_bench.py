#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the comparisons rest on: that peers move the right bytes, and that the runner tells the truth.

usage: test_bench.py BUILD     (TAP; nothing is timed)
"""

import contextlib
import io
import json
import pathlib
import socket
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import harness  # noqa: E402

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else harness.ROOT / "build")
POOL = 256 << 10
TOTAL = 5 * POOL + 12345  # wraps, and ends inside a block
PATTERN = bytes((i // 251) & 255 for i in range(POOL))
SENDERS = ("send", "sendfile", "vmsplice", "zerocopy")


def peer(name):
    return BUILD / "bench/peers" / f"peer_{name}"


def expected():
    return (PATTERN * (TOTAL // POOL + 1))[:TOTAL]


def receive_all(listener):
    link, _ = listener.accept()
    got = bytearray()
    with link:
        link.settimeout(20)
        while chunk := link.recv(1 << 20):
            got += chunk
    return bytes(got)


def senders_send_their_pool():
    for name in SENDERS:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(20)
            program = harness.Program([peer(name), f"port={listener.getsockname()[1]}", f"pool={POOL}",
                                       "block=64K", f"bytes={TOTAL}"])
            try:
                got = receive_all(listener)
                report = program.wait(20).json()
            finally:
                program.stop()
        assert got == expected(), f"{name}: {len(got)} bytes, not the pool's {TOTAL}"
        assert report["bytes"] == TOTAL, f"{name}: reports {report['bytes']}"


def receivers_count_what_comes():
    for options in (["mode=recv"], ["mode=trunc", "lowat=64K"], ["mode=splice"]):
        link = harness.transfer([peer("sinkd"), "port=PORT", "block=64K", *options],
                                [peer("send"), "port=PORT", "block=64K", f"bytes={TOTAL}"], TOTAL)
        assert link.receiver.json()["bytes"] == TOTAL, options


def acknowledged_splice_ends():
    link = harness.transfer([peer("sinkd"), "port=PORT", "block=64K", "ack=64K"],
                            [peer("vmsplice"), "port=PORT", f"pool={POOL}", "block=64K", "ack=64K",
                             f"bytes={TOTAL}"], TOTAL)
    assert link.receiver.json()["bytes"] == link.sender.json()["bytes"] == TOTAL


def files_hold_what_came():
    scratch = harness.Scratch(BUILD)
    try:
        for name in filter(lambda n: peer(n).exists(), ("recv_direct", "splice_file")):
            path = scratch.fresh("received")
            harness.transfer([peer(name), "port=PORT", "block=64K", f"file={path}"],
                             [peer("send"), "port=PORT", f"pool={POOL}", "block=64K",
                              f"bytes={TOTAL}"], TOTAL)
            assert path.read_bytes() == expected(), f"{name}: the file differs"
    finally:
        scratch.close()
    assert not scratch.path.exists()


def wrong_arguments_are_refused():
    for wrong in ("block=12x", "colour=red", "nonsense", "pool=100K"):
        done = subprocess.run([peer("send"), wrong], capture_output=True, text=True, timeout=20)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, (wrong, done.stderr)


def failures_are_told():
    for argv, said in ((["sh", "-c", "echo because >&2; exit 3"], "status 3: because"),
                       (["sleep", "60"], "killed after 0.2 s")):
        try:
            harness.Program(argv).wait(0.2)
        except harness.BenchError as error:
            assert said in str(error), str(error)
        else:
            raise AssertionError(f"{argv} passed")
    try:
        harness.transfer(["sh", "-c", "echo no such port >&2; exit 1"], ["true"], 1)
    except harness.BenchError as error:
        assert "never listened" in str(error) and "no such port" in str(error), str(error)
    else:
        raise AssertionError("a receiver that never listened passed")


def cpu_is_the_child_s():
    argv = [sys.executable, "-c", "import os,resource\n"
            "while sum(os.times()[:2]) < 0.1: pass\n"
            "u = resource.getrusage(resource.RUSAGE_SELF); print(u.ru_utime + u.ru_stime)"]
    ended = harness.Program(argv, harness.CORES[0]).wait()
    own = float(ended.out)
    assert own >= 0.1 and own <= ended.cpu <= own + 0.1, (own, ended.cpu)


def limits_are_held():
    with tempfile.TemporaryDirectory() as folder:
        report = harness.Report(folder)
        with contextlib.redirect_stdout(io.StringIO()) as rows:
            report.figure("a.held", "s", [1, 2, 3, 4, 9], "other", [4, 4, 4, 4, 4], most=0.75)
            report.figure("a.missed", "s", [1, 2, 4, 5, 9], "other", [4, 4, 4, 4, 4], most=0.75)
            report.figure("a.low", "MiB/s", [90, 94, 90], "other", [100, 100, 100], least=0.95)
            report.figure("a.value", "ms", [60], most=50)
        assert rows.getvalue().count("MISSED") == 3, rows.getvalue()
        assert report.missed == ["a.missed", "a.low", "a.value"], report.missed
        line = json.loads((pathlib.Path(folder) / "a.held.json").read_text())
        assert (line["value"], line["ratio"], line["peer"], line["n"]) == (3, 0.75, "other", 5), line


TESTS = (senders_send_their_pool, receivers_count_what_comes, acknowledged_splice_ends,
         files_hold_what_came, wrong_arguments_are_refused, failures_are_told, cpu_is_the_child_s,
         limits_are_held)


def main():
    print(f"1..{len(TESTS)}")
    failed = 0
    for number, test in enumerate(TESTS, 1):
        try:
            test()
            print(f"ok {number} - {test.__name__}", flush=True)
        except (AssertionError, harness.BenchError, OSError) as error:
            failed += 1
            print(f"not ok {number} - {test.__name__}\n# {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
