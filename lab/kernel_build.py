# SPDX-License-Identifier: MIT
"""Kernels that Debian does not offer: built once from its source package into the lab's cache.

A fragment in lab/kernels/ says what is on; all else is off, so that a build takes minutes. What is kept is
what boots and what modules are built against: Debian's own choice of files for header packages, about.
"""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from kernel import CACHE, Kernel, LabError

FRAGMENTS = pathlib.Path(__file__).resolve().parent / "kernels"
SOURCE = "linux-source-6.1"
SECONDS = 3600
PREFIX = "arm-linux-gnueabihf-"
DTB = "zynq-zc702.dtb"
IMAGE = {"arm": "zImage", "x86": "bzImage"}
# Left out: no configuration of ours reaches them, and they are half of the source.
LEAVE = ("drivers/gpu/drm/amd/*", "drivers/gpu/drm/i915/*", "drivers/gpu/drm/nouveau/*",
         "sound/soc/*", "tools/testing/selftests/*", "drivers/net/wireless/*", "drivers/media/*")


class Built(Kernel):
    """One of ours. For Arm: a zImage and a device tree."""

    def __init__(self, name, folder):
        super().__init__((folder / "release").read_text().strip(), folder)
        self.name = name
        self.arch = arch(name)
        self.headers = folder / "tree"
        self.dtb = folder / DTB
        # As it is: the ELF file of a kernel with KASAN ends the machine when it is booted by PVH.
        self.vmlinux = folder / IMAGE[self.arch]
        if self.arch == "arm":
            self.make = ["ARCH=arm", f"CROSS_COMPILE={PREFIX}"]


def names():
    return tuple(sorted(f.stem for f in FRAGMENTS.glob("*.config")))


def arch(name):
    return "arm" if name.startswith("zynq") else "x86"


def _version():
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", SOURCE],
                          capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout:
        raise LabError(f"{SOURCE}: not here; run: tools/setup kernels")
    return done.stdout


def folder_of(name):
    """Where this kernel is, or will be: its configuration and its source are in the name."""
    fragment = FRAGMENTS / f"{name}.config"
    digest = hashlib.sha256(fragment.read_bytes()).hexdigest()[:12]
    return CACHE / f"{name}-{_version()}-{digest}"


def _call(argv, cwd, log):
    with open(log, "ab") as out:
        done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                              timeout=SECONDS, check=False)
    if done.returncode:
        tail = log.read_text(errors="replace").splitlines()[-15:]
        raise LabError(f"{' '.join(map(str, argv[:4]))}: status {done.returncode}\n" + "\n".join(tail))


def _configure(source, fragment, make, log):
    """What is not in the fragment is off. A line of it that did not hold is a fault of the fragment."""
    _call([*make, f"KCONFIG_ALLCONFIG={fragment}", "allnoconfig"], source, log)
    got = set((source / ".config").read_text().splitlines())
    wrong = []
    for line in fragment.read_text().splitlines():
        off = re.fullmatch(r"(CONFIG_\w+)=n", line)
        if off:
            wrong += [line] if any(g.startswith(off.group(1) + "=") for g in got) else []
        elif line.startswith("CONFIG_") and line not in got:
            wrong.append(line)
    if wrong:
        raise LabError(f"{fragment.name}: did not hold: {' '.join(wrong)}")


def _headers(source, tree, srcarch):
    """What building a module needs; the same choice as in the kernel's scripts/package/builddeb."""
    files = [*source.glob("Makefile*"), *source.glob(f"arch/{srcarch}/Makefile*"),
             source / ".config", source / "Module.symvers", source / "Kbuild"]
    for part in ("include", "scripts", f"arch/{srcarch}/include", f"arch/{srcarch}/scripts"):
        files += [f for f in (source / part).rglob("*") if f.suffix not in (".o", ".cmd")]
    files += source.glob(f"arch/{srcarch}/*/include/**/*")
    files += (source / f"arch/{srcarch}").rglob("Kbuild.platforms")
    files += [source / "tools/objtool/objtool"]
    for file in files:
        if file.is_file() or file.is_symlink():
            to = tree / file.relative_to(source)
            to.parent.mkdir(parents=True, exist_ok=True)
            if not to.exists() and not to.is_symlink():
                shutil.copy2(file, to, follow_symlinks=False)


def _build(name, work):
    log, source, root = work / "log", work / SOURCE, work / "root"
    leave = [f"--exclude={SOURCE}/{pattern}.c" for pattern in LEAVE]
    _call(["tar", "-xf", f"/usr/src/{SOURCE}.tar.xz", *leave], work, log)
    make = ["make", "-j", str(os.cpu_count() or 1)]
    arm = arch(name) == "arm"
    make += ["ARCH=arm", f"CROSS_COMPILE={PREFIX}"] if arm else []
    _configure(source, FRAGMENTS / f"{name}.config", make, log)
    # Modules, though there are none: Module.symvers says what those of ours may use.
    _call([*make, IMAGE[arch(name)], "modules", *([DTB] if arm else [])], source, log)
    release = (source / "include/config/kernel.release").read_text().strip()
    _call([*make, f"INSTALL_MOD_PATH={root}", "modules_install"], source, log)
    for link in ("build", "source"):
        (root / f"lib/modules/{release}/{link}").unlink(missing_ok=True)
    boot = source / "arch" / arch(name) / "boot"
    shutil.copy(boot / IMAGE[arch(name)], root)
    if arm:
        shutil.copy(boot / "dts" / DTB, root)
    _headers(source, root / "tree", "arm" if arm else "x86")
    (root / "release").write_text(release + "\n")
    return root


def built(name, missing_ok=False):
    """The kernel NAME from the cache, built if it is not there; with missing_ok None instead."""
    folder = folder_of(name)
    if (folder / "release").exists():
        return Built(name, folder)
    if missing_ok:
        return None
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=f"{name}.") as tmp:
        root = _build(name, pathlib.Path(tmp))
        shutil.rmtree(folder, ignore_errors=True)
        root.rename(folder)
    for old in CACHE.glob(f"{name}-6.*"):  # of another source or configuration
        if old != folder and (old / "release").exists():
            shutil.rmtree(old, ignore_errors=True)
    return Built(name, folder)
