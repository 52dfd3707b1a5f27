#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Take TCP streams, read so many bytes of each, let it pile up, then reset the connection.

usage: reset.py PORT BYTES STREAMS
"""

import socket
import struct
import sys
import time


def main():
    port, want, streams = map(int, sys.argv[1:])
    listener = socket.create_server(("0.0.0.0", port))
    listener.settimeout(60)
    for _ in range(streams):
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(60)
            left = want
            while left and (chunk := peer.recv(min(left, 1 << 20))):
                left -= len(chunk)
            time.sleep(0.2)
            # Closing with no time to linger sends a reset.
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if left:
            print(f"reset.py: {want - left} bytes only")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
