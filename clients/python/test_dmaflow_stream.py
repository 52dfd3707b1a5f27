#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Python client against the test vectors and over loopback. Prints TAP."""
import glob
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import dmaflow_stream as ds  # noqa: E402

VECTORS = os.path.join(HERE, "../../tests/vectors/wire")
ID = bytes(range(0x10, 0x20))


def vector(name):
    with open(os.path.join(VECTORS, name + ".bin"), "rb") as f:
        raw = f.read()
    with open(os.path.join(VECTORS, name + ".json"), encoding="utf-8") as f:
        return raw, json.load(f)


def data(offset, sequence, payload, lost=0, flags=0):
    """A data frame, packed by the client's own packer: it differs from acks by type only."""
    return ds._pack(ds.T_DATA, flags, ID, (offset, sequence, lost), payload)


def hello(ack=0, offset=0, sequence=0, block=65536, window=1 << 20):
    return ds._pack(ds.T_HELLO, 0, ID, (offset, sequence, 0),
                    ds.HELLO.pack(0, 0, 0, 0, 0, 0, ack, 0, block, window, b""))


def end(offset, sequence, lost=0):
    return ds._pack(ds.T_END, 0, ID, (offset, sequence, 0), ds.END.pack(offset, lost))


class Peer:
    """The sender's end of a socket pair: it reads frames and keeps what it read."""

    def __init__(self, sock):
        sock.settimeout(10)
        self.sock = sock
        self.buffer = b""

    def send(self, raw):
        self.sock.sendall(raw)

    def frame(self):
        while True:
            header, body, need = ds.decode(self.buffer)
            if not need:
                self.buffer = self.buffer[96 + header.length:]
                return header, body
            got = self.sock.recv(65536)
            if not got:
                return None
            self.buffer += got


class Linked(unittest.TestCase):
    def pair(self, **options):
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        ours.settimeout(10)
        return ds.Stream(ours, **options), Peer(theirs)


class Vectors(unittest.TestCase):
    """One test for each vector, added below."""

    def replay(self, name):
        raw, meta = vector(name)
        receiver = None
        if meta["side"] == "receiver":
            r = meta.get("resume")
            receiver = ds.Receiver(meta["max_block"], bytes.fromhex(r["id"]) if r else None,
                                   (r["offset"], r["sequence"], r["lost"]) if r else (0, 0, 0))
        at, refused, need, accepted = 0, 0, 0, 0
        try:
            while at < len(raw):
                header, body, need = self.grow(raw[at:], receiver)
                if need:
                    break
                if receiver:
                    receiver.check(header, body)
                elif accepted == len(meta["frames"]):
                    return  # the rest is the sender's to refuse, and this client is none
                want = meta["frames"][accepted]
                self.compare(header, body, raw[at + 96:at + 96 + header.length], want)
                if receiver:
                    self.assertEqual((receiver.gap_bytes, receiver.gap_buffers),
                                     (want["gap_bytes"], want["gap_buffers"]))
                    if header.type == ds.T_HELLO and "answer" in meta:
                        self.assertEqual(receiver.answer(meta["ack"], meta["window"]).hex(),
                                         meta["answer"])
                accepted += 1
                at += 96 + header.length
        except ds.Refused as error:
            refused = error.code
        self.assertEqual(refused, meta["refused"])
        self.assertEqual(accepted, len(meta["frames"]))
        self.assertEqual(need, meta["need"])
        if "missing" in meta:
            self.assertEqual(receiver.missing, meta["missing"])

    @staticmethod
    def grow(raw, receiver):
        """Decode with a byte more each time, as a slow link brings them."""
        for have in range(len(raw) + 1):
            got = ds.decode(raw[:have], receiver.block if receiver else ds.BLOCK_MAX)
            if not got[2]:
                return got
        return got

    def compare(self, header, body, payload, want):
        self.assertEqual(ds.TYPES[header.type], want["type"])
        self.assertEqual(header.stream.hex(), want["id"])
        for field in ("flags", "length", "offset", "sequence", "lost", "timestamp", "ticks"):
            self.assertEqual(getattr(header, field), want[field], field)
        if "hello" in want:
            self.assertEqual(dict(vars(body), name=body.name.encode().hex()), want["hello"])
        if "end" in want:
            self.assertEqual(vars(body), want["end"])
        if "error" in want:
            self.assertEqual(dict(code=body.code, text=body.text.encode().hex()), want["error"])
        if "data" in want:
            self.assertEqual(payload.hex(), want["data"])


for _path in sorted(glob.glob(os.path.join(VECTORS, "*.json"))):
    _name = os.path.basename(_path)[:-5]
    setattr(Vectors, "test_" + _name.replace("-", "_"),
            lambda self, name=_name: self.replay(name))


class Reading(Linked):
    def test_there_are_vectors(self):
        self.assertGreater(len(glob.glob(os.path.join(VECTORS, "*.bin"))), 100)

    def test_whole_stream(self):
        stream, peer = self.pair()
        peer.send(vector("stream")[0])
        with stream:
            self.assertEqual([bytes(f.payload) for f in stream], [b"one", b"twotwo", b"3"])
        self.assertTrue(stream.finished)
        self.assertEqual((stream.total_bytes, stream.total_lost), (10, 0))
        self.assertEqual((stream.hello.name, stream.hello.channels), ("ci16_le", 2))

    def test_byte_by_byte(self):
        stream, peer = self.pair()
        raw = vector("gap")[0]

        def dribble():
            for i in range(len(raw)):
                peer.send(raw[i:i + 1])

        thread = threading.Thread(target=dribble)
        thread.start()
        with stream:
            frames = [(f.offset, f.sequence, f.lost, f.gap_bytes) for f in stream]
        thread.join()
        self.assertEqual(frames, [(0, 0, 0, 0), (24, 3, 2, 16), (32, 5, 1, 0)])
        self.assertEqual(stream.total_lost, 4)

    def test_frame_fields(self):
        stream, peer = self.pair()
        peer.send(vector("data")[0])
        frame = stream.read()
        self.assertEqual((frame.timestamp, frame.ticks), (1700000000000000005, 0x7EDCBA9876543210))
        self.assertEqual((frame.more, frame.short, frame.bad), (False, True, True))
        self.assertTrue(frame.payload.readonly)

    def test_cut_everywhere(self):
        """Wherever the link ends before the end frame is whole, the stream is cut, not finished."""
        raw = vector("stream")[0]
        for cut in range(0, len(raw), 7):
            stream, peer = self.pair()
            peer.send(raw[:cut])
            peer.sock.close()
            with self.assertRaises(ds.Cut), stream:
                for _ in stream:
                    pass
            self.assertFalse(stream.finished)
            self.assertIsNone(stream.total_bytes)

    def test_cut_by_reset(self):
        server = socket.create_server(("127.0.0.1", 0))
        theirs = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
        server.close()
        theirs.sendall(hello())
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        with self.assertRaises(ds.Cut), ds.Stream(ours) as stream:
            stream.read()

    def test_silence(self):
        stream, peer = self.pair()
        stream._sock.settimeout(0.05)
        peer.send(hello())
        with self.assertRaisesRegex(ds.Cut, "nothing arrived in 0.05 s"):
            stream.read()

    def test_sender_gives_up(self):
        stream, peer = self.pair()
        peer.send(vector("error")[0])
        with self.assertRaises(ds.PeerFailed) as got:
            stream.read()
        self.assertEqual(got.exception.code, 31)
        self.assertIn("the disk is gone: \u00b5s too late", str(got.exception))

    def test_refusal_is_told(self):
        for name in ("bad-crc", "huge-length", "replayed", "bad-magic", "over-block"):
            raw, meta = vector(name)
            stream, peer = self.pair()
            peer.send(raw)
            with self.assertRaises(ds.Refused) as got:
                for _ in stream:
                    pass
            self.assertEqual(got.exception.code, meta["refused"])
            header, body = peer.frame()
            self.assertEqual((header.type, body.code), (ds.T_ERROR, meta["refused"]))
            self.assertEqual(body.text, str(got.exception))
            # Closed with bytes unread, the other end may see a reset: either is an end.
            try:
                self.assertIsNone(peer.frame())
            except ConnectionError:
                pass

    def test_another_protocol_is_refused_early(self):
        stream, peer = self.pair()
        peer.send(b"GET / HTTP/1.1\r\n\r\n")  # and then it would wait for ever
        with self.assertRaises(ds.Refused):
            stream.read()

    def test_a_big_payload(self):
        stream, peer = self.pair()
        payload = bytes(range(256)) * 4096
        thread = threading.Thread(target=peer.send, args=(
            hello(block=1 << 20) + data(0, 0, payload) + data(1 << 20, 1, b"x")
            + end((1 << 20) + 1, 2),))
        thread.start()
        with stream:
            self.assertEqual(bytes(stream.read().payload), payload)
            self.assertEqual(bytes(stream.read().payload), b"x")
            self.assertIsNone(stream.read())
            self.assertIsNone(stream.read())
        thread.join()


class Acks(Linked):
    def test_answer_acks_and_done(self):
        stream, peer = self.pair(max_block=4096)
        got = []
        thread = threading.Thread(target=lambda: got.extend(bytes(f.payload) for f in stream))
        thread.start()
        peer.send(hello(ack=1, window=1000))
        header, body = peer.frame()
        self.assertEqual((header.type, header.flags, header.offset), (ds.T_HELLO, ds.ANSWER, 0))
        self.assertEqual((body.ack, body.block), (1, 4096))
        peer.send(data(0, 0, bytes(100)))
        header, _ = peer.frame()  # 100 of a window of 1000: because nothing else comes
        self.assertEqual((header.type, header.offset, header.sequence), (ds.T_ACK, 100, 1))
        peer.send(data(100, 2, b"tail", lost=1) + end(104, 3, lost=1))
        while not header.flags & ds.DONE:
            header, _ = peer.frame()
            self.assertEqual(header.type, ds.T_ACK)
        self.assertEqual((header.offset, header.sequence, header.lost), (104, 3, 1))
        thread.join()
        self.assertEqual(got, [bytes(100), b"tail"])

    def test_ack_at_half_the_window(self):
        stream, peer = self.pair()
        peer.send(hello(ack=1, window=1000))
        peer.send(b"".join(data(i * 100, i, bytes(100)) for i in range(10)))
        for _ in range(10):
            stream.read()
        self.assertEqual(peer.frame()[0].type, ds.T_HELLO)
        self.assertEqual(peer.frame()[0].offset, 500)

    def test_what_is_not_iterated_past_is_not_acked(self):
        stream, peer = self.pair()
        peer.send(hello(ack=1, window=200) + data(0, 0, bytes(100)) + data(100, 1, bytes(100)))
        stream.read()
        stream.read()
        self.assertEqual(peer.frame()[0].type, ds.T_HELLO)
        stream.close()
        self.assertEqual(peer.frame()[0].offset, 100)
        self.assertIsNone(peer.frame())

    def test_acks_by_hand(self):
        stream, peer = self.pair(auto_ack=False)
        peer.send(hello(ack=1) + data(0, 0, bytes(100)) + data(100, 1, b"x") + end(101, 2))
        self.assertEqual(len([stream.ack() for _ in stream]), 2)
        stream.ack()
        offsets = [peer.frame()[0] for _ in range(4)]
        self.assertEqual([(h.offset, h.flags) for h in offsets],
                         [(0, ds.ANSWER), (100, 0), (101, 0), (101, ds.DONE)])

    def test_synced_is_not_promised_for_written(self):
        stream, peer = self.pair(ack="written")
        peer.send(hello(ack=2))
        with self.assertRaises(ds.Refused) as got:
            stream.read()
        self.assertEqual(got.exception.code, ds.CODES["ACK_MODE"])
        self.assertEqual(peer.frame()[1].code, ds.CODES["ACK_MODE"])

    def test_resume_after_a_cut(self):
        """The frame that was cut is not counted, and comes again whole on the next link."""
        stream, peer = self.pair()
        peer.send(hello(ack=1) + data(0, 0, b"first") + data(5, 1, b"second")[:-3])
        self.assertEqual(bytes(stream.read().payload), b"first")
        peer.sock.shutdown(socket.SHUT_WR)
        with self.assertRaises(ds.Cut):
            stream.read()
        self.assertEqual(stream.position, (5, 1, 0))
        again, peer = self.pair(resume=(stream.stream_id, stream.position))
        peer.send(hello(ack=1))
        peer.send(data(5, 1, b"second") + end(11, 2))
        self.assertEqual([bytes(f.payload) for f in again], [b"second"])
        header, _ = peer.frame()
        self.assertEqual((header.flags, header.offset, header.sequence), (ds.ANSWER, 5, 1))
        self.assertEqual(again.total_bytes, 11)


class Texts(unittest.TestCase):
    def test_error_texts_fit_and_are_clean(self):
        for text in ("x" * 505, "\u00e9" * 400, "\x1b[2J", "\u20ac" * 169, "\ud800", ""):
            header, body, need = ds.decode(ds.pack_error(30, text))
            self.assertEqual(need, 0)
            self.assertEqual(body.code, 30)
            self.assertLessEqual(header.length, 8 + 504)

    def test_crc(self):
        self.assertEqual(ds.crc32c(b"123456789"), 0xE3069283)
        self.assertEqual(ds.crc32c(bytes(32)), 0x8A9136AA)  # RFC 3720 B.4


class Program(unittest.TestCase):
    """The program itself, over TCP on loopback."""

    def run_listen(self, raw, *args):
        argv = [sys.executable, os.path.join(HERE, "dmaflow_stream.py"), "listen", "127.0.0.1:0"]
        process = subprocess.Popen(argv + list(args), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, universal_newlines=True)
        try:
            port = int(process.stderr.readline().rsplit(":", 1)[1])
            with socket.create_connection(("127.0.0.1", port)) as sock:
                sock.sendall(raw)
            out, err = process.communicate(timeout=20)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        return process.returncode, out, err

    def test_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out")
            code, out, err = self.run_listen(vector("stream")[0], "-o", path, "--json")
            self.assertEqual(code, 0, err)
            summary = json.loads(out)
            self.assertEqual((summary["finished"], summary["bytes"], summary["lost"]),
                             (True, 10, 0))
            with open(path, "rb") as f:
                self.assertEqual(f.read(), b"onetwotwo3")

    def test_gaps(self):
        raw = vector("gap")[0]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out")
            for on_gap, want in (("skip", b"payload." * 3),
                                 ("zero", b"payload." + bytes(16) + b"payload." * 2),
                                 ("stop", b"payload.")):
                code, _, err = self.run_listen(raw, "-o", path, "--on-gap", on_gap)
                self.assertEqual(code, 1 if on_gap == "stop" else 0, err)
                self.assertIn("lost 2 buffers (16 bytes) before offset 24", err)
                with open(path, "rb") as f:
                    self.assertEqual(f.read(), want)

    def test_a_cut_stream_is_a_failure(self):
        code, _, err = self.run_listen(vector("half-header")[0])
        self.assertEqual(code, 1)
        self.assertIn("the link ended inside a header", err)

    def test_bad_address(self):
        done = subprocess.run([sys.executable, os.path.join(HERE, "dmaflow_stream.py"), "listen",
                               "127.0.0.1:99999"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True, timeout=20, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("0 to 65535", done.stderr)

    def test_connect(self):
        server = socket.create_server(("127.0.0.1", 0))

        def serve():
            sock, _ = server.accept()
            with sock:
                sock.sendall(vector("stream")[0])

        thread = threading.Thread(target=serve)
        thread.start()
        with ds.connect(*server.getsockname()[:2], timeout=10) as stream:
            self.assertEqual(sum(len(f.payload) for f in stream), 10)
        thread.join()
        server.close()


class Tap(unittest.TestResult):
    """Results as TAP, one point each."""

    def _point(self, verdict, test, note=""):
        print("%s %d - %s" % (verdict, self.testsRun, test.id().split(".", 1)[1]))
        for line in note.splitlines():
            print("# " + line)
        sys.stdout.flush()

    def addSuccess(self, test):
        self._point("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._point("not ok", test, self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._point("not ok", test, self.errors[-1][1])


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    print("1..%d" % suite.countTestCases())
    result = Tap()
    suite.run(result)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
