#!/bin/sh
# SPDX-License-Identifier: MIT
#
# tests/ring/headers.sh   the headers of base/ that kernel and firmware share compile there: as gnu89
# without a libc, on a core without atomics, in C++; they call nothing that needs linking; their
# fences are compiled; and what must not compile does not. Prints TAP.
set -u
root=${DMAF_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
n=0
failed=0

result() { # result STATUS NAME
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - $2"
	else
		failed=1
		echo "not ok $n - $2"
		sed 's/^/# /' "$work/log"
	fi
}

warn='-Wall -Wextra -Werror -Wconversion -Wshadow -Wpointer-arith -Wstrict-prototypes'

# Every function of the headers, called once from outside, so that it is compiled in earnest.
cat >"$work/use.c" <<'EOF'
#include "base/align.h"
#include "base/ring.h"
#include "base/types.h"
int use(void *mem, size_t bytes, struct dmaf_ring_prod *p, struct dmaf_ring_cons *c, void *x);
int use(void *mem, size_t bytes, struct dmaf_ring_prod *p, struct dmaf_ring_cons *c, void *x)
{
	struct dmaf_ring_geometry g;
	struct dmaf_align_report report;
	uint32_t seen, up;
	bool kick;
	int sum;

	g.count = 8;
	g.entry_size = 64;
	sum = dmaf_ring_format(mem, bytes, &g);
	sum += dmaf_ring_read_geometry(mem, bytes, &g);
	sum += dmaf_ring_prod_init(p, mem, bytes, &g);
	sum += dmaf_ring_cons_init(c, mem, bytes, &g);
	sum += dmaf_ring_reserve(p, 3);
	sum += *(char *)dmaf_ring_prod_entry(p, 1);
	sum += dmaf_ring_submit(p, 1);
	sum += dmaf_ring_prod_sleep(p, 1);
	dmaf_ring_prod_awake(p);
	sum += (int)*dmaf_ring_prod_futex(p, &seen);
	sum += dmaf_ring_peek(c, 3);
	sum += *(const char *)dmaf_ring_cons_entry(c, 1);
	sum += dmaf_ring_release(c, 1);
	sum += dmaf_ring_cons_sleep(c, 1);
	dmaf_ring_cons_awake(c);
	sum += (int)*dmaf_ring_cons_futex(c, &seen);
	sum += dmaf_ring_enqueue_burst(p, x, 64, 4, &kick);
	sum += dmaf_ring_dequeue_burst(c, x, 64, 4, &kick);
	sum += dmaf_align_check("size", bytes, 4096, &report);
	sum += dmaf_align_up(seen, 4096, &up) && dmaf_is_pow2(up) && dmaf_is_aligned(up, 8);
	sum += (int)dmaf_order(bytes, 4096) + (int)dmaf_align_down(seen, 64);
	sum += dmaf_iova_is_none(dmaf_iova_add(dmaf_iova_make(bytes), 4)) +
	       dmaf_phys_is_none(dmaf_phys_add(dmaf_phys_make(bytes), 4));
	dmaf_cpu_relax();
	return sum;
}
EOF

# What a compiler may always call (the latter on Armv6-M, which has no 64-bit multiplication).
libcalls='memcpy\|__aeabi_memcpy[48]*\|__aeabi_lmul'

# compile NAME CC FLAGS...: no warning, and nothing left to link but that.
compile() {
	name=$1
	shift
	# shellcheck disable=SC2086 # flags are words
	"$@" $warn -O2 -nostdinc -I"$root" -isystem "$("$1" -print-file-name=include)" \
		-c "$work/use.c" -o "$work/use.o" >"$work/log" 2>&1
	status=$?
	if [ $status -eq 0 ] && calls=$(nm -u "$work/use.o" 2>/dev/null | grep -vw "U \\($libcalls\\)") &&
		[ -n "$calls" ]; then
		echo "it calls $calls" >"$work/log"
		status=1
	fi
	result $status "$name"
}

gnu89='-std=gnu89 -Wdeclaration-after-statement -Wmissing-prototypes -ffreestanding'
# shellcheck disable=SC2086
{
	compile 'gcc, gnu89, freestanding' gcc $gnu89
	if [ "$(uname -m)" = x86_64 ]; then
		compile 'gcc, gnu89, freestanding, 32 bits' gcc $gnu89 -m32 -fno-pic
		compile 'gcc, gnu11, freestanding, kernel code model' gcc -std=gnu11 \
			-ffreestanding -mno-sse -mno-mmx -mcmodel=kernel -fno-pic
	fi
	compile 'clang, gnu89, freestanding' clang $gnu89
	compile 'clang, Cortex-M0+ (RP2040), gnu89, freestanding' clang $gnu89 \
		--target=armv6m-none-eabi -mcpu=cortex-m0plus -mthumb -DDMAF_ENV_RP2040
	compile 'clang, Armv7, gnu11, freestanding' clang -std=gnu11 -ffreestanding \
		--target=armv7a-none-eabi
	compile 'clang, AArch64, gnu11, freestanding' clang -std=gnu11 -ffreestanding \
		--target=aarch64-none-elf
	compile 'clang, C++17, freestanding' clang -x c++ -std=gnu++17 -ffreestanding
}

# The four places where a store must be seen before a load: no stress test misses a fence there
# reliably, so look at what is compiled.
cat >"$work/fence.c" <<'EOF'
#include "base/ring.h"
bool submit(struct dmaf_ring_prod *p);
bool release(struct dmaf_ring_cons *c);
int prod_sleep(struct dmaf_ring_prod *p);
int cons_sleep(struct dmaf_ring_cons *c);
bool submit(struct dmaf_ring_prod *p)
{
	return dmaf_ring_submit(p, 1);
}
bool release(struct dmaf_ring_cons *c)
{
	return dmaf_ring_release(c, 1);
}
int prod_sleep(struct dmaf_ring_prod *p)
{
	return dmaf_ring_prod_sleep(p, 1);
}
int cons_sleep(struct dmaf_ring_cons *c)
{
	return dmaf_ring_cons_sleep(c, 1);
}
EOF

# fences NAME INSTRUCTION AT-LEAST FLAGS...: how often each function has the instruction.
fences() {
	name=$1
	instruction=$2
	least=$3
	shift 3
	clang "$@" -ffreestanding -O2 -nostdinc -I"$root" \
		-isystem "$(clang -print-file-name=include)" -S -o "$work/fence.s" "$work/fence.c" \
		>"$work/log" 2>&1
	status=$?
	for function in submit release prod_sleep cons_sleep; do
		found=$(sed -n "/^$function:/,/^\.Lfunc_end/p" "$work/fence.s" | grep -c "$instruction")
		[ "$found" -ge "$least" ] && continue
		echo "$function: $found times $instruction, at least $least" >>"$work/log"
		status=1
	done
	result $status "$name"
}
fences 'x86-64: a full fence where a load must wait for a store' 'mfence\|lock' 1 \
	--target=x86_64-linux-gnu
fences 'AArch64: the same' 'dmb[[:space:]]*ish$' 1 --target=aarch64-none-elf
fences 'RP2040: the same, and releases and acquires are DMB' 'dmb' 2 -DDMAF_ENV_RP2040 \
	--target=armv6m-none-eabi -mcpu=cortex-m0plus -mthumb

# refused NAME STATEMENT: it must not compile, and for the reason that its types differ.
refused() {
	cat >"$work/bad.c" <<EOF
#include "base/types.h"
void take_iova(dmaf_iova iova);
void take_phys(dmaf_phys phys);
void bad(dmaf_iova iova, dmaf_phys phys, void *pointer, uint64_t number);
void bad(dmaf_iova iova, dmaf_phys phys, void *pointer, uint64_t number)
{
	(void)iova;
	(void)phys;
	(void)pointer;
	(void)number;
	$2;
}
EOF
	if gcc -std=gnu11 -w -I"$root" -fsyntax-only "$work/bad.c" >"$work/log" 2>&1; then
		echo "it compiled" >"$work/log"
		result 1 "$1"
	else
		grep -q 'incompatible type\|invalid type arg\|invalid operands\|cannot convert\|aggregate' \
			"$work/log"
		result $? "$1"
	fi
}
refused 'an iova cannot be dereferenced' 'char c = *(char *)iova; (void)c'
refused 'nor through *' '(void)*iova'
refused 'a pointer is not an iova' 'take_iova(pointer)'
refused 'a number is not an iova' 'take_iova(number)'
refused 'a physical address is not an iova' 'take_iova(phys)'
refused 'an iova is not a physical address' 'take_phys(iova)'
refused 'an iova is not a number' 'number = iova'
refused 'iova and phys do not compare' '(void)(iova == phys)'

# What the reader of a ring must not forget.
cat >"$work/bad.c" <<'EOF'
#include "base/ring.h"
void bad(struct dmaf_ring_prod *p);
void bad(struct dmaf_ring_prod *p)
{
	dmaf_ring_submit(p, 1);
}
EOF
! gcc -std=gnu11 -Wall -Werror -I"$root" -c -o "$work/bad.o" "$work/bad.c" >"$work/log" 2>&1 &&
	grep -q unused-result "$work/log"
result $? 'the kick that submit asks for cannot be overlooked'

echo "1..$n"
exit $failed
