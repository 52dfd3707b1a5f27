# SPDX-License-Identifier: MIT
"""One emulated machine: QEMU's arguments, the programs beside it, and what came out."""

import io
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import sys
import tarfile
import threading
import time

import build
import initramfs
import symbols
import target as targets
from kernel import LabError

HOST, GUEST = "10.0.2.2", "10.0.2.15"
# Model and module of each; "tap" stands behind those that are not on -netdev user.
NICS = {
    "none": None,
    "e1000e": ("e1000e", "e1000e"),
    "e1000": ("e1000", "e1000"),
    "vmxnet3": ("vmxnet3", "vmxnet3"),
    "virtio-user": ("virtio-net-pci", "virtio_net"),
    "virtio-tap": ("virtio-net-pci", "virtio_net"),
    "e1000e-tap": ("e1000e", "e1000e"),
    "vmxnet3-tap": ("vmxnet3", "vmxnet3"),
}
FEED_BYTES = 1 << 30  # a feeding command is stopped here
FEED_END = 1 << 40
VIRTIO = "disable-legacy=on"
UNWELL = re.compile(r"WARNING:|\bBUG\b|KASAN|UBSAN|DMA-API: (?!preallocated|debugging)|\bOops\b|lockdep|"
                    r"general protection|DMAR:.*fault|possible .*dead ?lock|INFO: task .* blocked|"
                    r"rcu.* stall|Kernel panic|unexpected IRQ|Bad page|page allocation failure|"
                    r"lab: modprobe .* failed")
# Beyond the guest's own: the command must not use these.
FAILED, NO_END, UNABLE = 123, 124, 125


class Machine:
    def __init__(self, args, kernel, folder):
        self.args = args
        self.kernel = kernel
        self.target = targets.BY_NAME[kernel.arch]
        self.folder = folder
        self.mark = secrets.token_hex(16)
        self.modules = list(args.module)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    # ---- what it consists of ----

    def _network(self):
        """Arguments of the NIC; a tap device is made in this namespace, which is our own."""
        ip = ["ip", "link", "set", "lo", "up"]
        subprocess.run(ip, check=True)
        if self.args.nic == "none":
            return ["-nic", "none"]
        if self.target is targets.Arm:
            return ["-nic", f"user,host={HOST},dhcpstart={GUEST},model=cadence_gem"]
        nic = NICS[self.args.nic]
        model, module = nic
        self.modules.insert(0, module)
        device = f"{model},netdev=n0,romfile=,mac=52:54:00:12:34:56"
        if model.startswith("virtio"):
            self.modules.insert(0, "virtio_pci")
            device += f",{VIRTIO}" + (",iommu_platform=on" if self.args.iommu else "")
        if not self.args.nic.endswith("-tap"):
            return ["-netdev", f"user,id=n0,host={HOST},dhcpstart={GUEST}", "-device", device]
        for line in ("tuntap add lab0 mode tap vnet_hdr", f"addr add {HOST}/24 dev lab0",
                     "link set lab0 up"):
            done = subprocess.run(["ip", *line.split()], capture_output=True, text=True, check=False)
            if done.returncode:
                raise LabError(f"ip {line}: {done.stderr.strip()}; a tap needs /dev/net/tun")
        return ["-netdev", "tap,id=n0,ifname=lab0,script=no,downscript=no", "-device", device]

    def _stream(self):
        """A virtio-rng device that gives what the feed has, or waits for it as a device would."""
        if not self.args.feed:
            raise LabError("--device virtio-stream: --feed FILE or --feed '|CMD' must say what it gives")
        feed = self.args.feed
        if feed.startswith("|"):
            feed = self.folder / "feed"
            self._fill(feed, self.args.feed[1:])
        elif not os.path.exists(feed):
            raise LabError(f"--feed {feed}: no such file; a command begins with '|'")
        return ["-object", f"rng-random,id=r0,filename={feed}", "-device",
                f"virtio-rng-pci,rng=r0,{VIRTIO}" + (",iommu_platform=on" if self.args.iommu else "")]

    def _fill(self, path, command):
        """
        What the command writes, in a file. QEMU could read a pipe too, but one that runs dry lets its
        virtio-rng ask twice for the same buffers, and what finds none of them is thrown away.
        """
        env = {**os.environ, "PATH": f"{build.ROOT}/build:{os.environ['PATH']}"}
        with open(path, "wb") as file, subprocess.Popen(
                ["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=env) as feed:
            left = FEED_BYTES
            while left and (chunk := feed.stdout.read(min(left, 1 << 20))):
                file.write(chunk)
                left -= len(chunk)
            feed.stdout.close()
            # Zeros without end follow, in a hole: at an end of file QEMU would complete empty buffers for ever.
            file.truncate(FEED_END)
        if feed.returncode and left:
            raise LabError(f"--feed '|{command}': status {feed.returncode}")

    def _devices(self):
        argv = []
        for device in self.args.device:
            if device == "edu":
                # QEMU 7.2's edu aborts on a transfer of a whole page; its users ask for half of one.
                argv += ["-device", "edu,dma_mask=0xffffffffffffffff"]
            elif device == "virtio-stream":
                self.modules.append("virtio_pci")
                argv += self._stream()
            else:
                argv += ["-device", device]
        for i, disk in enumerate(self.args.disk):
            self.modules += ["virtio_pci", "virtio_blk"] if i == 0 else []
            argv += ["-drive", f"file={disk},format=raw,if=none,id=d{i},cache=writeback"
                     if os.path.exists(disk) else f"{disk},if=none,id=d{i}",
                     "-device", f"virtio-blk-pci,drive=d{i},{VIRTIO}"
                     + (",iommu_platform=on" if self.args.iommu else "")]
        return argv

    def _initramfs(self):
        archive = initramfs.Archive(self.target)
        initramfs.add_busybox(archive)
        archive.file("init", build.ROOT / "lab/init")
        driver = None if self.args.no_driver else build.driver(self.kernel, self.args.plant)
        own = [driver] if driver else []
        for source in self.args.build_module:
            own += build.module(source, self.kernel)
        known = {m.stem.replace("-", "_") for m in own}
        names = [m.split()[0] for m in self.modules if m.split()[0].replace("-", "_") not in known]
        initramfs.add_modules(archive, self.kernel, names + self.args.with_module, own)
        program = self.target.program()
        if program.exists():
            archive.program("bin/dmaflow", program)
            archive.program("lab/meter_stage.so", build.meter_stage(self.target))
        for guest in build.guest_programs(self.target):
            archive.file(f"bin/{guest.name}", guest)
        for item in self.args.file:
            source, _, target = item.partition(":")
            target = (target or f"root/{pathlib.Path(source).name}").lstrip("/")
            archive.program(target, source)
        archive.text("lab/modules", "".join(m + "\n" for m in dict.fromkeys(self.modules)))
        archive.text("lab/settings", f"LAB_GUEST={GUEST}\nLAB_HOST={HOST}\nLAB_MARK={self.mark}\n"
                     f"LAB_OUT=/dev/{self.target.out}\nLAB_OFF='{self.target.off}'\n"
                     f"LAB_SHELL={int(self.args.shell)}\nLAB_PROFILE={int(self.args.profile)}\n")
        archive.text("lab/command", f"export LAB_HOST={HOST}\n" + " ".join(self.args.command) + "\n")
        return archive.finish()

    def _command_line(self):
        # A starved host looks like a stalled guest: time-outs of ours end one that really is.
        words = [f"console={self.target.console}", "no_timer_check", "rcupdate.rcu_cpu_stall_timeout=120",
                 "loglevel=6", "panic=-1", "net.ifnames=0"]
        words += ["maxcpus=1"] if self.target is targets.Arm else []  # there is one
        words += ["intel_iommu=on", "iommu.strict=1"] if self.args.iommu else []
        words += ["swiotlb=force"] if self.args.swiotlb else []
        return " ".join(words + [self.args.append])

    def argv(self):
        network, devices = self._network(), self._devices()
        initrd = self.folder / "initramfs"
        with build.alone():
            initrd.write_bytes(self._initramfs())
        argv = [self.target.qemu, "-nodefaults", "-no-user-config", "-display", "none",
                "-monitor", "none", "-no-reboot", "-m", self.args.memory or self.target.memory,
                "-smp", str(self.args.smp),
                "-kernel", str(self.kernel.vmlinux), "-initrd", str(initrd),
                "-append", self._command_line(),
                "-chardev", f"file,id=console,path={self.folder}/console.log",
                "-chardev", "stdio,id=out,signal=off"]
        if self.target is targets.Arm:  # its second port is the console
            tree = self.target.device_tree(self.kernel, self.folder / "board.dtb")
            argv += ["-M", "xilinx-zynq-a9", "-dtb", str(tree),
                     "-serial", "chardev:out", "-serial", "chardev:console"]
        else:
            argv += ["-M", "q35,usb=off", "-cpu", "max,-erms,-fsrm",
                     "-serial", "chardev:console", "-serial", "chardev:out"]
        if self.args.iommu:  # before the devices that it is to translate for
            argv += ["-device", "intel-iommu,intremap=on,device-iotlb=on"]
        if self.args.meter or self.args.profile:
            with build.alone():
                plugin = f"{build.meter()},out={self.folder}/meter.json"
            if self.args.profile:
                plugin += f",profile={self.folder}/profile"
            argv += ["-plugin", plugin]
        return argv + network + devices + self.args.qemu

    # ---- running it ----

    def _beside(self, command, log):
        env = {**os.environ, "LAB_HOST": HOST, "LAB_GUEST": GUEST,
               "PATH": f"{build.ROOT}/build:{os.environ['PATH']}"}
        with open(self.folder / log, "wb") as out:
            return subprocess.Popen(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=out,
                                    stderr=out, env=env, start_new_session=True)

    def _pass_on(self, stream, rest):
        """What the command prints is passed on as it comes; what follows the mark is kept."""
        mark, tail, marked = self.mark.encode(), b"", False
        while chunk := stream.read1(65536):
            if marked:
                rest.extend(chunk)
                continue
            tail += chunk
            at = tail.find(mark)
            marked = at >= 0
            if marked:
                rest.extend(tail[at + len(mark):])
            shown = tail[:at] if marked else tail[:max(0, len(tail) - len(mark))]
            tail = tail[len(shown):]
            sys.stdout.buffer.write(shown)
            sys.stdout.buffer.flush()
        if not marked:
            sys.stdout.buffer.write(tail)
            sys.stdout.buffer.flush()

    def _shell(self, argv):
        print(f"lab: booting {self.kernel.release}; Ctrl-D or exit ends it; the console: "
              f"{self.folder}/console.log", flush=True)
        saved = subprocess.run(["stty", "-g"], capture_output=True, text=True, check=False).stdout
        try:
            return subprocess.run(argv, check=False).returncode
        finally:
            subprocess.run(["stty", *saved.split()], check=False, stderr=subprocess.DEVNULL)

    def run(self):
        argv = self.argv()
        (self.folder / "qemu.args").write_text("\n".join(argv) + "\n")
        beside = self.args.host and self._beside(self.args.host, "host.log")
        served = self.args.serve and self._beside(self.args.serve, "serve.log")
        try:
            if self.args.shell:
                return self._shell(argv)
            status = self._boot(argv)
            return self._judge(status, beside)
        finally:
            (self.folder / "feed").unlink(missing_ok=True)
            for process in (beside, served):
                if process and process.poll() is None:
                    os.killpg(process.pid, 15)
                    process.wait()

    def _boot(self, argv):
        """The command's status, or None if the machine ended without giving one."""
        rest = bytearray()
        with open(self.folder / "qemu.log", "wb") as log:
            qemu = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        reader = threading.Thread(target=self._pass_on, args=(qemu.stdout, rest))
        reader.start()
        self.timed_out = False
        try:
            qemu.wait(self.args.timeout)
        except subprocess.TimeoutExpired:
            self.timed_out = True
            qemu.kill()
            qemu.wait()
        except BaseException:
            qemu.kill()
            raise
        finally:
            reader.join()
        if not rest:
            return None
        with tarfile.open(fileobj=io.BytesIO(rest)) as tar:
            tar.extractall(self.folder / "out")
        return int((self.folder / "out/.status").read_text())

    def _judge(self, status, beside):
        def fault(text):
            print(f"lab/run: {self.args.name}: {text}", file=sys.stderr)

        end = FAILED
        if status is None:
            why = f"no end within {self.args.timeout:g} s" if self.timed_out else "the machine ended early"
            end = NO_END
            fault(f"{why}; the console's last lines:")
            self._show(self._console()[-15:] + (self.folder / "qemu.log").read_text().splitlines()[-5:])
            status = NO_END
        elif self.args.profile:
            symbols.write(self.folder)
        findings = self._findings()
        if findings:
            fault(f"the kernel's log has {len(findings)} findings ({self.folder}/console.log):")
            self._show(findings[:20])
        for pattern in self.args.expect:
            if not any(re.search(pattern, line) for line in self._console()):
                fault(f"the kernel's log lacks {pattern!r}")
                findings.append(pattern)
        other = self._wait_beside(beside, 0 if status else 15)
        if other:
            fault(f"--host ended with {other}; its last lines:")
            self._show((self.folder / "host.log").read_text(errors="replace").splitlines()[-15:])
        if status:
            return status
        return end if findings or other else 0

    @staticmethod
    def _wait_beside(beside, seconds):
        if not beside:
            return 0
        until = time.monotonic() + seconds
        while beside.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        return "no end" if beside.poll() is None else beside.returncode

    @staticmethod
    def _show(lines):
        for line in lines:
            print(f"  | {line}", file=sys.stderr)

    def _console(self):
        path = self.folder / "console.log"
        return path.read_text(errors="replace").replace("\r", "").splitlines() if path.exists() else []

    def _findings(self):
        allowed = [re.compile(p) for p in self.args.allow + self.args.expect]
        return [line for line in self._console()
                if UNWELL.search(line) and not any(a.search(line) for a in allowed)]
