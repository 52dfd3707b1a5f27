# SPDX-License-Identifier: MIT
"""Memory to TCP, TCP to a file, a file to TCP, over loopback or a veth pair. All sockets use cubic."""

import statistics

import harness
from harness import GIB, BenchError, median, transfer

K = 1 << 10
M = 1 << 20


def size_text(n):
    return f"{n // M}M" if n % M == 0 else f"{n // K}K"


def source(pool, block, total):
    """A pool that is only rotated through, as the peers' pools are: nobody writes into its blocks."""
    return f"null:bytes={total},block={block},blocks={pool // block}"


def run_sender(c, pool, block, total, options, memory=""):
    return [c.dmaflow, "run", "--json", source(pool, block, total) + (f",{memory}" if memory else ""),
            f"tcp:HOST:PORT,cc=cubic,{options}"]


def run_receiver(c, block, blocks, options="", sink="null:"):
    comma = "," if options else ""
    return [c.dmaflow, "run", "--json",
            f"tcp-listen:HOST:PORT,cc=cubic,block={block},blocks={blocks}{comma}{options}", sink]


def iperf3(total, block):
    """One stream; both ends copy, out of and into one block that stays in the cache."""
    return transfer(["iperf3", "-s", "-1", "-p", "PORT", "-B", "HOST", "--json"],
                    ["iperf3", "-c", "HOST", "-p", "PORT", "-C", "cubic", "-n", total,
                     "-l", block, "--json"], total)


def rates(got):
    return ", ".join(f"{name} {median(samples, 'rate'):.1f}" for name, samples in got.items()) + " GiB/s"


def of(samples, what):
    return [getattr(s, what) for s in samples]


def tcp_copy(c):
    """copy mode against iperf3, both from a hot pool"""
    total, block = 4 * GIB, 128 * K
    # The two are so close that five rounds say either.
    got = harness.in_turn(max(c.rounds, 15), {
        "iperf3": lambda: iperf3(total, block),
        "dmaflow": lambda: transfer(run_receiver(c, block, 1),
                                    run_sender(c, block, block, total, "mode=copy"), total)}, c.report.log)
    c.report.figure("tcp.copy.cpu_vs_iperf3", "CPU-s/GiB", of(got["dmaflow"], "cpu"), "iperf3",
                    of(got["iperf3"], "cpu"), most=1.0,
                    note="both ends; pool 128 KiB, blocks of 128 KiB; both receivers copy into 128 KiB; "
                    + rates(got))


def tcp_splice(c):
    """splice with acknowledgements against iperf3's default"""
    total, block, pool = 4 * GIB, 128 * K, 1 * M
    got = c.in_turn(
        iperf3=lambda: iperf3(total, block),
        dmaflow=lambda: transfer(run_receiver(c, block, 1, "frame,ack"),
                                 run_sender(c, pool, block, total, "mode=splice,frame,ack"), total),
        by_hand=lambda: transfer(
            [c.peer("sinkd"), "host=HOST", "port=PORT", "block=128K", "ack=256K"],
            [c.peer("vmsplice"), "host=HOST", "port=PORT", "pool=1M", "block=128K", "ack=256K", f"bytes={total}"],
            total))
    c.report.figure("tcp.splice.cpu_vs_iperf3", "CPU-s/GiB", of(got["dmaflow"], "cpu"), "iperf3",
                    of(got["iperf3"], "cpu"), most=0.75,
                    note="both ends; pool 1 MiB, blocks of 128 KiB (iperf3: one block); all receivers "
                    "copy into 128 KiB; " + rates(got))
    c.report.figure("tcp.splice.cpu_vs_hand", "CPU-s/GiB", of(got["dmaflow"], "cpu"),
                    "vmsplice by hand", of(got["by_hand"], "cpu"),
                    note="both ends; same pool and block, acknowledged each 256 KiB, receiver copies")


def tcp_splice_sender(c):
    """the sender's side of splice with acknowledgements against send()"""
    total, block, pool = 8 * GIB, 1 * M, 64 * M
    got = c.in_turn(
        send=lambda: transfer(run_receiver(c, block, 4),
                              [c.peer("send"), "host=HOST", "port=PORT", "pool=64M", "block=1M", f"bytes={total}"],
                              total),
        dmaflow=lambda: transfer(run_receiver(c, block, 4, "frame,ack"),
                                 run_sender(c, pool, block, total, "mode=splice,frame,ack", "memory=thp"), total),
        pages=lambda: transfer(run_receiver(c, block, 4, "frame,ack"),
                               run_sender(c, pool, block, total, "mode=splice,frame,ack"), total))
    c.report.figure("tcp.splice.sender_cpu_vs_send", "CPU-s/GiB", of(got["dmaflow"], "sender_cpu"),
                    "send", of(got["send"], "sender_cpu"), most=0.35,
                    note="sender only, start-up included; pool 64 MiB (dmaflow: memory=thp), blocks of 1 MiB; "
                    "the receiver is dmaflow for both and copies into 4 x 1 MiB; " + rates(got))
    c.report.figure("tcp.splice.sender_cpu_vs_send.pages", "CPU-s/GiB", of(got["pages"], "sender_cpu"),
                    "send", of(got["send"], "sender_cpu"),
                    note="the same out of base pages: a third of it is pinning them one by one")


def best_mode(c, name, block, total):
    pool = 16 * M
    modes = {"auto": total, "copy": total, "splice": total,
             # These cost several times as much here; a quarter is enough to see it.
             "zerocopy": total // 4, "sendzc": total // 4}

    def link(mode, size):
        return lambda: transfer(run_receiver(c, max(block, 128 * K), 8, "frame,ack"),
                                run_sender(c, pool, block, size, f"mode={mode},frame,ack"), size)
    got = c.in_turn(**{mode: link(mode, size) for mode, size in modes.items()})
    best = min((m for m in modes if m != "auto"), key=lambda m: median(got[m], "cpu"))
    note = (f"both ends; pool 16 MiB, blocks of {size_text(block)}, framed and acknowledged, receiver "
            "copies; CPU-s/GiB: "
            + ", ".join(f"{m} {median(got[m], 'cpu'):.3f}" for m in modes) + "; " + rates(got))
    c.report.figure(f"tcp.auto_vs_best.{name}", "CPU-s/GiB", of(got["auto"], "cpu"), best,
                    of(got[best], "cpu"), most=1.10, note=note)
    late = [link.sender.json()["completions"]["copied"] for link in got["auto"]]
    c.report.figure(f"tcp.auto_late_copies.{name}", "sends", [max(late)], most=100,
                    note=f"most in a run: sends that the kernel copied late before auto left that mode; {late}")


def tcp_auto(c):
    """mode=auto against the best of the modes, per block size"""
    best_mode(c, "4k", 4 * K, GIB)
    best_mode(c, "64k", 64 * K, 2 * GIB)
    best_mode(c, "1m", 1 * M, 2 * GIB)


def tcp_to_file(c):
    """receiving into a file against splice() and against recv + io_uring by hand"""
    total = GIB
    sender = [c.peer("send"), "host=HOST", "port=PORT", "block=128K", f"bytes={total}"]

    def into(receiver):
        def run():
            path = c.scratch.fresh("received")
            link = transfer([str(a).replace("FILE", str(path)) for a in receiver], sender, total)
            if path.stat().st_size != total:
                raise BenchError(f"{receiver[0]}: {path.stat().st_size} of {total} bytes in the file")
            return link
        return run
    # A disk's noise is large: more rounds.
    got = harness.in_turn(max(c.rounds, 9), {
        # Larger pipes make this peer slower here, not faster.
        "splice": into([c.peer("splice_file"), "host=HOST", "port=PORT", "block=128K", "file=FILE"]),
        "by_hand": into([c.peer("recv_direct"), "host=HOST", "port=PORT", "block=1M", "depth=4",
                         "file=FILE"]),
        "dmaflow": into(run_receiver(c, M, 6, sink="file:FILE,direct,depth=4"))}, c.report.log)
    note = ("receiver only; blocks of 1 MiB, depth 4, O_DIRECT (splice: 128 KiB, page cache, what its "
            "write-back costs later not counted); the sender is send() of one 128 KiB block for all; ")
    c.report.figure("tcp.to_file.cpu_vs_splice", "CPU-s/GiB", of(got["dmaflow"], "receiver_cpu"),
                    "splice", of(got["splice"], "receiver_cpu"), most=0.72, note=note + rates(got))
    c.report.figure("tcp.to_file.cpu_vs_hand", "CPU-s/GiB", of(got["dmaflow"], "receiver_cpu"),
                    "recv + io_uring by hand", of(got["by_hand"], "receiver_cpu"), most=1.0,
                    note="receiver only; 4 blocks of 1 MiB in flight, O_DIRECT, fixed buffers")


def file_to_tcp(c):
    """sending a file against sendfile() and socat"""
    total = GIB
    path = c.scratch.fresh("sent")
    block = bytes(range(256)) * (M // 256)
    with open(path, "wb") as out:
        for _ in range(total // M):
            out.write(block)
    sinkd = [c.peer("sinkd"), "host=HOST", "port=PORT", "block=128K"]

    def link(*sender):
        return lambda: transfer(sinkd, sender, total)
    got = c.in_turn(
        sendfile=link(c.peer("sendfile"), "host=HOST", "port=PORT", "block=1M", f"file={path}", f"bytes={total}"),
        socat=link("socat", "-u", "-b", 128 * K, f"OPEN:{path},rdonly", "TCP:HOST:PORT,setsockopt-string=6:13:cubic"),
        dmaflow=link(c.dmaflow, "run", "--json", f"file:{path},block=128K",
                     "tcp:HOST:PORT,cc=cubic"),
        direct=link(c.dmaflow, "run", "--json", f"file:{path},direct,block=1M,depth=4",
                    "tcp:HOST:PORT,cc=cubic"))
    note = "both ends; file in the page cache, receiver copies into 128 KiB; "
    c.report.figure("file.to_tcp.cpu_vs_sendfile", "CPU-s/GiB", of(got["dmaflow"], "cpu"), "sendfile",
                    of(got["sendfile"], "cpu"), note=note + rates(got))
    c.report.figure("file.to_tcp.cpu_vs_socat", "CPU-s/GiB", of(got["dmaflow"], "cpu"),
                    "socat -b 131072", of(got["socat"], "cpu"), note=note)
    c.report.figure("file.to_tcp.direct.cpu_vs_sendfile", "CPU-s/GiB", of(got["direct"], "cpu"),
                    "sendfile", of(got["sendfile"], "cpu"),
                    note="both ends; dmaflow reads the disk with O_DIRECT, sendfile its cache; "
                    f"dmaflow {statistics.median(of(got['direct'], 'rate')):.1f} GiB/s")


def peers(c):
    """the hand-written peers among themselves, to see that they are good ones"""
    total = 2 * GIB

    def sinkd(*options):
        return [c.peer("sinkd"), "host=HOST", "port=PORT", *options]

    def hand(name, *options):
        return [c.peer(name), "host=HOST", "port=PORT", f"bytes={total}", *options]
    cold, hot = ("pool=64M", "block=1M"), ("block=128K",)
    got = c.in_turn(
        iperf3=lambda: iperf3(total, 128 * K),
        send_hot=lambda: transfer(sinkd(*hot), hand("send", *hot), total),
        sendfile_hot=lambda: transfer(sinkd(*hot), hand("sendfile", *hot), total),
        vmsplice_hot=lambda: transfer(sinkd(*hot), hand("vmsplice", *hot), total),
        send_4k=lambda: transfer(sinkd("block=1M"), hand("send", "pool=64M", "block=4K"), total),
        send_64k=lambda: transfer(sinkd("block=1M"), hand("send", "pool=64M", "block=64K"), total),
        send_1m=lambda: transfer(sinkd("block=1M"), hand("send", *cold), total),
        sendfile_1m=lambda: transfer(sinkd("block=1M"), hand("sendfile", *cold), total),
        vmsplice_1m=lambda: transfer(sinkd("block=1M"), hand("vmsplice", *cold), total),
        vmsplice_trunc=lambda: transfer(sinkd("block=1M", "mode=trunc", "lowat=1M"),
                                        hand("vmsplice", *cold), total),
        zerocopy_64k=lambda: transfer(sinkd("block=1M"),
                                      hand("zerocopy", "pool=64M", "block=64K"), total))
    for name in ("send_hot", "sendfile_hot", "vmsplice_hot"):
        c.report.figure(f"peers.{name}.cpu_vs_iperf3", "CPU-s/GiB", of(got[name], "cpu"), "iperf3",
                        of(got["iperf3"], "cpu"), note="both ends; pool and blocks of 128 KiB, receiver copies")
    base = median(got["iperf3"], "cpu")
    for name, links in got.items():
        c.report.note(f"{name:16} {median(links, 'rate'):6.2f} GiB/s  sender {median(links, 'sender_cpu'):.3f}"
                      f"  both {median(links, 'cpu'):.3f} CPU-s/GiB  {median(links, 'cpu') / base:.2f}x iperf3")


BENCHES = {"tcp.copy": tcp_copy, "tcp.splice": tcp_splice, "tcp.splice_sender": tcp_splice_sender,
           "tcp.auto": tcp_auto, "tcp.to_file": tcp_to_file, "file.to_tcp": file_to_tcp, "peers": peers}
