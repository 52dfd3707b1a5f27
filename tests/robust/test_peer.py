# SPDX-License-Identifier: MIT
"""Peers that reset, stall, or never come back, in each way of sending."""

import hashlib
import signal
import threading
import time

import rig
from rig import Flow, good, ok, until

KIB, MIB = 1 << 10, 1 << 20
RAW = ("auto", "copy", "zerocopy", "sendzc")


class Raw(threading.Thread):
    """A peer of an unframed link: reads, maybe stalls, then reads on, resets, or never reads again."""

    def __init__(self, after, then, rcvbuf=None):
        super().__init__(daemon=True)
        self.server = rig.listener(rcvbuf=rcvbuf)
        self.port = self.server.getsockname()[1]
        self.after, self.then = after, then
        self.hash, self.got = hashlib.sha256(), 0
        self.over = threading.Event()
        self.start()

    def _read(self, n):
        pieces = []
        self.got += rig.read_some(self.sock, n, pieces)
        for p in pieces:
            self.hash.update(p)

    def run(self):
        self.sock, _ = self.server.accept()
        self.sock.settimeout(rig.LIMIT)
        self._read(self.after)
        if self.then == "reset":
            rig.reset(self.sock)
        elif self.then == "never":
            self.over.wait(rig.LIMIT)
            self.sock.close()
        else:
            time.sleep(self.then)
            self._read(1 << 40)
            self.sock.close()
        self.server.close()


def resets(_folder):
    for mode in RAW:
        peer = Raw(3 * MIB + 17, "reset")
        s = Flow("pattern:bytes=1G,blocks=16,block=64K", f"tcp:127.0.0.1:{peer.port},mode={mode}")
        s.wait()
        good(s, f"reset, {mode}: an error that says so", "closed the connection" in s.stderr, status=1)


def reset_resumed(_folder):
    """The link is cut in the middle of frames; with acknowledgements nobody notices."""
    for mode in ("auto", *rig.MODES):
        port, size, window = rig.port(), 48 * MIB, 16 * 64 * KIB
        link = rig.Link(port, [rig.rng.randrange(40 * MIB) for _ in range(4)])
        r = rig.up(Flow(f"tcp-listen:127.0.0.1:{port},frame,ack", "verify:seed=9"), port)
        s = Flow(f"pattern:bytes={size},blocks=16,block=64K,seed=9",
                 f"tcp:127.0.0.1:{link.port},frame,ack,mode={mode}")
        s.wait()
        good(s, f"cut links, {mode}: the sender finishes")
        good(r, f"cut links, {mode}: the receiver has every byte once",
             r.wait() == 0 and r.sink()["bytes"] == size)
        k = s.sink() if s.wait() == 0 else {}
        ok(link.cut == 4 and k.get("reconnects") == 4 and k["resent_bytes"] <= 4 * window,
           f"cut links, {mode}: four new links, a window again for each at most", f"{link.cut} {k}\n{s}")
        link.close()


def stall(folder, mode):
    src = rig.noise(folder / "f", 12 * MIB + 5)
    peer = Raw(MIB, 2, rcvbuf=64 * KIB)
    s = Flow(f"file:{src},block=64K,blocks=16", f"tcp:127.0.0.1:{peer.port},mode={mode}")
    s.wait()
    good(s, f"2 s without reading, {mode}: the sender waits and goes on")
    peer.join(rig.LIMIT)
    ok(peer.hash.digest() == hashlib.sha256(src.read_bytes()).digest(),
       f"2 s without reading, {mode}: every byte arrives as it was", f"{peer.got} bytes\n{s}")


def stalled_framed(_folder, mode):
    port = rig.port()
    r = rig.up(Flow(f"tcp-listen:127.0.0.1:{port},frame,ack", "verify:"), port)
    s = Flow("pattern:bytes=64M,rate=64M,on-full=block,blocks=16,block=64K",
             f"tcp:127.0.0.1:{port},frame,ack,mode={mode}")
    until(lambda: rig.established(port), "a link")
    r.kill(signal.SIGSTOP)
    time.sleep(2)
    r.kill(signal.SIGCONT)
    good(s, f"2 s stopped, {mode}: the sender waits and goes on")
    good(r, f"2 s stopped, {mode}: the receiver has every byte", r.wait() == 0
         and r.sink()["bytes"] == 64 * MIB)


def never(_folder, mode):
    """Pages that a stalled peer has not taken come back all the same."""
    peer = Raw(MIB, "never", rcvbuf=64 * KIB)
    s = Flow("pattern:bytes=1G,blocks=16,block=64K", f"tcp:127.0.0.1:{peer.port},mode={mode},"
             "user-timeout=700ms")
    s.wait(30)
    good(s, f"never reads again, {mode}: given up after user-timeout", status=1)
    peer.over.set()


def stays_away(_folder, mode):
    port = rig.port()
    r = rig.up(Flow(f"tcp-listen:127.0.0.1:{port},frame,ack", "verify:"), port)
    s = Flow("pattern:blocks=16,block=64K", f"tcp:127.0.0.1:{port},frame,ack,mode={mode},retry=700ms")
    until(lambda: rig.established(port), "a link")
    r.kill()
    s.wait(30)
    good(s, f"stays away, {mode}: given up after retry", status=1)


def frozen(_folder, mode):
    """Its kernel still takes connections, but nobody is there: SIGSTOP for ever."""
    port = rig.port()
    r = rig.up(Flow(f"tcp-listen:127.0.0.1:{port},frame,ack", "verify:"), port)
    s = Flow("pattern:blocks=64,block=1M", f"tcp:127.0.0.1:{port},frame,ack,mode={mode},retry=700ms,"
             "user-timeout=700ms")
    until(lambda: rig.established(port), "a link")
    r.kill(signal.SIGSTOP)
    s.wait(40)
    # Frozen before it read the hello, it is a peer that never answered.
    good(s, f"frozen, {mode}: given up after retry",
         "given up" in s.stderr or "no answer to hello" in s.stderr, status=1)
    r.kill()


def aborted(_folder, mode):
    """Nobody waits for a stalled peer who is told twice to stop."""
    peer = Raw(MIB, "never", rcvbuf=64 * KIB)
    s = Flow("pattern:bytes=1G,blocks=16,block=64K", f"tcp:127.0.0.1:{peer.port},mode={mode}")
    until(lambda: rig.stuck(peer.port), "the peer to stall")
    s.kill(signal.SIGINT)
    time.sleep(0.3)
    s.kill(signal.SIGINT)
    s.wait(20)
    good(s, f"stopped twice at a stalled peer, {mode}", status=1)
    peer.over.set()


def each(test, modes):
    def named(mode):
        def run(folder):
            test(folder, mode)
        run.__name__ = f"{test.__name__}_{mode}"
        return run
    return [named(m) for m in modes]


rig.main([*each(frozen, ("copy", "splice", "zerocopy")), *each(never, RAW), *each(stall, RAW),
          *each(stalled_framed, rig.MODES), *each(stays_away, rig.MODES), *each(aborted, RAW),
          reset_resumed, resets], parallel=8)
