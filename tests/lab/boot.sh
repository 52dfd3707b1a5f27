#!/bin/bash
# SPDX-License-Identifier: MIT
# Guests boot, run the program, give back status and files; the judge of their logs can say no.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

for kernel in 6.1 6.12; do
	lab "$kernel" --kernel "$kernel" --no-driver -- 'uname -r; dmaflow run pattern:bytes=16M verify: --json'
	status=$?
	[ "$status" -eq 0 ] && grep -q "^$kernel\." "$out/said" && grep -q '"bytes": 16777216' "$out/said"
	point $? "Linux $kernel boots and dmaflow run verifies 16 MiB in it"
done

lab away --no-driver -- 'echo here >/out/there; mkdir /out/d; head -c 100000 /dev/zero >/out/d/zeros; exit 7' >/dev/null
[ $? -eq 7 ] && [ "$(cat "$out/out/there")" = here ] && [ "$(stat -c %s "$out/out/d/zeros")" -eq 100000 ]
point $? "the command's status and what it left in /out come back"

lab unwell --no-driver -- 'echo "WARNING: planted" >/dev/kmsg' >/dev/null
[ $? -eq 123 ] && grep -q 'WARNING: planted' "$out/said"
point $? "a warning in the kernel's log fails the run"
lab allowed --no-driver --allow planted -- 'echo "WARNING: planted" >/dev/kmsg'
point $? "unless it was allowed"
lab lacking --no-driver --expect 'never said' -- true >/dev/null
[ $? -eq 123 ]
point $? "a message that had to come and did not fails the run"
lab panic --no-driver -- 'echo c >/proc/sysrq-trigger; sleep 30' >/dev/null
[ $? -eq 124 ] && grep -q 'sysrq triggered crash' "$out/said"
point $? "a guest that dies has status 124, and the console's end is shown"
lab hang --no-driver --timeout 6 -- 'sleep 100' >/dev/null
[ $? -eq 124 ] && grep -q 'no end within 6 s' "$out/said"
point $? "so has one that does not end"
lab host --no-driver --nic e1000e --host 'exit 3' -- true >/dev/null
[ $? -eq 123 ]
point $? "a program beside the guest that fails, fails the run"

# shellcheck disable=SC2016 # for the guest's shell
lab iommu --no-driver --iommu --nic e1000e -- 'set -e
ls /sys/class/iommu | grep -q dmar; ls /sys/kernel/iommu_groups | grep -q .; ping -c 1 $LAB_HOST'
point $? "with --iommu devices are in IOMMU groups, and the NIC works behind it"
plan
