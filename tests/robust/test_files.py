# SPDX-License-Identifier: MIT
"""Full disks, paths that can't be used, pipes that close."""

import os
import subprocess

import rig
from rig import Flow, good, ok, skip

MIB = 1 << 20


def full(folder):
    """A disk that fills up: the error says so, what was written before is right."""
    inside = rig.shell(f"mount -t tmpfs -o size=6m none {folder}", "-m")
    can = subprocess.run([*inside, "true"], capture_output=True, text=True, check=False)
    if can.returncode:
        skip("disk full", f"no mount namespace here: {can.stderr.strip()}")
        return
    for options in ("", ",direct", ",engine=sync", ",append"):
        run = subprocess.run(
            [*inside, "sh", "-c", '''"$1" run pattern:bytes=32M,block=256K "file:$2$3"; echo "status $?"
                "$1" run --json "file:$2" verify:; echo "verify $?"''', "sh", rig.DMAFLOW, folder / "g", options],
            capture_output=True, text=True, check=False)
        ok("status 1\n" in run.stdout and "No space left" in run.stderr and "free some space" in run.stderr
           and "verify 0\n" in run.stdout and "still in use" not in run.stderr,
           f"disk full{options}: an error, and a right beginning", run)
    # Through a link: the sender hears why.
    port = rig.port()
    r = rig.up(Flow(f"tcp-listen:127.0.0.1:{port},frame,ack", f"file:{folder / 'g'}", wrap=inside), port)
    s = Flow("pattern:bytes=32M,block=256K", f"tcp:127.0.0.1:{port},frame,ack")
    s.wait(), r.wait()
    good(r, "disk full at the receiver: it fails and says why", "No space left" in r.stderr, status=1)
    good(s, "disk full at the receiver: the sender fails and says why", "No space left" in s.stderr, status=1)


def too_large(folder):
    for options in ("", ",direct", ",engine=sync"):
        f = folder / f"g{len(options)}"
        s = Flow("pattern:bytes=32M,block=256K", f"file:{f}{options}", wrap=rig.shell("ulimit -f 4096"))
        s.wait()
        good(s, f"ulimit -f{options}: an error that names it", "ulimit -f" in s.stderr, status=1)
        good(Flow(f"file:{f}", "verify:"), f"ulimit -f{options}: a right beginning")


def paths(folder):
    plain = dict(wrap=rig.PLAIN)
    closed = folder / "closed"
    closed.write_bytes(b"x" * 5000)
    closed.chmod(0)
    locked = folder / "locked"
    locked.mkdir()
    (locked / "f").write_bytes(b"x")
    locked.chmod(0)
    ro = folder / "ro"
    ro.mkdir(mode=0o555)
    for what, address, word in (
            ("absent file", ("file:%s/absent", "null:"), "no such file"),
            ("absent folder", ("pattern:count=1", "file:%s/absent/g"), "does not exist"),
            ("unreadable file", ("file:%s/closed", "null:"), "no permission"),
            ("unwritable file", ("pattern:count=1", "file:%s/closed"), "no permission"),
            ("closed folder", ("file:%s/locked/f", "null:"), "no permission"),
            ("unwritable folder", ("pattern:count=1", "file:%s/ro/g"), "no permission"),
            ("folder as source", ("file:%s/ro", "null:"), "directory"),
            ("folder as sink", ("pattern:count=1", "file:%s/ro"), "directory"),
            ("through a file", ("file:%s/closed/f", "null:"), "Not a directory")):
        s = Flow(*(a.replace("%s", str(folder)) for a in address), **plain)
        code, err = s.wait(), s.stderr
        ok(code == 2 and word in err and err.count("\n") == 1, f"{what}: one line, status 2", s)
    ok(not any(ro.iterdir()) and not (folder / "absent").exists(), "nothing was made", list(folder.iterdir()))
    # Two sinks, the second impossible: the first is not half written.
    s = Flow("pattern:count=1", f"file:{folder / 'new'}", f"file:{folder / 'ro' / 'g'}", **plain)
    ok(s.wait() == 2 and not (folder / "new").exists(), "one impossible sink: the other leaves nothing", s)
    old = rig.noise(folder / "old", 70000)
    before = old.read_bytes()
    s = Flow("pattern:count=1", f"file:{old}", f"file:{folder / 'ro' / 'g'}", **plain)
    ok(s.wait() == 2 and old.read_bytes() == before, "one impossible sink: the other's file is as it was", s)
    locked.chmod(0o755)
    ro.chmod(0o755)


def odd_lengths(folder):
    for size in (0, 1, 511, 512, 4095, 4097, 65535, 65536, 65537, 1048577):
        src = rig.noise(folder / "f", size)
        for options in ("", ",direct"):
            dst = folder / "g"
            good(Flow(f"file:{src}{options},block=64K", f"file:{dst}{options}"), f"{size} bytes{options}")
            ok(rig.same(src, dst), f"{size} bytes{options}: equal", dst.stat().st_size)


def pipes(folder):
    read, write = os.pipe()
    s = Flow("pattern:bytes=64M", "-", stdout=write, options=("--quiet",))
    os.close(write)
    os.read(read, 1)
    os.close(read)
    s.wait()
    good(s, "a pipe that its reader closes: an error that says so", "closed" in s.stderr or "Broken pipe" in s.stderr,
         s.stderr.count("\n") == 1, status=1)
    # The same between programs, and a source that ends in the middle of a block.
    src = rig.noise(folder / "f", 3 * MIB + 17)
    with open(src, "rb") as f, open(folder / "g", "wb") as g:
        s = Flow("-", "file:/dev/stdout", stdin=f, stdout=g, options=("--quiet",))
        s.wait()
    good(s, "standard input to standard output")
    ok(rig.same(src, folder / "g"), "standard input to standard output: equal")
    a, b = os.pipe()
    one = Flow("pattern:bytes=5M", "-", stdout=b, options=("--quiet",))
    os.close(b)
    two = Flow("-", "verify:", stdin=a)
    os.close(a)
    good(one, "through a pipe: written")
    good(two, "through a pipe: every byte", two.wait() == 0 and two.sink()["bytes"] == 5 * MIB)


rig.main([full, too_large, paths, odd_lengths, pipes], parallel=3)
