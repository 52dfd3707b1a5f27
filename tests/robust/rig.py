# SPDX-License-Identifier: MIT
"""What the robustness tests share: TAP, dmaflow as a child, peers and a link that misbehave."""

import ctypes
import importlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

# By hand, these are the build in build/.
SOURCE = pathlib.Path(os.environ.get("DMAF_SOURCE") or pathlib.Path(__file__).resolve().parents[2])
BUILD = pathlib.Path(os.environ.get("DMAF_BUILD") or SOURCE / "build")
DMAFLOW = os.environ.get("DMAFLOW") or str(BUILD / "dmaflow")
sys.dont_write_bytecode = True
sys.path.insert(0, str(SOURCE / "clients/python"))
wire = importlib.import_module("dmaflow_stream")

LIMIT = 60  # s; what runs longer hangs
MODES = ("copy", "zerocopy", "sendzc", "splice")
SEED = int(os.environ.get("ROBUST_SEED", "0")) or int.from_bytes(os.urandom(4), "big")
rng = random.Random(SEED)

_lock = threading.Lock()
_number = _failures = 0
_children = []


def ok(condition, name, detail=""):
    """One TAP point; threads may call it."""
    global _number, _failures
    with _lock:
        _number += 1
        _failures += not condition
        print(f"{'ok' if condition else 'not ok'} {_number} - {name}")
        if not condition:
            for line in str(detail).splitlines():
                print("# " + line)
        sys.stdout.flush()
    return bool(condition)


def skip(name, why):
    global _number
    with _lock:
        _number += 1
        print(f"ok {_number} - {name} # SKIP {why}", flush=True)


class Gone(Exception):
    """A child did not do what a test waits for."""


class Flow:
    """A `dmaflow run --json` of these addresses. wrap: what to run it under."""

    def __init__(self, *addresses, wrap=(), options=("--json", "--quiet"), stdin=subprocess.DEVNULL,
                 stdout=None, env=None, cwd=None, before=None):
        self.argv = [*wrap, DMAFLOW, "run", *options, *addresses]
        self.out = tempfile.TemporaryFile()
        self.err = tempfile.TemporaryFile()
        self.child = subprocess.Popen(
            [str(a) for a in self.argv], stdin=stdin, stdout=stdout if stdout is not None else self.out,
            stderr=self.err, env={**os.environ, **(env or {})}, cwd=cwd, preexec_fn=before)
        self.pid = self.child.pid
        _children.append(self.child)

    def wait(self, limit=LIMIT):
        """Exit status; -signal; None: it hung and was killed."""
        try:
            return self.child.wait(limit)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def kill(self, sig=signal.SIGKILL):
        self.child.send_signal(sig)
        if sig == signal.SIGKILL:
            self.child.wait()

    def alive(self):
        return self.child.poll() is None

    @staticmethod
    def _text(file):
        file.seek(0)
        return file.read().decode(errors="replace")

    @property
    def stderr(self):
        return self._text(self.err)

    @property
    def json(self):
        text = self._text(self.out)
        return json.loads(text) if text.strip() else {}

    def sink(self, i=0):
        return self.json["sinks"][i]

    def __str__(self):
        return f"$ {' '.join(map(str, self.argv))}\n= {self.child.poll()}\n{self.stderr}" \
               f"{self._text(self.out)[-1500:]}"


def good(flow, name, *more, status=0):
    """The flow ended with this status and gave every buffer back."""
    code = flow.wait()
    err = flow.stderr
    return ok(code == status and "still in use" not in err and "Sanitizer" not in err
              and "runtime error" not in err and all(more), name,
              f"{flow}\n{more}")


def until(what, why, limit=LIMIT):
    """Poll until what() is true. The limit only ends a hang."""
    end = time.monotonic() + limit
    while True:
        got = what()
        if got:
            return got
        if time.monotonic() > end:
            raise Gone(f"waited {limit} s: {why}")
        time.sleep(0.002)


def listening(port, pid=None):
    """Somebody listens on this port."""
    for name in ("tcp", "tcp6"):
        try:
            table = pathlib.Path(f"/proc/{pid or 'self'}/net/{name}").read_text().splitlines()[1:]
        except OSError:  # no IPv6, or the process is gone
            continue
        if any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in table):
            return True
    return False


def established(port):
    """A connection to this port is up."""
    for name in ("tcp", "tcp6"):
        try:
            table = pathlib.Path(f"/proc/self/net/{name}").read_text().splitlines()[1:]
        except OSError:  # no IPv6
            continue
        if any(line.split()[2].endswith(f":{port:04X}") and line.split()[3] == "01" for line in table):
            return True
    return False


def stuck(port):
    """The connection to this port has bytes queued, and they have not moved for a while."""
    def queued():
        for line in pathlib.Path("/proc/self/net/tcp").read_text().splitlines()[1:]:
            if line.split()[2].endswith(f":{port:04X}"):
                return int(line.split()[4].partition(":")[0], 16)
        return 0
    first = queued()
    time.sleep(0.1)
    return first and first == queued()


def up(flow, port):
    """Wait for a listener."""
    until(lambda: listening(port, flow.pid) or not flow.alive(), f"{flow.argv} to listen")
    if not flow.alive():
        raise Gone(str(flow))
    return flow


_port = 20000 + os.getpid() * 37 % 11000


def port():
    """A free port that the kernel gives nobody unasked: below the range of outgoing connections."""
    global _port
    with _lock:
        while True:
            _port = _port + 1 if _port < 31990 else 20000
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    s.bind(("127.0.0.1", _port))
                    return _port
                except OSError:
                    continue


def reset(sock):
    """Close with a reset."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    sock.close()


def listener(host="127.0.0.1", rcvbuf=None):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if rcvbuf:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    s.bind((host, 0))
    s.listen(16)
    s.settimeout(LIMIT)
    return s


def read_some(sock, n, into=None):
    """Up to n bytes; fewer only at the end. Return: how many came."""
    got = 0
    while got < n:
        piece = sock.recv(min(1 << 20, n - got))
        if not piece:
            break
        if into is not None:
            into.append(piece)
        got += len(piece)
    return got


class Link:
    """A link to be cut: takes connections on .port and carries them to a port of this machine.

    cuts: after how many bytes forward, counted over all connections, a connection is reset.
    """

    def __init__(self, to, cuts=(), stall=None, host="127.0.0.1"):
        self.server = listener(host)
        self.port = self.server.getsockname()[1]
        self.to = to
        self.cuts = sorted(cuts)
        self.stall = stall  # (after bytes, seconds)
        self.passed = self.links = self.cut = 0
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                a, _ = self.server.accept()
            except OSError:
                return
            try:
                b = socket.create_connection(("127.0.0.1", self.to), timeout=LIMIT)
            except OSError:
                reset(a)
                continue
            self.links += 1
            back = threading.Thread(target=self._back, args=(b, a), daemon=True)
            back.start()
            self._forward(a, b)

    @staticmethod
    def _back(b, a):
        try:
            while True:
                piece = b.recv(1 << 16)
                if not piece:
                    break
                a.sendall(piece)
            a.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _forward(self, a, b):
        try:
            while True:
                room = 1 << 18
                if self.cuts:
                    room = min(room, self.cuts[0] - self.passed)
                if room <= 0:
                    self.cuts.pop(0)
                    self.cut += 1
                    reset(a)
                    reset(b)
                    return
                piece = a.recv(room)
                if not piece:
                    b.shutdown(socket.SHUT_WR)
                    return
                b.sendall(piece)
                self.passed += len(piece)
                if self.stall and self.passed >= self.stall[0]:
                    seconds, self.stall = self.stall[1], None
                    time.sleep(seconds)
        except OSError:
            reset(a)
            reset(b)

    def close(self):
        self.server.close()


RECORD = struct.Struct("<6sHII16sQQQQ")


def record(path):
    """(offset, finished, lost) of the newest slot of FILE.dmaflow; docs/wire.md. None: no record."""
    best = None
    try:
        data = pathlib.Path(f"{path}.dmaflow").read_bytes()
    except FileNotFoundError:
        return None
    for at in (0, 4096):
        slot = data[at:at + 64]
        if len(slot) < 64:
            continue
        magic, flags, generation, crc, _, offset, _, lost, _ = RECORD.unpack(slot)
        if magic != b"DMAR\1\0" or wire.crc32c(slot[:12] + slot[16:]) != crc:
            continue
        if best is None or generation > best[0]:
            best = (generation, offset, bool(flags & 1), lost)
    return best and best[1:]


STEP = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1


def pattern(offset, length, seed=0):
    """What pattern: writes there; both multiples of 8."""
    return b"".join(struct.pack("<Q", (seed + i * STEP) & MASK)
                    for i in range(offset // 8, (offset + length) // 8))


def same(a, b):
    return subprocess.run(["cmp", "-s", str(a), str(b)], check=False).returncode == 0


def noise(path, size):
    """A file of random bytes."""
    with open(path, "wb") as f:
        block = random.Random(SEED ^ size).randbytes(1 << 20)
        n = 0
        while size > 0:
            # Each MiB differs, and none costs a MiB of random numbers.
            f.write((struct.pack("<Q", n) * 512 + block[4096:])[:min(size, 1 << 20)])
            size -= 1 << 20
            n += 1
    return path


ROOT = os.geteuid() == 0
# No privilege at all, whoever runs this: permissions and limits count.
PLAIN = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all") if ROOT else ()
_libc = ctypes.CDLL(None, use_errno=True)


def shell(script, *namespaces):
    """What to run a Flow under: a shell that sets something up first, maybe in namespaces of its own."""
    own = ["unshare", *([] if ROOT else ["-r"]), *namespaces] if namespaces else []
    return (*own, "sh", "-c", script + '\nexec "$@"', "sh")


def no_uring(code):
    """For Flow(before=): io_uring answers with this errno, as container filters make it."""
    def before():
        # Load the system call's number; 425..427, io_uring's on every machine, are refused.
        program = b"".join(struct.pack("HBBI", *i) for i in (
            (0x20, 0, 0, 0), (0x35, 0, 2, 425), (0x25, 1, 0, 427), (0x06, 0, 0, 0x00050000 | code),
            (0x06, 0, 0, 0x7FFF0000)))
        keep = ctypes.create_string_buffer(program, len(program))
        fprog = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(keep))
        if _libc.prctl(38, 1, 0, 0, 0) or _libc.prctl(22, 2, fprog, 0, 0):
            raise OSError(ctypes.get_errno(), "seccomp")
    return before


def main(tests, parallel=1):
    """Run functions of one argument, a scratch folder each; print TAP."""
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="robust-", dir=BUILD))
    only = sys.argv[1:]
    todo = [t for t in tests if not only or t.__name__ in only]
    print(f"# seed {SEED}: ROBUST_SEED repeats it", flush=True)

    def one(test):
        folder = scratch / test.__name__
        folder.mkdir()
        began = time.monotonic()
        try:
            test(folder)
        except Exception:  # a test that breaks is a test that fails
            ok(False, test.__name__, traceback.format_exc())
        with _lock:  # or it runs into another thread's point
            print(f"# {test.__name__}: {time.monotonic() - began:.1f} s", flush=True)
        shutil.rmtree(folder, ignore_errors=True)

    def worker():
        while True:
            with _lock:
                if not todo:
                    return
                test = todo.pop(0)
            one(test)

    try:
        threads = [threading.Thread(target=worker) for _ in range(parallel)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    finally:
        for child in _children:
            if child.poll() is None:
                child.kill()
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"1..{_number}")
    sys.stdout.flush()
    os._exit(1 if _failures or not _number else 0)
