# SPDX-License-Identifier: MIT
"""The descriptor ring against DPDK's ring of elements: 64 bytes, one producer, one consumer."""

import re
import subprocess

import harness
from harness import BenchError, Program

TOTAL = {1: 4_000_000, 32: 16_000_000}
ROUNDS = 15  # a run is short, and where the two threads' lines lie differs from run to run
PEER = "rte_ring_elem"


def tool(c):
    path = c.build / "bench/ring_bench"
    if not path.exists():
        raise BenchError(f"{path}: not built; meson setup -Dbenches=true")
    return path


def peer(c):
    """The peer with its version, or an error that says how to get it."""
    Program([tool(c), "rte_ring", 1, 1]).wait()
    done = subprocess.run(["pkg-config", "--modversion", "libdpdk"], capture_output=True, text=True)
    return f"{PEER} {done.stdout.strip()}".strip()


def ring(c):
    """64-byte descriptors between two threads on two cores, against rte_ring_elem"""
    name = peer(c)
    for burst, total in TOTAL.items():
        def run(queue, burst=burst, total=total):
            return Program([tool(c), queue, burst, total]).wait().json()["per_second"] / 1e6
        got = harness.in_turn(max(c.rounds, ROUNDS), {
            "rte_ring": lambda: run("rte_ring"), "dmaflow": lambda: run("ring"),
            "kick": lambda: run("ring-kick")}, c.report.log)
        c.report.figure(f"ring.vs_rte_ring.burst{burst}", "M/s", got["dmaflow"], name,
                        got["rte_ring"], least=1.0, note="1024 slots; both ends poll")
        c.report.figure(f"ring.kick_vs_rte_ring.burst{burst}", "M/s", got["kick"], name,
                        got["rte_ring"], note="with the full fence and the look at a sleeping "
                        "peer after each burst, which rte_ring has no like of")


def instructions(c):
    """instructions per descriptor in and out of the ring, by callgrind"""
    name = peer(c)
    few, many = 64_000, 640_000

    def count(queue, burst, total):
        out = c.scratch.fresh("callgrind.out")
        err = Program(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", tool(c),
                       "--instructions", queue, burst, total]).wait().err
        found = re.search(r"Collected : (\d+)", err)
        if not found:
            raise BenchError(f"callgrind counted nothing: {err[-300:]}")
        return int(found.group(1))

    def each(queue, burst):
        # The difference of two lengths leaves out what starting costs.
        return (count(queue, burst, many) - count(queue, burst, few)) / (many - few)
    for burst in TOTAL:
        c.report.figure(f"ring.insn_vs_rte_ring.burst{burst}", "instructions", [each("ring", burst)],
                        name, [each("rte_ring", burst)], most=1.05,
                        note="one thread, a burst in and a burst out, numbering and checking "
                        "included; difference of two lengths")


BENCHES = {"ring": ring, "ring.insn": instructions}
