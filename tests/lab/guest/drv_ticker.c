// SPDX-License-Identifier: MIT
/* The numbers of examples/driver/ticker.c arrive. usage: drv_ticker DEVICE */
#include "drv.h"

int main(int argc, char **argv)
{
	struct drv q = {.s = drv_ask(4096, 8)};
	struct dmaf_drv_info i = {.size = sizeof(i)};
	struct dmaf_drv_done e;
	uint64_t value, right = 0;

	if (argc != 2 || !works(drv_open(&q, argv[1]), "open and SETUP"))
		return drv_end();
	ok(!ioctl(q.fd, DMAF_IOC_INFO, &i) && !strcmp(i.front, "ticker"), "it is the ticker");
	for (uint32_t b = 0; b < 8; b++)
		drv_submit(&q, b);
	works(ioctl(q.fd, DMAF_IOC_START), "START");
	for (int n = 0; n < 20 && drv_next(&q, &e, 2000) == 1; n++) {
		memcpy(&value, q.data + e.index * q.s.stride, 8);
		right += value == e.seq + 1 && e.ticks == value && e.len == 8 &&
			 e.flags == DMAF_DRV_PARTIAL;
		drv_submit(&q, e.index);
	}
	ok(right == 20, "%llu of 20 numbers are right", (unsigned long long)right);
	drv_close(&q, 0);
	return drv_end();
}
