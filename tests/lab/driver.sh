#!/bin/bash
# SPDX-License-Identifier: MIT
# The driver's own tests (tests/lab/guest/drv_*.c) on every sort of device, with IOMMU and without.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
feed="|'$DMAFLOW' run --quiet pattern:bytes=128M -"
disk=$(mktemp build/lab/disk.XXXXXX) || exit 1
trap 'rm -f "$disk"' EXIT
truncate -s 64M "$disk"

# in_guest NAME COMMAND OPTION...: it ends well, and each of its points is one of ours.
in_guest() {
	local name=$1 command=$2
	shift 2
	lab "$name" "$@" -- "$command" >/dev/null
	local status=$?
	[ "$status" -eq 0 ] || grep -v '^ok ' "$out/said" | sed 's/^/# /'
	point $status "$name: the guest ends well and its log is clean"
	points "$name"
}

for kernel in 6.1 6.12; do
	for iommu in '' --iommu; do
		# shellcheck disable=SC2086 # one option, or none
		in_guest "basic-$kernel$iommu" 'modprobe dmaflow pattern=1 && drv_basic /dev/dmaflow0 /dev/vda' \
			--kernel $kernel $iommu --memory 2560M --disk "$disk"
	done
	in_guest "stream-$kernel" 'modprobe dmaflow virtio=1 &&
drv_stream /dev/dmaflow0 131072 16 64000000 && drv_stream /dev/dmaflow0 4096 64 4000000 no-huge any' \
		--kernel $kernel --device virtio-stream --feed "$feed"
	in_guest "stream-$kernel-iommu" 'modprobe dmaflow virtio=1 &&
drv_stream /dev/dmaflow0 131072 16 64000000 iommu' \
		--kernel $kernel --iommu --device virtio-stream --feed "$feed"
done
plan
