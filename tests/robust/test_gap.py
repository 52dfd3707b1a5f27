# SPDX-License-Identifier: MIT
"""Buffers that are lost: how many, and where, is known at both ends."""

import signal
import time

import rig
from rig import Flow, good, ok, until

KIB, MIB = 1 << 10, 1 << 20
OUTAGE = 5  # s


def gaps(path, block):
    """Blocks of a file written with on-gap=zero: (zeros, runs of data as (first, behind last))."""
    zeros, runs = 0, []
    with open(path, "rb") as f:
        size = f.seek(0, 2)
        for i in range(size // block):
            f.seek(i * block)
            if f.read(64) == bytes(64):
                zeros += 1
            elif runs and runs[-1][1] == i:
                runs[-1] = (runs[-1][0], i + 1)
            else:
                runs.append((i, i + 1))
    return size, zeros, runs


def content(path, block, seed, runs):
    """The data between gaps is the pattern's, and where it belongs."""
    for first, last in runs:
        at = first * block
        f = Flow(f"file:{path},offset={at},length={(last - first) * block}",
                 f"verify:seed={(seed + at // 8 * rig.STEP) & rig.MASK}")
        if f.wait() != 0:
            return str(f)
    return ""


def outage(folder, name, begin, end):
    """A source that can't wait, 100 MB/s, and a receiver that is away for 5 s."""
    dst, port, block, seed = folder / "g", rig.port(), 64 * KIB, 7

    def receive():
        return Flow(f"tcp-listen:127.0.0.1:{port},frame,ack,block={block}", f"verify:seed={seed}",
                    f"file:{dst},append,on-gap=zero")

    r = rig.up(receive(), port)
    s = Flow(f"pattern:rate=100M,seed={seed},block={block},blocks=64", f"tcp:127.0.0.1:{port},frame,ack")
    until(lambda: (rig.record(dst) or (0,))[0] > 20 * MIB, f"{name}: a beginning\n{s}\n{r}")
    begin(r)
    time.sleep(OUTAGE)
    r = end(r) or receive()
    back = rig.record(dst)[0]
    until(lambda: rig.record(dst)[0] > back + 400 * MIB or not s.alive(), f"{name}: to go on\n{s}\n{r}")
    s.kill(signal.SIGINT)
    ok(s.wait() == 3 and r.wait() == 3, f"{name}: both ends finish, and say that something is lost",
       f"{s}\n{r}")
    lost, sent = s.json["source"]["lost"], s.sink()["buffers"]
    size, zeros, runs = gaps(dst, block)
    # The device made 500 MB while nobody took them; the pool holds 4 MiB.
    ok(lost * block > 400 * MIB, f"{name}: the outage shows in the sender's losses", s)
    # What it lost after the last block that was sent belongs to no gap.
    tail = (lost + sent) * block - size
    ok(size % block == 0 and zeros == lost - tail // block and tail >= 0,
       f"{name}: the sender lost {lost} buffers, and the file lacks as many",
       f"{zeros} of zeros in {size} bytes, runs {runs}, {sent} sent\n{s}\n{r}")
    ok(rig.record(dst)[:2] == (size, True) and rig.record(dst)[2] == zeros,
       f"{name}: the receiver's record counts them too", rig.record(dst))
    wrong = content(dst, block, seed, runs)
    ok(not wrong, f"{name}: around {len(runs) - 1} gaps every byte is right", wrong)


def killed(folder):
    outage(folder, "killed", lambda r: r.kill(signal.SIGKILL), lambda r: None)


def stopped(folder):
    def go_on(r):
        r.kill(signal.SIGCONT)
        return r
    outage(folder, "stopped", lambda r: r.kill(signal.SIGSTOP), go_on)


rig.main([killed, stopped], parallel=2)
