# SPDX-License-Identifier: MIT
"""The file sink against fio: same depth, block and kind of write."""

import json

import harness
from harness import GIB, BenchError, Program

M = 1 << 20


class Rate:
    """MiB/s by the program's own clock, opening and closing left out, and its CPU."""

    def __init__(self, mib_per_s, ended, gib):
        self.mib_per_s = mib_per_s
        self.cpu = ended.cpu / gib

    def raw(self):
        return {"mib_per_s": self.mib_per_s, "cpu": self.cpu}


def fio(path, total):
    ended = Program(["fio", "--name=t", f"--filename={path}", "--rw=write", "--direct=1",
                     f"--size={total}", "--bs=1m", "--ioengine=io_uring", "--iodepth=4",
                     "--fixedbufs", "--registerfiles", "--output-format=json"]).wait()
    job = json.loads(ended.out[ended.out.index("{"):])["jobs"][0]
    if job["error"]:
        raise BenchError(f"fio: error {job['error']}")
    return Rate(job["write"]["bw_bytes"] / M, ended, total / GIB)


def dmaflow(c, path, total, options):
    ended = Program([c.dmaflow, "run", "--json", f"null:bytes={total},block=1M,blocks=4",
                     f"file:{path},direct,depth=4{options}"]).wait()
    if path.stat().st_size != total:
        raise BenchError(f"{path.stat().st_size} of {total} bytes in the file")
    return Rate(total / M / ended.json()["seconds"], ended, total / GIB)


def rows(c, name, ours, peers, gate, note):
    # A disk's noise is large: more rounds.
    got = harness.in_turn(max(c.rounds, 9), {"fio": peers, "dmaflow": ours}, c.report.log)
    c.report.figure(f"disk.{name}_vs_fio", "MiB/s", [s.mib_per_s for s in got["dmaflow"]], "fio",
                    [s.mib_per_s for s in got["fio"]], least=gate,
                    note=note + "; 1 GiB out of 4 blocks of 1 MiB, by each program's own clock")
    c.report.figure(f"disk.{name}_cpu_vs_fio", "CPU-s/GiB", [s.cpu for s in got["dmaflow"]], "fio",
                    [s.cpu for s in got["fio"]], note="whole process, start-up included")


def disk_write(c):
    """the file sink against fio, O_DIRECT, 1 MiB blocks, depth 4, fixed buffers"""
    total = GIB
    path = c.scratch.fresh("overwritten")
    fio(path, total)
    rows(c, "write", lambda: dmaflow(c, path, total, ",offset=0"), lambda: fio(path, total), 0.95,
         "over the same existing file, so on the same blocks of the disk")
    path.unlink()


def disk_write_new(c):
    """the same into a new file each time, which may lie anywhere on the disk"""
    total = GIB

    def fresh():
        path = c.scratch.fresh("new")
        c.scratch.settle()
        return path
    rows(c, "write_new", lambda: dmaflow(c, fresh(), total, ""), lambda: fio(fresh(), total), None,
         "fio reserves the whole file before its clock starts, dmaflow as it goes")


BENCHES = {"disk.write": disk_write, "disk.write_new": disk_write_new}
