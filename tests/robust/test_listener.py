# SPDX-License-Identifier: MIT
"""Strangers and liars: whatever they send, they are refused, and the real stream passes."""

import concurrent.futures
import signal
import socket
import struct

import rig
from rig import Flow, good, ok, wire

KIB, MIB = 1 << 10, 1 << 20
VECTORS = rig.SOURCE / "tests/vectors/wire"
# Of a stream that nobody has.
HELLO = wire._pack(wire.T_HELLO, 0, b"z" * 16, (0, 0, 0),
                   wire.HELLO.pack(0, 0, 0, 0, 0, 0, 1, 0, 64 * KIB, MIB, b""))


def say(port, data, shut=True):
    """Send, read what comes back until the other side closes. Return: what it said."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), timeout=rig.LIMIT) as s:
        try:
            s.sendall(data)
            if shut:
                s.shutdown(socket.SHUT_WR)
            while True:
                piece = s.recv(65536)
                if not piece:
                    break
                heard += piece
        except OSError:
            pass
    return heard


def error_code(heard):
    """The code of an error frame, 0: none."""
    if len(heard) < wire.HEADER.size + 8 or heard[:4] != b"DMAF" or heard[8] != wire.T_ERROR:
        return 0
    return struct.unpack_from("<I", heard, wire.HEADER.size)[0]


def strangers(_folder):
    """Before any hello: the listener lives, and says why."""
    port = rig.port()
    r = rig.up(Flow(f"tcp-listen:127.0.0.1:{port},frame,ack", "verify:"), port)
    huge = wire._pack(wire.T_DATA, 0, b"x" * 16, (0, 0, 0))
    huge = huge[:12] + struct.pack("<I", 0xFFFFFFFF) + huge[16:92]
    huge += struct.pack("<I", wire.crc32c(huge))
    for name, data, code in (
            ("garbage", rig.rng.randbytes(100000), wire.CODES["MAGIC"]),
            ("HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", wire.CODES["MAGIC"]),
            ("a huge length", huge, None),
            ("data without hello", wire._pack(wire.T_DATA, 0, b"x" * 16, (0, 0, 0), b"payload"), None),
            ("an ack", wire._pack(wire.T_ACK, 0, b"x" * 16, (0, 0, 0)), None),
            ("a bit turned", HELLO[:40] + bytes([HELLO[40] ^ 4]) + HELLO[41:], wire.CODES["CRC"])):
        heard = error_code(say(port, data))
        ok(heard == code if code else heard, f"{name}: refused, with the reason", f"{heard}\n{r}")
    for name, data in (("nothing at all", b""), ("half a header", HELLO[:48]), ("half a hello", HELLO[:120])):
        say(port, data)
        ok(r.alive(), f"{name}: the listener lives", r)
    half = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]  # more than may wait
    for s in half:
        s.sendall(HELLO[:50])
    s = Flow("pattern:bytes=9M", f"tcp:127.0.0.1:{port},frame,ack")
    good(s, "the real stream is sent, past 20 who said half a hello")
    good(r, "the real stream is received", r.wait() == 0 and r.sink()["bytes"] == 9 * MIB)
    for h in half:
        h.close()


def vectors(_folder):
    """Each recorded stream, right and wrong, at a listener of its own: no crash, no hang, no wrong end."""
    def one(path):
        port = rig.port()
        r = rig.up(Flow(f"tcp-listen:127.0.0.1:{port},frame,wait=0", "null:"), port)
        say(port, path.read_bytes())
        if r.alive():
            r.kill(signal.SIGINT)
        status = r.wait(20)
        wrong = status not in (0, 1, 3) or "still in use" in r.stderr or "Sanitizer" in r.stderr
        return f"{path.name}: {path.with_suffix('.json').read_text()}\n{r}" if wrong else ""

    paths = sorted(VECTORS.glob("*.bin"))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        bad = [text for text in pool.map(one, paths) if text]
    ok(not bad and len(paths) > 50, f"{len(paths)} recorded streams, right and wrong: a listener ends as it should",
       "\n".join(bad))


def intruder(_folder):
    """While a stream is received others knock, and one claims its place with another's id."""
    port = rig.port()
    r = rig.up(Flow(f"tcp-listen:127.0.0.1:{port},frame,ack", "verify:"), port)
    s = Flow("pattern:bytes=64M,rate=120M,on-full=block", f"tcp:127.0.0.1:{port},frame,ack")
    rig.until(lambda: rig.established(port), "a link")
    codes = []
    while s.alive() and len(codes) < 40:
        codes.append(error_code(say(port, rig.rng.choice((
            HELLO, rig.rng.randbytes(500), b"DMAF\2\0" + bytes(90))))))
    good(s, f"{len(codes)} intruders: the sender notices nothing")
    good(r, f"{len(codes)} intruders: every byte is received", r.wait() == 0 and r.sink()["bytes"] == 64 * MIB)
    ok(codes and 0 not in codes[:-1] and wire.CODES["BUSY"] in codes,
       "intruders are told why", codes)


class Liar:
    """A receiver by hand: reads frames and says what it likes."""

    def __init__(self, port, resume=None):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=rig.LIMIT)
        self.stream = wire.Stream(self.sock, auto_ack=False, resume=resume)

    def read(self, upto):
        """Frames, verified, until @upto bytes of the stream came."""
        for frame in self.stream:
            piece = bytes(frame.payload)
            if piece != rig.pattern(frame.offset, len(piece)):
                raise rig.Gone(f"wrong bytes at {frame.offset}")
            if frame.offset + len(piece) >= upto:
                return

    def ack(self, offset, sequence, lost=0, stream=None, flags=0):
        self.sock.sendall(wire._pack(wire.T_ACK, flags, stream or self.stream.stream_id, (offset, sequence, lost)))

    def refused(self):
        """The code of the error that the sender closes with."""
        try:
            while True:
                if self.stream.read() is None:
                    return 0
        except wire.PeerFailed as e:
            return e.code
        except wire.StreamError:
            return -1
        finally:
            self.sock.close()


def liars(_folder):
    """A listener that sends, and receivers that acknowledge what can't be."""
    port, block = rig.port(), 64 * KIB
    s = rig.up(Flow(f"pattern:bytes=8M,block={block},blocks=8", f"tcp-listen:127.0.0.1:{port},frame,ack"), port)
    resume, done = None, 2 * block

    def lie(name, why, tell):
        nonlocal resume, done
        peer = Liar(port, resume)
        peer.read(done + block)
        peer.stream.ack()
        resume = (peer.stream.stream_id, peer.stream.position)
        done = peer.stream.position[0]
        text = wire.REASONS[wire.CODES[why]][1]
        before = s.stderr.count(text)
        tell(peer, done // block)
        code = peer.refused()
        rig.until(lambda: s.stderr.count(text) > before or not s.alive(), f"{name}: {why}\n{s}", 10)
        ok(code != 0 and s.alive(), f"{name}: refused, the listener lives", f"{code}\n{s}")

    lie("an ack far beyond what was sent", "ACK_BEYOND", lambda p, n: p.ack(1 << 40, 1 << 20))
    lie("an ack a byte beyond the stream", "ACK_BEYOND", lambda p, n: p.ack(8 * MIB + 1, 129))
    lie("an ack that goes back", "ACK_BACK", lambda p, n: p.ack((n - 1) * block, n - 1))
    lie("a replayed ack with another loss", "ACK_BEYOND", lambda p, n: p.ack(n * block, n, 1))
    lie("an ack of another stream", "STREAM", lambda p, n: p.ack(n * block, n, stream=b"y" * 16))
    lie("an end that has not come", "DONE", lambda p, n: p.ack(n * block, n, flags=wire.DONE))
    lie("garbage for an ack", "MAGIC", lambda p, n: p.sock.sendall(rig.rng.randbytes(96)))
    peer = Liar(port, resume)
    for frame in peer.stream:
        piece = bytes(frame.payload)
        if piece != rig.pattern(frame.offset, len(piece)):
            raise rig.Gone(f"wrong bytes at {frame.offset}")
        peer.stream.ack()
        peer.stream.ack()  # again: harmless
    peer.stream.ack()
    ok(peer.stream.total_bytes == 8 * MIB and peer.stream.total_lost == 0, "who is honest gets all the rest", s)
    peer.sock.close()
    good(s, "and the sender finishes")


rig.main([strangers, liars, intruder, vectors], parallel=3)
