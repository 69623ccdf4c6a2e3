/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_input.c - the whole data path, the real loop in the simulated world: frames from the guest, events on the host
 *
 * Whatever they do, what always holds must hold after each turn (test/sim/check.c; lists and counts here), and once
 * everybody is silent, or all sockets broke, hours later nothing is left.
 *
 * Input: flags (V_*), MTU (and 64: nothing has come of the guest yet), number of the system call that fails (two bytes,
 * 0: none), then steps. The lowest five bits of a step's first byte say what it is (enum step_kind), the next two which
 * connection; with the highest bit set, the next step comes in the same batch. Numbers are big-endian, those behind the
 * end of the input are 0. TCP segments are relative to what was sent and seen, and carry the pattern of the stream, so
 * that whole connections are a few bytes. If the first step is DO_WORLD, its bytes are of the world that the run begins
 * in (input_more.h).
 */
/* LINK: test/sim/check.o test/sim/company.o test/sim/dgrams.o test/sim/kernel.o test/sim/pools.o */
/* LINK: test/sim/hellos.o test/sim/run.o test/sim/tap_sim.o test/sim/wire.o */
/* LINK: test/sim/script.o test/sim/steps.o test/sim/world.o */
/* LDFLAGS: -Wl,--wrap=clock_gettime,--wrap=getentropy,--wrap=epoll_create1,--wrap=epoll_ctl,--wrap=epoll_wait */
/* LDFLAGS: -Wl,--wrap=poll,--wrap=socket,--wrap=setsockopt,--wrap=getsockopt,--wrap=ioctl,--wrap=bind,--wrap=listen */
/* LDFLAGS: -Wl,--wrap=connect,--wrap=accept4,--wrap=getsockname,--wrap=getpeername,--wrap=shutdown,--wrap=close */
/* LDFLAGS: -Wl,--wrap=sendmsg,--wrap=sendto,--wrap=send,--wrap=sendmmsg,--wrap=recvmsg,--wrap=recv,--wrap=recvmmsg */
/* LDFLAGS: -Wl,--wrap=__recv_chk,--wrap=open,--wrap=pipe2,--wrap=socketpair */
/* LDFLAGS: -Wl,--wrap=nl_route_type */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define dgram frag_dgram	/* the simulated world has one, too */
#include "../../frag.c"
#undef dgram
#include "../../ask.h"
#include "../../attach.h"
#include "../../egress.h"
#include "../../event.h"
#include "../../input.h"
#include "../../loop.h"
#include "../../tcp_conn.h"
#include "../../tcp_seg.h"
#include "../../udp.h"
#include "../sim/kernel.h"
#include "../sim/pools.h"
#include "../sim/run.h"
#include "take.h"

#define STEPS		1500
#define TURNS		4000		/* without time passing: it spins */
#define NCONN		4		/* 1 and 2: opened by the guest, 3 and 4: by clients on the host */
#define HOURS		30
#define PATIENCE	30		/* acknowledgments of an honest guest until there is progress, one in 10 s */
#define MOVED		2000		/* bytes in a step, most of the time */
#define SEND_FAULTS	4		/* of faults[] in op_fail() */
#define SYN_MAX		1400		/* bytes with a SYN in one frame */
#define KEPT		8		/* ranges behind a gap, of an honest guest */

enum { V_V6 = 1, V_OFFLOAD = 2, V_NO_PEEK_OFF = 4, V_WRAP = 8, V_SILENCE = 16, V_BOTH = 32, V_SMALL = 64, V_BIG = 128 };

enum step_kind {
	DO_SYN, DO_SYN_ACK, DO_ACK, DO_DATA, DO_FIN, DO_RST, DO_TCP,
	DO_CONNECTED, DO_ERROR, DO_BYTES, DO_EOF, DO_SOCK_ROOM, DO_CLIENT,
	DO_UDP, DO_UDP_HOST, DO_UDP_ERROR, DO_UDP_CLIENT, DO_PING, DO_PING_HOST,
	DO_IP, DO_RAW, DO_TIME, DO_LINK, DO_FAIL, DO_CONNECT_ERR, DO_NEW_ROOM, DO_TOO_BIG,
	DO_ANSWER, DO_OPTS, DO_WORLD, DO_MORE,
	DO_COUNT
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
static struct run run;
static struct script script;

struct span {
	uint32_t	from, to;
};

/* What the guest knows of its connections, relative as in struct conn */
static struct {
	bool		used;
	uint32_t	nxt, ack;
	bool		opts_on;		/* segments have options: nobody here knows what they make of bytes */
	struct wire_opts opts;
	bool		moved;			/* on the host, it may lead somewhere else */
	uint16_t	lose;			/* of the next segments with data to the guest, lowest bit first */
	bool		honest, stamps;		/* SACK, and timestamps, of what was seen */
	bool		odd;			/* and not only what such a guest sends */
	uint32_t	tsecr;
	unsigned	kept, lost;
	struct span	range[KEPT];		/* behind a gap, the last one first */
	struct span	gone[KEPT];		/* lost so far */
	struct span	again;			/* that came twice, for the next report (RFC 2883) */
} conn[CONNS];

/* No files: neither a time for each run, nor settings of this machine */
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	(void)path;
	(void)flags;
	errno = ENOENT;
	return -1;
}

/* Descriptors are short: what is spliced is read and written, and there is no stream of queries */
int __wrap_pipe2(int fd[2], int flags);
int __wrap_pipe2(int fd[2], int flags)
{
	(void)fd;
	(void)flags;
	errno = EMFILE;
	return -1;
}

int __wrap_socketpair(int domain, int type, int proto, int fd[2]);
int __wrap_socketpair(int domain, int type, int proto, int fd[2])
{
	(void)domain;
	(void)type;
	(void)proto;
	(void)fd;
	errno = EMFILE;
	return -1;
}

static bool batched;	/* something was done, and the loop did not run since */
static bool faulty;	/* system calls were made to fail */
static bool foreign;	/* TCP segments were sent that belong to no connection known here, or may: no byte is checked */

static void check(bool good, const char *what)
{
	if (good && !run.failed)
		return;
	fprintf(stderr, "%s\n", run.failed ? run.why : what);
	run_log_print();
	fflush(stdout);
	abort();
}

/* Lists hold who they should, forwards and backwards, and nobody twice */
static void check_list(const struct flow_list *l, enum flow_wait wait, enum flow_lru lru)
{
	const struct flows *fs = &run.c.flows;
	uint32_t last = FLOW_NONE, n = 0;

	for (uint32_t i = l->head; i != FLOW_NONE && n <= fs->unused; n++) {
		const struct flow *f = &fs->f[i];

		check(f->type != FLOW_FREE && !f->dead, "a flow on a list is gone");
		if (wait == WAIT_NONE) {
			check(f->lru == lru && f->link[LINK_LRU].prev == last, "list of those used: links");
			check(f->type != FLOW_TCP, "TCP on the list of datagram flows");
		} else {
			check(f->wait == wait && f->link[LINK_WAIT].prev == last, "waiting list: links");
		}
		last = i;
		i = f->link[wait == WAIT_NONE ? LINK_LRU : LINK_WAIT].next;
	}
	check(n <= fs->unused && l->tail == last, "list does not end where it says");
}

/* @rest: the loop sleeps; tables are looked at, too */
static void check_flows(bool rest)
{
	const struct flows *fs = &run.c.flows;
	uint32_t n[FLOW_TYPES] = { 0 }, used = 0, fds = 0;

	check_list(&fs->wait[WAIT_READY], WAIT_READY, LRU_LISTS);
	check_list(&fs->wait[WAIT_STALLED], WAIT_STALLED, LRU_LISTS);
	for (unsigned i = 0; i < LRU_LISTS; i++)
		check_list(&fs->lru[0][i], WAIT_NONE, (enum flow_lru)i);
	for (uint32_t i = 0; i < fs->unused; i++) {
		const struct flow *f = &fs->f[i];

		if (f->type == FLOW_FREE)
			continue;
		n[f->type]++;
		used++;
		check(!rest || !f->ops->state || f->ops->state(f), "a state without a name");
		fds += f->ops->fds;
		check(!f->dead, "dead, and not buried");
		check(f->batch_head == PKT_NEXT_NONE, "packets of a batch that is over");
		check(f->wait != WAIT_READY || world.idle == false, "ready, and the loop sleeps");
		if (rest && (f->type == FLOW_TCP || f->type == FLOW_UDP))
			check(flow_find_guest(fs, f->guest, f->type, &f->side[GUEST].peer, &f->side[GUEST].our) == f,
			      "flow that can't be found");
	}
	for (unsigned t = FLOW_TCP; t < FLOW_TYPES; t++)
		check(n[t] == fs->count[t], "number of flows");
	check(used == fs->used && fds == fs->fds, "number of all flows, and of their descriptors");
}

/* The guest keeps what is behind a gap: in one range with what touches it */
static void keep_range(unsigned n, uint32_t from, uint32_t to)
{
	unsigned k = 0;

	for (unsigned i = 0; i < conn[n].kept; i++) {
		const struct span r = conn[n].range[i];

		if (seq_le(r.from, from) && seq_le(to, r.to))
			conn[n].again = (struct span){ from, to };
		if (seq_le(r.from, to) && seq_le(from, r.to)) {
			from = seq_min(from, r.from);
			to = seq_max(to, r.to);
		} else if (k < KEPT - 1) {
			conn[n].range[k++] = r;
		}
	}
	if (seq_le(from, conn[n].ack)) {
		conn[n].ack = seq_max(conn[n].ack, to);
		conn[n].kept = k;
		return;
	}
	memmove(&conn[n].range[1], &conn[n].range[0], k * sizeof(conn[n].range[0]));
	conn[n].range[0] = (struct span){ from, to };
	conn[n].kept = k + 1;
}

/* Is a segment, with data up to number @end, or FIN, lost on its way? */
static bool is_lost(unsigned n, const struct wire *w, uint32_t end)
{
	bool lost = conn[n].lose & 1;

	if (!w->len && !(w->flags & TCP_FIN))
		return false;
	conn[n].lose >>= 1;
	if (lost && conn[n].lost < KEPT)
		conn[n].gone[conn[n].lost++] = (struct span){ w->seq - run.conn[n].o_isn, end };
	return lost;
}

/* One segment, as the guest sees it */
static void note_segment(struct wire *w)
{
	struct conn *cn = conn_of(&run, w);
	unsigned i = cn ? (unsigned)(cn - run.conn) : 0;
	uint32_t seq, end;

	if (!cn)
		return;
	run_log(&run, "<", w);
	if (!foreign && !(w->flags & TCP_SYN && cn->o_known))	/* a SYN that comes again has an old window */
		check(check_segment(&run, w), "segment");
	if (w->flags & TCP_SYN) {
		cn->o_isn = w->seq;
		cn->o_known = true;
		conn[i].ack = 0;
	}
	seq = w->seq - cn->o_isn;
	end = seq + (uint32_t)w->len + !!(w->flags & TCP_FIN) + !!(w->flags & TCP_SYN);
	if (w->flags & TCP_RST || is_lost(i, w, end))
		return;
	if (w->len && seq_le(end, conn[i].ack))
		conn[i].again = (struct span){ seq, end };
	if (seq_le(seq, conn[i].ack))
		conn[i].tsecr = w->opts.tsval;
	if (conn[i].honest && seq_lt(conn[i].ack, end))
		keep_range(i, seq, end);
	else if (seq_le(seq, conn[i].ack) && seq_lt(conn[i].ack, end))
		conn[i].ack = end;
}

/* What the program sent: super-packets are cut as a guest's kernel does it */
static void note_frame(const struct frame_out *f)
{
	const struct tap *t = &run.c.guest[0].tap;
	const uint8_t *p = f->buf + ETH_HLEN;
	const char *bad;
	struct wire w;

	if (f->len >= ETH_HLEN + 20 && ((p[0] >> 4 == 4 && get_be16(p + 6) & 0x3fff) || (p[0] >> 4 == 6 && p[6] == 44)))
		return;				/* fragments of a datagram */
	bad = wire_parse(f, &t->caps, &w);
	check(!bad, bad);
	if (w.proto != IPPROTO_TCP)
		return;
	while (w.gso && w.gso < w.len) {
		struct wire part = w;

		part.len = w.gso;
		part.flags &= (uint8_t)~(TCP_PSH | TCP_FIN);
		note_segment(&part);
		w.seq += w.gso;
		w.data += w.gso;
		w.len -= w.gso;
	}
	note_segment(&w);
}

static void drain(struct dgrams *q)
{
	for (; q->len; q->len--) {
		free(q->d[q->head].data);
		q->head = (q->head + 1) % DGRAM_MAX;
	}
}

static void after_turn(void)
{
	for (; world.link->out_len; tap_sim_drop(world.link))
		note_frame(&world.link->out[world.link->out_head]);
	for (unsigned i = 0; i < world.nfs; i++)
		if (world.fs[i].tx.len && world.fs[i].fd != NOBODY)
			drain(&world.fs[i].tx);
	if (foreign && world.violation && !strncmp(world.violation, "byte ", 5))
		world.violation = NULL;
	check(!world.violation, world.violation);
	check_flows(false);
}

/* The loop runs until it would sleep beyond @until (ns); its last turn may have found that the link takes more */
static void turn(uint64_t until)
{
	uint64_t last = world.now;
	unsigned turns = 0;

	world.limit = until;
	world.idle = false;
	while (!world.idle) {
		run_turn(&run.c);
		world.idle &= !run.c.again && guests_first(&run.c.flows.ready, 0) < 0;
		check(!run.c.guest[0].link_error, "link lost");
		after_turn();
		turns = world.now == last ? turns + 1 : 0;
		last = world.now;
		check(turns < TURNS, "the loop spins");
	}
	check(check_idle(&run), "at rest");
	check_flows(true);
	batched = false;
}

/* Options of an honest guest: what came twice, and what it has, the latest first */
static struct wire_opts honest_opts(unsigned n)
{
	const struct conn *cn = &run.conn[n];
	struct wire_opts o = { .sack_ok = true, .ts = conn[n].stamps, .tsecr = conn[n].tsecr };

	o.tsval = (uint32_t)(world.now / MS);
	if (conn[n].again.from != conn[n].again.to) {
		o.sack[0].from = cn->o_isn + conn[n].again.from;
		o.sack[o.sacks++].to = cn->o_isn + conn[n].again.to;
	}
	for (unsigned i = 0; i < conn[n].kept && o.sacks < (o.ts ? 3 : 4); i++) {
		o.sack[o.sacks].from = cn->o_isn + conn[n].range[i].from;
		o.sack[o.sacks++].to = cn->o_isn + conn[n].range[i].to;
	}
	conn[n].again = (struct span){ 0 };
	return o;
}

/* A segment of connection @n, numbers relative to its start. Who gets a SYN isn't always known here, see @reused. */
static void segment(unsigned n, uint8_t flags, uint32_t seq, uint32_t len, uint32_t ack, uint16_t win, uint16_t mss,
		    int wscale)
{
	bool syn = flags & TCP_SYN, odd = flags & (TCP_RST | TCP_FIN);
	struct conn *cn = &run.conn[n];
	const struct flow *f = run_flow(&run, cn);
	uint16_t mss_before = conn[n].used ? (uint16_t)cn->mss : 0;
	struct wire_opts opts = conn[n].opts_on || !conn[n].honest ? conn[n].opts : honest_opts(n);
	bool with = conn[n].opts_on || conn[n].honest;

	opts.sack_ok &= syn;
	opts.sacks = syn ? 0 : opts.sacks;

	if (syn && (!f || f->tcp.state < TCP_SYN_RCVD || batched))		/* where the pattern begins */
		seq = 0;
	/* In several frames, each has another number, and ends the connection before it while connect() is under way;
	 * the pattern begins elsewhere. If the host ends the connection in the same turn, it begins another one.
	 */
	if (syn && (batched || (!f && conn[n].used) || len > SYN_MAX ||
		    (f && f->tcp.state != TCP_SYN_SENT && wscale != cn->g_wscale)))
		cn->reused = true;
	conn[n].odd |= flags & TCP_RST || conn[n].opts_on || (syn && conn[n].used && n <= NCONN / 2);
	foreign |= syn && len > SYN_MAX && !run.v.offload;
	if (syn && !(flags & TCP_ACK))
		conn[n].used = true;
	foreign |= conn[n].opts_on;
	guest_tcp_opts(&run, cn, flags, seq, len, ack, win, mss, wscale, with ? &opts : NULL, 0,
		       conn[n].opts_on || (syn && (odd || (f && f->tcp.state != TCP_SYN_SENT))));
	cn->mss = MAX(cn->mss, 88);		/* a tiny one is not taken at its word */
	if (syn)				/* of several SYNs, it isn't known here whose options count */
		cn->mss = MAX(cn->mss, mss_before);
}

static void op_tcp(enum step_kind op, unsigned n)
{
	static const uint16_t mss[] = { 1000, 0, 1460, 1, 65495, 536, 88, 1220 };
	uint32_t len, opts, win = 30000;

	switch (op) {
	case DO_SYN:
	case DO_SYN_ACK:
		opts = take(1);
		conn[n].nxt = 1;
		segment(n, op == DO_SYN ? TCP_SYN : TCP_SYN | TCP_ACK, 0, 0, conn[n].ack, (uint16_t)win, mss[opts & 7],
			opts & 8 ? -1 : (int)(opts >> 4));
		return;
	case DO_ACK:
		segment(n, TCP_ACK, conn[n].nxt, 0, conn[n].ack, (uint16_t)take(2), 0, -1);
		return;
	case DO_DATA:
		len = take(2) % 60000;
		segment(n, TCP_ACK | TCP_PSH, conn[n].nxt, len, conn[n].ack, (uint16_t)win, 0, -1);
		conn[n].nxt += len;
		return;
	case DO_FIN:
		segment(n, TCP_ACK | TCP_FIN, conn[n].nxt++, 0, conn[n].ack, (uint16_t)win, 0, -1);
		return;
	case DO_RST:
		segment(n, TCP_RST | TCP_ACK, conn[n].nxt, 0, conn[n].ack, 0, 0, -1);
		return;
	default:
		break;
	}
	conn[n].odd = true;
	/* Anything: flags, distance from what is next, length, distance from what was seen, window */
	opts = take(1);
	{
		uint32_t seq = conn[n].nxt + (uint32_t)(int16_t)take(2), ack;

		len = take(2) % 20000;
		ack = conn[n].ack + (uint32_t)(int16_t)take(2);
		win = take(2);
		segment(n, (uint8_t)opts, seq, len, ack, (uint16_t)win, opts & TCP_SYN ? 1000 : 0, -1);
	}
}

/* Options of the segments that follow: SACK, timestamps, and ranges behind what was seen */
static void op_opts(unsigned n)
{
	uint32_t kind = take(1), seq = run.conn[n].o_isn + conn[n].ack;
	struct wire_opts *o = &conn[n].opts;

	conn[n].opts_on = true;
	*o = (struct wire_opts){ .sack_ok = kind & 1, .ts = kind & 2, .sacks = kind >> 2 & 3 };
	if (o->ts) {
		o->tsval = 1000000 + (uint32_t)(int16_t)take(2);
		o->tsecr = run.conn[n].o_tsval + (kind & 16 ? (uint32_t)(int8_t)take(1) : 0);
	}
	for (unsigned i = 0; i < o->sacks; i++) {
		o->sack[i].from = seq += take(2);
		o->sack[i].to = seq += take(2);
	}
}

/* Its socket on the host; if it may lead somewhere else, the newest one to its port */
static struct fsock *tcp_sock(unsigned n)
{
	struct fsock *s = fs_find(FS_TCP, &run.conn[n].peer);

	for (unsigned i = world.nfs; conn[n].moved && (!s || s->fd == NOBODY) && i--;)
		if (world.fs[i].kind == FS_TCP && world.fs[i].peer.port == run.conn[n].peer.port)
			s = &world.fs[i];
	return s && s->fd != NOBODY ? s : NULL;
}

static void op_host(enum step_kind op, unsigned n)
{
	static const int errs[] = {
		ECONNRESET, ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, EPIPE, EACCES, ENOBUFS,
	};
	struct fsock *s = tcp_sock(n);
	uint32_t v = op == DO_SOCK_ROOM || op == DO_BYTES ? take(2) : op == DO_ERROR ? take(1) : 0;
	bool up = s && s->state == FS_CONNECTED;

	if (op == DO_CONNECTED && s)
		fs_connected(s);
	else if (op == DO_ERROR && s && s->state != FS_CLOSED)
		fs_error(s, errs[v % ARRAY_SIZE(errs)]);
	else if (op == DO_BYTES && up && !s->rx_eof)
		fs_data(s, 1 + v);
	else if (op == DO_EOF && up && !s->rx_eof)
		fs_eof(s);
	else if (op == DO_SOCK_ROOM && up)
		fs_room(s, v == UINT16_MAX ? ROOM_AUTO : v);
}

static void op_client(unsigned n)
{
	struct fsock *l = fs_listener(FS_LISTEN, !run.v.v6);
	struct end to = { .a = run.c.net.ip[run.v.v6 ? V6 : V4].guest.addr };
	struct conn *cn = &run.conn[n];

	if (n <= NCONN / 2 || !l)
		return;
	foreign |= addr_is_loopback(&cn->peer.a);	/* it is spliced */
	cn->reused = conn[n].used;
	conn[n].used = true;
	conn[n].nxt = conn[n].ack = 0;
	fs_client(l, &cn->peer, &to);
}

/* The @i-th open socket of a kind, or NULL */
static struct fsock *nth_sock(enum fs_kind kind, unsigned i)
{
	unsigned n = fs_count(kind);

	if (!n)
		return NULL;
	i %= n;
	for (unsigned j = 0; j < world.nfs; j++)
		if (world.fs[j].kind == kind && world.fs[j].fd != NOBODY && !i--)
			return &world.fs[j];
	return NULL;
}

static uint8_t filler[65536];

/* An ICMP error about what was sent; of the other family, translated on its way, if @kind & 128 */
static void dgram_error_fill(const struct fsock *s, struct dgram *d, uint32_t kind, uint32_t len)
{
	bool v6 = run.v.v6 == !(kind & 128);

	d->err = kind & 2 ? EMSGSIZE : kind & 4 ? EHOSTUNREACH : ECONNREFUSED;
	d->origin = kind & 8 ? 1 : v6 ? 3 : 2;
	d->type = (uint8_t)(kind & 16 ? kind & 128 && v6 ? 3 : 11 : v6 ? 1 : 3);
	d->code = (uint8_t)(kind >> 5);
	d->info = len;
	d->our.a = d->peer.a;
	d->len = len % 100;
	if (s->kind != FS_PING)
		return;
	filler[0] = run.v.v6 ? 128 : 8;
	filler[1] = 0;
}

static void op_dgram_host(enum step_kind op, unsigned n)
{
	struct fsock *s = nth_sock(op == DO_PING_HOST ? FS_PING : FS_UDP, n + take(1));
	uint32_t kind = take(1), len = take(2);
	struct dgram d = { .peer = run.conn[n].peer, .data = filler, .len = len % 65508 };

	if (op == DO_UDP_CLIENT)
		s = fs_listener(FS_UDP, !run.v.v6);
	if (op == DO_UDP_ERROR && kind & 64 && fs_count(FS_PING))
		s = nth_sock(FS_PING, n);
	if (!s)
		return;
	d.peer.port = (uint16_t)(d.peer.port + (kind >> 6));
	d.our.a = run.c.net.ip[run.v.v6 ? V6 : V4].guest.addr;
	if (op == DO_UDP_ERROR && kind & 1) {
		s->err = ECONNREFUSED;
		fs_wake(s, EPOLLERR);
	} else if (op == DO_UDP_ERROR) {
		dgram_error_fill(s, &d, kind, len);
		fs_dgram(s, &s->errq, &d);
	} else {
		d.gso = (uint16_t)(s->gro && kind & 1 && len > 100 ? 100 : 0);
		d.ttl = (uint8_t)kind;
		if (op == DO_PING_HOST) {	/* echo reply */
			filler[0] = kind & 32 ? (uint8_t)kind : run.v.v6 ? 129 : 0;
			filler[1] = 0;
		}
		fs_dgram(s, &s->rx, &d);
	}
}

static void op_udp(unsigned n)
{
	static uint8_t frame[WIRE_MAX + 64];
	uint32_t kind = take(1), len = take(2) % 65400;
	struct wire w = {
		.v6 = run.v.v6, .proto = IPPROTO_UDP, .ttl = (uint8_t)(kind & 7 ? 64 : take(1)),
		.src = run.conn[n].guest,
		.dst = run.conn[n].peer, .data = filler, .len = len,
	};
	struct offload off = { .partial = run.v.offload, .gso = run.v.offload && kind & 8 && len > 300 ? 300 : 0 };

	w.src.port = (uint16_t)(w.src.port + (kind >> 6));
	if (kind & 16)
		w.dst.port = (uint16_t)take(2);
	tap_sim_push(frame, wire_build(frame, &w, off.partial), &off);
}

static void op_ping(unsigned n)
{
	static uint8_t frame[WIRE_MAX + 64];
	uint32_t kind = take(1), len = take(2) % 65400;
	struct wire w = {
		.v6 = run.v.v6, .proto = run.v.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
		.ttl = (uint8_t)(kind & 1 ? kind : 64),
		.src = run.conn[n].guest, .dst = run.conn[n].peer, .data = filler, .len = len, .seq = kind,
		.type = run.v.v6 ? 128 : 8,
	};
	struct offload off = { 0 };

	w.src.port = (uint16_t)(7 + (kind >> 6));
	tap_sim_push(frame, wire_build(frame, &w, false), &off);
}

/* A good Ethernet and IP header in front of whatever comes: to the peer, the gateway, everybody, some, oneself */
static void op_ip(unsigned n)
{
	static const char *const to4[] = { "198.51.100.1", "255.255.255.255", "224.0.0.251", "198.51.100.255",
					   "198.51.100.2", "127.0.0.1", "169.254.1.1" };
	static const char *const to6[] = { "fe80::1", "ff02::1", "ff02::fb", "ff02::1:2", "2001:db8::c633:6402", "::1",
					   "fe80::2" };
	static uint8_t frame[WIRE_MAX + 64];
	uint32_t to = take(1), proto = take(1), frag = take(2), len = take(2);
	uint8_t *ip = frame + ETH_HLEN, *l4 = ip + (run.v.v6 ? 40 : 20);
	struct wire w = { .v6 = run.v.v6, .proto = (uint8_t)proto, .ttl = 64, .src = run.conn[n].guest,
			  .dst = run.conn[n].peer, .data = filler };
	struct offload off = { .partial = to & 128 };
	uint32_t sum = 0;

	if (to % 8)
		addr_parse(run.v.v6 ? to6[to % 8 - 1] : to4[to % 8 - 1],
			   strlen(run.v.v6 ? to6[to % 8 - 1] : to4[to % 8 - 1]), &w.dst.a);
	foreign |= proto != IPPROTO_UDP && proto != IPPROTO_ICMP && proto != IPPROTO_ICMPV6;
	len = len < in_left ? len : (uint32_t)in_left;
	len = len < 65000 ? len : 65000;
	wire_build(frame, &w, true);
	memcpy(l4, in, len);
	in += len;
	in_left -= len;
	if (run.v.v6) {
		put_be16(ip + 4, (uint16_t)len);
	} else {
		put_be16(ip + 2, (uint16_t)(20 + len));
		put_be16(ip + 6, (uint16_t)frag);
		put_be16(ip + 10, 0);
		for (unsigned i = 0; i < 20; i += 2)
			sum += get_be16(ip + i);
		put_be16(ip + 10, (uint16_t)~((sum >> 16) + (sum & 0xffff)));
	}
	tap_sim_push(frame, (size_t)(l4 - frame) + len, &off);
}

static void op_raw(void)
{
	struct offload off = { .gso = (uint16_t)take(2), .partial = off.gso & 1 };
	uint32_t len = take(2);

	foreign = true;
	len = len < in_left ? len : (uint32_t)in_left;
	tap_sim_push(in, len, &off);
	in += len;
	in_left -= len;
}

static void op_fail(void)
{
	static const struct {
		const char	*call;
		int		err;
	} faults[] = {
		{ "socket", EMFILE }, { "accept4", EMFILE }, { "accept4", ECONNABORTED }, { "epoll_ctl", ENOSPC },
		{ "sendmsg", ENOBUFS }, { "sendmsg", ECONNRESET }, { "recvmsg", ECONNRESET }, { "recv", ENOMEM },
		{ "getsockopt", ENOBUFS }, { "bind", EADDRINUSE }, { "tap_write", EAGAIN },
		{ "recvmmsg", ENOMEM }, { "sendmmsg", ENOBUFS }, { "connect", EADDRNOTAVAIL }, { "shutdown", ENOTCONN },
		/* The last SEND_FAULTS: of datagrams */
		{ "sendmsg", EACCES }, { "sendmmsg", EACCES }, { "sendmmsg", EMSGSIZE }, { "sendmmsg", EINVAL },
	};
	uint32_t v = take(1), last = ARRAY_SIZE(faults) - SEND_FAULTS, i = v % last;

	faulty = true;
	i = v < 240 ? i : last + v % SEND_FAULTS;
	world.fail_call = faults[i].call;
	world.fail_err = faults[i].err;
	world.fail_count = v < 240 ? 1 + (v >> 4) : 1;
	if (script.no_stash && !strcmp(world.fail_call, "getsockopt"))
		world.fail_count = 0;		/* no call of Linux' hides the room while there is no stash either */
}

/* The user answers the oldest question; or rules that ask for all begin, or end */
static void op_answer(void)
{
	static char lines[] = "ask any\nask icmp/any\n", text[sizeof(lines)];
	const struct ask_question *q;
	uint32_t what = take(1) % (ASK_WORDS + 1);
	struct policy *p = policy_new(NULL);
	unsigned line;

	turn(world.now);
	q = ask_after(&run.c, 0);
	if (what == ASK_WORDS) {
		memcpy(text, lines, sizeof(lines));
		check(!policy_lines(p, text, sizeof(lines) - 1, &line), "rules");
		policy_compile(p);
		ask_renew(&run.c);
		run.c.guest[0].policy = run.c.guest[0].policy ? NULL : p;
	} else if (q) {
		ask_answer(&run.c, q->id, (enum ask_word)what);
	}
	input_asked(&run.c);
	turn(world.now + MS);
}

/* As connections are when a guest comes; @again: another one was there */
static void conns_init(bool again)
{
	memset(conn, 0, sizeof(conn));
	for (unsigned n = 1; again && n < CONNS; n++) {
		uint32_t isn = run.conn[n].g_isn;

		conn_init(&run, n, NULL);
		run.conn[n].g_isn = isn + 100000;
		run.conn[n].reused = true;
	}
	for (unsigned n = NCONN / 2 + 1; n <= NCONN; n++) {
		run.conn[n].guest.port = SERVER_PORT;
		run.conn[n].peer.port = (uint16_t)(CLIENT_PORT + n);
	}
}

#include "input_more.h"

static void op_time(void)
{
	static const uint64_t ms[] = { 1, 5, 10, 100, 250, 500, 1000, 3000, 10000, 30000, 60000, 180000, 600000,
					7440000,
				       86400000, 20 };

	turn(world.now + ms[take(1) % ARRAY_SIZE(ms)] * MS);
}

static void step(void)
{
	static const int connect_errs[] = { EINPROGRESS, 0, ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, EACCES, ETIMEDOUT,
					    ENOBUFS };
	uint32_t first = take(1), v;
	enum step_kind op = (enum step_kind)((first & 31) % DO_COUNT);
	unsigned n = 1 + (first >> 5 & 3);

	switch (op) {
	case DO_SYN: case DO_SYN_ACK: case DO_ACK: case DO_DATA: case DO_FIN: case DO_RST: case DO_TCP:
		op_tcp(op, n);
		break;
	case DO_CONNECTED: case DO_ERROR: case DO_BYTES: case DO_EOF: case DO_SOCK_ROOM:
		op_host(op, n);
		break;
	case DO_CLIENT:
		op_client(n);
		break;
	case DO_UDP:
		op_udp(n);
		break;
	case DO_UDP_HOST: case DO_UDP_ERROR: case DO_UDP_CLIENT: case DO_PING_HOST:
		op_dgram_host(op, n);
		break;
	case DO_PING:
		op_ping(n);
		break;
	case DO_IP:
		op_ip(n);
		break;
	case DO_RAW:
		op_raw();
		break;
	case DO_TIME:
		op_time();
		break;
	case DO_LINK:
		v = take(1);
		tap_sim_room(v == UINT8_MAX ? ROOM_AUTO : v);
		break;
	case DO_FAIL:
		op_fail();
		break;
	case DO_CONNECT_ERR:
		world.connect_err = connect_errs[take(1) % ARRAY_SIZE(connect_errs)];
		break;
	case DO_NEW_ROOM:
		v = take(2);
		world.room = v == UINT16_MAX ? ROOM_AUTO : MAX(v, 1);	/* a new socket has some */
		break;
	case DO_TOO_BIG:
		v = take(2);
		guest_too_big(&run, &run.conn[n], v & 1 ? IPPROTO_UDP : IPPROTO_TCP, v, run.conn[n].got - take(2),
			      false);
		break;
	case DO_ANSWER:
		op_answer();
		break;
	case DO_OPTS:
		op_opts(n);
		break;
	case DO_MORE:
		op_more(n);
		break;
	case DO_WORLD:				/* it has begun */
		take(4);
		break;
	case DO_COUNT:
		break;
	}
	batched = first & 128;
	if (!batched)
		turn(world.now);
}

static void begin(void)
{
	static const uint32_t mtu[] = { 1500, 65520, 1280, 9000, 65535, 1500, 1400, 2000 };
	uint32_t flags = take(1), m = take(1);
	struct variant v = { .v6 = flags & V_V6, .offload = flags & V_OFFLOAD, .no_peek_off = flags & V_NO_PEEK_OFF,
			     .wrap = flags & V_WRAP, .big = flags & V_BIG, .fail_at = take(2) };
	struct net_ip *other;

	script.mtu = flags & V_SMALL && !v.v6 ? 68 + m * 4 : mtu[m % ARRAY_SIZE(mtu)];
	world_script();
	v.no_meminfo = setting[1] & W_NO_MEMINFO;
	if (script.no_stash)
		v.fail_at = 0;			/* it may be the call that tells a socket's room, see op_fail() */
	foreign = batched = false;
	faulty = v.fail_at;
	run_begin(&run, &script, &v);
	run.strict = false;
	run.c.guest[0].fresh = m & 64;
	check(!run.failed, "set-up");
	conns_init(false);
	world_settings();
	if (flags & V_BOTH) {
		other = &run.c.net.ip[v.v6 ? V4 : V6];
		other->on = true;
		addr_parse(v.v6 ? "198.51.100.2" : "2001:db8::2", v.v6 ? 12 : 11, &other->guest.addr);
		addr_parse(v.v6 ? "198.51.100.1" : "2001:db8::1", v.v6 ? 12 : 11, &other->gw);
		other->map_loopback = other->gw;
		other->guest.plen = v.v6 ? 24 : 64;
		run.c.guest[0].seen.addr[v.v6 ? V4 : V6] = other->guest.addr;
	}
}

static void break_sockets(bool all)
{
	for (unsigned i = 0; i < world.nfs; i++) {
		struct fsock *s = &world.fs[i];

		if (s->kind == FS_TCP && s->fd != NOBODY && s->state != FS_CLOSED && (all || s->state == FS_CONNECTING))
			fs_error(s, all ? ECONNRESET : ETIMEDOUT);
	}
}

/* Bytes for an honest guest that is there from now on, on a link that loses nothing: is there progress? */
static void check_honest(unsigned n)
{
	uint32_t was = conn[n].ack;
	const struct fsock *s;
	const struct flow *f;

	if (!conn[n].honest || conn[n].odd || conn[n].moved || run.conn[n].reused || faulty || foreign)
		return;
	if (seq_lt(run.conn[n].adv + 1, conn[n].nxt))	/* beyond the window, where acknowledgments don't count */
		return;
	s = tcp_sock(n);
	f = run_flow(&run, &run.conn[n]);
	if (!s || !f || f->tcp.state < TCP_ESTABLISHED || f->tcp.flags & TCPF_HELD)
		return;
	if (conn[n].ack == 1 + s->rx_have + s->rx_eof)
		return;
	conn[n].lose = 0;
	tap_sim_room(ROOM_AUTO);
	for (unsigned i = 0; i < PATIENCE && seq_le(conn[n].ack, was); i++) {
		segment(n, TCP_ACK, conn[n].nxt, 0, conn[n].ack, 30000, 0, -1);
		turn(world.now + 10 * SEC);
		if (!run_flow(&run, &run.conn[n]))
			return;
	}
	check(seq_lt(was, conn[n].ack), "no progress");
}

/* All flows go, and nothing is left of them */
static void finish(bool silence)
{
	const struct flows *fs = &run.c.flows;
	uint64_t end = world.now + HOURS * 3600 * SEC;

	world.armed = false;
	world.fail_count = 0;
	tap_sim_room(ROOM_AUTO);
	turn(world.now);
	while (fs->count[FLOW_TCP] || fs->count[FLOW_UDP] || fs->count[FLOW_PING] || fs->count[FLOW_SPLICE] ||
	       fs->count[FLOW_UDP_SPLICE]) {
		/* A spliced connection may be silent for ever */
		break_sockets(!silence || fs->count[FLOW_SPLICE]);
		check(world.now < end, "flows are still there after hours");
		turn(world.now + 600 * SEC);
	}
	check(!fs_count(FS_TCP) && !fs_count(FS_PING), "socket left open");
	for (uint32_t i = 0; i < fs->unused; i++)
		check(fs->f[i].type != FLOW_UDP_PORT || fs->f[i].udp.listener != FLOW_NONE, "UDP port left over");
	check(fs->wait[WAIT_READY].head == FLOW_NONE && fs->wait[WAIT_STALLED].head == FLOW_NONE,
	      "lists are not empty");
	check(!pools_used(), "stash or keep: something is left");
	turn(world.now + 600 * SEC);
	if (other_rules) {
		more_rules(0);
		check(!run.c.fwd.used && !fs_count(FS_LISTEN) && !fs_count(FS_UDP) && !fs->count[FLOW_UDP_PORT],
		      "something is left of a rule");
	}
	check(!ask_after(&run.c, 0), "a question is left");
	check(wheel_timeout(&run.c.wheel, run.c.now) < 0, "a timer is left");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = data;
	in_left = size;
	log_level = LOG_EMERG;
	begin();
	for (unsigned i = 0; in_left && i < STEPS; i++)
		step();
	for (unsigned n = 1; n <= NCONN; n++)
		check_honest(n);
	finish(size && data[0] & V_SILENCE);
	world_reset(0);			/* all memory back: else each run costs a search for leaks */
	return 0;
}

/* Bytes behind a step's first one, and where among them a number of bytes is, that the step moves */
static const struct {
	uint8_t		bytes, moved;	/* @moved: place + 1, 0: none */
} operands[DO_COUNT] = {
	[DO_SYN] = { 1, 0 }, [DO_SYN_ACK] = { 1, 0 }, [DO_ACK] = { 2, 0 }, [DO_DATA] = { 2, 1 }, [DO_TCP] = { 9, 4 },
	[DO_ERROR] = { 1, 0 }, [DO_BYTES] = { 2, 1 }, [DO_SOCK_ROOM] = { 2, 0 }, [DO_UDP] = { 3, 2 },
	[DO_UDP_HOST] = { 4, 3 }, [DO_UDP_ERROR] = { 4, 0 }, [DO_UDP_CLIENT] = { 4, 3 }, [DO_PING] = { 3, 2 },
	[DO_PING_HOST] = { 4, 3 }, [DO_IP] = { 6, 0 }, [DO_RAW] = { 4, 0 }, [DO_TIME] = { 1, 0 }, [DO_LINK] = { 1, 0 },
	[DO_FAIL] = { 1, 0 }, [DO_CONNECT_ERR] = { 1, 0 }, [DO_NEW_ROOM] = { 2, 0 }, [DO_TOO_BIG] = { 4, 0 },
	[DO_ANSWER] = { 1, 0 }, [DO_OPTS] = { 3, 0 }, [DO_WORLD] = { 4, 0 }, [DO_MORE] = { 1, 0 },
};

/* As libFuzzer does it; but numbers of bytes are drawn from all of 16 bits, so that nearly all of the time would go
 * into moving them: of the large ones, few stay so.
 */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
	size = LLVMFuzzerMutate(data, size, most);
	for (size_t at = 4; at < size; seed = seed * 1103515245 + 12345) {
		enum step_kind op = (enum step_kind)((data[at] & 31) % DO_COUNT);
		size_t moved = at + operands[op].moved, next = at + 1 + operands[op].bytes;

		if (op == DO_UDP && at + 1 < size)
			next += (data[at + 1] & 7 ? 0U : 1U) + (data[at + 1] & 16 ? 2U : 0U);
		else if (op == DO_MORE && at + 1 < size)
			next += more_bytes[data[at + 1] % MORE_COUNT];
		else if ((op == DO_IP || op == DO_RAW) && next <= size)
			next += get_be16(data + next - 2);
		if (moved != at && moved + 2 <= size && get_be16(data + moved) > MOVED && seed >> 16 & 15)
			put_be16(data + moved, get_be16(data + moved) % MOVED);
		at = next;
	}
	return size;
}
