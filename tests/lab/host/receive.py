#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Take TCP streams of 32-bit little-endian numbers, from 0 on, and look at every byte.

usage: receive.py PORT BYTES [STREAMS]
"""

import array
import socket
import sys

CHUNK = 1 << 20


def numbers(first, count):
    made = array.array("I", (n & 0xffffffff for n in range(first, first + count)))
    if sys.byteorder == "big":
        made.byteswap()
    return made.tobytes()


def take(listener, want):
    """One stream. Returns what is wrong with it, or None."""
    peer, _ = listener.accept()
    peer.settimeout(60)
    at, held = 0, b""
    with peer:
        while chunk := peer.recv(CHUNK):
            held += chunk
            usable = len(held) // 4 * 4
            if held[:usable] != numbers(at // 4, usable // 4):
                return f"wrong bytes within {at}-{at + usable}"
            at += usable
            held = held[usable:]
    return None if at == want and not held else f"{at + len(held)} bytes, {want} were to come"


def main():
    port, want, streams = (*map(int, sys.argv[1:]), 1)[:3]
    listener = socket.create_server(("0.0.0.0", port))
    listener.settimeout(60)
    for i in range(streams):
        wrong = take(listener, want)
        if wrong:
            print(f"receive.py: stream {i}: {wrong}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
