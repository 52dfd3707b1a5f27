#!/bin/bash
# SPDX-License-Identifier: MIT
# The driver with edu's own DMA, its life and death, dma-buf, and calls that make no sense.
# shellcheck disable=SC2016 # much here is for the guest's shell
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
feed="|'$DMAFLOW' run --quiet pattern:bytes=128M -"

# in_guest NAME COMMAND OPTION...
in_guest() {
	local name=$1 command=$2
	shift 2
	lab "$name" "$@" -- "$command" >/dev/null
	point $? "$name: the guest ends well and its log is clean"
	points "$name"
}

# edu NAME WORD OPTION...: both ways, by pages and in pieces.
edu() {
	local name=$1 word=$2 bits=$3
	shift 3
	in_guest "$name" "modprobe dmaflow edu_dma_bits=$bits &&
drv_stream /dev/dmaflow0 4096 4 8192 $word && drv_stream /dev/dmaflow0 6000 4 12000 no-huge $word &&
drv_stream /dev/dmaflow0 4096 4 8192 from-memory $word" --device edu "$@"
}
edu edu '' 28
edu edu-iommu iommu 28 --iommu
edu edu-swiotlb bounced 32 --swiotlb
edu edu-6.12 '' 28 --kernel 6.12

in_guest life 'modprobe dmaflow virtio=1 memory=fpga:64M pattern=1 &&
drv_life kill /dev/dmaflow0 200 &&
drv_life unbind /dev/dmaflow1 /sys/bus/platform/drivers/dmaflow-memory dmaflow-memory.0 &&
drv_life unbind /dev/dmaflow2 /sys/bus/pci/drivers/dmaflow-edu "$(basename /sys/bus/pci/drivers/dmaflow-edu/0000:*)" &&
drv_life unbind /dev/dmaflow3 /sys/bus/virtio/drivers/dmaflow-virtio virtio0 &&
drv_life kill /dev/dmaflow3 50 && drv_life unload /dev/dmaflow0' --device edu --device virtio-stream --feed "$feed"

for kernel in 6.1 6.12; do
	in_guest "export-$kernel" 'modprobe dmaflow pattern=1 && modprobe dmaf_importer && drv_export /dev/dmaflow0 &&
rmmod dmaf_importer && rmmod dmaflow' --kernel $kernel --build-module tests/lab/module/importer
	in_guest "example-$kernel" 'modprobe dmaflow && modprobe ticker && drv_ticker /dev/dmaflow0 &&
rmmod ticker && rmmod dmaflow' --kernel $kernel --build-module examples/driver
done

in_guest sizes 'modprobe dmaflow memory=a:2G memory_dma_bits=32
for size in 4096 12288 6295552 67108864 1073741824; do drv_stream /dev/dmaflow0 $size 1 1 any || exit 1; done
for size in 5000 1000000 2097152; do drv_stream /dev/dmaflow0 $size 3 1 any contiguous || exit 1; done' --memory 6G

in_guest abuse "modprobe dmaflow virtio=1 memory=fpga:64M pattern=2 &&
drv_abuse 20 $RANDOM$RANDOM /dev/dmaflow0 /dev/dmaflow1 /dev/dmaflow2 /dev/dmaflow3 /dev/dmaflow4 && rmmod dmaflow" \
	--smp 2 --device edu --device virtio-stream --feed "$feed"
plan
