#!/bin/bash
# SPDX-License-Identifier: MIT
# Datagrams of 60 KiB from the driver's memory: what sending them by reference saves.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
datagrams=512
mib=$((datagrams * 60 / 1024))
by_copy=() by_reference=() small=()

# shellcheck disable=SC2016 # for the guest's shell
lab dummy --meter --with-module dummy -- 'set -e
modprobe dummy
ip link set dummy0 mtu 65535 up
ip addr add 10.9.0.1/24 dev dummy0
modprobe dmaflow pattern=1
for _ in 1 2 3; do
	udp_meter /dev/dmaflow0 10.9.0.2 '$datagrams'
	udp_meter /dev/dmaflow0 10.9.0.2 '$datagrams' zerocopy
	udp_meter /dev/dmaflow0 10.9.0.2 '$datagrams' zerocopy no-huge
done'
point $? "datagrams go out, copied and by reference"
i=0
while read -r loaded _ user kernel _; do
	insns=$(((user + kernel) / mib))
	want=0
	case $((i % 3)) in
	0) by_copy+=("$insns") want=1 ;;
	1) by_reference+=("$insns") ;;
	2) small+=("$insns") ;;
	esac
	less "$(apart "$loaded" $((want * datagrams * 61440)) $((datagrams * 61440)))" 0.001
	point $? "the CPU loads each byte $want times ($loaded of $((datagrams * 61440))), $insns instructions a MiB"
	i=$((i + 1))
done < <(meter_rows "$out")
[ $i -eq 9 ] && tools/result kernel.insn_ratio.udp instructions/MiB --peer send \
	"${by_reference[@]}" -- "${by_copy[@]}" &&
	tools/result kernel.insn_ratio.udp_base_pages instructions/MiB --peer send "${small[@]}" -- "${by_copy[@]}"
point $? "figures are recorded"
ratio=$(python3 -c 'import json; print(json.load(open("build/results/kernel.insn_ratio.udp.json"))["ratio"])')
less "$ratio" 0.6
point $? "sending by reference takes $ratio of the instructions of copying"
plan
