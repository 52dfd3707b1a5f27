// SPDX-License-Identifier: MIT
/* dmaflow doctor: options, and the whole machine when nothing is named. */
#include "cli/cli.h"
#include "cli/doctor.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char usage[] =
	"usage: dmaflow doctor [--json] [--open] [--pid PID | ADDRESS]\n"
	"\n"
	"Tell what this machine can do without copying, and for each \"no\" why and what to do.\n"
	"\n"
	"  ADDRESS      look at one end of a flow: tcp:HOST:PORT, file:PATH, serial:PATH ...\n"
	"  --pid PID    list the mappings of a process that the kernel will not pin\n"
	"  --open       device nodes may be opened (some act on being opened)\n"
	"  --json       print JSON\n"
	"  --help       this text\n";

static const struct option options[] = {
	{"json", no_argument, NULL, 'j'},
	{"open", no_argument, NULL, 'o'},
	{"pid", required_argument, NULL, 'p'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

struct request {
	bool json, open_ok, help;
	const char *pid, *address;
};

/* Returns 0, or 2 after its message. */
static int parse_options(int argc, char **argv, struct request *r)
{
	int c;

	/* Another command may have gone through getopt before: 0 makes glibc begin afresh. */
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (c) {
		case 'j': r->json = true; break;
		case 'o': r->open_ok = true; break;
		case 'p': r->pid = optarg; break;
		case 'h': r->help = true; return 0;
		case ':':
			fprintf(stderr, "dmaflow: doctor: %s needs a value: --pid 1234\n",
				argv[optind - 1]);
			return 2;
		default:
			fprintf(stderr,
				"dmaflow: doctor: no option %s; there are --json, --open, "
				"--pid PID and --help\n",
				argv[optind - 1]);
			return 2;
		}
	}
	if (optind < argc)
		r->address = argv[optind++];
	if (optind < argc) {
		fprintf(stderr, "dmaflow: doctor: %s after %s: one ADDRESS at a time\n",
			argv[optind], r->address);
		return 2;
	}
	if (r->pid && r->address) {
		fprintf(stderr,
			"dmaflow: doctor: --pid %s and %s: give a process or an ADDRESS, not "
			"both\n",
			r->pid, r->address);
		return 2;
	}
	return 0;
}

static unsigned int columns(void)
{
	struct winsize ws;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0 || ws.ws_col == 0)
		return 80;
	if (ws.ws_col < 40)
		return 40;
	return ws.ws_col > 100 ? 100 : ws.ws_col;
}

static int print(const struct doctor *d, bool as_json)
{
	json_t *j;
	int err;

	if (!as_json)
		return doctor_print(d, stdout, columns());
	j = doctor_json(d);
	if (!j)
		return -ENOMEM;
	err = json_dumpf(j, stdout, JSON_INDENT(2)) < 0 || putchar('\n') == EOF ? -EIO : 0;
	json_decref(j);
	return err;
}

static int look(struct doctor *d, const struct request *r)
{
	if (r->pid)
		return doctor_pid(d, r->pid);
	if (r->address)
		return doctor_address(d, r->address);
	doctor_kernel(d);
	doctor_memory(d);
	doctor_cpu(d);
	doctor_network(d);
	doctor_disks(d);
	return 0;
}

int dmaf_cmd_doctor(int argc, char **argv)
{
	struct request r = {0};
	struct doctor d;
	int ret, err;

	ret = parse_options(argc, argv, &r);
	if (ret)
		return ret;
	if (r.help) {
		fputs(usage, stdout);
		return 0;
	}
	doctor_init(&d, r.open_ok);
	ret = look(&d, &r);
	if (ret == 0) {
		err = print(&d, r.json);
		if (!err && fflush(stdout) == EOF)
			err = -errno;
		if (err) {
			fprintf(stderr, "dmaflow: doctor: printing what was found: %s\n",
				strerror(-err));
			ret = 1;
		}
	}
	doctor_free(&d);
	return ret;
}
