# SPDX-License-Identifier: MIT
"""Several sinks, slow ones among them; small pools against large blocks; other addresses."""

import os

import rig
from rig import Flow, good, ok, skip

KIB, MIB = 1 << 10, 1 << 20


def both_equal(folder):
    """Save and stream at once."""
    for size in (64 * MIB, 24 * MIB + 4096, 5 * MIB + 123):
        port, copy, far = rig.port(), folder / "copy", folder / "far"
        r = rig.up(Flow(f"tcp-listen:127.0.0.1:{port},frame,ack", f"file:{far}"), port)
        s = Flow(f"pattern:bytes={size}", f"tcp:127.0.0.1:{port},frame,ack", f"file:{copy},direct")
        good(s, f"both: sender, {size} bytes")
        good(r, f"both: receiver, {size} bytes")
        ok(rig.same(copy, far) and copy.stat().st_size == size, f"both: two equal copies of {size} bytes",
           f"{copy.stat().st_size} {far.stat().st_size}")
        v = Flow(f"file:{copy}", "verify:")
        good(v, f"both: the copy of {size} bytes is what the device made")


def small_pool(folder):
    """2 x 64 KiB buffers against a receiver that wants to write 1 MiB at a time."""
    src, dst = rig.noise(folder / "f", 8 * MIB + 77), folder / "g"
    for mode in ("auto", *rig.MODES):
        for ack in ("ack", "ack=synced") if mode == "auto" else ("ack",):
            port = rig.port()
            r = rig.up(Flow(f"tcp-listen:127.0.0.1:{port},frame,{ack},block=1M,blocks=4", f"file:{dst},direct"),
                       port)
            s = Flow(f"file:{src},block=64K,blocks=2", f"tcp:127.0.0.1:{port},frame,{ack},mode={mode}")
            good(s, f"2 x 64 KiB to 1 MiB blocks, {mode}, {ack}: no deadlock")
            good(r, f"2 x 64 KiB to 1 MiB blocks, {mode}, {ack}: received")
            ok(rig.same(src, dst), f"2 x 64 KiB to 1 MiB blocks, {mode}, {ack}: equal", f"{s}\n{r}")


def dropped(folder, policy):
    """A stalled consumer: what it misses is whole buffers, and both ends agree on them."""
    port, block, count, seed = rig.port(), 16 * KIB, 1500, 3
    dst = folder / "g"
    r = rig.up(Flow(f"tcp-listen:127.0.0.1:{port},frame,ack,block={block},blocks=4",
                    f"verify:seed={seed}", "faulty:,stall-after=40,stall=200ms", f"file:{dst},on-gap=zero"), port)
    s = Flow(f"pattern:rate=40M,on-full=block,count={count},block={block},blocks=64,seed={seed}",
             f"tcp:127.0.0.1:{port},frame,ack,on-full={policy},queue=8,sndbuf=16K", "null:")
    s.wait(), r.wait()
    lost = s.sink()["dropped"]
    good(s, f"{policy}: the sender finishes and says that it dropped", lost > 0, status=3)
    good(r, f"{policy}: the receiver says that something is missing", status=3)
    ok(s.sink(1)["dropped"] == 0 and s.sink(1)["buffers"] == count, f"{policy}: the sink beside it got all", s)
    ok(s.sink()["buffers"] + lost == count and s.json["source"]["lost"] == 0,
       f"{policy}: {lost} dropped and the rest sent are all there were", s)
    ok(r.json["source"]["lost"] == lost and r.json["source"]["lost_bytes"] <= lost * block
       and r.sink()["bytes"] == s.sink()["bytes"],
       f"{policy}: the receiver lacks as many", f"{r.json['source']} {s.sink()} {r.sink()}\n{s}\n{r}")
    data = dst.read_bytes()
    wrong = zeros = 0
    for at in range(0, len(data), block):
        piece = data[at:at + block]
        if piece == bytes(block):
            zeros += 1
        elif piece[:4096] != rig.pattern(at, 4096, seed) or piece[-8:] != rig.pattern(at + block - 8, 8, seed):
            wrong += 1
    behind = count - len(data) // block
    ok(not wrong and zeros + behind == lost, f"{policy}: the gaps are whole buffers, in place",
       f"{wrong} wrong, {zeros} of zeros, {behind} behind the end\n{s}\n{r}")


def drop_new(folder):
    dropped(folder, "drop-new")


def drop_old(folder):
    dropped(folder, "drop-old")


def slow_and_fast(folder):
    """One slow sink beside a fast one."""
    count, block = 2000, 64 * KIB
    s = Flow(f"pattern:rate=400M,on-full=block,count={count},block={block},blocks=64", "verify:",
             f"file:{folder / 'fast'}", "faulty:,pace=50M,on-full=drop-new,queue=4")
    s.wait()
    good(s, "slow beside fast: ends, says what was dropped", status=3)
    fast, slow = s.sink(0), s.sink(1)
    ok(fast["buffers"] == count and fast["dropped"] == 0, "slow beside fast: the fast one is complete", s)
    ok(slow["dropped"] > 0 and slow["buffers"] + slow["dropped"] == count,
       "slow beside fast: what the slow one got and dropped is all there was", s)
    good(Flow(f"file:{folder / 'fast'}", "verify:"), "slow beside fast: every byte of the fast one")


def partners(folder):
    """Completions in any order, short answers, late ones: nothing of it shows at the far end."""
    for what in ("reorder", "short", "delay=2ms", "keep=3", "reorder,short"):
        port = rig.port()
        r = rig.up(Flow(f"tcp-listen:127.0.0.1:{port},frame,ack,block=64K,blocks=16", f"file:{folder / 'g'}",
                        f"faulty:,{what}"), port)
        s = Flow(f"pattern:bytes={6 * MIB},block=64K,blocks=8", f"faulty:,{what}",
                 f"tcp:127.0.0.1:{port},frame,ack")
        good(s, f"faulty:{what}: sender")
        good(r, f"faulty:{what}: receiver")
        good(Flow(f"file:{folder / 'g'}", "verify:"), f"faulty:{what}: every byte")


def addresses(_folder):
    """IPv6, bind=, cc=; an address that can't be had is refused."""
    six = os.path.exists("/proc/net/if_inet6") and "00000000000000000000000000000001" in \
        open("/proc/net/if_inet6", encoding="ascii").read()
    hosts = [("127.0.0.1", "127.0.0.3"), ("[::1]", "[::1]")]
    for host, bind in hosts if six else hosts[:1]:
        for options in ("", ",frame", ",frame,ack", ",cc=cubic", f",bind={bind},frame"):
            port = rig.port()
            mine = ",frame,ack" if "ack" in options else ",frame" if "frame" in options else ""
            r = rig.up(Flow(f"tcp-listen:{host}:{port}{mine}", "verify:"), port)
            s = Flow("pattern:bytes=3M", f"tcp:{host}:{port}{options}")
            good(s, f"{host}{options}: sent")
            good(r, f"{host}{options}: received", r.wait() == 0 and r.sink()["bytes"] == 3 * MIB)
    if not six:
        skip("IPv6", "no ::1 here")
    for options, word in (("cc=nosuch", "nosuch"), ("bind=192.0.2.1", "192.0.2.1")):
        s = Flow("pattern:bytes=3M", f"tcp:127.0.0.1:9,{options},retry=0")
        code = s.wait()
        ok(code in (1, 2) and word in s.stderr, f"{options}: refused, and named", s)
    port = rig.port()
    r = rig.up(Flow(f"tcp-listen:127.0.0.1:{port}", "null:"), port)
    twice = Flow(f"tcp-listen:127.0.0.1:{port}", "null:")
    ok(twice.wait() == 2 and "in use" in twice.stderr, "a port in use is refused", twice)
    r.kill()


rig.main([drop_new, drop_old, slow_and_fast, both_equal, small_pool, partners, addresses], parallel=3)
