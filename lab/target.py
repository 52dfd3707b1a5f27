# SPDX-License-Identifier: MIT
"""What differs between the processors of the lab's machines: QEMU, compiler, programs, device tree."""

import os
import pathlib
import re
import subprocess

from kernel import LabError

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINKER = re.compile(r"(?:=>\s*)?(/\S+)\s+\(0x")
NEEDED = re.compile(r"\(NEEDED\).*\[(.*)\]")


class X86:
    """PC with PCI."""

    name = "x86"
    qemu = "qemu-system-x86_64"
    memory = "512M"
    console, out, off = "ttyS0", "ttyS1", "poweroff -f"
    libraries_at = "lib/x86_64-linux-gnu"
    programs = "*.c"
    flags = ()

    @staticmethod
    def compiler():
        return os.environ.get("CC", "cc")

    @staticmethod
    def program():
        return pathlib.Path(os.environ.get("DMAFLOW") or ROOT / "build/dmaflow")

    @staticmethod
    def libraries(source):
        """Shared objects that this one is linked with, the dynamic linker too; none if it is static."""
        done = subprocess.run(["ldd", source], capture_output=True, text=True, check=False)
        if done.returncode:
            return []
        if "not found" in done.stdout:
            raise LabError(f"{source}: {done.stdout.strip()}")
        return [pathlib.Path(f) for f in LINKER.findall(done.stdout)]

    @staticmethod
    def prepare():
        """What needs the archive: before the network is left."""


class Arm:
    """Zynq-7000: Cortex-A9, 32 bits."""

    name = "arm"
    qemu = "qemu-system-arm"
    memory = "256M"
    # It can't turn itself off: it resets, which ends QEMU.
    console, out, off = "ttyPS0", "ttyPS1", "reboot -f"
    libraries_at = "lib/arm-linux-gnueabihf"
    programs = "drv_*.c"  # the others measure, on x86
    sysroot = ROOT / "build/cross/sysroot-armhf"
    flags = ("-isystem", sysroot / "usr/include", "-L", sysroot / "usr/lib/arm-linux-gnueabihf")

    @staticmethod
    def compiler():
        return "arm-linux-gnueabihf-gcc"

    @staticmethod
    def program():
        return ROOT / "build/cross/armhf-lab/dmaflow"

    @classmethod
    def busybox(cls):
        return cls.sysroot / "bin/busybox"

    @classmethod
    def libraries(cls, source):
        places = (cls.sysroot / "usr/lib/arm-linux-gnueabihf", pathlib.Path("/usr/arm-linux-gnueabihf/lib"))
        found, todo = {}, [source]
        while todo:
            done = subprocess.run(["readelf", "-d", todo.pop()], capture_output=True, text=True, check=True)
            for name in NEEDED.findall(done.stdout):
                file = next((p / name for p in places if (p / name).exists()), None)
                if not file:
                    raise LabError(f"{source}: {name} is not here; run: tools/setup kernels")
                if name not in found:
                    found[name] = file
                    todo.append(file)
        return list(found.values())

    @classmethod
    def prepare(cls):
        """A sysroot and, linked dynamically so that it takes plug-ins, the program."""
        for argv in (["tools/cross/sysroot", "armhf"], ["tools/cross/program", "armhf", "armhf-lab"]):
            done = subprocess.run(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False)
            if done.returncode:
                raise LabError(f"{' '.join(argv)}: {done.stdout.strip()}")

    @staticmethod
    def device_tree(kernel, target):
        """The board's tree with what lab/zynq.dtsi says."""
        text = subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dts", kernel.dtb],
                              capture_output=True, text=True, check=True).stdout
        text += (ROOT / "lab/zynq.dtsi").read_text()
        done = subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", target], input=text,
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"lab/zynq.dtsi: {done.stderr.strip()}")
        return target


BY_NAME = {"x86": X86, "arm": Arm}
