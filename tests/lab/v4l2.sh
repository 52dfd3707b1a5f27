#!/bin/bash
# SPDX-License-Identifier: MIT
# Somebody else's driver (vivid, unmodified) writes into memory of ours, which goes out without a copy.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
out=

# NAME OPTIONS KERNEL ALLOCATOR SETTING...: 20 frames by TCP to a receiver outside the guest.
streams() {
	local name=$1 options=$2 kernel=$3 allocator=$4
	shift 4
	lab "$name" --kernel "$kernel" --memory 768M --nic e1000e --with-module vivid \
		--host "'$DMAFLOW' run tcp-listen:0.0.0.0:9000 hash: null: >build/lab/v4l2-$name.received 2>&1" -- \
		"modprobe vivid n_devs=1 node_types=1 allocators=$allocator || exit 9
		 echo 24 >/proc/sys/vm/nr_hugepages
		 dmaflow run --json v4l2:/dev/video0,count=20$options hash: tcp:\$LAB_HOST:9000 >/out/run.json 2>/out/notes"
	point $? "$name: frames of vivid go over TCP (e1000e), Linux $kernel"
	python3 -c '
import json, re, sys
j = json.load(open(sys.argv[1] + "/out/run.json"))
received = re.search("xxh128 [0-9a-f]+", open(sys.argv[2]).read()).group()
assert j["status"] == 0 and j["buffers"] == 20 and j["source"]["path"] == sys.argv[3], j
assert received in json.dumps(j), (received, j)
' "$out" "build/lab/v4l2-$name.received" "$1"
	point $? "$name: every byte arrives, by $1"
	python3 -c '
import json, sys
j = json.load(open(sys.argv[1] + "/out/run.json"))
kernels = sum(v for k, v in j["copies"].items() if k.startswith("kernel"))
assert j["completions"]["zerocopied"] > 0 and not j["completions"]["copied"], j
assert kernels < j["bytes"] / 100, j  # ends of a send too short to be worth a reference
' "$out"
	point $? "$name: and over 99 % is not copied on the way"
	rm -f "build/lab/v4l2-$name.received"
}

streams vmalloc-6.1 ,memory=userptr 6.1 0 userptr
streams vmalloc-6.12 ,memory=udmabuf 6.12 0 udmabuf
streams contig-6.12 ,memory=udmabuf,huge 6.12 1 udmabuf

lab refused --kernel 6.1 --with-module vivid -- '
modprobe vivid n_devs=1 node_types=1 allocators=1
dmaflow run v4l2:/dev/video0,memory=udmabuf,count=1 null: 2>&1 | grep "CONFIG_UDMABUF" &&
dmaflow run v4l2:/dev/video0,memory=userptr,count=1 null: 2>&1 | grep "it takes dma-bufs: memory=udmabuf" &&
dmaflow run v4l2:/dev/video0,width=17,height=3,count=1 null: 2>&1 | grep "the nearest is width=" &&
dmaflow run v4l2:/dev/null,count=1 null: 2>&1 | grep "is no video device"'
point $? "what can't be is refused with what to do"
lab pieces --kernel 6.12 --with-module vivid -- '
modprobe vivid n_devs=1 node_types=1 allocators=1
dmaflow doctor --open v4l2:/dev/video0 | grep "yes     memory=udmabuf" &&
dmaflow doctor --open v4l2:/dev/video0 | grep "no      memory=userptr" &&
dmaflow run v4l2:/dev/video0,count=1 null: 2>&1 | grep "in one piece: add" &&
dmaflow run v4l2:/dev/video0,count=1,huge null: 2>&1 | grep "0 are free"'
point $? "a device without scatter-gather is told from one with it"
lab gone --kernel 6.1 --with-module vivid -- '
modprobe vivid n_devs=1 node_types=1
(sleep 2; echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind) &
dmaflow run --quiet v4l2:/dev/video0 null: 2>&1 | grep "vivid is gone: unplugged"'
point $? "an unplugged camera ends the flow and is named"
plan
