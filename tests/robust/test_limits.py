# SPDX-License-Identifier: MIT
"""Little locked memory, little socket memory, no io_uring: slower, said so, and never wrong."""

import errno
import subprocess

import rig
from rig import Flow, good, ok, skip

KIB, MIB = 1 << 10, 1 << 20
ZERO_COPY = ("auto", "zerocopy", "sendzc")


def through(name, mode, status=0, ack="", said="", **how):
    """A stream to a receiver that looks at every byte, in the same namespace where there is one."""
    port = rig.port()
    r = rig.up(Flow(f"tcp-listen:127.0.0.1:{port},frame{ack}", "verify:"), port)
    s = Flow("pattern:bytes=24M,block=256K,blocks=16", f"tcp:127.0.0.1:{port},frame{ack},mode={mode}", **how)
    if s.wait() != 0:
        r.kill()
    good(s, f"{name}: sent", said in s.stderr + s.sink()["note"] if said else True, status=status)
    if not status:
        good(r, f"{name}: every byte is right", r.wait() == 0 and r.sink()["bytes"] == 24 * MIB)


def memlock(_folder):
    for kib in (0, 64, 1024):
        for mode in ZERO_COPY:
            if mode == "sendzc" and kib < 1024:
                continue
            through(f"memlock {kib} KiB, {mode}", mode, wrap=(*rig.shell(f"ulimit -l {kib}"), *rig.PLAIN))


def no_ring(_folder):
    """Too little even for an io_uring, where the kernel counts that: refused, not half done."""
    s = Flow("pattern:bytes=24M", "tcp:127.0.0.1:9,mode=sendzc,retry=0",
             wrap=(*rig.shell("ulimit -l 0"), *rig.PLAIN))
    code = s.wait()
    ok(code == 2 and "ulimit -l" in s.stderr or code == 1 and "refused" in s.stderr,
       "memlock 0 KiB, sendzc: refused, and the limit is named", s)


def optmem(folder):
    """The limit is the network namespace's: both ends live in one of their own."""
    inside = rig.shell("ip link set lo up && echo 4096 >/proc/sys/net/core/optmem_max", "-n")
    can = subprocess.run([*inside, "true"], capture_output=True, text=True, check=False)
    if can.returncode:
        skip("optmem", f"no network namespace here: {can.stderr.strip()}")
        return
    src, dst = rig.noise(folder / "f", 24 * MIB), folder / "g"
    for mode in ZERO_COPY:
        both = subprocess.run(
            [*inside, "sh", "-c", '''
                timeout 50 "$1" run --quiet tcp-listen:127.0.0.1:9,frame file:"$3" & r=$!
                timeout 50 "$1" run --quiet file:"$2",block=64K,blocks=128 tcp:127.0.0.1:9,frame,mode="$4" &&
                    wait $r''', "sh", rig.DMAFLOW, src, dst, mode],
            capture_output=True, text=True, check=False)
        ok(both.returncode == 0 and rig.same(src, dst), f"optmem 4096, {mode}: all arrives, equal",
           f"{both.returncode}\n{both.stderr}")


def uring(folder):
    for name in ("ENOSYS", "EPERM"):
        before = rig.no_uring(getattr(errno, name))
        for mode in ("auto", "copy", "zerocopy"):
            through(f"no io_uring ({name}), {mode}", mode, before=before)
        through(f"no io_uring ({name}), splice", "splice", ack=",ack", before=before)
        s = Flow("pattern:bytes=1M", "tcp:127.0.0.1:9,mode=sendzc", before=before)
        ok(s.wait() == 2 and "io_uring" in s.stderr, f"no io_uring ({name}), sendzc: refused, says why", s)
        s = Flow("pattern:bytes=9M", f"file:{folder / 'g'},direct", before=before)
        s.wait()
        good(s, f"no io_uring ({name}), file: written, says so", "io_uring" in s.stderr + s.sink()["note"])
        good(Flow(f"file:{folder / 'g'},direct", "verify:", before=before), f"no io_uring ({name}), file: read")
        s = Flow("pattern:bytes=9M", f"file:{folder / 'h'},engine=uring", before=before)
        ok(s.wait() == 2 and "io_uring" in s.stderr and not (folder / "h").exists(),
           f"no io_uring ({name}), engine=uring: refused, nothing left behind", s)


rig.main([memlock, no_ring, optmem, uring], parallel=2)
