/* SPDX-License-Identifier: MIT */
/* A flow's life outside its loop: made, added to, told to stop, closed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/flow_internal.h"
#include "core/pool.h"

dmaf_flow *dmaf_flow_new(void)
{
	dmaf_flow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->stage = calloc(DMAF_FLOW_STAGES, sizeof(*f->stage));
	f->sink = calloc(DMAF_FLOW_SINKS, sizeof(*f->sink));
	f->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!f->stage || !f->sink || f->wake_fd < 0) {
		if (f->wake_fd >= 0)
			close(f->wake_fd);
		free(f->stage);
		free(f->sink);
		free(f);
		return NULL;
	}
	pthread_mutex_init(&f->figures_lock, NULL);
	return f;
}

int dmaf_flow_add(dmaf_flow *f, const char *address)
{
	if (f->state != FLOW_NEW)
		return dmaf_fail(&f->err, -EINVAL, "%s: added to a flow that is open already",
				 address);
	if (f->naddr == FLOW_ADDRS)
		return dmaf_fail(&f->err, -EINVAL, "more than %d parties in one flow", FLOW_ADDRS);
	f->addr[f->naddr] = strdup(address);
	if (!f->addr[f->naddr])
		return dmaf_fail(&f->err, -ENOMEM, "no memory for the address '%s'", address);
	f->naddr++;
	return 0;
}

static void wake(dmaf_flow *f)
{
	uint64_t one = 1;
	ssize_t n = write(f->wake_fd, &one, sizeof(one));

	(void)n; /* full: it is awake already */
}

void dmaf_flow_stop(dmaf_flow *f)
{
	atomic_store_explicit(&f->stop, 1, memory_order_relaxed);
	wake(f);
}

void dmaf_flow_abort(dmaf_flow *f)
{
	atomic_store_explicit(&f->abort, 1, memory_order_relaxed);
	wake(f);
}

void dmaf_flow_failed(dmaf_flow *f, int rc, const struct dmaf_err *err, const char *who)
{
	if (f->status)
		return;
	f->status = rc;
	if (err && err->text[0])
		dmaf_fail(&f->err, rc, "%s", err->text);
	else
		dmaf_fail(&f->err, rc, "%s: %s", who, strerror(rc < 0 && rc > -4096 ? -rc : EIO));
}

const struct dmaf_err *dmaf_flow_err(const dmaf_flow *f)
{
	return &f->err;
}

static void close_parties(dmaf_flow *f)
{
	for (unsigned i = f->nsinks; i--;) {
		struct flow_sink *s = &f->sink[i];

		if (s->opened && s->sink.ops->close)
			s->sink.ops->close(&s->sink);
		dmaf_addr_free(s->sink.p.addr);
		free(s->in.at);
	}
	for (unsigned i = f->nstages; i--;) {
		struct flow_stage *s = &f->stage[i];

		if (s->opened && s->stage.ops->close)
			s->stage.ops->close(&s->stage);
		dmaf_addr_free(s->stage.p.addr);
		dmaf_hold_free(s);
		free(s->in.at);
	}
	if (f->src_opened && f->src.ops->close)
		f->src.ops->close(&f->src);
	dmaf_addr_free(f->src.p.addr);
}

void dmaf_flow_close(dmaf_flow *f)
{
	if (!f)
		return;
	if (f->state == FLOW_RUNNING || f->state == FLOW_OPEN)
		dmaf_flow_end(f); /* opened and never run to its end */
	close_parties(f);
	while (f->npools)
		dmaf_pool_close(f->pool[--f->npools].pool);
	for (unsigned i = 0; i < f->naddr; i++)
		free(f->addr[i]);
	close(f->wake_fd);
	pthread_mutex_destroy(&f->figures_lock);
	free(f->stage);
	free(f->sink);
	free(f);
}

int dmaf_queue_init(struct buf_queue *q, unsigned cap)
{
	q->at = calloc(cap, sizeof(dmaf_buf *));
	q->cap = cap;
	return q->at ? 0 : -ENOMEM;
}
