#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the test vectors of the framed stream: NAME.bin, what arrives, and NAME.json, what it means.

Packed here from docs/wire.md alone, with nothing shared with either decoder. The seeds of the fuzzer
are written from them too. With --check nothing is written: TAP says which files are what they must be.

    side      who reads the bytes: "receiver" or "sender"
    max_block receiver: its own limit
    resume    receiver: the stream and place that it has a record of
    ack       receiver: what its acks promise, where the hello wants acks
    answer    receiver: its answer to the hello, in hex
    floor, reach, block, want, sent
              sender: where it can go on from, its block, the acks it asked for, and what it sends
              after the answer ("data" by length, lost; "end")
    missing   receiver: buffers missing from broken links, at the end
    acked, progress
              sender: what it holds for acknowledged and for sent, at the end
    frames    what must be accepted in order; names, texts and payloads in hex; gap_bytes and
              gap_buffers: what is missing before it
    refused   the code with which the next frame is refused; 0: none is
    need      bytes that the frame at the end still lacks; 0: it ends with a whole frame
"""
import json
import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ID = bytes(range(0x10, 0x20))
DOC = os.path.join(HERE, "../../../docs/wire.md")
SEEDS = os.path.join(HERE, "../../fuzz/seeds/wire")
OTHER = bytes(range(0x80, 0x90))
HELLO, DATA, END, ERROR, ACK, HEARTBEAT = range(1, 7)
MORE, SHORT, BAD, ANSWER, DONE = 1, 2, 4, 16, 32
NAMES = {HELLO: "hello", DATA: "data", END: "end", ERROR: "error", ACK: "ack",
         HEARTBEAT: "heartbeat"}
WHY = dict(MAGIC=1, VERSION=2, HEADER=3, CRC=4, TYPE=5, FLAGS=6, RESERVED=7, LENGTH=8, TOO_LONG=9,
           WRAP=10, HELLO=11, TEXT=12, NO_HELLO=13, HELLO_AGAIN=14, STREAM=15, OFFSET=16,
           SEQUENCE=17, AFTER_END=18, TOTAL=19, DIRECTION=20, NO_ANSWER=21, ACK_BEYOND=22,
           ACK_BACK=23, ACK_MODE=24, BEHIND=25, AHEAD=26, DONE=27)
T0 = 1700000000000000000


def crc32c(data):
    """Bit by bit, as the polynomial is defined."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class F:
    """A frame: its bytes and what a decoder must make of it."""

    def __init__(self, type_, payload=b"", flags=0, id_=ID, offset=0, sequence=0, lost=0,
                 timestamp=0, ticks=0, length=None, magic=b"DMAF", version=1, hdr_len=96,
                 reserved=bytes(20), crc_xor=0, gap=(0, 0), **extra):
        length = len(payload) if length is None else length
        head = magic + struct.pack("<HHHHI", version, hdr_len, type_, flags, length) + id_
        head += struct.pack("<QQQQQ", offset, sequence, timestamp, ticks, lost) + reserved
        self.bytes = head + struct.pack("<I", crc32c(head) ^ crc_xor) + payload
        self.want = dict(type=NAMES.get(type_, type_), flags=flags, length=length, id=id_.hex(),
                         offset=offset, sequence=sequence, lost=lost, timestamp=timestamp,
                         ticks=ticks, gap_bytes=gap[0], gap_buffers=gap[1], **extra)


def hello(sample=5, endian=0, bits=16, channels=2, rate=61440000000, clock=4, ack=0, block=65536,
          window=1 << 20, name=b"ci16_le", rsv=0, **kw):
    payload = struct.pack("<BBHIQBBHIQ32s", sample, endian, bits, channels, rate, clock, ack, rsv,
                          block, window, name)
    return F(HELLO, payload, hello=dict(sample=sample, big_endian=endian, bits=bits,
             channels=channels, rate_millihz=rate, clock=clock, ack=ack, block=block,
             window=window, name=name.hex()), **kw)


def data(payload=b"payload.", **kw):
    kw.setdefault("timestamp", T0 + kw.get("sequence", 0) * 1000)
    kw.setdefault("ticks", 40 + kw.get("sequence", 0))
    return F(DATA, payload, data=payload.hex(), **kw)


def end(offset, sequence, total_lost=0, total=None, **kw):
    total = offset if total is None else total
    return F(END, struct.pack("<QQ", total, total_lost), offset=offset, sequence=sequence,
             end=dict(bytes=total, lost=total_lost), **kw)


def error(code, text, rsv=0, **kw):
    return F(ERROR, struct.pack("<II", code, rsv) + text,
             error=dict(code=code, text=text.hex()), **kw)


vectors = {}


def vector(name, what, frames, refused=0, cut=0, side="receiver", **kw):
    """The last frame is the refused one where one is; @cut bytes are missing at the end."""
    raw = b"".join(f.bytes for f in frames)
    accepted = frames[:-1] if refused or cut else frames
    if side == "receiver":
        kw.setdefault("max_block", 1 << 20)
    meta = dict(what=what, side=side, **kw)
    meta["frames"] = [f.want for f in accepted]
    meta["refused"] = WHY[refused] if refused else 0
    meta["need"] = 0
    if cut:
        raw = raw[:-cut]
        last = len(raw) - sum(len(f.bytes) for f in accepted)
        meta["need"] = 96 - last if last < 96 else cut
    vectors[name] = (raw, meta)


def sender(name, what, frames, refused=0, **kw):
    base = dict(floor=[0, 0, 0], reach=[24, 3, 0], block=65536, want=1, sent=[["data", 8, 0]] * 3)
    base.update(kw)
    vector(name, what, frames, refused, side="sender", **base)


def make():
    # One frame of each kind, with every field in use.
    vector("hello", "a hello that wants no acks", [hello()])
    vector("data", "a data frame: every field set", [
        hello(), data(flags=SHORT | BAD, timestamp=T0 + 5, ticks=0x7EDCBA9876543210)])
    vector("end", "the end, with totals", [hello(), data(), end(8, 1)])
    vector("error", "an error from the sender", [
        hello(), error(31, "the disk is gone: \u00b5s too late".encode())])
    vector("error-no-hello", "an error may come before any hello and name no stream",
           [error(32, b"", id_=bytes(16))])
    vector("heartbeat", "a heartbeat says where the stream is", [
        hello(), data(), F(HEARTBEAT, offset=8, sequence=1), data(offset=8, sequence=1)])
    vector("name-full", "a format name that fills its field",
           [hello(name="\u00e9".encode() * 16)])

    # Whole streams.
    vector("stream", "three buffers and the end", [
        hello(), data(b"one"), data(b"twotwo", offset=3, sequence=1),
        data(b"3", offset=9, sequence=2), end(10, 3)])
    vector("gap", "two buffers lost, 16 bytes; then one lost of unknown size; one at the end", [
        hello(), data(),
        data(offset=24, sequence=3, lost=2, gap=(16, 2)),
        data(offset=32, sequence=5, lost=1, gap=(0, 1)),
        end(40, 7, total_lost=4, lost=1, gap=(0, 1))])
    vector("more", "a buffer in three frames", [
        hello(), data(b"abc", flags=MORE), data(b"def", flags=MORE, offset=3),
        F(HEARTBEAT, offset=6), data(b"gh", offset=6), data(offset=8, sequence=1), end(16, 2)])
    vector("late", "a stream first seen in its middle", [
        hello(offset=1000, sequence=10, lost=3), data(offset=1000, sequence=10),
        end(1008, 11, total_lost=3)])
    rec = dict(id=ID.hex(), offset=12, sequence=1, lost=0)
    want = hello(ack=1, offset=8, sequence=1)
    reply = hello(ack=1, flags=ANSWER, offset=12, sequence=1, block=65536, window=4096)
    vector("resumed", "a receiver goes on inside a buffer", [
        want, data(b"rest", offset=12, sequence=1), data(offset=16, sequence=2), end(24, 3)],
        resume=rec, ack=1, window=4096, answer=reply.bytes.hex())
    reply = hello(ack=2, flags=ANSWER, block=4096, window=8192)
    vector("smaller-block", "a receiver asks for smaller frames and promises more", [
        hello(ack=1), data(bytes(4096), flags=MORE), data(offset=4096), end(4104, 1)],
        ack=2, max_block=4096, window=8192, answer=reply.bytes.hex())
    vector("reconnect", "no acks: a new link goes on further down", [
        hello(offset=40, sequence=5, lost=1, gap=(28, 4)), data(offset=40, sequence=5),
        end(48, 6, total_lost=1)], resume=rec, missing=3)
    vector("gap-then-quiet", "a heartbeat and an error have no gap before them", [
        hello(), data(offset=16, sequence=2, lost=2, gap=(16, 2)),
        F(HEARTBEAT, offset=24, sequence=3, lost=2), data(offset=40, sequence=5, lost=2,
                                                         gap=(16, 2)),
        error(31, b"gone")])

    # Cut short.
    vector("half-header", "the link breaks inside a header", [hello(), data()], cut=8 + 50)
    vector("cut-hello", "the link breaks inside a hello's payload", [hello()], cut=5)

    # Refused by the decoder.
    for name, what, why, kw in (
            ("bad-magic", "another protocol", "MAGIC", dict(magic=b"HTTP")),
            ("bad-version", "version 2", "VERSION", dict(version=2)),
            ("bad-header-length", "a longer header", "HEADER", dict(hdr_len=104)),
            ("bad-crc", "one bit of the CRC flipped", "CRC", dict(crc_xor=1 << 17)),
            ("bad-type", "type 7", "TYPE", None),
            ("bad-flag", "an answer's flag on data", "FLAGS", dict(flags=ANSWER)),
            ("unknown-flag", "a flag nobody has", "FLAGS", dict(flags=1 << 15)),
            ("bad-reserved", "a reserved byte set", "RESERVED", dict(reserved=bytes(19) + b"\1")),
            ("empty-data", "data without payload", "LENGTH", dict(length=0)),
            ("huge-length", "4 GiB less 1 of payload", "TOO_LONG", dict(length=0xFFFFFFFF)),
            ("over-block", "one byte more than the block", "TOO_LONG", dict(length=65537)),
            ("no-stream", "a stream id of zeros", "STREAM", dict(id_=bytes(16))),
            ("wrap", "an offset whose payload runs past 64 bits", "WRAP",
             dict(offset=(1 << 64) - 4)),
            ("other-stream", "data of another stream", "STREAM", dict(id_=OTHER)),
            ("offset-jump", "an offset jump without a loss", "OFFSET", dict(offset=8)),
            ("sequence-jump", "a sequence jump without a loss", "SEQUENCE", dict(sequence=1)),
            ("lost-too-few", "a jump by two with one lost", "SEQUENCE",
             dict(offset=8, sequence=2, lost=1))):
        last = F(7) if kw is None else data(**kw)
        vector(name, what, [hello(), last], why)
    for name, what, kw in (
            ("hello-sample", "sample 8", dict(sample=8)), ("hello-clock", "clock 5", dict(clock=5)),
            ("hello-ack", "ack 3", dict(ack=3)), ("hello-block-0", "block 0", dict(block=0)),
            ("hello-block-huge", "a block over 1 GiB", dict(block=(1 << 30) + 1)),
            ("hello-endian", "byte order 2", dict(endian=2))):
        vector(name, "a hello with " + what, [hello(**kw)], "HELLO")
    vector("hello-reserved", "a hello with reserved bytes set", [hello(rsv=256)], "RESERVED")
    vector("hello-name", "a name with bytes after its end", [hello(name=b"a\0b")], "TEXT")
    vector("hello-short", "a hello of 32 bytes", [F(HELLO, bytes(32))], "LENGTH")
    vector("hello-no-stream", "a hello with a stream id of zeros", [hello(id_=bytes(16))],
           "STREAM")
    vector("error-reserved", "an error with reserved bytes set", [hello(), error(30, b"", rsv=1)],
           "RESERVED")
    vector("error-escape", "an error text with a terminal escape",
           [hello(), error(30, b"\x1b[2J")], "TEXT")
    vector("error-utf8", "an error text in an overlong form",
           [hello(), error(30, b"\xc0\xaf")], "TEXT")
    vector("error-cut", "an error text that ends inside a character",
           [hello(), error(30, b"\xe2\x82")], "TEXT")
    vector("error-long", "an error text of 505 bytes",
           [hello(), error(30, b"x" * 505)], "LENGTH")
    vector("end-differs", "an end whose two totals differ", [hello(), end(0, 0, total=1)], "TOTAL")

    # Refused by what came before.
    vector("no-hello", "data before any hello", [data()], "NO_HELLO")
    vector("hello-again", "a second hello", [hello(), hello()], "HELLO_AGAIN")
    vector("after-end", "data after the end", [
        hello(), end(0, 0), data()], "AFTER_END")
    vector("replayed", "a data frame twice", [hello(), data(), data()], "SEQUENCE")
    vector("backward", "an offset before the expected one", [
        hello(), data(), data(offset=0, sequence=2, lost=1)], "OFFSET")
    vector("more-lost", "a loss inside a buffer", [
        hello(), data(flags=MORE), data(offset=8, sequence=1, lost=1)], "SEQUENCE")
    vector("end-short", "an end that says more than came", [
        hello(), data(), end(9, 1)], "OFFSET")
    vector("end-lost", "an end that says more were lost", [
        hello(), data(), end(8, 1, total_lost=1)], "TOTAL")
    vector("end-inside", "an end inside a buffer", [
        hello(), data(flags=MORE), end(8, 0)], "TOTAL")
    vector("ack-to-receiver", "an ack sent the wrong way", [hello(), F(ACK)], "DIRECTION")
    vector("answer-to-receiver", "an answer sent the wrong way",
           [hello(flags=ANSWER)], "DIRECTION")
    vector("heartbeat-ahead", "a heartbeat beyond the data", [
        hello(), F(HEARTBEAT, offset=1)], "OFFSET")
    vector("no-answer", "data before the answer", [hello(ack=1), data()], "NO_ANSWER")
    vector("resume-other", "a hello of another stream than the record's",
           [hello(ack=1, id_=OTHER)], "STREAM", resume=rec, ack=1)
    vector("behind", "the sender no longer has what the receiver lacks",
           [hello(ack=1, offset=13, sequence=1)], "BEHIND", resume=rec, ack=1)
    vector("reconnect-back", "no acks: a new link begins before what arrived",
           [hello(offset=8, sequence=1)], "OFFSET", resume=rec)
    for name, what, kw in (
            ("sequence", "an older sequence", dict(offset=40, sequence=2, lost=1)),
            ("lost", "fewer losses than known", dict(offset=40, sequence=5)),
            ("told", "more losses than buffers are missing",
             dict(offset=40, sequence=5, lost=4)),
            ("offset", "bytes missing but no buffer", dict(offset=40, sequence=3, lost=1))):
        vector("reconnect-" + name, "no acks: a new link with " + what, [hello(**kw)], "SEQUENCE",
               resume=dict(id=ID.hex(), offset=12, sequence=3, lost=1))
    vector("resume-lost", "acks: the sender tells of more losses than the receiver counted",
           [hello(ack=1, offset=8, sequence=1, lost=1)], "SEQUENCE", resume=rec, ack=1)
    vector("hello-lost", "a hello with more buffers lost than there were",
           [hello(sequence=1, lost=2)], "SEQUENCE")
    vector("after-error", "data after an error", [hello(), error(31, b"gone"), data()],
           "AFTER_END")
    vector("heartbeat-sequence", "a heartbeat with another sequence", [
        hello(), F(HEARTBEAT, sequence=1)], "SEQUENCE")
    vector("heartbeat-lost", "a heartbeat that tells of a loss", [
        hello(), F(HEARTBEAT, lost=1)], "SEQUENCE")
    vector("block-no-answer", "no acks: a block that the receiver does not take",
           [hello(block=8192)], "TOO_LONG", max_block=4096)

    # The other way: what a receiver sends.
    ans = dict(flags=ANSWER, ack=1)
    sender("answer", "an answer", [hello(**ans)])
    sender("answer-resume", "an answer that resumes", [
        hello(offset=16, sequence=2, **ans)], sent=[], acked=[16, 2, 0], progress=[16, 2, 0])
    sender("ack", "two acks, the first repeated, and the end confirmed", [
        hello(**ans), F(ACK, offset=4), F(ACK, offset=4), F(ACK, offset=16, sequence=2),
        F(ACK, offset=24, sequence=3, flags=DONE)], sent=[["data", 8, 0]] * 3 + [["end", 0, 0]],
        acked=[24, 3, 0], progress=[24, 3, 0])
    lossy = [["data", 8, 1], ["data", 8, 0], ["end", 0, 2]]
    sender("ack-lost", "acks across losses, the end's included", [
        hello(**ans), F(ACK, offset=8, sequence=2, lost=1),
        F(ACK, offset=16, sequence=5, lost=3, flags=DONE)], sent=lossy,
        acked=[16, 5, 3], progress=[16, 5, 3])
    sender("ack-error", "a receiver that gives up", [
        hello(**ans), error(30, b"no space left on device")])
    sender("ack-busy", "a listener that refuses", [error(28, b"", id_=bytes(16))],
           floor=[8, 1, 0], acked=[8, 1, 0], progress=[8, 1, 0])
    sender("ack-beyond", "an ack beyond what was sent", [
        hello(**ans), F(ACK, offset=25, sequence=3)], "ACK_BEYOND")
    sender("ack-beyond-sequence", "an ack of a buffer not sent", [
        hello(**ans), F(ACK, offset=24, sequence=4)], "ACK_BEYOND")
    sender("ack-back", "an ack before an earlier one", [
        hello(**ans), F(ACK, offset=16, sequence=2), F(ACK, offset=8, sequence=1)], "ACK_BACK")
    sender("ack-replayed", "an older ack again, by sequence", [
        hello(**ans), F(ACK, offset=16, sequence=2), F(ACK, offset=16, sequence=1)], "ACK_BACK")
    sender("ack-other", "an ack of another stream", [
        hello(**ans), F(ACK, id_=OTHER)], "STREAM")
    sender("ack-first", "an ack before the answer", [F(ACK)], "NO_ANSWER")
    sender("ack-unwanted", "an ack that nobody asked for", [F(ACK)], "DIRECTION", want=0)
    sender("done-early", "the end confirmed before it was sent", [
        hello(**ans), F(ACK, offset=24, sequence=3, flags=DONE)], "DONE")
    sender("done-short", "the end confirmed with less than was sent", [
        hello(**ans), F(ACK, offset=16, sequence=2, flags=DONE)], "DONE",
        sent=[["data", 8, 0]] * 3 + [["end", 0, 0]])
    for name, pos in (("sequence", dict(sequence=3, lost=3)), ("lost", dict(sequence=5, lost=2))):
        sender("done-" + name, "the end confirmed, but for its " + name, [
            hello(**ans), F(ACK, offset=16, flags=DONE, **pos)], "DONE", sent=lossy)
    sender("done-again", "an ack after the end was confirmed", [
        hello(**ans), F(ACK, offset=24, sequence=3, flags=DONE), F(ACK, offset=24, sequence=3)],
        "AFTER_END", sent=[["data", 8, 0]] * 3 + [["end", 0, 0]])
    sender("ack-beyond-lost", "an ack with more losses than were told", [
        hello(**ans), F(ACK, offset=24, sequence=3, lost=1)], "ACK_BEYOND")
    sender("ack-back-lost", "an ack with fewer losses than an earlier one", [
        hello(**ans), F(ACK, offset=8, sequence=2, lost=1), F(ACK, offset=8, sequence=2)],
        "ACK_BACK", sent=lossy)
    sender("answer-lost", "an answer with more losses than buffers", [
        hello(offset=16, sequence=2, lost=3, **ans)], "SEQUENCE", reach=[24, 3, 3])
    sender("answer-lost-back", "an answer with fewer losses than were acked", [
        hello(offset=16, sequence=3, **ans)], "SEQUENCE", floor=[8, 3, 2], reach=[24, 5, 2])
    sender("answer-ahead-sequence", "an answer with a buffer not sent", [
        hello(offset=16, sequence=4, **ans)], "AHEAD")
    sender("answer-ahead-lost", "an answer with losses not told", [
        hello(offset=16, sequence=2, lost=1, **ans)], "AHEAD")
    sender("answer-behind-sequence", "a receiver that lost a sequence it acknowledged", [
        hello(offset=8, sequence=0, **ans)], "BEHIND", floor=[8, 1, 0])
    sender("answer-weaker", "written where synced was asked for", [hello(**ans)], "ACK_MODE",
           want=2)
    sender("answer-block", "a larger block than was offered", [
        hello(block=65537, **ans)], "TOO_LONG")
    sender("answer-ahead", "a receiver that has more than was sent", [
        hello(offset=25, sequence=3, **ans)], "AHEAD")
    sender("answer-behind", "a receiver that lost what it acknowledged", [
        hello(offset=4, sequence=0, **ans)], "BEHIND", floor=[8, 1, 0])
    sender("answer-again", "two answers", [hello(**ans), hello(**ans)], "HELLO_AGAIN")
    sender("hello-to-sender", "a hello sent the wrong way", [hello(ack=1)], "DIRECTION")
    sender("data-to-sender", "data sent the wrong way", [hello(**ans), data()], "DIRECTION")


def seed(raw, meta):
    """The vector as an input of tests/fuzz/fuzz_wire.c, whose first byte chooses the side."""
    if meta["side"] == "receiver":
        return bytes([4 if "resume" in meta else 0]) + raw
    return bytes([1 | meta["want"] << 3 | min(len(meta["sent"]), 3) << 5]) + raw


def main():
    make()
    files = {}
    for name, (raw, meta) in vectors.items():
        text = json.dumps(meta, indent=1, sort_keys=True) + "\n"
        files[os.path.join(HERE, name + ".bin")] = raw
        files[os.path.join(HERE, name + ".json")] = text.encode()
        if len(raw) < 4096:
            files[os.path.join(SEEDS, name)] = seed(raw, meta)
    there = [os.path.join(d, n) for d in (HERE, SEEDS) if os.path.isdir(d)
             for n in sorted(os.listdir(d)) if d == SEEDS or n.endswith((".bin", ".json"))]
    if "--check" not in sys.argv:
        os.makedirs(SEEDS, exist_ok=True)
        for path in set(there) - set(files):
            os.remove(path)
        for path, content in files.items():
            with open(path, "wb") as f:
                f.write(content)
        return
    with open(DOC, encoding="utf-8") as f:
        dumps = re.findall(r"^```hex (\S+)\n(.*?)^```", f.read(), re.M | re.S)
    print("1..%d" % (len(vectors) + max(1, len(dumps))))
    for number, name in enumerate(sorted(vectors), 1):
        stale = []
        for path in (p for p in files if os.path.basename(p).split(".")[0] == name):
            try:
                with open(path, "rb") as f:
                    same = f.read() == files[path]
            except OSError:
                same = False
            stale += [] if same else [path]
        print("%s %d - %s" % ("not ok" if stale else "ok", number, name))
        for path in stale:
            print("# not what make.py writes: " + path)
    for number, (name, dump) in enumerate(dumps or [("none", "")], len(vectors) + 1):
        shown = bytes.fromhex("".join(line[6:] for line in dump.splitlines()))
        right = name in vectors and shown == vectors[name][0]
        print("%s %d - docs/wire.md: %s" % ("ok" if right else "not ok", number, name))
    strange = set(there) - set(files)
    if strange:
        sys.exit("make.py: it does not write " + " ".join(sorted(strange)))


if __name__ == "__main__":
    main()
