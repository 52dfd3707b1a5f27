// SPDX-License-Identifier: MIT
/* A V4L2 capture device: does its driver take memory of ours? */
#include "cli/doctor.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/v4l2/device.h"

static void way(struct doctor *d, const char *address, const char *path, enum v4l2_memory_how how)
{
	struct doctor_row *row = doctor_row(d, DOCTOR_END, DOCTOR_YES, "memory=%s",
					    how == V4L2_HOW_UDMABUF ? "udmabuf" : "userptr");
	struct dmaf_err err = {0};
	struct v4l2_device v = {.fd = -1, .label = address, .err = &err, .how = how};

	if (v4l2_device_open(&v, path, 0, 0, NULL)) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row, "%s", err.text);
		doctor_remedy(d, row, "one of the two is enough");
	} else {
		doctor_detail(d, row, "%s, %ux%u %s: frames of %zu bytes", v.card, v.width,
			      v.height, v.fourcc, v.size);
	}
	v4l2_device_close(&v);
}

int doctor_v4l2(struct doctor *d, const char *address, const char *path)
{
	struct doctor_row *row;
	struct stat st;

	if (!*path) {
		fprintf(stderr, "dmaflow: doctor: %s: no device; write v4l2:/dev/video0\n",
			address);
		return 2;
	}
	if (stat(path, &st) < 0) {
		fprintf(stderr,
			"dmaflow: doctor: %s: %s: %s; `ls /dev/video*` shows which cameras there "
			"are\n",
			address, path, strerror(errno));
		return 1;
	}
	row = doctor_row(d, DOCTOR_END, DOCTOR_YES, "permission");
	if (access(path, R_OK | W_OK) < 0) {
		row->verdict = DOCTOR_NO;
		doctor_reason(d, row, "%s", strerror(errno));
		doctor_remedy(d, row, "as root: usermod -aG video YOU, then log in again");
		return 0;
	}
	if (!d->open_ok) {
		row = doctor_row(d, DOCTOR_END, DOCTOR_UNKNOWN, "memory of ours");
		doctor_reason(d, row, "not opened: that powers some cameras up");
		doctor_remedy(d, row, "--open opens it and asks, and streams nothing");
		return 0;
	}
	way(d, address, path, V4L2_HOW_UDMABUF);
	way(d, address, path, V4L2_HOW_USERPTR);
	return 0;
}
