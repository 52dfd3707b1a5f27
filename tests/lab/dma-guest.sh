#!/bin/sh
# SPDX-License-Identifier: MIT
# The part of dma.sh that runs in the guest: a TAP point a line in /out/points.
set -u

point() { # status, description
	if [ "$1" -eq 0 ]; then echo "ok - $2"; else echo "not ok - $2"; fi >>/out/points
	[ "$1" -eq 0 ] || { echo "# $2:" && tail -n 40 /tmp/said; }
}

# STATUS WORDS DESCRIPTION ARGUMENT...: dmaflow ends with that status and says WORDS.
says() {
	want=$1 words=$2 text=$3
	shift 3
	timeout 60 dmaflow "$@" >/tmp/said 2>&1
	status=$?
	[ "$status" -eq "$want" ] && grep -qF -- "$words" /tmp/said
	point $? "$text"
}

# The device that the doctor describes so.
of() {
	for d in /dev/dmaflow*; do
		timeout 20 dmaflow doctor "dma:$d" >/tmp/said 2>&1
		grep -q "$1" /tmp/said && echo "$d" && return
	done
	echo "/dev/no-$1"
}

software() {
	dev=$(of ' dmaflow-pattern.0,')
	other=$(of ' dmaflow-pattern.1,')
	memory=$(of ', memory-only:')
	says 0 'verify:: 268435456 bytes in 1024 buffers' "driver memory: 256 MiB, every byte right" \
		run "dma:$dev,bytes=256M" verify:
	says 0 'verify:: 10000000 bytes' "blocks of 5000 bytes: every byte right" \
		run "dma:$dev,block=5000,blocks=7,bytes=10000000" verify:
	says 0 'memory     memfd' "user memory: 64 MiB, every byte right" \
		run "dma:$dev,bytes=64M,memory=user" verify:
	says 2 'are 2 huge pages of 2 MiB, 0 are free' "huge pages that are not there are refused with numbers" \
		run "dma:$dev,bytes=64M,memory=huge" verify:
	echo 4 >/proc/sys/vm/nr_hugepages
	says 0 'huge pages 4096 KiB' "huge pages: 64 MiB, every byte right" \
		run "dma:$dev,bytes=64M,memory=huge" verify:
	says 0 "dma:$dev: 67108864 bytes in 256 buffers" "as a sink: the device compares what it reads" \
		run pattern:bytes=64M "dma:$dev"
	says 1 'Input/output error' "as a sink: it says when that differs" run null:bytes=1M "dma:$dev"
	for pair in "dma:$dev,memory=user,bytes=64M dma:$other" "dma:$dev,bytes=64M dma:$other,memory=user"; do
		# shellcheck disable=SC2086 # two words
		timeout 60 dmaflow run $pair >/tmp/said 2>&1
		status=$?
		[ "$status" -eq 0 ] && grep -q '67108864 bytes in 256 buffers, dmaflow.ko' /tmp/said && ! grep -q copied /tmp/said
		point $? "from device to device in the memory of one of them, not copied: $pair"
	done
	says 0 'copied 67108864 bytes: no-common-memory' "two that insist on their own memory get a copy with a name" \
		run "dma:$dev,bytes=64M" "dma:$other"
	says 2 'in one bus segment' "contiguous blocks that are not to be had are refused" \
		run "dma:$dev,block=64M,blocks=1,contiguous" null:
	says 2 'the kernel has not that much memory' "more than the machine has is refused" \
		run "dma:$dev,block=1G,blocks=16" null:

	# 300 MB/s for a sink that takes less and has two blocks of 4 KiB only.
	echo 300000000 >/sys/module/dmaflow/parameters/rate
	says 3 'because none was free' "a device that waits for nobody loses blocks, and what comes is in its place" \
		run "dma:$dev,block=4K,blocks=2,duration=1s" hash: verify:
	echo 0 >/sys/module/dmaflow/parameters/rate

	dmaflow run --quiet "dma:$dev,duration=20s" null: &
	holder=$!
	sleep 1
	says 2 'its queue is taken by another program' "a second program is told who has the queue" \
		run "dma:$dev" null:
	says 0 'its queue is taken' "and so says the doctor" doctor "dma:$dev"
	kill -9 $holder
	wait $holder
	says 0 '1048576 bytes' "a killed owner leaves the queue to the next" run "dma:$dev,bytes=1M" verify:
	timeout 60 dmaflow run "dma:$dev,duration=20s" verify: >/tmp/said 2>&1 &
	holder=$!
	sleep 1
	began=$(cut -d . -f 1 /proc/uptime)
	kill $holder # timeout passes it on
	wait $holder
	[ $(($(cut -d . -f 1 /proc/uptime) - began)) -lt 5 ] && grep -q 'lost 0' /tmp/said
	point $? "SIGTERM ends a flow of it cleanly"

	says 0 'all is as it should be' "selftest: the software device" selftest "dma:$dev"
	says 0 'all is as it should be' "selftest: on user memory" selftest "dma:$dev,memory=user,block=100K"
	says 0 'handed over and back' "selftest: memory without a device" selftest "dma:$memory"
	says 2 'memory with no device behind it' "memory is no source" run "dma:$memory" null:
	says 2 'more than this device was given' "nor larger than it was made" selftest "dma:$memory,block=1M,blocks=5"
	(timeout 20 dmaflow run --quiet tcp-listen:127.0.0.1:9000,frame,ack file:/tmp/got) &
	sleep 1
	timeout 20 /root/sender "dma:$memory,block=64K,blocks=8" tcp:127.0.0.1:9000,frame,ack >/tmp/said 2>&1
	status=$?
	wait $!
	i=0
	while [ $i -lt 64 ]; do
		letter=$(echo abcdefghijklmnopqrstuvwxyz | cut -c $((i % 26 + 1)))
		head -c 65536 /dev/zero | tr '\0' "$letter"
		i=$((i + 1))
	done >/tmp/want
	[ "$status" -eq 0 ] && cmp /tmp/got /tmp/want >>/tmp/said 2>&1
	point $? "a program that drives its own device sends from that memory"
}

# edu is slow: 100 ms for each 2 KiB, once into the device and once out of it.
edu() {
	dev=$(of ', pci-edu:')
	says 0 '16384 bytes in 8 buffers' "edu: 16 KiB by DMA, every byte right" \
		run "dma:$dev,block=2K,bytes=16K" verify:
	says 0 'all is as it should be' "edu: selftest" selftest --seconds 3 "dma:$dev,block=2K,blocks=2"
	timeout 60 dmaflow run "dma:$dev,block=2K,bytes=1M" verify: >/tmp/said 2>&1 &
	holder=$!
	sleep 2
	for d in /sys/bus/pci/drivers/dmaflow-edu/0*; do echo 1 >"$d/remove"; done
	wait $holder
	status=$?
	[ "$status" -eq 1 ] && grep -q 'is gone: unplugged' /tmp/said
	point $? "edu: unplugged in the middle of a flow, which fails and says so"
}

stream() {
	dev=$(of ', virtio-stream:')
	says 0 'verify:: 67108864 bytes' "virtio-stream: 64 MiB, every byte right" \
		run "dma:$dev,bytes=64M" verify:
	# Small blocks: at the end of its feed QEMU reads it again and again, and the guest stands still.
	says 0 'as a source' "virtio-stream: selftest" selftest "dma:$dev,block=4K"
	timeout 60 dmaflow run --quiet "dma:$dev,rate=20M" null: >/tmp/said 2>&1 &
	holder=$!
	sleep 1
	for d in /sys/bus/virtio/drivers/dmaflow-virtio/virtio*; do echo "${d##*/}" >"${d%/*}/unbind"; done
	wait $holder
	status=$?
	[ "$status" -eq 1 ] && grep -q 'is gone: unplugged' /tmp/said
	point $? "virtio-stream: its driver unbound in the middle of a flow, which fails and says so"
}

modprobe dmaflow pattern=2 memory=fpga:4M virtio=1
software
edu
stream
