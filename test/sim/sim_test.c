/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sim_test.c - runs packet scripts, and transfers over a link that loses, doubles and reorders
 *
 * sim_test [-v] [-t] [-s N/OF] [FILE.pkt | SEED]...	-v: shows segments; -t: the program's trace; -s: a part
 * of all scripts and seeds, as long as any other
 *
 * Each script runs as IPv4 and IPv6, on links without offloads, with, and with super-packets above 64 KiB, on kernels
 * with and without SO_PEEK_OFF and SO_MEMINFO (TCP-43), with sequence numbers that wrap; and then again and again,
 * every time with the next system call failing, alone or with all after it, until a run has no more calls to fail.
 * Then the script's expectations are off, but what always has to hold still must.
 */
/* LINK: test/sim/attack.o test/sim/check.o test/sim/company.o test/sim/dgrams.o test/sim/hellos.o test/sim/kernel.o */
/* LINK: test/sim/pools.o test/sim/prop.o test/sim/run.o test/sim/script.o */
/* LINK: test/sim/shuffle.o test/sim/steps.o test/sim/tap_sim.o test/sim/wire.o test/sim/world.o */
/* LDFLAGS: -Wl,--wrap=clock_gettime,--wrap=getentropy,--wrap=epoll_create1,--wrap=epoll_ctl,--wrap=epoll_wait */
/* LDFLAGS: -Wl,--wrap=poll,--wrap=socket,--wrap=setsockopt,--wrap=getsockopt,--wrap=ioctl,--wrap=bind,--wrap=listen */
/* LDFLAGS: -Wl,--wrap=connect,--wrap=accept4,--wrap=getsockname,--wrap=getpeername,--wrap=shutdown,--wrap=close */
/* LDFLAGS: -Wl,--wrap=sendmsg,--wrap=sendto,--wrap=send,--wrap=sendmmsg,--wrap=recvmsg,--wrap=recv,--wrap=recvmmsg */
/* LDFLAGS: -Wl,--wrap=__recv_chk,--wrap=nl_route_type */
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../t.h"
#include "attack.h"
#include "prop.h"
#include "run.h"
#include "shuffle.h"

#define FAULTS_MAX	2000
#define CHILD_TIME	120	/* s of processor time, with sanitizers */

static const struct variant variants[] = {
	{ .v6 = false, .offload = true },
	{ .v6 = true, .offload = false, .no_peek_off = true },
	{ .v6 = false, .offload = false, .wrap = true },
	{ .v6 = true, .offload = true, .wrap = true },
	{ .v6 = false, .offload = true, .no_peek_off = true, .no_meminfo = true, .wrap = true },
	{ .v6 = true, .offload = false },
	{ .v6 = true, .offload = true, .big = true, .wrap = true },
	{ .v6 = false, .offload = true, .big = true },
};

#define FAULT_VARIANTS	2	/* of these, with calls that fail */

/* Where the child is, for the parent to say if it crashes */
static struct {
	struct variant	v;
	unsigned	line;
	unsigned	runs;
	uint64_t	seed;
	bool		good;
} *at;

static struct run run;
static unsigned nscript;
static struct { unsigned n, of; } part = { 1, 1 };

static const char *variant_text(const struct variant *v)
{
	static char buf[128];
	int n = snprintf(buf, sizeof(buf), "%s, %s%s%s", v->v6 ? "IPv6" : "IPv4",
			 !v->offload ? "no offload" : v->big ? "BIG TCP" : "offload",
			 v->no_meminfo ? ", old kernel" : v->no_peek_off ? ", no SO_PEEK_OFF" : "",
			 v->wrap ? ", wrapping" : "");

	if (SIM_GUESTS > 1)
		n += snprintf(buf + n, sizeof(buf) - (size_t)n, ", in company %u and %u", v->company[0],
			      v->company[SIM_GUESTS - 1]);
	if (v->fail_at)
		snprintf(buf + n, sizeof(buf) - (size_t)n, ", call %llu fails%s", (unsigned long long)v->fail_at,
			 v->fail_on ? ", and all after it" : "");
	return buf;
}

static void report(const struct script *s)
{
	const char *text = "";

	for (unsigned i = 0; i < s->n; i++)
		if (s->step[i].line == run.line)
			text = s->step[i].text;
	printf("# %s, %s%s%s:\n", s->name, variant_text(&run.v), world.failed ? ": " : "",
	       world.failed ? world.failed : "");
	run_log_print();
	if (run.over)
		printf("# after the end:\n");
	else
		printf("# %s:%u: %s\n", s->name, run.line, text);
	printf("#\t%s\n", run.why);
	fflush(stdout);
}

static bool run_one(const struct script *s, const struct variant *v, bool silence)
{
	bool good;

	at->v = *v;
	at->runs++;
	run_begin(&run, s, v);
	good = !run.failed && run_script(&run) && run_end(&run, silence);
	if (!good)
		report(s);
	return good;
}

/* Is the script for this world? */
static bool meant_for(const struct script *s, const struct variant *v)
{
	return !(v->v6 ? s->only4 : s->only6) && !(v->no_meminfo && s->meminfo) &&
	       !(v->no_peek_off ? s->peek : s->no_peek);
}

static bool run_faults(const struct script *s, const struct variant *base)
{
	struct variant v = *base;

	for (v.fail_at = 1; v.fail_at < FAULTS_MAX; v.fail_at++) {
		if (!run_one(s, &v, v.fail_at & 1))
			return false;
		if (!world.failed)
			return true;
	}
	printf("# too long a script to fail every call of it\n");
	return true;
}

/* A script of the second guest, while the others do all that there is, each in another variant */
static bool run_company(const struct script *s)
{
	unsigned variant = nscript, kind = 0;

	while (kind < COMPANY_KINDS) {
		struct variant v = variants[variant++ % ARRAY_SIZE(variants)];

		if (!meant_for(s, &v))
			continue;
		v.guest = 1;
		v.company[0] = (enum company)kind;
		v.company[SIM_GUESTS - 1] = (enum company)((kind + 1 + nscript) % COMPANY_KINDS);
		if (!run_one(s, &v, kind++ & 1))
			return false;
	}
	return true;
}

static bool run_all(const struct script *s)
{
	if (SIM_GUESTS > 1)
		return run_company(s);
	for (unsigned i = 0; i < ARRAY_SIZE(variants); i++)
		if (meant_for(s, &variants[i]) && !run_one(s, &variants[i], i & 1))
			return false;
	for (unsigned i = 0; i < 2 * FAULT_VARIANTS && !s->no_faults; i++) {
		struct variant v = variants[i % FAULT_VARIANTS];

		v.fail_on = i >= FAULT_VARIANTS;
		if (meant_for(s, &v) && !run_faults(s, &v))
			return false;
	}
	return true;
}

typedef bool random_fn(struct run *r, uint64_t seed);

static bool run_random(random_fn *random, uint64_t seed)
{
	struct variant v = variants[seed % ARRAY_SIZE(variants)];
	static struct script s = { .name = "random", .mtu = 1500 };

	at->v = v;
	at->runs++;
	at->seed = seed;
	run_begin(&run, &s, &v);
	if (!run.failed && random(&run, seed))
		return true;
	printf("# seed %llu, %s: %s\n", (unsigned long long)seed, variant_text(&v), run.why);
	run_log_print();
	return false;
}

/* In a process of its own: what crashes is a failure of this test alone, with its run. Seeds: each @step-th */
static bool in_child(const struct script *s, random_fn *random, uint64_t first, uint64_t last, unsigned step)
{
	int status;
	pid_t pid;

	fflush(stdout);
	memset(at, 0, sizeof(*at));
	pid = fork();
	if (!pid) {
		bool good = true;

		alarm(CHILD_TIME);
		if (s)
			good = run_all(s);
		for (uint64_t seed = first; !s && seed <= last && good; seed += step)
			good = run_random(random, seed);
		at->good = good;
		fflush(stdout);
		_exit(!good);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (WIFSIGNALED(status) || WEXITSTATUS(status) > 1 || (!WEXITSTATUS(status) && !at->good))
		printf("# crashed, status %#x, in %s, run %u, %s, seed %llu\n", (unsigned)status,
		       s ? s->name : "random", at->runs, variant_text(&at->v), (unsigned long long)at->seed);
	return !status && at->good;
}

static void test_script(const char *path)
{
	static struct script s;
	bool good = script_read(&s, path);

	nscript++;
	test("%s: %s", s.name, s.title);
	ok(good && in_child(&s, NULL, 0, 0, 1));
	if (good)
		printf("# %u runs\n", at->runs);
}

int main(int argc, char **argv)
{
	uint64_t seeds = SIM_GUESTS > 1 ? 24 : 200;
	int c;
	glob_t g;

	log_level = LOG_EMERG;
	at = mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	while ((c = getopt(argc, argv, "s:tv")) != -1) {
		if (c == 's' && (sscanf(optarg, "%u/%u", &part.n, &part.of) != 2 || !part.n || part.n > part.of))
			return 2;
		run.verbose |= c != 's';
		if (c == 't')
			log_level = LOG_TRACE;
	}
	for (int i = optind; i < argc; i++) {
		char *end;
		uint64_t seed = strtoull(argv[i], &end, 0);

		if (*end) {
			test_script(argv[i]);
			continue;
		}
		test("random, seed %s", argv[i]);
		ok(in_child(NULL, prop_run, seed, seed, 1) && in_child(NULL, shuffle_run, seed, seed, 1) &&
		   in_child(NULL, attack_run, seed, seed, 1));
	}
	if (optind < argc)
		return done();

	if (glob("test/sim/*.pkt", 0, NULL, &g))
		g.gl_pathc = 0;
	test("scripts are there");
	ok(g.gl_pathc > 0);
	for (size_t i = part.n - 1; i < g.gl_pathc; i += part.of) {
		nscript = (unsigned)i;		/* its company doesn't depend on the part */
		test_script(g.gl_pathv[i]);
	}
	globfree(&g);
	test("TCP-30 byte-exact both ways under loss, duplication and reordering, 1/%u of %llu seeds", part.of,
	     (unsigned long long)seeds);
	ok(in_child(NULL, prop_run, part.n, seeds, part.of));
	if (SIM_GUESTS > 1)
		return done();
	test("batches in random order: all that leads on is taken, and acknowledged once, 1/%u of %llu seeds", part.of,
	     4 * (unsigned long long)seeds);
	ok(in_child(NULL, shuffle_run, part.n, 4 * seeds, part.of));
	test("guests that lie, and are honest in the end, 1/%u of %llu seeds", part.of, 2 * (unsigned long long)seeds);
	ok(in_child(NULL, attack_run, part.n, 2 * seeds, part.of));
	return done();
}
