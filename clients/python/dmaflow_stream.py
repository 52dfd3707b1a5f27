#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Read a dmaflow framed stream. Python 3.8 or later, standard library only, any system.

As a module:

    import dmaflow_stream
    with dmaflow_stream.listen("127.0.0.1", 9000) as stream:
        for frame in stream:
            if frame.lost:
                print("lost", frame.lost, "buffers,", frame.gap_bytes, "bytes, before", frame.offset)
            use(frame.payload)          # a memoryview, valid until the next frame
    print(stream.total_bytes)           # reached only after a whole stream: a cut one raises Cut

As a program:

    dmaflow_stream.py listen 127.0.0.1:9000 -o FILE
    dmaflow_stream.py connect HOST:9000 --json

The format is described byte by byte in docs/wire.md. A Stream belongs to one thread.
"""
import argparse
import dataclasses
import json
import socket
import struct
import sys
import time

__all__ = ["listen", "connect", "Stream", "Receiver", "Frame", "Header", "Hello", "End",
           "PeerError", "StreamError", "Refused", "Cut", "PeerFailed", "crc32c", "decode"]

HEADER = struct.Struct("<4sHHHHI16sQQQQQ20sI")
HELLO = struct.Struct("<BBHIQBBHIQ32s")
END = struct.Struct("<QQ")
ERROR = struct.Struct("<II")
TEXT_MAX = 504
BLOCK_MAX = 1 << 30
CONTROL_MAX = HEADER.size + ERROR.size + TEXT_MAX

T_HELLO, T_DATA, T_END, T_ERROR, T_ACK, T_HEARTBEAT = range(1, 7)
TYPES = {T_HELLO: "hello", T_DATA: "data", T_END: "end", T_ERROR: "error", T_ACK: "ack",
         T_HEARTBEAT: "heartbeat"}
MORE, SHORT, BAD, ANSWER, DONE = 1, 2, 4, 16, 32
FLAGS = {T_HELLO: ANSWER, T_DATA: MORE | SHORT | BAD, T_ACK: DONE}
SAMPLES = ("bytes", "uint", "int", "float", "complex uint", "complex int", "complex float", "other")
CLOCKS = ("none", "device", "monotonic", "realtime", "TAI")
ACKS = {"none": 0, "written": 1, "synced": 2}

# Numbers as in error frames, docs/wire.md.
REASONS = {
    1: ("MAGIC", "not a dmaflow frame: it does not begin with DMAF"),
    2: ("VERSION", "a version of the framed stream that is not 1"),
    3: ("HEADER", "a header length that is not 96"),
    4: ("CRC", "the header's CRC-32C does not match its bytes"),
    5: ("TYPE", "an unknown type of frame"),
    6: ("FLAGS", "a flag that this type of frame does not have"),
    7: ("RESERVED", "reserved bytes that are not zero"),
    8: ("LENGTH", "a payload length that this type of frame cannot have"),
    9: ("TOO_LONG", "more payload than the agreed block"),
    10: ("WRAP", "an offset, sequence or loss count that runs past 64 bits"),
    11: ("HELLO", "a hello with a field out of range"),
    12: ("TEXT", "text that is not UTF-8 or has control characters"),
    13: ("NO_HELLO", "a frame before any hello"),
    14: ("HELLO_AGAIN", "a second hello on one link"),
    15: ("STREAM", "a frame of another stream"),
    16: ("OFFSET", "a stream offset that does not follow from the frame before"),
    17: ("SEQUENCE", "a sequence number that does not follow from the frame before"),
    18: ("AFTER_END", "a frame after the end of the stream"),
    19: ("TOTAL", "totals at the end that differ from what was received"),
    20: ("DIRECTION", "a type of frame that only the other side may send"),
    21: ("NO_ANSWER", "a frame before the receiver answered the hello"),
    22: ("ACK_BEYOND", "an ack beyond what was sent"),
    23: ("ACK_BACK", "an ack before an earlier ack"),
    24: ("ACK_MODE", "acks that promise less than was asked for"),
    25: ("BEHIND", "the receiver lacks what the sender no longer keeps"),
    26: ("AHEAD", "the receiver has more of the stream than was sent"),
    27: ("DONE", "an ack of the end that does not match the end"),
    28: ("BUSY", "another stream is being received"),
    29: ("TIMEOUT", "no valid hello in time"),
    30: ("SINK", "the receiver cannot write"),
    31: ("SOURCE", "the sender cannot read"),
    32: ("STOPPED", "stopped by its user"),
    33: ("SUPERSEDED", "the stream goes on over a newer link"),
}
CODES = {name: code for code, (name, _) in REASONS.items()}


class StreamError(Exception):
    """Anything that ends a stream before its end."""


class Refused(StreamError):
    """The other side sent what it may not; .code is the number of docs/wire.md."""

    def __init__(self, name):
        self.code = CODES[name]
        super().__init__(REASONS[self.code][1])


class Cut(StreamError):
    """The link ended without an end frame: what came is a prefix of the stream."""


class PeerFailed(StreamError):
    """The sender gave up and said why; .code and .text are its words."""

    def __init__(self, code, text):
        self.code = code
        self.text = text
        reason = REASONS.get(code, ("", "reason %d" % code))[1]
        super().__init__("the sender gave up: " + (text or reason))


def _table():
    out = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        out.append(byte)
    return out


_CRC = _table()


def crc32c(data):
    """CRC-32C (Castagnoli) of bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


@dataclasses.dataclass
class Header:
    """Every frame's header; offset, sequence and lost mean what docs/wire.md says for its type."""
    type: int
    flags: int
    length: int
    stream: bytes
    offset: int
    sequence: int
    timestamp: int
    ticks: int
    lost: int


@dataclasses.dataclass
class Hello:
    """What is streamed. rate_millihz is in samples of one channel per 1000 s; 0 means unknown."""
    sample: int
    big_endian: int
    bits: int
    channels: int
    rate_millihz: int
    clock: int
    ack: int
    block: int
    window: int
    name: str


@dataclasses.dataclass
class End:
    bytes: int
    lost: int


@dataclasses.dataclass
class PeerError:
    code: int
    text: str


@dataclasses.dataclass
class Frame:
    """A piece of the stream, with what is missing before it."""
    payload: memoryview  # valid until the next frame is asked for
    offset: int  # of its first byte in the stream
    sequence: int  # of the buffer
    timestamp: int  # ns by the hello's clock, when the buffer's last byte landed; 0 = unknown
    ticks: int  # the device's counter then; 0 = unknown
    lost: int  # buffers missing before this one
    gap_bytes: int  # bytes missing before this one, where the sender knows; else 0
    flags: int

    @property
    def more(self):
        """The next frame goes on with the same buffer."""
        return bool(self.flags & MORE)

    @property
    def short(self):
        """The buffer was sent before it was full."""
        return bool(self.flags & SHORT)

    @property
    def bad(self):
        """The device reported an error for this buffer."""
        return bool(self.flags & BAD)


def _text(raw):
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("TEXT") from None
    if any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in text):
        raise Refused("TEXT")
    return text


def _length_ok(header):
    if header.type == T_HELLO:
        return header.length == HELLO.size
    if header.type == T_DATA:
        return header.length > 0
    if header.type == T_END:
        return header.length == END.size
    if header.type == T_ERROR:
        return ERROR.size <= header.length <= ERROR.size + TEXT_MAX
    return header.length == 0


def _header(data, max_data):
    """The header that @data, HEADER.size bytes with a right prefix, begins with."""
    (_, _, _, type_, flags, length, stream, offset, sequence, timestamp, ticks, lost, reserved,
     crc) = HEADER.unpack_from(data)
    if crc != crc32c(data[:HEADER.size - 4]):
        raise Refused("CRC")
    header = Header(type_, flags, length, stream, offset, sequence, timestamp, ticks, lost)
    if type_ not in TYPES:
        raise Refused("TYPE")
    if flags & ~FLAGS.get(type_, 0):
        raise Refused("FLAGS")
    if any(reserved):
        raise Refused("RESERVED")
    if not _length_ok(header):
        raise Refused("LENGTH")
    if type_ == T_DATA and length > max_data:
        raise Refused("TOO_LONG")
    if type_ != T_ERROR and not any(stream):
        raise Refused("STREAM")
    if offset + length >= 1 << 64 or sequence == (1 << 64) - 1:
        raise Refused("WRAP")
    return header


def _hello(payload):
    (sample, endian, bits, channels, rate, clock, ack, reserved, block, window,
     name) = HELLO.unpack(payload)
    if reserved:
        raise Refused("RESERVED")
    if (sample >= len(SAMPLES) or endian > 1 or clock >= len(CLOCKS) or ack > 2
            or not 1 <= block <= BLOCK_MAX):
        raise Refused("HELLO")
    used, _, rest = name.partition(b"\0")
    if any(rest):
        raise Refused("TEXT")
    return Hello(sample, endian, bits, channels, rate, clock, ack, block, window, _text(used))


def decode(data, max_data=BLOCK_MAX):
    """Decode the frame that @data begins with.

    Returns (header, body, 0), or (None, None, n) while n more bytes are needed; body is a Hello, End or
    PeerError, None for other types. The payload of a data frame follows its header and isn't looked
    at. Raises Refused.
    """
    start = bytes(data[:8])
    if start[:4] != b"DMAF"[:len(start)]:
        raise Refused("MAGIC")
    if len(start) >= 6 and start[4:6] != b"\1\0":
        raise Refused("VERSION")
    if len(start) >= 8 and start[6:8] != bytes([HEADER.size, 0]):
        raise Refused("HEADER")
    if len(data) < HEADER.size:
        return None, None, HEADER.size - len(data)
    header = _header(bytes(data[:HEADER.size]), max_data)
    if header.type == T_DATA:
        return header, None, 0
    if len(data) < HEADER.size + header.length:
        return None, None, HEADER.size + header.length - len(data)
    payload = bytes(data[HEADER.size:HEADER.size + header.length])
    body = None
    if header.type == T_HELLO:
        body = _hello(payload)
    elif header.type == T_END:
        body = End(*END.unpack(payload))
        if body.bytes != header.offset:
            raise Refused("TOTAL")
    elif header.type == T_ERROR:
        code, reserved = ERROR.unpack_from(payload)
        if reserved:
            raise Refused("RESERVED")
        body = PeerError(code, _text(payload[ERROR.size:]))
    return header, body, 0


def _pack(type_, flags, stream, position, payload=b""):
    offset, sequence, lost = position
    head = struct.pack("<4sHHHHI16sQQQQQ20s", b"DMAF", 1, HEADER.size, type_, flags, len(payload),
                       stream, offset, sequence, 0, 0, lost, bytes(20))
    return head + struct.pack("<I", crc32c(head)) + payload


def pack_error(code, text, stream=bytes(16)):
    """An error frame; @text is cut to what a frame holds."""
    clean = "".join(c if c.isprintable() else "?" for c in text).encode("utf-8", "replace")
    while len(clean) > TEXT_MAX:
        clean = clean[:TEXT_MAX].decode("utf-8", "ignore").encode()
    return _pack(T_ERROR, 0, stream, (0, 0, 0), ERROR.pack(code, 0) + clean)


class Receiver:
    """The rules of the receiving side; knows no sockets.

    .position is (offset, sequence, lost): what the next data frame must carry on from. It may be read
    after a break and given to the next link's Receiver with .stream, to go on there.
    """

    def __init__(self, max_block=BLOCK_MAX, stream=None, position=(0, 0, 0)):
        self.max_block = max_block
        self.block = max_block
        self.stream = stream
        self.position = tuple(position)
        self.hello = None
        self.answered = False
        self.ended = False
        self.missing = 0  # buffers missing from links that broke, without acks
        self.gap_bytes = self.gap_buffers = 0
        self._more = False

    def check(self, header, body):
        """Judge a frame by what came before it; raises Refused, else moves past the frame."""
        if self.ended:
            raise Refused("AFTER_END")
        if header.type == T_HELLO:
            return self._check_hello(header, body)
        if header.type == T_ACK:
            raise Refused("DIRECTION")
        if self.hello and header.stream != self.stream:
            raise Refused("STREAM")
        if header.type == T_ERROR:
            self.ended = True
            return self._gap(0, 0)
        if not self.hello:
            raise Refused("NO_HELLO")
        if self.hello.ack and not self.answered:
            raise Refused("NO_ANSWER")
        if header.type == T_HEARTBEAT:
            if header.offset != self.position[0]:
                raise Refused("OFFSET")
            if (header.sequence, header.lost) != self.position[1:]:
                raise Refused("SEQUENCE")
            return self._gap(0, 0)
        return self._check_next(header, body)

    def _gap(self, nbytes, buffers):
        self.gap_bytes, self.gap_buffers = nbytes, buffers

    def _check_hello(self, header, hello):
        there = (header.offset, header.sequence, header.lost)
        if header.flags & ANSWER:
            raise Refused("DIRECTION")
        if self.hello:
            raise Refused("HELLO_AGAIN")
        if header.lost > header.sequence:
            raise Refused("SEQUENCE")
        if self.stream is not None and header.stream != self.stream:
            raise Refused("STREAM")
        if not hello.ack and hello.block > self.max_block:
            raise Refused("TOO_LONG")
        if self.stream is None:
            self.position = there
            self._gap(0, 0)
        elif not hello.ack:
            self._skip(there)
        elif there[0] > self.position[0] or there[1] > self.position[1]:
            raise Refused("BEHIND")
        elif there[2] > self.position[2]:
            raise Refused("SEQUENCE")
        self.stream = header.stream
        self.hello = hello
        self.block = min(self.max_block, hello.block)

    def _skip(self, there):
        """Without acks the sender can't know what arrived: count what is missing."""
        nbytes, buffers, told = (t - p for t, p in zip(there, self.position))
        if nbytes < 0:
            raise Refused("OFFSET")
        if buffers < 0 or told < 0 or told > buffers or (nbytes and not buffers):
            raise Refused("SEQUENCE")
        self._gap(nbytes, buffers)
        self.missing += buffers - told
        self.position = there

    def _check_next(self, header, body):
        offset, sequence, lost = self.position
        if sequence + header.lost >= 1 << 64:
            raise Refused("WRAP")
        if header.sequence != sequence + header.lost or (self._more and header.lost):
            raise Refused("SEQUENCE")
        if header.offset < offset or (not header.lost and header.offset != offset):
            raise Refused("OFFSET")
        lost += header.lost
        more = bool(header.flags & MORE)
        if header.type == T_DATA:
            if header.length > self.block:
                raise Refused("TOO_LONG")
            after = (header.offset + header.length, header.sequence + (not more), lost)
        else:
            if self._more or body.bytes != header.offset or body.lost != lost:
                raise Refused("TOTAL")
            after = (header.offset, header.sequence, lost)
            self.ended = True
        self._gap(header.offset - offset, header.lost)
        self._more = more
        self.position = after

    def answer(self, ack, window):
        """The answer to a hello that wants acks."""
        if not self.hello:
            raise Refused("NO_HELLO")
        if not self.hello.ack or ack < self.hello.ack:
            raise Refused("ACK_MODE")
        h = self.hello
        self.answered = True
        return _pack(T_HELLO, ANSWER, self.stream, self.position, HELLO.pack(
            h.sample, h.big_endian, h.bits, h.channels, h.rate_millihz, h.clock, ack, 0,
            self.block, window, h.name.encode()))


class Stream:
    """A link on which a framed stream arrives: iterate it for Frames.

    The first frame tells .hello. Iteration ends after the end frame, .total_bytes and .total_lost are
    then set; it raises Cut when the link ends before, PeerFailed when the sender gives up, Refused
    when the sender breaks the rules (it has been told).

    Where the hello wants acks, whatever was iterated past counts as written: the loop body is to have
    put it where it belongs before it asks for more. Acks go out at half the sender's window and when
    10 ms pass without a byte. ack="synced" promises that it survives power loss; with auto_ack=False
    call ack() yourself when that is so.

    After a Cut, .stream_id and .position are what resume=(stream_id, position) of the next link's
    Stream goes on from; part of a frame that was cut is not counted, and comes again.
    """

    def __init__(self, sock, max_block=64 << 20, ack="written", auto_ack=True, resume=None,
                 peer=None):
        if ack not in ACKS:
            raise ValueError("ack=%r: one of %s" % (ack, ", ".join(ACKS)))
        stream, position = resume if resume else (None, (0, 0, 0))
        self.receiver = Receiver(max_block, stream, position)
        self.peer = peer
        self.total_bytes = self.total_lost = None
        self.finished = False
        self._sock = sock
        self._ack = ACKS[ack]
        self._auto_ack = auto_ack
        self._buffer = bytearray(max(4096, CONTROL_MAX))
        self.position = self._acked = self.receiver.position

    hello = property(lambda self: self.receiver.hello)
    stream_id = property(lambda self: self.receiver.stream)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        """Close the link; harmless when closed."""
        self._sock.close()

    def _fill(self, view, what):
        """Fill @view from the link; False when it ended before the first byte."""
        have = 0
        while have < len(view):
            try:
                got = self._sock.recv_into(view[have:])
            except socket.timeout:
                raise Cut("nothing arrived in %s s, inside %s" % (self._sock.gettimeout(), what)
                          if have else
                          "nothing arrived in %s s" % self._sock.gettimeout()) from None
            except OSError as error:
                raise Cut("the link broke: %s" % error) from None
            if not got:
                if have:
                    raise Cut("the link ended inside %s: %d bytes lacking"
                              % (what, len(view) - have))
                return False
            have += got
        return True

    def _next(self):
        """The next frame, decoded and judged: (header, body); None when the link ended."""
        view = memoryview(self._buffer)
        have = 0
        while True:
            header, body, need = decode(view[:have], self.receiver.block)
            if not need:
                break
            # At the header's first bytes stop early: another protocol's peer may send no more.
            if have < 8:
                need = min(need, 8 - have)
            if not self._fill(view[have:have + need], "a header" if have < 96 else "a frame"):
                if have:
                    raise Cut("the link ended inside a header")
                return None
            have += need
        self.receiver.check(header, body)
        return header, body

    def __iter__(self):
        while not self.finished:
            frame = self.read()
            if frame is None:
                return
            yield frame

    def read(self):
        """The next Frame; None after the end. Raises as the class says."""
        if self.finished:
            return None
        try:
            while True:
                if self._auto_ack and self._ack_due():
                    self.ack()
                got = self._next()
                if got is None:
                    raise Cut("the link ended without an end frame, at byte %d of the stream"
                              % self.position[0] if self.hello else
                              "the link ended before any hello")
                header, body = got
                if header.type == T_DATA:
                    return self._payload(header)
                self.position = self.receiver.position
                if header.type == T_HELLO and body.ack:
                    self._send(self.receiver.answer(self._ack, self.receiver.block))
                    self._acked = self.receiver.position
                elif header.type == T_ERROR:
                    raise PeerFailed(body.code, body.text)
                elif header.type == T_END:
                    return self._end(body)
        except Refused as error:
            self._tell(error)
            raise

    def _payload(self, header):
        if len(self._buffer) < header.length:
            self._buffer = bytearray(header.length)
        view = memoryview(self._buffer)[:header.length]
        # An exact view over an own buffer: nothing is copied between here and the user.
        if not self._fill(view, "a payload"):
            raise Cut("the link ended inside a frame: %d bytes lacking" % header.length)
        self.position = self.receiver.position
        return Frame(view.toreadonly(), header.offset, header.sequence, header.timestamp,
                     header.ticks, self.receiver.gap_buffers, self.receiver.gap_bytes, header.flags)

    def _end(self, end):
        self.total_bytes, self.total_lost = end.bytes, end.lost
        self.finished = True
        if self._auto_ack:
            self.ack()
        return None

    def _ack_due(self):
        if not self.hello or not self.hello.ack or self.position == self._acked:
            return False
        if self.position[0] - self._acked[0] >= self.hello.window // 2:
            return True
        return self._quiet()

    def _quiet(self):
        """Nothing to read for 10 ms."""
        timeout = self._sock.gettimeout()
        self._sock.settimeout(0.01)
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except socket.timeout:
            return True
        except OSError:
            pass  # the read that follows says what it is
        finally:
            self._sock.settimeout(timeout)
        return False

    def ack(self):
        """Acknowledge all that was read; nothing where no acks are wanted or all is acknowledged."""
        if not self.hello or not self.hello.ack:
            return
        if not self.finished and self.position == self._acked:
            return
        self._send(_pack(T_ACK, DONE if self.finished else 0, self.stream_id, self.position))
        self._acked = self.position

    def _send(self, data):
        try:
            self._sock.sendall(data)
        except OSError as error:
            # With the end received nothing is cut; whether the sender hears of it is its affair.
            if not self.finished:
                raise Cut("the link broke: %s" % error) from None

    def _tell(self, refused):
        """Say why before closing; the link may be gone, and that is no news."""
        try:
            self._sock.sendall(pack_error(refused.code, str(refused), self.stream_id or bytes(16)))
        except OSError:
            pass
        self.close()


def connect(host, port, timeout=None, **options):
    """Connect to a sender that listens; @timeout in seconds, for every step. Options: see Stream."""
    sock = socket.create_connection((host, port), timeout)
    sock.settimeout(timeout)
    return Stream(sock, peer=sock.getpeername(), **options)


def listen(host="127.0.0.1", port=9000, timeout=None, ready=None, **options):
    """Wait for one sender. @ready is called with the address once it is bound (port 0: any)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as server:
        if sys.platform != "win32":  # there it would let two programs share the port
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, port))
        server.listen(1)
        server.settimeout(timeout)
        if ready:
            ready(server.getsockname()[:2])
        try:
            sock, peer = server.accept()
        except socket.timeout:
            raise StreamError("no sender connected in %s s" % timeout) from None
    sock.settimeout(timeout)
    return Stream(sock, peer=peer, **options)


def _address(text):
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = "", text
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(
            "%r: the port is to be a number of 0 to 65535, as in 127.0.0.1:9000" % text)
    return host, int(port)


def _describe(hello):
    parts = [hello.name or SAMPLES[hello.sample]]
    if hello.bits:
        parts.append("%d bits" % hello.bits)
    if hello.channels:
        parts.append("%d channels" % hello.channels)
    if hello.rate_millihz:
        parts.append("%.3f Hz" % (hello.rate_millihz / 1000))
    return ", ".join(parts + ["clock: " + CLOCKS[hello.clock]])


def _copy(stream, out, on_gap, say):
    """Write the stream to @out; returns (bytes written, gaps)."""
    written = gaps = 0
    described = False
    for frame in stream:
        if not described:
            say("stream %s: %s" % (stream.stream_id.hex(), _describe(stream.hello)))
            described = True
        if frame.lost:
            gaps += 1
            say("lost %d buffers (%s bytes) before offset %d" % (
                frame.lost, frame.gap_bytes or "unknown", frame.offset))
            if on_gap == "stop":
                raise StreamError("a gap at offset %d, and --on-gap stop" % frame.offset)
            for at in range(0, frame.gap_bytes if on_gap == "zero" else 0, 1 << 20):
                written += out.write(bytes(min(1 << 20, frame.gap_bytes - at)))
        out.write(frame.payload)
        written += len(frame.payload)
        out.flush()
    return written, gaps


def main(argv=None):
    """The program; returns the exit status: 0 whole stream, 1 cut or failed, 2 bad arguments."""
    parser = argparse.ArgumentParser(description="Read a dmaflow framed stream.")
    parser.add_argument("verb", choices=("listen", "connect"))
    parser.add_argument("address", type=_address, metavar="HOST:PORT")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the payload here; - is "
                        "standard output; without it the payload is counted only")
    parser.add_argument("--on-gap", choices=("zero", "skip", "stop"), default="skip",
                        help="what stands for lost bytes in the file (default: skip)")
    parser.add_argument("--timeout", type=float, metavar="S", help="give up after S s of silence")
    parser.add_argument("--json", action="store_true", help="a summary as one JSON line")
    args = parser.parse_args(argv)
    out = None
    began = time.monotonic()
    summary = dict(finished=False, bytes=0, gaps=0)

    def say(text):
        print("dmaflow_stream: " + text, file=sys.stderr, flush=True)

    class Nowhere:
        write = staticmethod(len)
        flush = staticmethod(lambda: None)

    try:
        if args.output == "-":
            out = sys.stdout.buffer
        else:
            out = open(args.output, "wb") if args.output else Nowhere
        options = dict(timeout=args.timeout)
        if args.verb == "listen":
            options["ready"] = lambda at: say("listening on %s:%d" % at)
        with (listen if args.verb == "listen" else connect)(*args.address, **options) as stream:
            summary["bytes"], summary["gaps"] = _copy(stream, out, args.on_gap, say)
            summary.update(finished=True, lost=stream.total_lost, end_offset=stream.total_bytes,
                           stream=stream.stream_id.hex())
    except (OSError, StreamError) as error:
        say(str(error))
        summary["error"] = str(error)
    except KeyboardInterrupt:
        say("stopped")
        summary["error"] = "stopped"
    finally:
        if args.output not in (None, "-") and out:
            out.close()
    summary["seconds"] = round(time.monotonic() - began, 3)
    if args.json:
        print(json.dumps(summary), file=sys.stderr if args.output == "-" else sys.stdout)
    elif summary["finished"]:
        say("end: %d bytes, %d buffers lost" % (summary["bytes"], summary["lost"]))
    return 0 if summary["finished"] else 1


if __name__ == "__main__":
    sys.exit(main())
