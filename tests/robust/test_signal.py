# SPDX-License-Identifier: MIT
"""SIGINT and SIGTERM at random moments: what was written is a right beginning, and ends are told."""

import signal
import time

import rig
from rig import Flow, ok

MIB = 1 << 20
TIMES = 100  # over all programs here
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def started(status, sig):
    """0: delivered what was taken. Killed outright: the signal came before the flow was there."""
    return status in (0, -sig)


def moment(flow):
    time.sleep(rig.rng.random() * 0.06)
    sig = rig.rng.choice(SIGNALS)
    if flow.alive():
        flow.kill(sig)
    return sig


def verified(path):
    if not path.exists() or not path.stat().st_size:
        return True
    return Flow(f"file:{path}", "verify:").wait() == 0


def to_file(folder, options, n):
    bad = []
    for i in range(n):
        path = folder / f"g{i}"
        s = Flow("pattern:block=64K", f"file:{path}{options}")
        sig = moment(s)
        status = s.wait()
        size = path.stat().st_size if path.exists() else 0
        if not started(status, sig) or not verified(path) or (
                status == 0 and s.sink()["bytes"] != size) or "still in use" in s.stderr:
            bad.append(f"{status} {sig} {size}\n{s}")
        path.unlink(missing_ok=True)
    ok(not bad, f"file{options}: {n} signals, right beginnings of the length that is told", "\n".join(bad[:3]))


def through_link(folder, options, mode, n):
    """The sender is told; the receiver ends by itself, with all of what the sender says it took."""
    bad = []
    for i in range(n):
        port, path = rig.port(), folder / f"g{i}"
        r = rig.up(Flow(f"tcp-listen:127.0.0.1:{port},frame{options}", f"file:{path}"), port)
        s = Flow("pattern:block=64K,rate=200M,on-full=block", f"tcp:127.0.0.1:{port},frame{options},mode={mode}")
        sig = moment(s)
        status = s.wait()
        if status == -sig:  # it had not begun: nobody will come any more
            r.kill(signal.SIGINT)
        end = r.wait()
        if not started(status, sig) or (status == 0 and end != 0) or not verified(path) or (
                status == 0 and not s.sink()["bytes"] == r.sink()["bytes"] == path.stat().st_size):
            bad.append(f"{status} {end} {sig}\n{s}\n{r}")
        path.unlink(missing_ok=True)
    ok(not bad, f"frame{options}, {mode}: {n} signals to the sender, both ends agree on a right beginning",
       "\n".join(bad[:2]))


def receiver_told(folder, n):
    """The receiver is told: it stops cleanly, keeps a right beginning, and the sender hears of it."""
    bad = []
    for i in range(n):
        port, path = rig.port(), folder / f"g{i}"
        r = rig.up(Flow(f"tcp-listen:127.0.0.1:{port},frame,ack", f"file:{path},append"), port)
        s = Flow("pattern:bytes=32M,block=64K,rate=200M,on-full=block", f"tcp:127.0.0.1:{port},frame,ack")
        sig = moment(r)
        first = r.wait()
        # Started again it goes on, as after any break.
        r = Flow(f"tcp-listen:127.0.0.1:{port},frame,ack", f"file:{path},append")
        status = s.wait(), r.wait() if s.wait() == 0 and not (rig.record(path) or (0, 0))[1] else 0
        if r.alive():
            r.kill()
        if not started(first, sig) or status != (0, 0) or not verified(path) or path.stat().st_size != 32 * MIB:
            bad.append(f"{first} {status} {sig}\n{s}\n{r}")
        path.unlink(missing_ok=True)
    ok(not bad, f"{n} signals to the receiver: started again, it has everything once", "\n".join(bad[:2]))


def buffered(folder):
    to_file(folder, "", 20)


def direct(folder):
    to_file(folder, ",direct,depth=8", 20)


def framed(folder):
    through_link(folder, "", "auto", 15)


def acked(folder):
    through_link(folder, ",ack", "auto", 15)


def spliced(folder):
    through_link(folder, ",ack", "splice", 10)


def receiver(folder):
    receiver_told(folder, 20)


rig.main([receiver, buffered, direct, framed, acked, spliced], parallel=4)
