# SPDX-License-Identifier: MIT
"""A receiver killed again and again: nothing is lost, nothing comes twice, little is sent again."""

import random
import signal

import rig
from rig import Flow, ok, until

MIB = 1 << 20
KILLS = 25  # of each stream; four streams make the hundred


def stream(folder, name, kills, size, sender="", receiver="", block=256, blocks=16):
    """Send a file to a receiver that is killed when its record has come to random places (block: KiB)."""
    src, dst = rig.noise(folder / "f", size), folder / "g"
    port = rig.port()
    window = blocks * block << 10
    chance = random.Random(rig.rng.random())
    places = sorted(chance.randrange(size - 2 * window) for _ in range(kills))

    def receive():
        return Flow(f"tcp-listen:127.0.0.1:{port},frame,ack,block={block}K", f"file:{dst},append{receiver}")

    r = receive()
    s = Flow(f"file:{src},direct,block={block}K,blocks={blocks},rate=40M",
             f"tcp:127.0.0.1:{port},frame,ack{sender}")
    done, midway = 0, 0
    for place in places:
        # Some die before they have written anything.
        if chance.random() < 0.8:
            until(lambda: (rig.record(dst) or (0,))[0] >= place or not r.alive() or not s.alive(),
                  f"{name}: byte {place} to be recorded")
        elif chance.random() < 0.5:
            rig.up(r, port)
        if not r.alive() or not s.alive():
            break
        midway += not (rig.record(dst) or (0, False, 0))[1]
        r.kill(signal.SIGKILL)
        done += 1
        r = receive()
    status = s.wait(), r.wait()
    ok(done == kills and midway == kills, f"{name}: {kills} kills in the middle of the stream",
       f"{done} kills, {midway} midway\n{s}\n{r}")
    ok(status == (0, 0), f"{name}: both ends finish", f"{s}\n{r}")
    ok(rig.same(src, dst), f"{name}: the copy is equal", f"{s}\n{r}")
    ok(rig.record(dst) == (size, True, 0), f"{name}: the record says finished", rig.record(dst))
    k = s.sink() if status[0] == 0 else {"resent_bytes": 1 << 60, "reconnects": 0}
    ok(k["resent_bytes"] <= k["reconnects"] * window,
       f"{name}: at most a window is sent again for each new link", k)


def buffered(folder):
    stream(folder, "buffered", KILLS, 64 * MIB)


def direct(folder):
    """O_DIRECT with many writes in flight: they complete in any order, over reserved space."""
    stream(folder, "direct", KILLS, 64 * MIB, receiver=f",direct,depth=16,prealloc={64 * MIB}")


def spliced(folder):
    stream(folder, "splice, direct", KILLS, 64 * MIB + 12345, sender=",mode=splice",
           receiver=",direct,depth=8", block=64, blocks=32)


def zerocopied(folder):
    stream(folder, "zerocopy", KILLS, 64 * MIB + 1, sender=",mode=zerocopy", receiver=",direct")


def twice(folder):
    stream(folder, "killed twice", 2, 128 * MIB, receiver=",direct", block=1024, blocks=8)


rig.main([buffered, direct, spliced, zerocopied, twice], parallel=5)
