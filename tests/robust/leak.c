/* SPDX-License-Identifier: MIT */
/* Every kind opened, used and closed a thousand times: no descriptor, no memory, no thread stays.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <malloc.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <dmaflow/flow.h>

#define TIMES 1000
#define WARM  20 /* caches and lazily opened things fill up first */

struct kind {
	const char *name, *source, *sink; /* %d: a port, %s: the scratch folder */
	bool run;                         /* else: opened and closed */
	bool fails;                       /* open does, and must leave nothing either */
};

static const struct kind kinds[] = {
	{"null", "null:count=1,block=4K", "null:", true, false},
	{"pattern, verify", "pattern:count=1,block=4K", "verify:", true, false},
	{"overwriting", "pattern:count=2,block=4K,overwriting", "null:on-full=drop-new", false,
	 false},
	{"faulty", "faulty:,count=1,block=4K,short", "faulty:,reorder", true, false},
	{"memfd", "pattern:count=1,block=4K,memory=memfd", "null:", true, false},
	{"file out", "pattern:count=1,block=4K", "file:%s/g", true, false},
	{"file out, direct", "pattern:count=1,block=4K", "file:%s/g,direct", true, false},
	{"file out, append", "pattern:count=1,block=4K", "file:%s/a,append", true, false},
	{"file in", "file:%s/g,block=4K", "null:", true, false},
	{"file in, direct", "file:%s/g,block=4K,direct", "null:", true, false},
	{"no such file", "file:%s/none", "null:", false, true},
	{"pipe", "pattern:count=1,block=4K", "pipe:%s/fifo", false, true},
	{"tcp out", "pattern:count=1,block=4K", "tcp:127.0.0.1:%d", true, false},
	{"tcp out, framed", "pattern:count=1,block=4K", "tcp:127.0.0.1:%d,frame", true, false},
	{"tcp out, zerocopy", "pattern:count=1,block=4K", "tcp:127.0.0.1:%d,mode=zerocopy", true,
	 false},
	{"tcp out, sendzc", "pattern:count=1,block=4K", "tcp:127.0.0.1:%d,mode=sendzc", true,
	 false},
	{"tcp out, splice", "pattern:count=1,block=4K", "tcp:127.0.0.1:%d,frame,ack,mode=splice",
	 false, false},
	{"tcp in", "tcp:127.0.0.1:%d,block=4K", "null:", false, false},
	{"tcp-listen in", "tcp-listen:127.0.0.1:%d,frame,ack,block=4K", "null:", false, false},
	{"tcp-listen out", "pattern:count=1,block=4K", "tcp-listen:127.0.0.1:%d,frame", false,
	 false},
	{"tcp refused", "tcp:127.0.0.1:%d,block=4K,bind=192.0.2.1", "null:", false, false},
	{"second sink refused", "pattern:count=1,block=4K", "tcp:h:1,ack", false, true},
};

static unsigned count_in(const char *folder)
{
	DIR *d = opendir(folder);
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* Takes connections and closes them when their peer has: the far side of what sends. */
static int far_side(int listener)
{
	char any[65536];
	int fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		while (recv(fd, any, sizeof(any), 0) > 0)
			;
		close(fd);
	}
	return 0;
}

static int start_far_side(pid_t *pid)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 128) ||
	    getsockname(fd, (struct sockaddr *)&a, &len))
		return -1;
	*pid = fork();
	if (!*pid)
		_exit(far_side(fd));
	close(fd);
	return ntohs(a.sin_port);
}

/* A port that nobody listens on: for those who listen themselves. */
static int free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port = 24999;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	do
		a.sin_port = htons((uint16_t)++port);
	while (port < 31999 && bind(fd, (struct sockaddr *)&a, sizeof(a)));
	close(fd);
	return port;
}

static void fill_in(char *out, size_t size, const char *text, const char *folder, int port)
{
	const char *s = strstr(text, "%s"), *d = strstr(text, "%d"), *at = s ? s : d;

	if (!at)
		snprintf(out, size, "%s", text);
	else if (s)
		snprintf(out, size, "%.*s%s%s", (int)(at - text), text, folder, at + 2);
	else
		snprintf(out, size, "%.*s%d%s", (int)(at - text), text, port, at + 2);
}

static int once(const struct kind *k, const char *source, const char *sink, char *why, size_t size)
{
	dmaf_flow *f = dmaf_flow_new();
	int rc = f ? dmaf_flow_add(f, source) : -1;

	if (!rc)
		rc = dmaf_flow_add(f, sink);
	if (!rc)
		rc = dmaf_flow_open(f);
	if (k->fails)
		rc = rc ? 0 : -1;
	else if (!rc && k->run)
		rc = dmaf_flow_run(f);
	if (rc)
		snprintf(why, size, "%.200s -> %.200s: %d: %s", source, sink, rc,
			 f ? dmaf_flow_err(f)->text : "no memory");
	dmaf_flow_close(f);
	return rc;
}

static bool cycles(const struct kind *k, const char *folder, int port, char *why, size_t size)
{
	char source[128], sink[128];
	unsigned fds = 0, threads = 0;
	size_t bytes = 0;

	fill_in(source, sizeof(source), k->source, folder, port);
	fill_in(sink, sizeof(sink), k->sink, folder, port);
	for (unsigned i = 0; i < WARM + TIMES; i++) {
		if (i == WARM) {
			fds = count_in("/proc/self/fd");
			threads = count_in("/proc/self/task");
			bytes = mallinfo2().uordblks + mallinfo2().hblkhd;
		}
		if (once(k, source, sink, why, size))
			return false;
	}
	fds = count_in("/proc/self/fd") - fds;
	threads = count_in("/proc/self/task") - threads;
	bytes = mallinfo2().uordblks + mallinfo2().hblkhd - bytes;
	snprintf(why, size, "%d descriptors, %d threads, %zd bytes more after %d times", (int)fds,
		 (int)threads, (ssize_t)bytes, TIMES);
	/* Less than a byte each time is no leak: buffers of the C library's own; io_uring's workers
	 * come and go. */
	return !fds && (int)threads < TIMES / 100 && (ssize_t)bytes < TIMES;
}

int main(void)
{
	const unsigned n = sizeof(kinds) / sizeof(*kinds);
	char folder[] = "leak-XXXXXX", why[1600], command[64];
	pid_t far = 0;
	int port = start_far_side(&far), failed = 0;

	mallopt(M_ARENA_MAX, 1); /* one heap to look at */
	if (port < 0 || !mkdtemp(folder)) {
		printf("Bail out! no port or no folder\n");
		return 1;
	}
	printf("1..%u\n", n);
	for (unsigned i = 0; i < n; i++) {
		bool listens = strstr(kinds[i].name, "listen") != NULL;
		bool good =
			cycles(&kinds[i], folder, listens ? free_port() : port, why, sizeof(why));

		failed += !good;
		printf("%sok %u - %s, %d times%s%s\n", good ? "" : "not ", i + 1, kinds[i].name,
		       TIMES, good ? "" : "\n# ", good ? "" : why);
		fflush(stdout);
	}
	kill(far, 9);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	if (system(command))
		printf("# %s stays\n", folder);
	return failed != 0;
}
