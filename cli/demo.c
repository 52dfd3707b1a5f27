/* SPDX-License-Identifier: MIT */
/*
 * dmaflow demo: the emulated device over TCP to a receiver that verifies every byte, watched; then
 * the ways of sending on this machine beside each other.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/pair.h"

#define SHOW_SECONDS 5
#define RATE         "200M"
/* 256 ms at that rate: a busy machine may take that long to come back to us. */
#define MEMORY "block=256K,blocks=200"
#define TRY    "pattern:fill=none,block=256K,blocks=16,duration=700ms"

static const char usage[] = "usage: dmaflow demo [--seconds N]\n"
			    "Streams an emulated acquisition device (" RATE
			    "B/s) over TCP on loopback to a receiver that\n"
			    "verifies every byte, then compares the ways of sending. Status 0: "
			    "nothing lost, all equal.\n";

static void nap_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&ts, NULL);
}

static void watch(struct side *tx, struct side *rx)
{
	unsigned width = dmaf_terminal_width(stdout);
	uint64_t period = width ? 200 : 1000; /* ms */
	struct dmaf_figures now, before;
	struct noted noted = {0};
	uint64_t next = dmaf_now_ns() + period * 1000000u;

	dmaf_flow_figures(tx->flow, &before);
	before.at_ns = dmaf_now_ns();
	while (!dmaf_side_ended(tx) && !dmaf_side_ended(rx)) {
		char line[512];

		nap_ms(20);
		dmaf_flow_figures(tx->flow, &now);
		dmaf_print_notes(stdout, &now, &noted, width != 0);
		if (dmaf_now_ns() < next || now.at_ns <= before.at_ns)
			continue;
		next += period * 1000000u;
		dmaf_live_line(line, sizeof(line), &now, &before, width);
		printf(width ? "\r\033[K%s" : "%s\n", line);
		fflush(stdout);
		before = now;
	}
	if (width)
		fputs("\r\033[K", stdout);
}

static int verdict(struct side *tx, struct side *rx)
{
	struct dmaf_figures t, r;
	char p50[32], p99[32];
	bool ok;

	dmaf_flow_figures(tx->flow, &t);
	dmaf_flow_figures(rx->flow, &r);
	ok = !tx->rc && !rx->rc && !dmaf_lost(&t) && !dmaf_lost(&r) &&
	     t.source.count.bytes == r.sink[0].count.bytes && r.sink[0].count.bytes > 0;
	printf("sent %" PRIu64 " bytes in %" PRIu64 " buffers; received and verified %" PRIu64
	       "; lost %" PRIu64 ", differing %s\n",
	       t.source.count.bytes, t.source.count.buffers, r.sink[0].count.bytes,
	       dmaf_lost(&t) + dmaf_lost(&r), rx->rc == -EILSEQ ? "yes" : "0");
	printf("from the last byte landed to its acknowledgement: %s half, %s 99 %%\n",
	       dmaf_ns_text(t.lat_p50, p50, sizeof(p50)),
	       dmaf_ns_text(t.lat_p99, p99, sizeof(p99)));
	if (tx->rc)
		dmaf_complain(0, "%s", dmaf_flow_err(tx->flow)->text);
	if (rx->rc)
		dmaf_complain(0, "%s", dmaf_flow_err(rx->flow)->text);
	if (ok)
		return EXIT_DELIVERED;
	return tx->rc || rx->rc ? EXIT_FAILED : EXIT_LOST;
}

static int show(unsigned seconds)
{
	char source[128], listen[64], connect[64], why[DMAF_ERR_TEXT];
	const char *const rx_addr[] = {listen, "verify:", NULL};
	const char *const tx_addr[] = {source, connect, NULL};
	struct side rx = {0}, tx = {0};
	unsigned port = dmaf_free_port();
	int rc;

	(void)snprintf(source, sizeof(source), "pattern:rate=" RATE "," MEMORY ",duration=%us",
		       seconds);
	(void)snprintf(listen, sizeof(listen), "tcp-listen:127.0.0.1:%u,frame,ack", port);
	(void)snprintf(connect, sizeof(connect), "tcp:127.0.0.1:%u,frame,ack", port);
	printf("dmaflow run %s %s\ndmaflow run %s %s\n", listen, rx_addr[1], source, connect);
	rc = dmaf_side_open(&rx, rx_addr, why, sizeof(why));
	if (!rc)
		rc = dmaf_side_open(&tx, tx_addr, why, sizeof(why));
	if (!rc)
		rc = dmaf_side_start(&rx);
	if (!rc)
		rc = dmaf_side_start(&tx);
	if (rc) {
		rc = dmaf_complain(EXIT_FAILED, "demo: %s", why);
		goto close;
	}
	watch(&tx, &rx);
	if (dmaf_side_join(&tx))
		dmaf_flow_abort(rx.flow); /* it would wait for the sender to come back */
	(void)dmaf_side_join(&rx);
	rc = verdict(&tx, &rx);
close:
	dmaf_side_close(&tx);
	dmaf_side_close(&rx);
	return rc;
}

static int compare(void)
{
	static const struct {
		const char *mode, *options;
	} ways[] = {{"copy", ",frame,ack"},
		    {"zerocopy", ",frame,ack"},
		    {"sendzc", ",frame,ack"},
		    {"splice", ",frame,ack"},
		    {"auto", ",frame,ack"}};
	struct tried tried[sizeof(ways) / sizeof(*ways)];
	unsigned n = sizeof(ways) / sizeof(*ways);

	puts("\nWays of sending on this machine (loopback, 256 KiB blocks, 4 MiB pool, framed "
	     "with\n"
	     "acknowledgements; CPU of sender and receiver together):");
	for (unsigned i = 0; i < n; i++)
		dmaf_try_mode(&tried[i], NULL, ways[i].mode, ways[i].options, TRY, "null:");
	dmaf_print_tried(stdout, tried, n);
	return tried[n - 1].rc ? EXIT_FAILED : 0;
}

int dmaf_cmd_demo(int argc, char **argv)
{
	static const struct option options[] = {{"seconds", required_argument, NULL, 's'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	uint64_t seconds = SHOW_SECONDS;
	int c, rc, more;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hs:", options, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (c != 's' || dmaf_parse_rate(optarg, &seconds) || !seconds || seconds > 3600)
			return dmaf_complain(EXIT_USAGE,
					     "demo: '%s': it takes --seconds N, from 1 to 3600",
					     argv[optind - 1]);
	}
	if (optind < argc)
		return dmaf_complain(EXIT_USAGE, "demo: '%s': it takes no address", argv[optind]);
	rc = show((unsigned)seconds);
	more = compare();
	puts("On loopback every \"zero-copy\" send is copied late by the kernel. Between two "
	     "machines a\n"
	     "network card with scatter-gather takes the pages themselves. To measure there:\n"
	     "  there:  dmaflow bench tcp-listen:0.0.0.0:9000\n"
	     "  here:   dmaflow bench tcp:HOST:9000");
	return rc ? rc : more;
}
