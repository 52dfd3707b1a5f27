#!/bin/bash
# SPDX-License-Identifier: MIT
# The driver in a kernel that looks for its faults (KASAN, lockdep, DMA_API_DEBUG, kmemleak): its own programs, selftest, and
# two minutes of calls that make no sense. The log stays silent.
# shellcheck disable=SC2016 # for the guest's shell
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
seconds=120
disk=$(mktemp build/lab/disk.XXXXXX) && feed=$(mktemp build/lab/feed.XXXXXX) || exit 1
trap 'rm -f "$disk" "$feed"' EXIT
truncate -s 64M "$disk"
"$DMAFLOW" run --quiet pattern:bytes=256M "file:$feed"
point $? "there is something to acquire"

# What the driver lost shows when it is gone: kmemleak tells of nothing that is younger than 5 s.
leaks='
leaks() {
	rmmod dmaflow || return 1
	for _ in 1 2; do sleep 6; echo scan >/sys/kernel/debug/kmemleak; done
	! grep -B 3 -A 20 "dmaf" /sys/kernel/debug/kmemleak
}
'
# in_guest NAME COMMAND OPTION...
in_guest() {
	local name=$1 command=$2 status
	shift 2
	lab "$name" --machine x86-debug --timeout 600 "$@" -- "$leaks$command" >/dev/null
	status=$?
	[ "$status" -eq 0 ] || grep -v '^ok ' "$out/said" | sed 's/^/# /'
	point $status "$name: the guest ends well and its log is silent"
	points "$name"
}

in_guest basic 'modprobe dmaflow pattern=1 && drv_basic /dev/dmaflow0 /dev/vda && leaks' \
	--memory 2560M --disk "$disk"
for iommu in '' --iommu; do
	# shellcheck disable=SC2086 # one option, or none
	in_guest "stream$iommu" "modprobe dmaflow edu_dma_bits=32 virtio=1 &&
edu=\$(grep -l pci-edu /sys/class/dmaflow/*/front) virtio=\$(grep -l virtio /sys/class/dmaflow/*/front) &&
edu=/dev/\$(basename \${edu%/front}) virtio=/dev/\$(basename \${virtio%/front}) &&
drv_stream \$edu 4096 4 8192 ${iommu#--} && drv_stream \$edu 6000 4 12000 no-huge ${iommu#--} &&
drv_stream \$edu 4096 4 8192 from-memory ${iommu#--} &&
drv_stream \$virtio 131072 16 8000000 ${iommu#--} &&
dmaflow selftest --seconds 3 dma:\$edu,block=2K,blocks=2 && leaks" \
		$iommu --device edu --device virtio-stream --feed "$feed"
done
in_guest life 'modprobe dmaflow edu_dma_bits=32 virtio=1 memory=fpga:64M pattern=1 &&
dmaflow selftest --seconds 3 dma:/dev/dmaflow0 &&
drv_life kill /dev/dmaflow0 60 &&
drv_life unbind /dev/dmaflow1 /sys/bus/platform/drivers/dmaflow-memory dmaflow-memory.0 &&
drv_life unbind /dev/dmaflow2 /sys/bus/pci/drivers/dmaflow-edu "$(basename /sys/bus/pci/drivers/dmaflow-edu/0000:*)" &&
drv_life unbind /dev/dmaflow3 /sys/bus/virtio/drivers/dmaflow-virtio virtio0 &&
drv_life kill /dev/dmaflow3 20 && drv_life unload /dev/dmaflow0' --device edu --device virtio-stream --feed "$feed"
in_guest export 'modprobe dmaflow pattern=1 && modprobe dmaf_importer && drv_export /dev/dmaflow0 &&
rmmod dmaf_importer && leaks' --build-module tests/lab/module/importer
in_guest abuse "modprobe dmaflow edu_dma_bits=32 virtio=1 memory=fpga:64M pattern=2 &&
drv_abuse $seconds $RANDOM$RANDOM /dev/dmaflow0 /dev/dmaflow1 /dev/dmaflow2 /dev/dmaflow3 /dev/dmaflow4 && leaks" \
	--smp 2 --device edu --device virtio-stream --feed "$feed"
grep -q '^ok .* processes of random calls' "$out/said" && tools/result kernel.fuzz_seconds s "$seconds" >/dev/null
point $? "a figure is recorded"
plan
