# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154,SC2034 # variables of matrix.sh, set and read there
# How the matrix meets each kind. A kind of your own joins by two functions here:
#
# sink_KIND up     start who receives from it; set $addr. Return: 1 when this kind takes and forgets.
# sink_KIND down   wait for the receiver, whose bytes are in ./out then
# source_KIND up   start who sends ./ref to it; set $addr
# source_KIND down wait for the sender
#
# A '-' in a kind's name is '_' here. $port is a fresh one each time; `beside ... &` runs dmaflow
# beside the one that is tested. A helper's process id belongs into $helper.

# After a failure nobody may ever come for the other end, or come back to it.
down() {
	[ "$cut" = 1 ] && kill "$helper"
	[ "$helper" ] && wait "$helper"
	helper=
}

# Until the helper has made what it makes, or is gone.
there() {
	until [ -e "$1" ] || ! kill -0 "$helper" 2>/dev/null; do sleep 0.01; done
}

sink_file() {
	[ "$1" = down ] || addr=file:out
}
source_file() {
	addr=file:ref
}

sink__() {
	[ "$1" = down ] && mv stdout out && return
	addr=-
}
source__() {
	addr=-
}

sink_pipe() {
	[ "$1" = down ] && { down; return; }
	rm -f fifo && mkfifo fifo
	timeout 20 cat fifo >out &
	helper=$!
	addr=pipe:fifo
}
source_pipe() {
	[ "$1" = down ] && { down; return; }
	rm -f fifo && mkfifo fifo
	timeout 20 cat ref >fifo 2>helper.err &
	helper=$!
	addr=pipe:fifo
}

# The other end of a serial line is a pseudo-terminal's master.
sink_serial() {
	[ "$1" = down ] && { down; return; }
	rm -f tty
	timeout 20 "$here/pty.py" tty >out &
	helper=$!
	there tty
	addr=serial:tty
}
source_serial() {
	[ "$1" = down ] && { down; return; }
	rm -f tty
	timeout 20 "$here/pty.py" tty ref &
	helper=$!
	there tty
	addr=serial:tty,bytes=$size
}

sink_tcp() {
	[ "$1" = down ] && { down; return; }
	beside "tcp-listen:127.0.0.1:$port,frame,ack" file:out 2>helper.err &
	helper=$!
	addr=tcp:127.0.0.1:$port,frame,ack
}
source_tcp() {
	[ "$1" = down ] && { down; return; }
	beside file:ref "tcp-listen:127.0.0.1:$port" 2>helper.err &
	helper=$!
	addr=tcp:127.0.0.1:$port
}
sink_tcp_listen() {
	[ "$1" = down ] && { down; return; }
	beside "tcp:127.0.0.1:$port" file:out 2>helper.err &
	helper=$!
	addr=tcp-listen:127.0.0.1:$port
}
source_tcp_listen() {
	[ "$1" = down ] && { down; return; }
	beside file:ref "tcp:127.0.0.1:$port,frame,ack" 2>helper.err &
	helper=$!
	addr=tcp-listen:127.0.0.1:$port,frame,ack
}

source_pattern() {
	addr=pattern:bytes=$size
}
sink_verify() {
	addr=verify:
	return 1
}
sink_null() {
	addr=null:
	return 1
}
# Content that nobody could verify: only that it flows.
source_null() {
	addr=null:bytes=$size
	blind=1
}
sink_faulty() {
	addr=faulty:
	return 1
}
source_faulty() {
	addr=faulty:,bytes=$size
}

# Kinds of a device that only the lab has: tests/lab/fault.sh runs the matrix for them there.
missing_here() {
	case $1 in
	dma) [ ! -e /dev/dmaflow0 ] ;;
	v4l2) [ ! -e /dev/video0 ] ;;
	*) false ;;
	esac
}

# The driver's device in software: verify:'s content out of it, and it compares what it is given.
source_dma() {
	addr=dma:/dev/dmaflow0,bytes=$size
}
sink_dma() {
	addr=dma:/dev/dmaflow0
	return 1
}
