#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The far end of a serial line whose near end is LINK, until the line is closed.

usage: pty.py LINK       copies what comes to standard output
       pty.py LINK FILE  sends FILE
"""

import fcntl
import os
import struct
import sys
import termios
import tty

TIOCPKT_FLUSHREAD = 1


def user_is_there(master, slave):
    """Who opens a line first throws away what lies in it; in packet mode the master is told."""
    while not os.read(master, 1)[0] & TIOCPKT_FLUSHREAD:
        pass
    fcntl.ioctl(master, termios.TIOCPKT, struct.pack("i", 0))
    os.close(slave)  # from now on the user alone holds the line open


def copy(master, out):
    try:
        while data := os.read(master, 65536):
            out.write(data)
    except OSError:
        pass  # hung up


def main():
    master, slave = os.openpty()
    tty.setraw(slave)
    fcntl.ioctl(master, termios.TIOCPKT, struct.pack("i", 1))
    os.symlink(os.ttyname(slave), sys.argv[1])
    user_is_there(master, slave)
    if len(sys.argv) > 2:
        with open(sys.argv[2], "rb") as file:
            data = file.read()
        try:
            while data:
                data = data[os.write(master, data[:4096]):]
        except OSError:
            return
    copy(master, sys.stdout.buffer)


main()
