/* SPDX-License-Identifier: GPL-2.0-or-later */
/* run.c - one run: the program set up in the simulated world, its loop turned, the guest's segments built and noted */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <linux/rtnetlink.h>

#include "../../egress.h"
#include "../../event.h"
#include "../../frag.h"
#include "../../loop.h"
#include "../../names.h"
#include "../../sock.h"
#include "../../tcp_seg.h"
#include "../../udp.h"
#include "kernel.h"
#include "pools.h"
#include "run.h"

#define TURNS_MAX	4000	/* loop turns without a pause: it spins */
#define PIECE		1400	/* segments of a guest's super-packet */
#define LOG_LINES	40
#define AHEAD_MAX	512

static struct wire pend_ring[SIM_GUESTS][PEND_MAX];
static struct ahead {			/* what the guest sent in the window, ahead of what is missing */
	struct conn	*cn;
	uint32_t	seq, end;
} ahead[AHEAD_MAX];
static unsigned nahead;
static struct line {			/* of the log: text takes time, and most of it is for nobody */
	struct run	*r;
	uint64_t	t;
	const char	*dir;
	struct wire	w;
} run_lines[LOG_LINES];
static unsigned run_nlines;

bool run_fail(struct run *r, const char *fmt, ...)
{
	va_list ap;

	if (!r->failed) {
		va_start(ap, fmt);
		vsnprintf(r->why, sizeof(r->why), fmt, ap);
		va_end(ap);
	}
	r->failed = true;
	return false;
}

/* 192.0.2.1 stands for 2001:db8::c000:201, 127.0.0.1 for ::1, 239.0.2.1 for ff15::ef00:201 */
struct addr run_addr(const struct run *r, const struct addr *a)
{
	struct addr v6 = { .b = { 0x20, 0x01, 0x0d, 0xb8 } };

	if (!r->v.v6 || !addr_is_v4(a))
		return *a;
	if (addr_is_loopback(a))
		return addr_loopback6;
	if (addr_is_multicast(a)) {
		v6.w[0] = htonl(0xff150000);
		v6.b[2] = v6.b[3] = 0;
	}
	memcpy(v6.b + 12, a->b + 12, 4);
	return v6;
}

struct addr run_addr_text(const struct run *r, const char *text)
{
	struct addr a;

	addr_parse(text, strlen(text), &a);
	return run_addr(r, &a);
}

/* Forgets what was sent ahead, up to number @to, or all of it */
static void note_clear(const struct conn *cn, uint32_t to, bool all)
{
	unsigned k = 0;

	for (unsigned i = 0; i < nahead; i++)
		if (ahead[i].cn != cn || (!all && !seq_le(ahead[i].end, to)))
			ahead[k++] = ahead[i];
	nahead = k;
}

void conn_init(struct run *r, unsigned n, const struct end *to)
{
	struct conn *cn = &r->conn[n];

	*cn = (struct conn){ .g_wscale = -1, .o_wscale = -1, .mss = 536 };
	note_clear(cn, 0, true);
	cn->guest.a = run_addr_text(r, "198.51.100.2");
	cn->guest.port = (uint16_t)(GUEST_PORT + n);
	if (to) {
		cn->peer.a = run_addr(r, &to->a);
		cn->peer.port = to->port;
	} else {
		cn->peer.a = run_addr_text(r, "192.0.2.1");
		cn->peer.port = (uint16_t)(HOST_PORT + n);
	}
	cn->g_isn = (r->v.wrap ? 0xfffffe00U + n * 7 : 1000000U * n) + (r->guest != r->v.guest ? 0x5000000U : 0);
	cn->mss = r->v.v6 ? 1220 : 536;
}

static void run_conf(struct run *r)
{
	struct conf *cf = &r->cf;
	struct net *net = &r->c.net;
	enum family f = r->v.v6 ? V6 : V4;

	cf->mode = MODE_PASTA;
	cf->our_mac = wire_our_mac;
	cf->mtu = r->s->mtu;
	cf->link_fd = -1;
	cf->no_ra = true;
	cf->ask_timeout = ASK_TIMEOUT;
	cf->guests = SIM_GUESTS;
	cf->rules.n = 2 * SIM_GUESTS;
	net->cf = cf;
	for (uint8_t k = 0; k < SIM_GUESTS; k++) {
		uint16_t port = sim_link[k].port = (uint16_t)(LISTEN_PORT + (k + SIM_GUESTS - r->v.guest) % SIM_GUESTS);
		struct rule any = {
			.proto = IPPROTO_TCP, .any = true, .first = port, .last = port, .to = SERVER_PORT, .guest = k,
			.opt = 2 * k,
		};

		cf->rules.rule[2 * k] = any;
		any.proto = IPPROTO_UDP;
		any.to = 53;
		any.outward = r->s->outward;
		any.opt++;
		cf->rules.rule[2 * k + 1] = any;
	}
	for (unsigned i = 0; i < FAMILIES; i++) {
		struct net_ip *ip = &net->ip[i];

		ip->guest.addr = ip->gw = ip->our_ll = ip->guest.ll = ip->map_loopback = ip->map_guest =
			ip->dns_forward = ip->dns_host = cf->ip[i].out_addr = i == V4 ? addr_any4 : addr_any6;
		ip->on = i == f;
	}
	net->ip[f].guest.addr = run_addr_text(r, "198.51.100.2");
	net->ip[f].gw = net->ip[f].map_loopback = run_addr_text(r, "198.51.100.1");
	net->ip[f].guest.plen = r->v.v6 ? 64 : 24;
	net->ip[f].ifindex = HOST_IF;
	cf->no_icmp = r->s->no_icmp;
	cf->no_udp = r->s->no_udp;
	world.host_addr = net->ip[f].guest.addr;
	if (r->v.v6)
		addr_parse("fe80::1", 7, &net->ip[f].our_ll);
}

/* The kernel's answer */
int __wrap_nl_route_type(struct nl *nl, const struct addr *a);
int __wrap_nl_route_type(struct nl *nl, const struct addr *a)
{
	(void)nl;
	return addr_eq(a, &world.host_addr) || addr_is_loopback(a) ? RTN_LOCAL : RTN_UNICAST;
}

/* Names that its guest was given, and those that it sends first */
static void run_names(struct run *r)
{
	const struct guest *g = &r->c.guest[r->v.guest];
	const struct addr a = run_addr_text(r, "192.0.2.1");
	const struct script *s = r->s;
	char name[sizeof(s->grants)];

	for (unsigned k = 0; k < GUEST_MAX; k++)
		names_forget(&r->c.guest[k]);
	for (const char *p = s->grants; *p; p += strlen(name) + 1) {
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(p, "\n"), p);
		if (!names_grant(&r->c, g, name, &a, 3600))
			run_fail(r, "no room for a name");
	}
	if (*s->hello)
		world.hello_len = (s->request ? request_make : hello_make)(world.hello, s->hello, s->hello_len);
}

void run_rules(struct run *r, unsigned guest, const char *rules)
{
	static char text[GUEST_MAX][sizeof(r->s->policy) + 1];
	struct policy *p = NULL;
	unsigned line;

	snprintf(text[guest], sizeof(text[guest]), "%s", rules);
	if (*rules) {
		p = policy_new(NULL);
		if (policy_lines(p, text[guest], strlen(rules), &line))
			run_fail(r, "rules make no sense, line %u", line);
		policy_compile(p);
	}
	r->c.guest[guest].policy = p;
}

/* The program starts with empty hash tables: those of the run before must be, too */
static void flows_forget(struct flows *fs)
{
	for (uint32_t i = 0; i < fs->unused; i++) {
		if (fs->f[i].type != FLOW_FREE && !fs->f[i].dead)
			flow_end(fs, &fs->f[i]);
	}
	flow_bury(fs);
}

/* Of struct run, all that is of one guest */
#define PARTY		(offsetof(struct run, why) - offsetof(struct run, conn))

void run_as(struct run *r, unsigned k)
{
	static char party[SIM_GUESTS][PARTY];

	memcpy(party[r->guest], r->conn, PARTY);
	memcpy(r->conn, party[k], PARTY);
	r->guest = k;
	world.link = &sim_link[k];
}

/* One guest's link: a stream if it, or the one the script is about, is to have half a frame in it */
static void guest_begin(struct run *r, unsigned k, const struct caps *caps)
{
	struct guest *g = &r->c.guest[k];
	bool half = r->v.company[k] == COMPANY_HALF;

	run_as(r, k);
	memset(r->conn, 0, PARTY);
	r->pend = pend_ring[k];
	r->cur = 1;
	r->t0 = world.now;
	for (unsigned i = 1; i < CONNS; i++)
		conn_init(r, i, NULL);
	for (unsigned i = 0; k == r->v.guest && i < SIM_GUESTS; i++)
		half |= r->v.company[i] == COMPANY_HALF && !r->v.offload;
	frags_forget(g->frags);
	if (half)
		tap_sim_stream(&g->tap);
	else
		tap_sim_attach(&g->tap, caps);
	g->mac = g->device = wire_guest_mac;
	g->mac.b[5] = g->device.b[5] = (uint8_t)(g->mac.b[5] + k);
	if (ev_add(r->c.epfd, world.link->fs->fd, EV_TAP, k, 0, EPOLLIN))
		run_fail(r, "set-up failed");
}

/* All but @verbose, and tables that are megabytes together: of guests that are never here, of a network of their own,
 * of rules, which are written before they are read
 */
static void clear(struct run *r)
{
	struct ctx *c = &r->c;

	memset(c->guest, 0, conf_links(&r->cf) * sizeof(c->guest[0]));
	memset(r, 0, offsetof(struct run, c.guest));
	memset(&c->guests, 0, offsetof(struct ctx, lan) - offsetof(struct ctx, guests));
	memset(&c->flows, 0, offsetof(struct ctx, fwd) - offsetof(struct ctx, flows));
	memset(&c->wheel, 0, offsetof(struct run, cf.rules) - offsetof(struct run, c.wheel));
	memset(&r->cf.rules.n, 0, offsetof(struct run, failed) - offsetof(struct run, cf.rules.n));
}

void run_begin(struct run *r, const struct script *s, const struct variant *v)
{
	struct caps caps = { .mtu = s->mtu };

	if (r->c.flows.f)
		flows_forget(&r->c.flows);
	clear(r);
	r->s = s;
	r->v = *v;
	r->strict = !v->fail_at;
	r->failed = false;
	r->carry = NULL;
	run_nlines = 0;
	world_reset(v->wrap ? 77 : 42);
	world.no_peek_off = v->no_peek_off;
	world.no_meminfo = v->no_meminfo;
	if (v->offload)
		caps.csum = caps.uso = true;
	if (v->offload)
		caps.tso4 = caps.tso6 = v->big ? TAP_SUPER : IP_MAX;
	run_conf(r);

	sock_probe();
	loop_init(&r->c);
	for (unsigned k = 0; k < SIM_GUESTS; k++)
		guests_add(&r->c.here, k);
	r->c.sockets_max = r->s->sockets_max;
	egress_start(&r->c, NULL, false);
	run_rules(r, v->guest, s->policy);
	run_names(r);
	pools_blocks(r->s->gap_blocks);
	pools_slots(r->s->no_recover);
	pools_stash(r->s->no_stash);
	for (unsigned k = 0; k < SIM_GUESTS; k++)
		guest_begin(r, k, &caps);
	world.link = NULL;		/* listeners are nobody's own */
	if (fwd_listen(&r->c.fwd, &r->c.net, r->c.epfd))
		run_fail(r, "set-up failed");
	run_as(r, v->guest);
	company_begin(r);
	r->woken = world.wakeups;
	world.fail_at = v->fail_at;
	world.fail_on = v->fail_on;
	world.armed = true;
	r->t0 = world.now;
}

static uint32_t rel(const struct conn *cn, uint32_t seq, bool guest)
{
	return seq - (guest ? cn->g_isn : cn->o_isn);
}

static const char *flags_text(unsigned flags)
{
	static const char name[] = "FSRP.U";
	static char buf[8];
	unsigned n = 0;

	for (unsigned i = 0; name[i]; i++)
		if (flags >> i & 1)
			buf[n++] = name[i];
	buf[n] = '\0';
	return buf;
}

const char *wire_text(const struct run *r, const struct wire *w)
{
	static char buf[400];
	struct conn *cn = conn_of((struct run *)r, w);
	bool guest = cn && end_eq(&w->src, &cn->guest);
	uint32_t seq;
	int n;

	if (w->proto == IPPROTO_UDP) {
		snprintf(buf, sizeof(buf), "udp %zu", w->len);
		return buf;
	}
	if (w->proto != IPPROTO_TCP || !cn) {
		snprintf(buf, sizeof(buf), "protocol %u, type %u, code %u, ports %u to %u", w->proto, w->type, w->code,
			 w->src.port, w->dst.port);
		return buf;
	}
	seq = rel(cn, w->seq, guest);
	n = snprintf(buf, sizeof(buf), "%s %u:%u(%zu)", flags_text(w->flags), seq,
		     seq + (uint32_t)w->len, w->len);
	if (w->flags & TCP_ACK)
		n += snprintf(buf + n, sizeof(buf) - (size_t)n, " ack %u", rel(cn, w->ack, !guest));
	n += snprintf(buf + n, sizeof(buf) - (size_t)n, " win %u", w->win);
	if (w->mss || w->wscale >= 0)
		n += snprintf(buf + n, sizeof(buf) - (size_t)n, " <mss %u,wscale %i%s>", w->mss, w->wscale,
			      w->opts.sack_ok ? ",sackOK" : "");
	if (w->opts.ts)
		n += snprintf(buf + n, sizeof(buf) - (size_t)n, " <ts %u:%u>",
			      w->opts.tsval - (guest ? 0 : cn->o_tsval), w->opts.tsecr - (guest ? cn->o_tsval : 0));
	for (unsigned i = 0; i < w->opts.sacks; i++)
		n += snprintf(buf + n, sizeof(buf) - (size_t)n, " <sack %u:%u>", rel(cn, w->opts.sack[i].from, !guest),
			      rel(cn, w->opts.sack[i].to, !guest));
	if (cn != &r->conn[r->cur])
		snprintf(buf + n, sizeof(buf) - (size_t)n, " [conn %i]", (int)(cn - r->conn));
	return buf;
}

static void line_print(const struct line *l)
{
	printf("# %5llu.%03llu guest %s %s\n", (unsigned long long)(l->t / SEC), (unsigned long long)(l->t % SEC / MS),
	       l->dir, wire_text(l->r, &l->w));
}

void run_log(struct run *r, const char *dir, const struct wire *w)
{
	struct line *l = &run_lines[run_nlines++ % LOG_LINES];

	*l = (struct line){ r, world.now - START, dir, *w };
	if (r->verbose)
		line_print(l);
}

void run_log_print(void)
{
	for (unsigned i = run_nlines > LOG_LINES ? run_nlines - LOG_LINES : 0; i < run_nlines; i++)
		line_print(&run_lines[i % LOG_LINES]);
}

struct conn *conn_of(struct run *r, const struct wire *w)
{
	for (unsigned i = 1; i < CONNS; i++) {
		struct conn *cn = &r->conn[i];

		if ((end_eq(&w->src, &cn->guest) && end_eq(&w->dst, &cn->peer)) ||
		    (end_eq(&w->dst, &cn->guest) && end_eq(&w->src, &cn->peer)))
			return cn;
	}
	return NULL;
}

/* One segment, without its payload, which was checked */
static bool pend_add(struct run *r, struct wire *w)
{
	if (!check_segment(r, w))
		return false;
	run_log(r, "<", w);
	if (r->pend_len == PEND_MAX)
		return run_fail(r, "flood of segments");
	r->pend[(r->pend_head + r->pend_len++) % PEND_MAX] = *w;
	return true;
}

/* Cuts a super-packet as a guest's kernel does: PSH and FIN with the last segment */
static bool pend_frame(struct run *r, const struct frame_out *f)
{
	struct wire w, part;
	const char *bad = wire_parse(f, &r->c.guest[r->guest].tap.caps, &w);

	if (bad)
		return run_fail(r, "frame to the guest: %s", bad);
	if (memcmp(f->buf, r->c.guest[r->guest].device.b, 6))
		return run_fail(r, "frame to guest %u with MAC address %02x", r->guest, f->buf[5]);
	if (!w.v6 && w.proto == IPPROTO_UDP) {
		if (r->udp_seen && (uint16_t)(w.id - r->udp_id - 1) >= UINT16_MAX / 2)
			return run_fail(r, "RFC 6864: identification %u again, or out of turn: after %u", w.id,
					r->udp_id);
		r->udp_seen = true;			/* the kernel numbers what a super-packet has, one by one */
		r->udp_id = (uint16_t)(w.id + (w.gso ? (w.len - 1) / w.gso : 0));
	}
	r->frames++;
	if (!w.gso)
		return dgram_check(r, &w) && pend_add(r, &w);
	for (size_t at = 0; at < w.len; at += w.gso) {
		part = w;
		part.gso = 0;
		part.seq += (uint32_t)at;
		part.data += at;
		part.len = w.len - at < w.gso ? w.len - at : w.gso;
		if (at + part.len < w.len)
			part.flags &= (uint8_t)~(TCP_PSH | TCP_FIN);
		if (!dgram_check(r, &part) || !pend_add(r, &part))
			return false;
	}
	return true;
}

bool run_frame(struct run *r)
{
	bool good = !r->failed && pend_frame(r, &world.link->out[world.link->out_head]);

	tap_sim_drop(world.link);
	return good;
}

static bool collect(struct run *r)
{
	bool good = true;

	while (world.link->out_len)
		good &= run_frame(r);
	for (unsigned k = 0; k < SIM_GUESTS; k++)
		good = good && (!sim_link[k].out_len || company_frames(r, k));
	return good;
}

void run_turn(struct ctx *c)
{
	struct turn t;

	loop_wait(c, &t);
	while (loop_next(c, &t))
		;
	loop_end(c);
}

bool run_until(struct run *r, uint64_t until, bool frame)
{
	unsigned turns = 0;
	uint64_t last = world.now;

	if (r->failed)
		return false;
	world.limit = until > world.now ? until : world.now;
	world.idle = false;
	r->others = false;
	while (!world.idle) {
		if (!r->over && !r->carry)	/* what the guest sends at the same time is one batch */
			r->c.guest[r->guest].tap.burst = TAP_BATCH;
		run_turn(&r->c);
		for (unsigned i = 0; i < SIM_GUESTS; i++)
			if (r->c.guest[i].link_error)
				return run_fail(r, "link of guest %u lost: %i", i, r->c.guest[i].link_error);
		if (!collect(r))
			return false;
		if (world.violation)
			return run_fail(r, "%s", world.violation);
		turns = world.now == last ? turns + 1 : 0;
		last = world.now;
		if (turns > TURNS_MAX)
			return run_fail(r, "the loop spins");
		if (frame && (r->pend_len || (r->carry && r->others)))
			return true;
	}
	return check_idle(r);
}

struct wire *run_peek(struct run *r)
{
	return r->pend_len ? &r->pend[r->pend_head] : NULL;
}

void run_pop(struct run *r)
{
	r->pend_head = (r->pend_head + 1) % PEND_MAX;
	r->pend_len--;
}

void guest_push(struct run *r, struct wire *w, uint16_t gso)
{
	static uint8_t frame[WIRE_MAX + 64];
	struct offload off = { .gso = w->len > gso ? gso : 0, .partial = r->v.offload && !world.link->stream };
	size_t len = wire_build(frame, w, off.partial);

	frame[11] = (uint8_t)(frame[11] + r->guest);
	run_log(r, ">", w);
	(r->carry ? r->carry : tap_sim_push)(frame, len, &off);
}

void guest_announce(struct run *r)
{
	/* An ARP announcement of 192.0.2.2; a neighbour solicitation from :: for fe80::1234 */
	static const uint8_t arp[] = {
		0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 192, 0, 2, 2,
		0, 0, 0, 0, 0, 0, 192, 0, 2, 2,
	}, solicit[] = {
		0x86, 0xdd, 0x60, 0, 0, 0, 0, 24, 58, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0x12, 0x34, 135, 0, 0x57, 0xbf, 0, 0, 0, 0,
		0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34,
	};
	uint8_t frame[2 * ETH_ALEN + sizeof(solicit)] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	size_t len = r->v.v6 ? sizeof(solicit) : sizeof(arp);

	memcpy(frame + ETH_ALEN, wire_guest_mac.b, ETH_ALEN);
	frame[11] = (uint8_t)(frame[11] + r->guest);
	memcpy(frame + 2 * ETH_ALEN, r->v.v6 ? solicit : arp, len);
	(r->carry ? r->carry : tap_sim_push)(frame, 2 * ETH_ALEN + len, &(struct offload){ 0 });
}

/* Numbers [@seq, @end) came in the window: those in order must be taken, and those ahead that they lead to */
static void note_range(struct conn *cn, uint32_t seq, uint32_t end)
{
	if (nahead < AHEAD_MAX)
		ahead[nahead++] = (struct ahead){ cn, seq, end };
	for (unsigned i = 0; i < nahead; i++) {
		if (ahead[i].cn != cn || !seq_le(ahead[i].seq, cn->sent) || !seq_lt(cn->sent, ahead[i].end))
			continue;
		cn->sent = ahead[i].end;
		i = UINT_MAX;				/* from the start: it may lead to another one */
	}
	note_clear(cn, cn->sent, false);
}

/* What the guest said, for the checks of what comes back */
static void note_sent(struct run *r, struct conn *cn, const struct wire *w, bool ignored)
{
	uint32_t seq = w->seq - cn->g_isn, end = seq + (uint32_t)w->len + !!(w->flags & TCP_SYN);
	uint32_t win = w->win;

	end += !!(w->flags & TCP_FIN);
	if (w->flags & TCP_SYN && !ignored) {
		cn->g_wscale = w->wscale;
		cn->mss = w->mss ? w->mss : r->v.v6 ? 1220 : 536;	/* RFC 9293 3.7.1 */
		cn->g_ts = w->opts.ts;
		cn->g_sack = w->opts.sack_ok;
	} else if (cn->g_wscale >= 0 && cn->o_wscale >= 0) {
		win <<= cn->g_wscale;
	}
	if (!(w->flags & TCP_RST) && !ignored) {
		uint32_t edge = (w->flags & TCP_ACK ? w->ack - cn->o_isn : 1) + win;

		cn->edge = seq_max(cn->edge, edge);
	}
	cn->sent_max = seq_max(cn->sent_max, end);
	if (w->flags & TCP_RST)
		cn->reset = true;
	if (w->flags & TCP_SYN && !ignored) {
		cn->sent = 1;
		note_clear(cn, 1, false);
	}
	if (!ignored && !r->carry && w->flags & TCP_ACK && cn->o_known) {
		uint32_t in = seq_lt(cn->adv, end) ? cn->adv : end;

		if (w->flags & TCP_FIN && in == cn->adv && end == in + 1)
			in = end - 1;
		note_range(cn, seq, in);
	}
}

void guest_tcp_opts(struct run *r, struct conn *cn, uint8_t flags, uint32_t seq, uint32_t len, uint32_t ack,
		    uint16_t win, uint16_t mss, int wscale, const struct wire_opts *opts, uint32_t by, bool ignored)
{
	static uint8_t data[65536];
	uint32_t most = by ? by : r->v.offload ? 40 * PIECE : PIECE, at = 0;

	do {
		uint32_t n = len - at < most ? len - at : most;
		struct wire w = {
			.v6 = r->v.v6, .proto = IPPROTO_TCP, .ttl = r->s && r->s->routed ? 63 : 64,
			.src = cn->guest, .dst = cn->peer,
			.seq = cn->g_isn + seq + at, .ack = flags & TCP_ACK ? cn->o_isn + ack : 0, .win = win,
			.mss = mss, .wscale = wscale, .flags = flags, .data = data, .len = n,
		};

		if (opts)
			w.opts = *opts;
		if (at + n < len)
			w.flags &= (uint8_t)~(TCP_PSH | TCP_FIN);
		for (uint32_t i = 0; i < n; i++)
			data[i] = pattern(TO_HOST, cn->peer.port, (uint32_t)(seq - !(flags & TCP_SYN) + at + i));
		note_sent(r, cn, &w, ignored);
		guest_push(r, &w, !by && n > PIECE ? PIECE : 0);
		at += n;
	} while (at < len);
}

void guest_tcp(struct run *r, struct conn *cn, uint8_t flags, uint32_t seq, uint32_t len, uint32_t ack, uint16_t win,
	       uint16_t mss, int wscale, uint32_t by, bool ignored)
{
	guest_tcp_opts(r, cn, flags, seq, len, ack, win, mss, wscale, NULL, by, ignored);
}

void guest_too_big(struct run *r, struct conn *cn, uint8_t proto, uint32_t mtu, uint32_t seq, bool astray)
{
	static const uint8_t none[1200];
	static uint8_t frame[14 + 40 + 60 + sizeof(none)];
	uint32_t hdr = r->v.v6 ? 40 : 20, least = r->v.v6 ? 1280 : 128;
	struct wire ours = {
		.v6 = r->v.v6, .proto = proto, .ttl = 63, .src = cn->peer, .dst = cn->guest, .seq = cn->o_isn + seq,
		.flags = TCP_ACK, .wscale = -1, .data = none, .len = sizeof(none),
	};
	struct wire w = {
		.v6 = r->v.v6, .proto = r->v.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, .ttl = 64, .type = r->v.v6 ? 2 : 3,
		.code = r->v.v6 ? 0 : 4, .src = { .a = cn->guest.a, .port = (uint16_t)(mtu >> 16) },
		.dst = { .a = astray ? run_addr_text(r, "203.0.113.77") : cn->peer.a }, .seq = mtu & 0xffff,
		.data = frame + 14, .len = hdr + 8,
	};
	struct flow *f = proto == IPPROTO_TCP ? run_flow(r, cn) : NULL;

	wire_build(frame, &ours, false);
	guest_push(r, &w, 0);
	if (astray || !f || f->tcp.state < TCP_ESTABLISHED || seq_lt(cn->o_isn + seq, f->tcp.snd_una) ||
	    !seq_lt(cn->o_isn + seq, f->tcp.snd_max))
		return;
	if (!mtu)
		mtu = 1006;		/* next one below 1,240 bytes, RFC 1191 7.1 */
	else if (mtu < least)
		mtu = r->v.v6 ? UINT16_MAX : least;
	cn->small = (uint16_t)(mtu - hdr - 20);
	cn->small_until = world.now + 600 * SEC;
}

/* Rules go away, too: nothing is listened to any more, and the flows of listeners' sockets are gone */
static bool rules_end(struct run *r)
{
	static const struct rules none;
	struct fwd *fwd = &r->c.fwd;
	struct fwd_failure why;
	int rc;

	rc = fwd_replace(fwd, &r->c.net, &none, &why);
	udp_listeners_gone(&r->c);
	if (!rc && !fwd->used && !fs_count(FS_LISTEN) && !fs_count(FS_UDP) &&
	    !r->c.flows.count[FLOW_UDP_PORT])
		return true;
	return run_fail(r, "something is left of a rule");
}

/* All flows go away by themselves if nobody says anything any more, and at once if their sockets break */
bool run_end(struct run *r, bool silence)
{
	uint64_t end = world.now + 86400 * SEC;

	r->over = true;
	world.armed = false;
	world.fail_count = 0;
	for (unsigned k = 0; k < SIM_GUESTS; k++) {
		tap_sim_hold(&sim_link[k], 0);
		if (sim_link[k].room != ROOM_AUTO)
			tap_sim_room_of(&sim_link[k], ROOM_AUTO);
	}
	for (unsigned i = 0; i < world.nfs; i++) {
		struct fsock *s = &world.fs[i];

		if (s->kind == FS_TCP && s->fd != NOBODY)
			fs_room(s, s->room);		/* memory is there again */
		if (s->kind == FS_TCP && s->fd != NOBODY && (!silence || s->state == FS_CONNECTING))
			fs_error(s, silence ? ETIMEDOUT : ECONNRESET);
	}
	if (!silence)
		end = world.now + 900 * SEC;
	while (world.now < end && !r->failed) {
		const struct flows *fs = &r->c.flows;

		if (!run_until(r, world.now + 60 * SEC, false))
			return false;
		r->pend_len = 0;
		if (!fs->count[FLOW_TCP] && !fs->count[FLOW_UDP] && !fs->count[FLOW_UDP_SPLICE] &&
		    !fs->count[FLOW_PING])
			return fs_count(FS_TCP) ? run_fail(r, "socket left open") :
			       pools_used() ? run_fail(r, "%u of the pools lost", pools_used()) : rules_end(r);
	}
	return run_fail(r, "flows are still there after %s", silence ? "a day of silence" : "their sockets broke");
}
