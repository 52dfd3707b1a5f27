/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/pair.h"

int dmaf_side_open(struct side *s, const char *const *addresses, char *why, size_t size)
{
	int rc = 0;

	memset(s, 0, sizeof(*s));
	s->flow = dmaf_flow_new();
	if (!s->flow) {
		(void)snprintf(why, size, "no memory for a flow");
		return -ENOMEM;
	}
	for (; *addresses && !rc; addresses++)
		rc = dmaf_flow_add(s->flow, *addresses);
	if (!rc)
		rc = dmaf_flow_open(s->flow);
	if (rc)
		(void)snprintf(why, size, "%s", dmaf_flow_err(s->flow)->text);
	return rc;
}

static void *run(void *arg)
{
	struct side *s = arg;

	s->rc = dmaf_flow_run(s->flow);
	return NULL;
}

int dmaf_side_start(struct side *s)
{
	int rc = pthread_create(&s->thread, NULL, run, s);

	s->started = !rc;
	return -rc;
}

bool dmaf_side_ended(const struct side *s)
{
	struct dmaf_figures g;

	dmaf_flow_figures(s->flow, &g);
	return g.ended_ns != 0;
}

int dmaf_side_join(struct side *s)
{
	if (s->started)
		pthread_join(s->thread, NULL);
	s->started = false;
	return s->rc;
}

void dmaf_side_close(struct side *s)
{
	if (s->started) {
		dmaf_flow_abort(s->flow);
		dmaf_side_join(s);
	}
	dmaf_flow_close(s->flow);
	s->flow = NULL;
}

unsigned dmaf_free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned port = 0;

	if (fd < 0)
		return 0;
	if (!bind(fd, (struct sockaddr *)&a, len) && !getsockname(fd, (struct sockaddr *)&a, &len))
		port = ntohs(a.sin_port);
	close(fd);
	return port;
}

static double used(const struct cpu_time *since)
{
	struct cpu_time now = dmaf_cpu_time();

	return now.user - since->user + now.system - since->system;
}

static void result(struct tried *t, struct side *tx, struct side *rx, double cpu)
{
	struct dmaf_figures g;
	double secs;

	dmaf_flow_figures(tx->flow, &g);
	secs = (double)(g.ended_ns - g.started_ns) * 1e-9;
	t->rate = secs > 0 ? (double)g.sink[0].count.bytes / secs : 0;
	t->cpu_per_gib = g.sink[0].count.bytes
				 ? cpu / ((double)g.sink[0].count.bytes / (double)(1u << 30))
				 : 0;
	t->copies = dmaf_copies_per_byte(&g);
	(void)snprintf(t->took, sizeof(t->took), "%s",
		       g.sink[0].count.path ? g.sink[0].count.path : "-");
	(void)snprintf(t->note, sizeof(t->note), "%s", g.sink[0].count.note);
	if (rx->flow) {
		dmaf_flow_figures(rx->flow, &g);
		t->copies += dmaf_copies_per_byte(&g);
	}
	if (!t->rc && rx->rc) {
		t->rc = rx->rc;
		(void)snprintf(t->why, sizeof(t->why), "%s", dmaf_flow_err(rx->flow)->text);
	}
}

void dmaf_try_mode(struct tried *t, const char *peer, const char *mode, const char *options,
		   const char *source, const char *sink)
{
	char listen[96], connect[160], host_port[32];
	const char *const rx_addr[] = {listen, sink, NULL};
	const char *const tx_addr[] = {source, connect, NULL};
	struct side rx = {0}, tx = {0};
	struct cpu_time before;

	memset(t, 0, sizeof(*t));
	(void)snprintf(t->asked, sizeof(t->asked), "%s", mode);
	if (!peer) {
		(void)snprintf(host_port, sizeof(host_port), "127.0.0.1:%u", dmaf_free_port());
		(void)snprintf(listen, sizeof(listen), "tcp-listen:%s%s", host_port, options);
		t->rc = dmaf_side_open(&rx, rx_addr, t->why, sizeof(t->why));
		if (!t->rc)
			t->rc = dmaf_side_start(&rx);
	}
	/* BBR, where it is the default, paces loopback down to a third. */
	(void)snprintf(connect, sizeof(connect), "tcp:%s,mode=%s%s%s", peer ? peer : host_port,
		       mode, options, peer ? "" : ",cc=cubic");
	before = dmaf_cpu_time();
	if (!t->rc)
		t->rc = dmaf_side_open(&tx, tx_addr, t->why, sizeof(t->why));
	if (!t->rc)
		t->rc = dmaf_side_start(&tx);
	if (!t->rc) {
		t->rc = dmaf_side_join(&tx);
		if (t->rc) {
			(void)snprintf(t->why, sizeof(t->why), "%s", dmaf_flow_err(tx.flow)->text);
			if (rx.flow)
				dmaf_flow_abort(rx.flow);
		}
		if (rx.flow)
			(void)dmaf_side_join(&rx);
		result(t, &tx, &rx, used(&before));
	}
	dmaf_side_close(&tx);
	dmaf_side_close(&rx);
}

void dmaf_print_tried(FILE *f, const struct tried *t, unsigned n)
{
	const struct tried *best = NULL;

	for (unsigned i = 0; i < n; i++)
		if (!t[i].rc && strcmp(t[i].asked, "auto") && t[i].cpu_per_gib > 0 &&
		    (!best || t[i].cpu_per_gib < best->cpu_per_gib))
			best = &t[i];
	fprintf(f, "  %-10s %-10s %10s %12s %12s\n", "mode", "path", "rate", "CPU s/GiB",
		"copies/byte");
	for (unsigned i = 0; i < n; i++) {
		char rate[32];

		if (t[i].rc) {
			fprintf(f, "  %-10s %s\n", t[i].asked, t[i].why);
			continue;
		}
		fprintf(f, "  %-10s %-10s %10s %12.3f %12.2f%s\n", t[i].asked, t[i].took,
			dmaf_rate_text(t[i].rate, rate, sizeof(rate)), t[i].cpu_per_gib,
			t[i].copies, &t[i] == best ? "  least CPU" : "");
	}
	for (unsigned i = 0; i < n; i++)
		if (!t[i].rc && !strcmp(t[i].asked, "auto"))
			fprintf(f, "auto took %s: %s\n", t[i].took,
				t[i].note[0] ? t[i].note
					     : "the first choice for this memory and kernel held");
}
