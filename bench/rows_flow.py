# SPDX-License-Identifier: MIT
"""The flow loop alone, start-up and memory of the program."""

import re
import socket
import statistics
import time

from harness import CORES, BenchError, Program, free_port, transfer

M = 1 << 20
BLOCK, BLOCKS = 4096, 64


def loop(c, buffers, wrap=()):
    """A saturated flow that touches no payload, under a tool or not."""
    return [*wrap, c.dmaflow, "run", "--json",
            f"null:count={buffers},block={BLOCK},blocks={BLOCKS}", "null:"]


def flow_loop(c):
    """the flow loop, no payload touched: time, instructions and system calls per buffer"""
    few, many = 1_000_000, 11_000_000

    def cost():
        # The difference of two lengths leaves out what starting costs.
        short = Program(loop(c, few), CORES[0]).wait()
        long = Program(loop(c, many), CORES[0]).wait()
        return (long.cpu - short.cpu) / (many - few) * 1e9
    c.report.figure("flow.ns_per_buffer", "ns", c.in_turn(dmaflow=cost)["dmaflow"], most=150,
                    note=f"CPU time; null: to null:, {BLOCKS} blocks of {BLOCK} bytes")
    c.report.figure("flow.insn_per_buffer", "instructions", [instructions(c)],
                    note="callgrind, whole process, difference of two lengths")
    calls, which = syscalls(c)
    c.report.figure("flow.syscalls_per_buffer", "calls", [calls], most=0.01,
                    note=f"strace -f -c, difference of two lengths; {which}")


def instructions(c):
    few, many = 20_000, 120_000

    def count(buffers):
        out = c.scratch.fresh("callgrind.out")
        tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
        err = Program(loop(c, buffers, tool)).wait().err
        found = re.search(r"Collected : (\d+)", err)
        if not found:
            raise BenchError(f"callgrind counted nothing: {err[-300:]}")
        return int(found.group(1))
    return (count(many) - count(few)) / (many - few)


def syscalls(c):
    few, many = 100_000, 1_100_000

    def count(buffers):
        out = c.scratch.fresh("strace.out")
        Program(loop(c, buffers, ["strace", "-f", "-c", "-o", out])).wait()
        calls = {}
        for line in out.read_text().splitlines():
            field = line.split()
            if len(field) >= 5 and field[3].isdigit() and field[-1] != "total":
                calls[field[-1]] = int(field[3])
        return calls
    short, long = count(few), count(many)
    more = {name: n - short.get(name, 0) for name, n in long.items() if n > short.get(name, 0)}
    top = ", ".join(f"{name} +{n}" for name, n in
                    sorted(more.items(), key=lambda item: -item[1])[:4]) or "none"
    return sum(more.values()) / (many - few), f"more over {many - few} buffers: {top}"


def first_byte(c):
    """from starting the program to the first byte at the receiver, with a region of 16 MiB"""
    def once():
        port = free_port()
        with socket.create_server(("127.0.0.1", port)) as listener:
            listener.settimeout(10)
            program = Program([c.dmaflow, "run", "--json", "pattern:bytes=64M,block=1M,blocks=16",
                               f"tcp:127.0.0.1:{port},cc=cubic"])
            try:
                link, _ = listener.accept()
                with link:
                    link.settimeout(10)
                    if not link.recv(1):
                        raise BenchError("the sender closed without sending a byte")
                    elapsed = (time.monotonic() - program.started) * 1e3
                    while link.recv(M):
                        pass
                program.wait()
                return elapsed
            except OSError as error:
                raise BenchError(f"{' '.join(program.argv)}: {error}") from None
            finally:
                program.stop()
    c.report.figure("run.first_byte_ms", "ms", c.in_turn(dmaflow=once)["dmaflow"], most=50,
                    note="16 blocks of 1 MiB, mode=auto, over loopback; fork and exec included")


def memory(c):
    """what the program holds beyond its region, in each of several flows"""
    region = 16 * M
    source = "pattern:bytes=100M,rate=200M,block=1M,blocks=16"
    listen = f"tcp-listen:HOST:PORT,block=1M,blocks={region // M}"

    def over(ended):
        return (ended.hwm_kib * 1024 - region) / M

    def alone():
        return over(Program([c.dmaflow, "run", "--json", source, "null:"], watch_memory=True).wait())

    def linked(options):
        link = transfer([c.dmaflow, "run", "--json", f"{listen},{options}", "null:"],
                        [c.dmaflow, "run", "--json", source, f"tcp:HOST:PORT,{options}"],
                        100 * M, watch_memory=True)
        return max(over(link.sender), over(link.receiver))
    got = c.in_turn(null=alone, tcp=lambda: linked("frame"), acked=lambda: linked("frame,ack"))
    worst = max(got, key=lambda name: statistics.median(got[name]))
    c.report.figure("run.rss_overhead_mib", "MiB", got[worst], most=8,
                    note="peak resident (VmHWM) less a region of 16 blocks of 1 MiB, all touched; the largest: "
                    + ", ".join(f"pattern to {n} {statistics.median(v):.1f}" for n, v in got.items()))


BENCHES = {"flow.loop": flow_loop, "run.first_byte": first_byte, "run.memory": memory}
