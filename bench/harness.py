# SPDX-License-Identifier: MIT
"""Running programs in pairs and turns, with the CPU time of each, and recording what came out."""

import json
import os
import pathlib
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
GIB = 1 << 30
LIMIT_SECONDS = 60
CORES = sorted(os.sched_getaffinity(0))
# The two ends of a link sit on a core each, dmaflow and peers alike: who shares a core is not the question.
SENDER_CORE, RECEIVER_CORE = CORES[0], CORES[-1]
# Set by bench/netns: then the two ends run in namespaces with a veth pair between them.
VETH = "NETNS_A" in os.environ
ADDRESS = os.environ["ADDR_B"] if VETH else "127.0.0.1"
SENDER_IN = ["ip", "netns", "exec", os.environ["NETNS_A"]] if VETH else []
RECEIVER_IN = ["ip", "netns", "exec", os.environ["NETNS_B"]] if VETH else []


class BenchError(Exception):
    """A program that did not do what it was asked; the text says which and what it said."""


class Ended:
    """What a program left behind."""

    def __init__(self, argv, status, usage, seconds, out, err, hwm_kib):
        self.argv = argv
        self.status = status
        self.cpu = usage.ru_utime + usage.ru_stime
        self.user = usage.ru_utime
        self.sys = usage.ru_stime
        self.seconds = seconds
        self.out = out
        self.err = err
        self.hwm_kib = hwm_kib

    def json(self):
        """Its standard output as JSON; iperf3 and dmaflow print one object, peers one line."""
        try:
            return json.loads(self.out)
        except ValueError as error:
            raise BenchError(f"{self.argv[0]}: no JSON on standard output ({error}): "
                             f"{self.out[:200]!r}") from None


class Program:
    """A started program. rusage comes from wait4: the whole process with all its threads."""

    def __init__(self, argv, core=None, watch_memory=False):
        self.argv = [str(a) for a in argv]
        self.out = tempfile.TemporaryFile()
        self.err = tempfile.TemporaryFile()
        self.watch_memory = watch_memory
        self.hwm_kib = 0
        if core is not None:
            os.sched_setaffinity(0, {core})
        try:
            self.started = time.monotonic()
            self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=self.out,
                                          stderr=self.err)
        except OSError as error:
            raise BenchError(f"{self.argv[0]}: {error.strerror}") from None
        finally:
            os.sched_setaffinity(0, CORES)

    def _text(self, stream):
        stream.seek(0)
        return stream.read().decode(errors="replace")

    def _look_at_memory(self):
        # ru_maxrss will not do: a child starts with its parent's peak.
        try:
            for line in open(f"/proc/{self.popen.pid}/status"):
                if line.startswith("VmHWM:"):
                    self.hwm_kib = int(line.split()[1])
        except (OSError, ProcessLookupError):
            pass

    def running(self):
        return self.popen.returncode is None

    def wait(self, limit=LIMIT_SECONDS):
        """Until it ends; one that takes longer than limit seconds is killed."""
        killed = False
        exited = select.poll()
        pidfd = os.pidfd_open(self.popen.pid)
        exited.register(pidfd, select.POLLIN)
        while not exited.poll(2 if self.watch_memory else 100):
            if self.watch_memory:
                self._look_at_memory()
            if time.monotonic() - self.started > limit and not killed:
                self.popen.kill()
                killed = True
        os.close(pidfd)
        _, status, usage = os.wait4(self.popen.pid, 0)
        seconds = time.monotonic() - self.started
        self.popen.returncode = os.waitstatus_to_exitcode(status)
        ended = Ended(self.argv, self.popen.returncode, usage, seconds, self._text(self.out),
                      self._text(self.err), self.hwm_kib)
        self.out.close()
        self.err.close()
        if killed or ended.status:
            why = f"killed after {limit} s" if killed else f"status {ended.status}"
            raise BenchError(f"{' '.join(self.argv)}: {why}: {ended.err.strip()[-400:]}")
        return ended

    def stop(self):
        """Ends what is left of it after an error."""
        if self.running():
            self.popen.kill()
            self.popen.wait()


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_listening(port, program, limit=5):
    """Until something listens on port; /proc is read, since a probe would be taken for the peer."""
    suffix = f":{port:04X}"
    until = time.monotonic() + limit
    while time.monotonic() < until:
        for table in ("tcp", "tcp6"):
            try:
                lines = open(f"/proc/{program.popen.pid}/net/{table}").readlines()
            except OSError:
                lines = []
            for field in map(str.split, lines):
                if field[1].endswith(suffix) and field[3] == "0A":
                    return
        if os.waitid(os.P_PID, program.popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            break
        time.sleep(0.001)
    program.stop()
    program.err.seek(0)
    raise BenchError(f"{' '.join(program.argv)}: never listened on {port}: "
                     f"{program.err.read().decode(errors='replace').strip()[-400:]}")


class Link:
    """One transfer: what both ends cost."""

    def __init__(self, sender, receiver, size):
        gib = size / GIB
        self.gib = gib
        self.sender = sender
        self.receiver = receiver
        self.sender_cpu = sender.cpu / gib
        self.receiver_cpu = receiver.cpu / gib
        self.cpu = self.sender_cpu + self.receiver_cpu
        self.rate = gib / sender.seconds

    def raw(self):
        return {"gib": self.gib, "sender_cpu": self.sender_cpu, "receiver_cpu": self.receiver_cpu,
                "gib_per_s": self.rate}


def transfer(receiver, sender, size, watch_memory=False):
    """Starts the receiver, waits until it listens, runs the sender.

    PORT in either command becomes a free port, HOST the receiver's address.
    """
    port = free_port()

    def command(where, argv):
        return where + [str(a).replace("PORT", str(port)).replace("HOST", ADDRESS) for a in argv]
    taking = Program(command(RECEIVER_IN, receiver), RECEIVER_CORE, watch_memory)
    sending = None
    try:
        wait_listening(port, taking)
        sending = Program(command(SENDER_IN, sender), SENDER_CORE, watch_memory)
        sent = sending.wait()
        return Link(sent, taking.wait(), size)
    finally:
        taking.stop()
        if sending:
            sending.stop()


def in_turn(rounds, contenders, log):
    """Runs each of {name: callable} once per round; gives {name: [what it returned, ...]}.

    Every other round goes backwards: what one leaves behind (a disk's discards, warm caches) must
    not always fall on the same next.
    """
    got = {name: [] for name in contenders}
    for number in range(rounds):
        for name, run in list(contenders.items())[::-1 if number % 2 else 1]:
            sample = run()
            got[name].append(sample)
            log({"contender": name, "round": number, "load": os.getloadavg()[0],
                 **(sample.raw() if hasattr(sample, "raw") else {"sample": sample})})
    return got


def median(samples, of):
    return statistics.median(getattr(s, of) for s in samples)


class Report:
    """Prints rows and records figures by tools/result; raw runs go to bench.raw beside them."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.raw = open(self.folder / "bench.raw", "a")
        self.bench = ""
        self.missed = []
        self.failed = []

    def log(self, record):
        self.raw.write(json.dumps({"bench": self.bench, **record}) + "\n")
        self.raw.flush()

    def note(self, text):
        print(f"    {text}", flush=True)

    def fail(self, text):
        self.failed.append(self.bench)
        print(f"    FAILED: {text}", flush=True)

    def figure(self, name, unit, ours, peer=None, peers=(), most=None, least=None, note=""):
        """Records a figure; most and least bound the ratio, or the value where there is no peer."""
        if VETH:
            most = least = None  # the limits are loopback's
        argv = [sys.executable, ROOT / "tools/result", name, unit, "--dir", self.folder]
        if peer:
            argv += ["--peer", peer]
        argv += [repr(float(s)) for s in ours]
        if peer:
            argv += ["--", *(repr(float(s)) for s in peers)]
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True)
        if done.returncode:
            raise BenchError(f"tools/result {name}: {done.stderr.strip()[-300:]}")
        value = statistics.median(ours)
        row = f"    {name:32} {value:.4g} {unit}"
        gated = value
        if peer:
            base = statistics.median(peers)
            gated = value / base
            row += f" against {base:.4g} ({peer}): {gated:.3f}x"
        missed = (most is not None and gated > most) or (least is not None and gated < least)
        if most is not None:
            row += f", at most {most:g}"
        if least is not None:
            row += f", at least {least:g}"
        if missed:
            row += "  MISSED"
            self.missed.append(name)
        print(row + (f"\n        {note}" if note else ""), flush=True)


class Scratch:
    """A folder for files of a bench, on the disk that holds the build; removed at the end."""

    def __init__(self, build):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=build))

    def fresh(self, name):
        """A path with nothing there, and nothing left to write back from what was."""
        path = self.path / name
        path.unlink(missing_ok=True)
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        return path

    def settle(self, limit=2):
        """Until the disk is done with what a removed file left it to do: discards take a while."""
        device = self.path.stat().st_dev
        stat = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
        until = time.monotonic() + limit
        before = None
        while stat.exists() and time.monotonic() < until:
            now = stat.read_text()
            if now == before:
                return
            before = now
            time.sleep(0.1)

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)
