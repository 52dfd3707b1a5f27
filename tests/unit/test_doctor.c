// SPDX-License-Identifier: MIT
/* What the doctor says of this machine, of processes and of ends; and what it leaves alone. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/doctor.h"

static unsigned int open_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void look_at_everything(struct doctor *d)
{
	doctor_kernel(d);
	doctor_memory(d);
	doctor_cpu(d);
	doctor_network(d);
	doctor_disks(d);
}

/* What every row owes its reader. */
static void check_rows(const struct doctor *d)
{
	assert_false(d->no_memory);
	for (size_t i = 0; i < d->n; i++) {
		const struct doctor_row *r = d->rows[i];

		assert_non_null(r->area);
		assert_true(r->name && *r->name);
		if (r->verdict == DOCTOR_YES)
			continue;
		if (!r->reason || !r->remedy)
			print_message("# %s, %s: no reason or no remedy\n", r->area, r->name);
		assert_true(r->reason && *r->reason);
		assert_true(r->remedy && *r->remedy);
	}
}

static const struct doctor_row *find(const struct doctor *d, const char *name)
{
	for (size_t i = 0; i < d->n; i++)
		if (!strncmp(d->rows[i]->name, name, strlen(name)))
			return d->rows[i];
	return NULL;
}

static char *printed(const struct doctor *d, unsigned int width)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	assert_int_equal(doctor_print(d, f, width), 0);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void whole_machine(void **state)
{
	static const char *const must[] = {
		"version",
		"locked memory",
		"unsigned modules",
		"io_uring",
		"huge page pool",
		"IOMMU",
		"VFIO",
		"dmaflow.ko",
		"udmabuf",
		"MSG_ZEROCOPY",
		"vmsplice",
		"O_DIRECT",
		"optmem_max",
		"AF_XDP",
		"interface lo",
		"transparent huge pages",
	};
	unsigned int before = open_fds();

	for (int i = 0; i < 3; i++) {
		struct doctor d;
		json_t *j;

		doctor_init(&d, false);
		look_at_everything(&d);
		check_rows(&d);
		for (size_t m = 0; m < sizeof(must) / sizeof(must[0]); m++)
			assert_non_null(find(&d, must[m]));
		j = doctor_json(&d);
		assert_non_null(j);
		assert_int_equal(json_array_size(json_object_get(j, "rows")), d.n);
		json_decref(j);
		doctor_free(&d);
	}
	assert_int_equal(open_fds(), before);
}

/* However few descriptors there are, each check says so and gives back what it took. */
static void few_descriptors(void **state)
{
	unsigned int before = open_fds();
	struct rlimit old, few;
	int lowest = dup(0);

	assert_true(lowest >= 0);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (rlim_t n = 0; n < 8; n++) {
		struct doctor d;

		few = old;
		few.rlim_cur = (rlim_t)lowest + n;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		doctor_init(&d, false);
		look_at_everything(&d);
		doctor_address(&d, "tcp:127.0.0.1:1");
		doctor_address(&d, "tcp-listen:1");
		doctor_address(&d, "file:./absent");
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		assert_int_equal(open_fds(), before);
		check_rows(&d);
		doctor_free(&d);
	}
}

/* As in a container: io_uring_setup says EPERM. The rest goes on. */
static void io_uring_forbidden(void **state)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
	const struct doctor_row *r;
	struct doctor d;
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
			_exit(2);
		doctor_init(&d, false);
		doctor_kernel(&d);
		r = find(&d, "io_uring");
		/* Built without liburing it says that instead. */
		status = r && r->verdict == DOCTOR_NO && r->reason &&
			 (strstr(r->reason, "seccomp") || strstr(r->reason, "liburing")) &&
			 find(&d, "SEND_ZC") && find(&d, "SEND_ZC")->verdict == DOCTOR_UNKNOWN &&
			 find(&d, "vmsplice")->verdict == DOCTOR_YES;
		doctor_free(&d);
		_exit(status ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void clean_text(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"", ""},
		{"plain /path", "plain /path"},
		{"a\nb\033[31m\177", "a\\x0ab\\x1b[31m\\x7f"},
		{"donn\303\251es \344\270\255 \360\237\230\200",
		 "donn\303\251es \344\270\255 \360\237\230\200"},
		{"\377\303", "\\xff\\xc3"},
		{"\302\233m", "\\xc2\\x9bm"},                 /* C1 control */
		{"\300\257", "\\xc0\\xaf"},                   /* overlong */
		{"\355\240\200", "\\xed\\xa0\\x80"},          /* surrogate */
		{"\342\200\256x", "\\xe2\\x80\\xaex"},        /* right-to-left override */
		{"\364\220\200\200", "\\xf4\\x90\\x80\\x80"}, /* above U+10FFFF */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *s = doctor_clean(cases[i].in);

		assert_non_null(s);
		assert_string_equal(s, cases[i].out);
		free(s);
	}
}

static void fits_the_terminal(void **state)
{
	static const unsigned int widths[] = {40, 60, 80, 100};

	for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++) {
		struct doctor d;
		struct doctor_row *r;
		char *text, *line, *save = NULL;

		doctor_init(&d, false);
		r = doctor_row(&d, "area", DOCTOR_NO, "a name");
		for (int i = 0; i < 3; i++) {
			const char *words = "some words of which there are more than one line "
					    "holds, whatever the terminal that they are shown on";

			if (i == 0)
				doctor_detail(&d, r, "%s", words);
			else if (i == 1)
				doctor_reason(&d, r, "%s", words);
			else
				doctor_remedy(&d, r, "%s", words);
		}
		doctor_row(&d, "area", DOCTOR_YES, "a name that is longer than its column");
		text = printed(&d, widths[w]);
		for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
			if (!strstr(line, "a name that"))
				assert_true(strlen(line) <= widths[w]);
		free(text);
		doctor_free(&d);
	}
}

static json_t *mapping_of(json_t *mappings, const char *path)
{
	json_t *m;
	size_t i;

	json_array_foreach(
		mappings, i,
		m) if (!strcmp(json_string_value(json_object_get(m, "path")), path)) return m;
	return NULL;
}

static void own_process(void **state)
{
	char pid[16];
	struct doctor d;
	json_t *m, *f, *works;
	const char *name;
	unsigned int n = 0;

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	doctor_init(&d, false);
	assert_int_equal(doctor_pid(&d, pid), 0);
	check_rows(&d);
	m = mapping_of(d.mappings, "[vvar]");
	assert_non_null(m);
	assert_string_equal(json_string_value(json_object_get(m, "kind")), "pfn");
	json_object_foreach(json_object_get(m, "facilities"), name, f)
	{
		works = json_object_get(f, "works");
		assert_true(json_is_false(works));
		assert_string_equal(json_string_value(json_object_get(f, "error")), "EFAULT");
		n++;
	}
	assert_int_equal(n, 5);
	assert_string_equal(d.rows[0]->area, "process");
	doctor_free(&d);
}

/* A file's name may try to pass for a line of smaps, or drive the terminal. */
static void hostile_name(void **state)
{
	static const char name[] = "inspect\nVmFlags: pf io\033[2J\377";
	char pid[16], *text;
	struct doctor d;
	json_t *j;
	void *p;
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	unlink(name);
	close(fd);
	assert_ptr_not_equal(p, MAP_FAILED);

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	doctor_init(&d, false);
	assert_int_equal(doctor_pid(&d, pid), 0);
	text = printed(&d, 80);
	assert_null(strpbrk(text, "\033\377"));
	free(text);
	j = doctor_json(&d);
	assert_non_null(j);
	text = json_dumps(j, 0);
	assert_non_null(text);
	/* Written back by a disk, it can't be registered, which is why it is told at all. */
	assert_non_null(strstr(text, "inspect\\\\012VmFlags: pf io\\\\x1b[2J\\\\xff"));
	free(text);
	json_decref(j);
	doctor_free(&d);
	munmap(p, 4096);
}

static void bad_pids(void **state)
{
	static const char *const bad[] = {"",   "0",  "-1", "abc",
					  "1x", " 1", "+1", "99999999999999999999"};
	struct doctor d;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		doctor_init(&d, false);
		assert_int_equal(doctor_pid(&d, bad[i]), 2);
		doctor_free(&d);
	}
	doctor_init(&d, false);
	assert_int_equal(doctor_pid(&d, "2147483647"), 1);
	doctor_free(&d);
}

static int listener(uint16_t *port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	*port = ntohs(sa.sin_port);
	return fd;
}

static int address(struct doctor *d, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	doctor_init(d, d->open_ok);
	return doctor_address(d, text);
}

static void tcp_peers(void **state)
{
	struct doctor d = {.open_ok = false};
	unsigned int before = open_fds();
	uint16_t port;
	int fd = listener(&port);

	assert_int_equal(address(&d, "tcp:127.0.0.1:%u", port), 0);
	assert_int_equal(find(&d, "connect 127.0.0.1")->verdict, DOCTOR_YES);
	assert_int_equal(find(&d, "interface lo")->verdict, DOCTOR_LIMITED);
	assert_non_null(find(&d, "segment size"));
	check_rows(&d);
	doctor_free(&d);

	assert_int_equal(address(&d, "tcp-listen:%u", port), 0);
	assert_int_equal(find(&d, "listen on")->verdict, DOCTOR_NO);
	check_rows(&d);
	doctor_free(&d);
	close(fd);

	assert_int_equal(address(&d, "tcp:127.0.0.1:%u", port), 0);
	assert_int_equal(find(&d, "connect 127.0.0.1")->verdict, DOCTOR_NO);
	check_rows(&d);
	doctor_free(&d);
	assert_int_equal(open_fds(), before);
}

static void files(void **state)
{
	struct doctor d = {.open_ok = false};
	struct stat st;

	assert_int_equal(address(&d, "file:doctor-absent"), 0);
	assert_int_equal(find(&d, "file")->verdict, DOCTOR_LIMITED);
	assert_non_null(find(&d, "free space"));
	check_rows(&d);
	doctor_free(&d);
	assert_int_equal(stat("doctor-absent", &st), -1); /* looking made nothing */

	assert_int_equal(mkfifo("doctor-fifo", 0600), 0);
	assert_int_equal(address(&d, "file:doctor-fifo"), 0); /* and doesn't wait for a writer */
	assert_int_equal(unlink("doctor-fifo"), 0);
	check_rows(&d);
	doctor_free(&d);

	assert_int_equal(address(&d, "file:/"), 2);
	doctor_free(&d);
	assert_int_equal(address(&d, "file:"), 2);
	doctor_free(&d);
	assert_int_equal(address(&d, "file:/no/such/dir/x"), 1);
	doctor_free(&d);
	assert_int_equal(address(&d, "file:/dev/null/x"), 1);
	doctor_free(&d);
}

static void bad_addresses(void **state)
{
	static const char *const bad[] = {"",        "x",           ":",          "nokind:x",
					  "tcp:",    "tcp::1",      "tcp:h:0",    "tcp:h:99999",
					  "serial:", "tcp-listen:", "tcp:[::1:9", "file:x,,"};
	struct doctor d = {.open_ok = false};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(address(&d, "%s", bad[i]), 2);
		doctor_free(&d);
	}
}

/* A pseudo-terminal's master reads EIO once its other side was opened and closed. */
static bool was_opened(int master)
{
	char c;

	return read(master, &c, 1) < 0 && errno == EIO;
}

static void nodes_stay_closed(void **state)
{
	struct doctor d = {.open_ok = false};
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	char name[64];

	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	assert_int_equal(ptsname_r(master, name, sizeof(name)), 0);

	assert_int_equal(address(&d, "serial:%s", name), 0);
	assert_int_equal(find(&d, "serial line")->verdict, DOCTOR_YES);
	assert_int_equal(find(&d, "opens")->verdict, DOCTOR_UNKNOWN);
	check_rows(&d);
	doctor_free(&d);
	assert_int_equal(address(&d, "file:%s", name), 0);
	check_rows(&d);
	doctor_free(&d);
	assert_false(was_opened(master));

	d.open_ok = true;
	assert_int_equal(address(&d, "serial:%s", name), 0);
	assert_int_equal(find(&d, "opens")->verdict, DOCTOR_YES);
	doctor_free(&d);
	assert_true(was_opened(master));
	close(master);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_machine),      cmocka_unit_test(few_descriptors),
		cmocka_unit_test(io_uring_forbidden), cmocka_unit_test(clean_text),
		cmocka_unit_test(fits_the_terminal),  cmocka_unit_test(own_process),
		cmocka_unit_test(hostile_name),       cmocka_unit_test(bad_pids),
		cmocka_unit_test(tcp_peers),          cmocka_unit_test(files),
		cmocka_unit_test(bad_addresses),      cmocka_unit_test(nodes_stay_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
