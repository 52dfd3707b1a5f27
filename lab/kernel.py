# SPDX-License-Identifier: MIT
"""Debian's kernels for the lab: the image that matches the installed headers, unpacked into a cache.

The image package is downloaded and unpacked, never installed: the machine's own boot files stay as
they are. Headers are installed as any build dependency is (tools/setup lab).
"""

import glob
import lzma
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "dmaflow/lab"
SERIES = ("6.1", "6.12")
DOWNLOAD_SECONDS = 600


class LabError(Exception):
    """Something the lab needs and does not have; the text says what and what to do."""


class Kernel:
    """A kernel that can be booted and built against."""

    arch = "x86"
    dtb = None
    make = ()  # what make has to be told when a module is built

    def __init__(self, release, folder):
        self.release = release  # "6.1.0-56-amd64"
        self.id = folder.name   # no two kernels have the same
        self.folder = folder
        self.vmlinux = folder / "vmlinux"
        self.modules = folder / "lib/modules" / release
        self.headers = pathlib.Path("/usr/src/linux-headers-" + release)


def _version_key(text):
    return [int(n) for n in re.findall(r"\d+", text)]


def release_of(series):
    """Release and package version of the newest installed headers of a series."""
    found = glob.glob(f"/usr/src/linux-headers-{series}[.-]*-amd64")
    names = [pathlib.Path(f).name.removeprefix("linux-headers-") for f in found]
    names = [n for n in names if not re.search(r"-(rt|cloud)-", n)]
    if not names:
        raise LabError(f"kernel {series}: no headers in /usr/src; run: tools/setup lab")
    release = max(names, key=_version_key)
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "linux-headers-" + release],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"kernel {release}: its headers are not of a Debian package, "
                       "so there is no image to match them")
    return release, done.stdout


def payload(image):
    """The ELF kernel inside a bzImage: it boots by PVH, without the decompressor (3 s in TCG)."""
    # Documentation/arch/x86/boot.rst, "Details of Header Fields".
    if image[0x202:0x206] != b"HdrS":
        raise LabError("the kernel image is not a bzImage")
    setup_sectors = image[0x1f1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    packed = image[start:start + length]
    if packed[:4] == b"\xfd7zX":
        return lzma.LZMADecompressor().decompress(packed)
    if packed[:4] == b"\x28\xb5\x2f\xfd":
        # The kernel's build appends the size, which zstd takes for a broken second frame.
        done = subprocess.run(["zstd", "-dcq"], input=packed[:-4], capture_output=True, check=False)
        if done.returncode or not done.stdout:
            raise LabError("zstd: " + done.stderr.decode(errors="replace").strip())
        return done.stdout
    raise LabError(f"the kernel is compressed in a way not known here: {packed[:4].hex()}")


def _unpack_modules(folder):
    for packed in folder.rglob("*.ko.xz"):
        packed.with_suffix("").write_bytes(lzma.decompress(packed.read_bytes()))
        packed.unlink()


def fetch(series):
    """The kernel of a series, downloaded once. Returns a Kernel."""
    release, version = release_of(series)
    folder = CACHE / release
    if (folder / "version").is_file() and (folder / "version").read_text() == version:
        return Kernel(release, folder)
    CACHE.mkdir(parents=True, exist_ok=True)
    package = f"linux-image-{release}={version}"
    with tempfile.TemporaryDirectory(dir=CACHE) as tmp:
        work = pathlib.Path(tmp)
        done = subprocess.run(["apt-get", "-q", "download", package], cwd=work, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=DOWNLOAD_SECONDS, check=False)
        debs = list(work.glob("*.deb"))
        if done.returncode or not debs:
            raise LabError(f"{package}: apt-get could not download it; if newer headers are out, run "
                           f"apt-get update and tools/setup lab\n{done.stdout.strip()}")
        subprocess.run(["dpkg-deb", "-x", debs[0], work / "root"], check=True)
        root = work / "root"
        (root / "vmlinux").write_bytes(payload((root / f"boot/vmlinuz-{release}").read_bytes()))
        _unpack_modules(root / "lib")
        subprocess.run(["depmod", "-b", root, release], check=True)
        (root / "version").write_text(version)
        for name in ("vmlinux", "version"):
            os.chmod(root / name, 0o644)
        shutil.rmtree(folder, ignore_errors=True)
        root.rename(folder)
    return Kernel(release, folder)


def with_dependencies(tree, release, names):
    """Files of these modules and of those they need, in the order in which they load."""
    files = []
    for name in names:
        done = subprocess.run(["modprobe", "-d", tree, "-S", release, "--show-depends", name],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"module {name}: not in kernel {release}: {done.stderr.strip()}")
        for line in done.stdout.splitlines():
            word = line.split()
            if word and word[0] == "insmod" and word[1] not in files:
                files.append(word[1])
    return [pathlib.Path(f) for f in files]
