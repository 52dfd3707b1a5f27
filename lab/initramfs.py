# SPDX-License-Identifier: MIT
"""What a guest finds when it boots: an initramfs in cpio's newc format, written here."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import kernel as kernels
import target as targets
from kernel import LabError

DIRECTORIES = ("bin", "dev", "etc", "lab", "lib", "lib64", "out", "proc", "root", "run", "sys", "tmp")


class Archive:
    """A newc archive in the making. Paths are the guest's, without the first slash."""

    def __init__(self, target=targets.X86):
        self.target = target
        self.data = bytearray()
        self.entries = {}
        for name in DIRECTORIES:
            self._add(name, 0o040755, b"")
        self._add("dev/console", 0o020600, b"", (5, 1))

    def _add(self, name, mode, content, device=(0, 0)):
        if name in self.entries:
            if mode & 0o170000 != 0o040000 and self.entries[name] != content:
                raise LabError(f"guest file /{name}: two different ones are to go there")
            return
        self.entries[name] = content
        path = name.encode() + b"\0"
        # Documentation/driver-api/early-userspace/buffer-format.rst
        fields = (len(self.entries), mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(path), 0)
        self.data += b"070701" + b"".join(b"%08X" % f for f in fields) + path
        self.data += bytes(-len(self.data) % 4) + content
        self.data += bytes(-len(self.data) % 4)

    def parents(self, name):
        for parent in reversed(pathlib.PurePath(name).parents[:-1]):
            self._add(str(parent), 0o040755, b"")

    def text(self, name, content, mode=0o644):
        self.parents(name)
        self._add(name, 0o100000 | mode, content.encode())

    def file(self, name, source):
        source = pathlib.Path(source)
        self.parents(name)
        mode = 0o755 if os.access(source, os.X_OK) else 0o644
        self._add(name, 0o100000 | mode, source.read_bytes())

    def link(self, name, target):
        self.parents(name)
        self._add(name, 0o120777, target.encode())

    def program(self, name, source):
        """A program or shared object with the libraries that it is linked with."""
        self.file(name, source)
        for library in self.target.libraries(source):
            self.file(f"{self.linker_at(library)}/{library.name}", library)

    def linker_at(self, library):
        """Programs name the dynamic linker by its path; all else is searched for."""
        if not library.name.startswith("ld-"):
            return self.target.libraries_at
        return "lib64" if self.target is targets.X86 else "lib"

    def finish(self):
        self._add("TRAILER!!!", 0, b"")
        return bytes(self.data)


def add_busybox(archive):
    own = shutil.which("busybox")
    if not own:
        raise LabError("busybox: not here; run: tools/setup lab")
    archive.program("bin/busybox", own if archive.target is targets.X86 else archive.target.busybox())
    # Every architecture's has the same applets.
    applets = subprocess.run([own, "--list"], capture_output=True, text=True, check=True)
    for applet in applets.stdout.split():
        if applet != "busybox":
            archive.link(f"bin/{applet}", "busybox")


def add_modules(archive, kernel, names, own):
    """The named modules with what they need, and own ones, as a tree that modprobe works with."""
    wanted = list(names)
    for module in own:
        done = subprocess.run(["modinfo", "-F", "depends", module],
                              capture_output=True, text=True, check=True)
        wanted += [n for n in done.stdout.strip().split(",") if n and n not in {m.stem for m in own}]
    chosen = kernels.with_dependencies(kernel.folder, kernel.release, wanted)
    with tempfile.TemporaryDirectory() as tmp:
        tree = pathlib.Path(tmp) / "lib/modules" / kernel.release
        for path in chosen:
            inside = tree / path.relative_to(kernel.modules)
            inside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, inside)
        (tree / "extra").mkdir(parents=True)
        for module in own:
            shutil.copy(module, tree / "extra" / module.name)
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            shutil.copy(kernel.modules / name, tree / name)
        subprocess.run(["depmod", "-b", tmp, kernel.release], check=True)
        for path in sorted(tree.rglob("*")):
            if path.suffix == ".ko" or path.name in ("modules.dep", "modules.alias", "modules.builtin"):
                archive.file(f"lib/modules/{kernel.release}/{path.relative_to(tree)}", path)
