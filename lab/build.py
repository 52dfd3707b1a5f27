# SPDX-License-Identifier: MIT
"""What the lab builds for itself: the driver against a guest's kernel, the copy meter, guest programs."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess

from kernel import LabError

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "build/lab"
WARN = ["-std=gnu11", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-O2", "-g", "-Wall", "-Wextra",
        "-Wno-unused-parameter"]
INCLUDE = ["-I", ROOT, "-I", ROOT / "include", "-I", ROOT / "lab/meter"]


@contextlib.contextmanager
def alone():
    """One builds at a time: several guests may be started at once."""
    OUT.mkdir(parents=True, exist_ok=True)
    with open(OUT / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def newer(sources, target):
    """Whether any source is newer than the target, or the target is missing."""
    if not target.exists():
        return True
    made = target.stat().st_mtime
    return any(s.stat().st_mtime > made for s in sources)


def _tool(argv, what):
    done = subprocess.run(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise LabError(f"{what} did not build:\n{done.stdout}")


def _compile(source, target, flags, cc=None):
    headers = [*(ROOT / "base").rglob("*.h"), *(ROOT / "lab/meter").glob("*.h"),
               *(ROOT / "include").rglob("*.h"), *source.parent.glob("*.h")]
    if newer([source, *headers], target):
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f"{target.name}.{os.getpid()}")
        _tool([cc or os.environ.get("CC", "cc"), *WARN, *INCLUDE, source, "-o", fresh, *flags],
              source.name)
        fresh.rename(target)
    return target


def meter():
    """The copy meter, a plug-in of QEMU's."""
    return _compile(ROOT / "lab/meter/meter.c", OUT / "meter.so", ["-shared", "-fPIC"])


def meter_stage(target):
    """The stage `meter:`, a plug-in of dmaflow's."""
    return _compile(ROOT / "lab/meter/meter_stage.c", OUT / target.name / "meter_stage.so",
                    ["-shared", "-fPIC"], target.compiler())


def guest_programs(target):
    """tests/lab/guest/*.c, one static program each."""
    return [_compile(s, OUT / target.name / "guest" / s.stem,
                     ["-static", *target.flags, "-luring", "-lpthread"], target.compiler())
            for s in sorted((ROOT / "tests/lab/guest").glob(target.programs))]


def _mirror(folder, to):
    """Copy what is newer, so that kbuild sees what changed and several kernels don't share objects."""
    for source in (ROOT / folder).rglob("*"):
        if not source.is_file() or source.suffix in (".o", ".ko", ".mod", ".cmd"):
            continue
        target = to / source.relative_to(ROOT)
        if newer([source], target):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def driver(kernel, patch=None):
    """kernel/dmaflow.ko for this kernel, with a fault planted if told; None if there is no driver."""
    if not (ROOT / "kernel/Kbuild").exists() and not (ROOT / "kernel/Makefile").exists():
        return None
    tree = OUT / kernel.id
    if patch:
        tree = OUT / f"{kernel.id}-{patch.stem}"
        shutil.rmtree(tree, ignore_errors=True)
    _mirror("base", tree)
    _mirror("kernel", tree)
    if patch:
        _tool(["patch", "-d", tree, "-p1", "-s", "-N", "-i", patch], patch.name)
    module = tree / "kernel/dmaflow.ko"
    sources = [f for part in ("base", "kernel") for f in (tree / part).rglob("*")
               if f.suffix in (".c", ".h") or f.name in ("Kbuild", "Makefile")]
    sources = [f for f in sources if not f.name.endswith(".mod.c")]
    if newer(sources, module):
        _tool(["make", "-C", tree / "kernel", f"KDIR={kernel.headers}", *kernel.make, "-j", str(os.cpu_count())],
              f"kernel/dmaflow.ko for {kernel.id}")
    return module


def module(folder, kernel):
    """The modules of a folder with a Kbuild of its own, which may use what dmaflow.ko exports."""
    tree = OUT / kernel.id
    name = str(pathlib.Path(folder).resolve().relative_to(ROOT))
    _mirror("base", tree)
    _mirror(name, tree)
    symbols = tree / "kernel/Module.symvers"
    argv = ["make", "-C", kernel.headers, *kernel.make, f"M={tree / name}", "modules"]
    _tool(argv + ([f"KBUILD_EXTRA_SYMBOLS={symbols}"] if symbols.exists() else []), name)
    return sorted((tree / name).glob("*.ko"))
