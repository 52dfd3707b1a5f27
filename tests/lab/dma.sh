#!/bin/bash
# SPDX-License-Identifier: MIT
# The kind dma: against the driver itself: memory of every sort, both ways, losses, unplugging, selftest.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

out=
feed=$(mktemp build/lab/feed.XXXXXX) || exit 1
trap 'rm -f "$feed"' EXIT
"$DMAFLOW" run --quiet pattern:bytes=512M "file:$feed"
for machine in 6.1-iommu 6.12; do
	iommu=
	[ "${machine%-iommu}" = "$machine" ] || iommu=--iommu
	lab "$machine" --kernel "${machine%-iommu}" $iommu --device edu --device virtio-stream --feed "$feed" \
		--file tests/lab/dma-guest.sh --file build/examples/sender -- 'sh dma-guest.sh'
	point $? "$machine: the guest ends well and its log is clean"
	[ -s "$out/out/points" ]
	point $? "$machine: it got as far as its points"
	while read -r verdict text; do
		[ "$verdict" = ok ]
		point $? "$machine: ${text#- }"
	done <"$out/out/points"
done
plan
