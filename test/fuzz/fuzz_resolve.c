/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_resolve.c - queries of two guests, by datagrams and streams; messages of resolvers; and names that are granted
 *
 * An answer is that of one resolver's message, or our own; a question has one answer at most, a stream's exactly one. A
 * message with another ID or question changes nothing. The table of names is that of known.h: an entry holds for its
 * time to live, and as long as a flow lives by it. A stream that is cut anywhere has the same answers, and grants the
 * same names. Descriptors, lookups and entries are as many as are in use, and in the end nothing is left.
 *
 * Input: settings (S_*, one byte), then steps. The lowest four bits of a step's first byte are enum op, the others a
 * number: of a guest (the highest), a stream, a lookup, a time. With S_CUT: sizes of pieces behind their number, then a
 * stream. All is big-endian, and 0 behind the end of the input.
 */
/* LDFLAGS: -Wl,--wrap=sock_udp_peer,--wrap=sock_connect,--wrap=sock_pair,--wrap=epoll_ctl,--wrap=send,--wrap=recv */
/* LDFLAGS: -Wl,--wrap=__recv_chk,--wrap=close,--wrap=siphash,--wrap=getentropy */
#include "../../resolve.c"
#include "../../ask.h"
#include "../messages.h"
#include "known.h"
#include "resolve_world.h"

#define STEPS		400
#define QUERY		600
#define SEED		32		/* bytes that a resolver's message is made of, with S_CUT */
#define LOOKUP_MOST	MAX(LOOKUP_TIME, 7 * RESOLVER_WAIT)	/* ms, with six resolvers */
#define ROUNDS		(STREAM_ROOM / DNS_HEADER / STREAM_LOOKUPS + 7)	/* of lookups, until a stream has ended */
#define FEW_NAMES	60		/* of which none made room for another one */

enum { S_RULES = 3, S_LAN = 4, S_FEW = 8, S_LOG = 16, S_FREEBIND = 32, S_LOCKED = 64, S_CUT = 128 };
enum op {
	DO_QUERY, DO_STREAM, DO_STREAM_RAW, DO_STREAM_END, DO_ANSWER, DO_ANSWER_LATE, DO_TCP, DO_ERROR,
	DO_TIME, DO_GRANT, DO_LIVE, DO_FAIL, DO_GONE, DO_RESOLVERS, DO_ROOM, DO_SPARE
};

/* Of an answer */
enum { A_ID = 1, A_NAME = 2, A_QUERY = 4, A_CUT = 8, A_MANY = 16, A_NO_OPT = 32, A_BYTE = 64, A_TYPE = 128 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- queries ---- */

static size_t name_put(uint8_t *b, const char *name)
{
	return message_labels(name, strlen(name), true, b);
}

/* Message of a guest's: its length */
static size_t query_take(uint8_t b[static QUERY])
{
	static const uint16_t types[] = { 1, 28, 65, 12, 16, 255, 5, 64 };
	uint8_t id = (uint8_t)take(1), how = (uint8_t)take(1);
	size_t len = DNS_HEADER;

	memset(b, 0, DNS_HEADER);
	b[1] = id;
	b[2] = 1;
	b[5] = 1;
	len += name_put(b + len, name_take());
	put_be16(b + len, types[how & 7]);
	put_be16(b + len + 2, 1);
	len += 4;
	if (how & 8) {
		memcpy(b + len, (uint8_t[]){ 0, 0, 41, 16, 0, 0, 0, how & 16 ? 0x80 : 0, 0, 0, 0 }, 11);
		b[11] = 1;
		len += 11;
	}
	if (how & 32) {
		size_t at = take(1) % len;

		b[at] ^= (uint8_t)take(1);
	}
	return how & 64 ? MIN(len, take(1)) : len;
}

static void op_query(struct guest *g, unsigned n)
{
	uint8_t b[1400] = { 0 }, answer[DNS_ERROR_MAX], how = (uint8_t)take(1);
	const struct end from = { addr_of(how & 32 ? 17 : 18), (uint16_t)(PORT_GUEST + n % PORTS) };
	const struct end to = { addr_of(how & 32 ? 19 : 20), PORT_DNS };
	struct iovec iov = { b, query_take(b) };
	struct pkt p = { .proto = IPPROTO_UDP, .src = from, .dst = to, .data = { .iov = &iov, .cnt = 1 } };
	size_t first = iov.iov_len, size = first;
	struct dns_query q;

	if (how & 1 && first) {				/* two in a super-packet, the second one no longer */
		p.off.gso = (uint16_t)first;
		iov.iov_len += MIN(query_take(b + first), first);
	} else if (how & 2) {
		size = iov.iov_len = how & 4 ? sizeof(b) : first + 10;
	}
	p.data.len = iov.iov_len;
	CHECK(!resolve_takes(&c, g, &(struct end){ to.a, 5353 }));
	CHECK(!resolve_takes(&c, g, &(struct end){ addr_of(2), PORT_DNS }));
	if (!resolve_takes(&c, g, &to))
		return;
	for (size_t at = 0; at < p.data.len; at += size) {
		size_t len = MIN(size, p.data.len - at);
		int rc = dns_read(b + at, len, &q);

		if (rc != DNS_NONE)
			questions[g->index][n % PORTS][b[at + 1]]++;
		if (rc == DNS_PLAIN && q.id < 256 && verdict_of(q.text) != DENY)
			last_question[g->index][addr_family(&from.a)][n % PORTS][q.id] =
				full || p.off.gso || cf.lan.on ? 0 : question_hash(b + at, len);
		if (resolve_cut(b + at, len, answer))
			CHECK(answer[2] & DNS_TC && answer[2] & DNS_QR && answer[1] == b[at + 1]);
	}
	resolve_datagram(&c, g, &p);
	turn();
}

/* ---- streams ---- */

static void op_stream(struct guest *g, unsigned n, bool raw)
{
	struct guest_stream *s = stream_of(g, n);
	uint8_t b[2 + QUERY], how = (uint8_t)take(1);
	size_t len = 0;

	if (raw)
		while (len < how)
			b[len++] = (uint8_t)take(1);
	else
		len = query_take(b + 2);
	if (!raw) {
		put_be16(b, (uint16_t)len);
		len += 2;
	}
	if (!stream_open(g, s))
		return;
	for (unsigned i = 0; i < (raw ? 1U : 1U + (how & 127)) && s->nahead + len <= STREAM_ROOM; i++) {
		memcpy(s->ahead + s->nahead, b, len);
		s->nahead += len;
	}
	stream_come(s, how & 128 ? take(1) : SIZE_MAX);
}

static void op_stream_end(struct guest *g, unsigned n)
{
	struct guest_stream *s = stream_of(g, n);
	struct file *f = stream_far(s);

	if (take(1) & 1) {
		stream_close(s);
	} else if (f) {
		f->eof = true;
		f->events |= EPOLLIN | EPOLLRDHUP;
	}
	turn();
}

/* ---- messages of resolvers ---- */

/* Flow of the @n-th lookup, or NULL */
static struct flow *lookup_nth(unsigned n)
{
	unsigned count = c.flows.count[FLOW_LOOKUP];

	n = count ? n % count : 0;
	for (unsigned i = 0; count && i < lookups; i++)
		if (lookup[i].flow != FLOW_NONE && !n--)
			return &c.flows.f[lookup[i].flow];
	return NULL;
}

/* A record behind @len bytes: @b's length with it */
static size_t record_take(uint8_t *b, size_t len, size_t *alias)
{
	static const uint32_t ttl[] = { 0, 1, 59, 60, 61, 300, 3600, 86400, 7 * 86400 + 1, UINT32_MAX };
	uint8_t kind = (uint8_t)take(1);
	uint32_t time = ttl[take(1) % ARRAY_SIZE(ttl)];
	struct addr a = addr_take();
	size_t at, size;

	if (kind & 8)
		len += name_put(b + len, name_take());
	else
		put_be16(b + len, (uint16_t)(0xc000 | *alias));
	len += kind & 8 ? 0 : 2;
	put_be16(b + len, kind & 1 ? 5 : kind & 2 ? 65 : addr_is_v4(&a) ? 1 : 28);
	put_be16(b + len + 2, 1);
	put_be32(b + len + 4, time);
	at = len + 8;
	len += 10;
	if (kind & 1) {
		*alias = len;
		size = name_put(b + len, name_take());
	} else if (kind & 2) {
		size = 3 + 4 + (addr_is_v4(&a) ? 4U : 16U);
		memcpy(b + len, (uint8_t[]){ 0, 1, 0, 0, addr_is_v4(&a) ? 4 : 6, 0, (uint8_t)(size - 7) }, 7);
		addr_to_bytes(&a, b + len + 7);
	} else {
		size = addr_is_v4(&a) ? 4 : 16;
		addr_to_bytes(&a, b + len);
	}
	put_be16(b + at, (uint16_t)size);
	return len + size;
}

/* A message of a resolver about its query @query, into @b: its length */
static size_t reply_take(const uint8_t *query, size_t nquery, uint8_t *b)
{
	uint8_t how = (uint8_t)take(1), rcode = (uint8_t)take(1), n = (uint8_t)take(1);
	size_t len = nquery, alias = DNS_HEADER;

	if (how & A_NO_OPT) {				/* RFC 6891 7 */
		memcpy(b, query, DNS_HEADER);
		memset(b + 4, 0, 8);
		b[2] = DNS_QR;
		b[3] = rcode & 1 ? 4 : 1;
		return DNS_HEADER;
	}
	memcpy(b, query, nquery);
	if (b[11])
		len -= 11;				/* without OPT */
	memset(b + 6, 0, 6);
	b[1] ^= how & A_ID ? 1 : 0;
	b[DNS_HEADER + 1] ^= how & A_NAME ? 1 : 0;
	b[len - 3] ^= how & A_TYPE ? 1 : 0;
	b[2] = (uint8_t)((how & A_QUERY ? 0 : DNS_QR) | (how & A_CUT ? DNS_TC : 0) | 1);
	b[3] = 0x80 | (rcode & DNS_RCODE);
	n = how & A_MANY ? n : n & 3;
	for (unsigned i = 0; i < n && len + 600 < MESSAGE; i++) {
		b[6] = (uint8_t)((i + 1) >> 8);
		b[7] = (uint8_t)(i + 1);
		len = record_take(b, len, &alias);
	}
	if (how & A_BYTE) {
		size_t at = take(2) % len;

		b[at] ^= (uint8_t)take(1);
	}
	return len;
}

/* The reference learns what an answer has */
static void known_learn(const struct flow *f, const char *name, const struct dns_found *found)
{
	for (unsigned i = 0; !found->rcode && i < found->n; i++)
		if (!is_nameless(&found->a[i]))
			known_grant(f->guest, name, &found->a[i], found->ttl[i]);
}

/* What follows from a message for a lookup */
enum outcome { OUT_NOTHING, OUT_PLAIN, OUT_NEXT, OUT_TCP, OUT_ANSWER };

static enum outcome outcome_of(const struct flow *f, const uint8_t *b, size_t len, bool late)
{
	const struct lookup *l = lookup_of(f);
	bool whole = l->stream != FLOW_NONE, failed;
	struct dns_found found;

	if (!late && !l->plain && !l->tcp && dns_no_opt(b, len, l->id))
		return OUT_PLAIN;
	nwanted = dns_answer(b, len, &l->q, l->id, wanted, whole ? MESSAGE_MAX : MIN(l->q.size, ANSWER_UDP), &found);
	if (!nwanted)
		return l->tcp ? OUT_NEXT : OUT_NOTHING;
	failed = found.rcode == DNS_SERVFAIL || found.rcode == DNS_REFUSED;
	if (late && (failed || (found.cut && whole)))
		return OUT_NOTHING;
	if (failed)
		return OUT_NEXT;		/* or the answer, if nobody is left to ask */
	if (found.cut && whole && !l->tcp)
		return OUT_TCP;
	known_learn(f, l->q.text, &found);
	return OUT_ANSWER;
}

/* A turn in which a whole message has come for @f */
static void turn_message(struct flow *f, enum outcome out)
{
	const struct lookup was = *lookup_of(f), *now = lookup_of(f);
	uint32_t n = c.flows.count[FLOW_LOOKUP];
	uint16_t gen = f->gen;
	int sock = f->sock;
	unsigned sends = file_of(sock)->sends;
	bool gone = was.stream != FLOW_NONE && !lookup_stream(&c, &was), quiet = !failing;

	answers = 0;
	wanted_seen = false;
	turn();
	switch (out) {
	case OUT_NOTHING:
		CHECK(!answers && c.flows.count[FLOW_LOOKUP] == n && !memcmp(now, &was, sizeof(was)));
		CHECK(f->sock == sock && file_of(sock)->sends == sends);
		break;
	case OUT_PLAIN:
		CHECK(!answers && c.flows.count[FLOW_LOOKUP] == n && now->plain && f->sock == sock);
		CHECK(!quiet || file_of(sock)->sends == sends + 1);
		break;
	case OUT_NEXT:
	case OUT_TCP:
		CHECK(f->gen != gen || now->tries > was.tries || now->tcp);
		break;
	case OUT_ANSWER:
		CHECK(f->gen != gen);
		CHECK(!quiet || wanted_seen || gone || full || (was.stream != FLOW_NONE && !answers));
		break;
	}
	nwanted = 0;
}

static enum outcome deliver(struct flow *f, bool late, unsigned times)
{
	struct file *r = file_of(late ? lookup_of(f)->late : f->sock);
	enum outcome out = outcome_of(f, reply, nreply, late);

	r->times = out == OUT_PLAIN ? 1 : times;
	r->events |= EPOLLIN;
	turn_message(f, out);
	return out;
}

static void op_answer(unsigned n, bool late)
{
	struct flow *f = lookup_nth(n), *other = lookup_nth(n + 1);
	uint8_t how = (uint8_t)take(1);
	const struct file *r;

	if (!f || lookup_of(f)->tcp || (late && lookup_of(f)->late < 0))
		return;
	r = file_of(late ? lookup_of(f)->late : f->sock);
	if (how & 1 && !lookup_of(other)->tcp)
		r = file_of(other->sock);		/* what another one was asked */
	if (!r->nquery)
		return;
	nreply = reply_take(r->query, r->nquery, reply);
	if (how & 2)
		nreply = MIN(nreply, take(1));
	deliver(f, late, how & 4 ? 1 + (how >> 3) : 1);
}

/* The next bytes of a message by TCP; once there is a connection */
static void op_tcp(unsigned n)
{
	uint8_t how = (uint8_t)take(1);
	struct flow *f = NULL;
	struct file *r;

	for (unsigned i = 0; i < c.flows.count[FLOW_LOOKUP] && !(f && lookup_of(f)->tcp); i++)
		f = lookup_nth(n + i);
	if (!f || !lookup_of(f)->tcp)
		return;
	r = file_of(f->sock);
	if (how & 1 || !(r->up || r->err)) {
		r->up |= !(how & 2);
		r->events |= how & 2 ? EPOLLERR | EPOLLHUP | EPOLLOUT : EPOLLOUT;
		turn();
		return;
	}
	if (!r->nb && r->nquery) {
		r->nb = reply_take(r->query, r->nquery, r->b + 2);
		put_be16(r->b, (uint16_t)(how & 2 ? take(2) : r->nb));
		r->nb += 2;
	}
	n = take(2);
	r->len = MIN(r->len + n, r->nb);
	r->events |= EPOLLIN | (how & 4 ? EPOLLRDHUP : 0);
	r->eof |= how & 4;
	if (how & 8)
		r->err = ECONNRESET;
	if (!r->err && r->len >= 2 && r->len >= 2U + get_be16(r->b))
		turn_message(f, outcome_of(f, r->b + 2, get_be16(r->b), false));
	else
		turn();
}

/* ICMP about a query */
static void op_error(unsigned n)
{
	struct flow *f = lookup_nth(n);
	struct file *r;

	if (!f || lookup_of(f)->tcp)
		return;
	r = file_of(take(1) & 1 && lookup_of(f)->late >= 0 ? lookup_of(f)->late : f->sock);
	r->err = ECONNREFUSED;
	r->events |= EPOLLERR;
	turn();
}

/* ---- other steps ---- */

static void timers(void)
{
	struct timer *t;

	while ((t = timer_expire(&c.wheel, c.now))) {
		struct flow *f = container_of(t, struct flow, timer);

		CHECK(t->kind == TIMER_FLOW);
		f->ops->timeout(&c, f);
	}
	turn();
}

static void pass(uint64_t ms)
{
	uint64_t end = c.now + ms;
	int left;

	while ((left = wheel_timeout(&c.wheel, c.now)) >= 0 && c.now + (unsigned)left <= end) {
		c.now += (unsigned)left;
		timers();
	}
	c.now = end;
	timers();
}

static void op_time(unsigned n)
{
	static const uint64_t ms[] = {
		1, 500, 1999, 2000, 2001, 9999, 10000, 29999, 30000, 59999, 60000, 61000, 299999, 3600000, 86400000,
		7 * 86400000ULL,
	};

	pass(ms[n]);
}

/* Its link is gone, and with it all that it had: attach.c */
static void guest_gone(struct guest *g)
{
	for (unsigned n = 0; n < STREAMS; n++) {
		struct guest_stream *s = stream_of(g, n);

		fd_close(s->fd);
		s->fd = -1;
	}
	for (uint32_t i = 0; i < c.flows.unused; i++) {
		struct flow *f = &c.flows.f[i];

		if (f->type != FLOW_FREE && !f->dead && f->guest == g->index)
			CHECK(f->ops->end(&c, f));
	}
	flow_bury(&c.flows);
	known_forget(g);
	full = false;
	tap_flush(&g->tap);
	memset(questions[g->index], 0, sizeof(questions[0]));
	turn();
}

static bool spare_end(struct ctx *cx, struct flow *f)
{
	flow_end(&cx->flows, f);
	return true;
}

/* Gives way to sockets of others */
static const struct flow_ops spare_flow = { .type = FLOW_PING, .fds = 1, .end = spare_end };

static void spare_begin(void)
{
	struct flow *f = flow_alloc(&c.flows, &spare_flow, 0, c.now);

	f->sock = -1;
	flow_touch(&c.flows, f, false);
}

/* Resolvers: how many (two bits), which table has them (4, 8), IPv6 as well (16), a link-local one (32), with an
 * interface in resolv.conf (64), one on loopback and one twice (128)
 */
static void set_resolvers(unsigned n)
{
	for (enum family f = V4; f < FAMILIES; f++) {
		struct net_ip *ip = &c.net.ip[f];

		ip->guest.ndns = ip->ndns_to = 0;
		c.net.resolv.n[f] = n & 64 ? 3 : 0;
		*(n & 4 ? &ip->ndns_to : n & 8 ? &c.net.resolv.n[f] : &ip->guest.ndns) = f == V4 || n & 16 ? n & 3 : 0;
		for (unsigned i = 0; i < 3; i++) {
			struct addr a = addr_of(f == V6 && n & 32 && !i ? 5 : 32 + 2 * i + (f == V4));

			ip->guest.dns[i] = a;
			ip->dns_to[i].a = a;
			c.net.resolv.server[f][i] = (struct resolver){ .a = a, .scope = n & 64 && f == V6 ? 3 : 0 };
		}
	}
	if (n & 128)
		c.net.ip[V4].guest.dns[0] = c.net.ip[V4].dns_to[0].a = c.net.resolv.server[V4][0].a = addr_of(0);
	if (n & 128)
		c.net.ip[V4].guest.dns[2] = c.net.ip[V4].guest.dns[1];
}

static void step(unsigned nr)
{
	uint8_t first = (uint8_t)take(1);
	unsigned n = first >> 4;
	struct guest *g = &c.guest[n >> 3];
	const struct end to = { addr_of(20), PORT_DNS };

	switch ((enum op)(first & 15)) {
	case DO_QUERY:
		op_query(g, n);
		break;
	case DO_STREAM:
	case DO_STREAM_RAW:
		if (resolve_takes(&c, g, &to))
			op_stream(g, n, (first & 15) == DO_STREAM_RAW);
		break;
	case DO_STREAM_END:
		op_stream_end(g, n);
		break;
	case DO_ANSWER:
	case DO_ANSWER_LATE:
		op_answer(n, (first & 15) == DO_ANSWER_LATE);
		break;
	case DO_TCP:
		op_tcp(n);
		break;
	case DO_ERROR:
		op_error(n);
		break;
	case DO_TIME:
		op_time(n);
		break;
	case DO_GRANT:
		op_grant(g, n);
		break;
	case DO_LIVE:
		op_live(n & 1);
		break;
	case DO_FAIL:
		failing = n;
		break;
	case DO_GONE:
		guest_gone(g);
		break;
	case DO_RESOLVERS:
		set_resolvers(take(1));
		turn();
		break;
	case DO_ROOM:
		stream_of(g, n)->room = take(2);
		break;
	case DO_SPARE:
		if (n & 8)
			full = !full;
		else
			spare_begin();
		turn();
		break;
	}
	known_check(nr);
}

/* ---- the same stream, whole and in pieces ---- */

/* Resolvers answer at once, and the same question in the same way */
static void resolve_all(void)
{
	static const uint8_t kinds = A_CUT | A_MANY | A_NO_OPT | A_BYTE;
	const uint8_t *rest = in;
	size_t left = in_left;
	struct flow *f;

	for (unsigned n = 0; (f = lookup_nth(0)); n++) {
		struct file *r = file_of(f->sock);
		uint8_t seed[SEED];

		CHECK(n < 10 * STREAM_ROOM);
		if (!r->up && lookup_of(f)->tcp) {
			r->up = true;
			r->events |= EPOLLOUT;
			turn();
			continue;
		}
		for (unsigned i = 0; i < SEED; i++)
			seed[i] = (uint8_t)__real_siphash((uint64_t[]){ i, 0 }, r->query + 2, r->nquery - 2);
		seed[0] &= kinds & (uint8_t)(seed[1] >> 2 | seed[2]);	/* few of them */
		in = seed;
		in_left = SEED;
		nreply = reply_take(r->query, r->nquery, reply);
		if (lookup_of(f)->tcp) {
			put_be16(r->b, (uint16_t)nreply);
			memcpy(r->b + 2, reply, nreply);
			r->len = r->nb = nreply + 2;
			r->events |= EPOLLIN;
			turn_message(f, outcome_of(f, reply, nreply, false));
		} else if (deliver(f, false, 1) == OUT_NOTHING) {
			r->err = ECONNREFUSED;
			r->events |= EPOLLERR;
			turn();
		}
	}
	in = rest;
	in_left = left;
}

static int by_bytes(const void *a, const void *b)
{
	const uint8_t *x = *(const uint8_t *const *)a, *y = *(const uint8_t *const *)b;
	size_t len = 2U + MIN(get_be16(x), get_be16(y));
	int rc = memcmp(x, y, len);

	return rc ? rc : (int)get_be16(x) - (int)get_be16(y);
}

/* Answers in the order of their bytes: lookups end in any order */
static unsigned sort_replies(unsigned k, const uint8_t *sorted[static STREAM_ROOM])
{
	unsigned n = 0;

	for (size_t at = 0; at < replies[k].n; at += 2U + get_be16(replies[k].b + at))
		sorted[n++] = replies[k].b + at;
	qsort(sorted, n, sizeof(*sorted), by_bytes);
	return n;
}

static void check_same(void)
{
	static const uint8_t *sorted[GUESTS][STREAM_ROOM];
	unsigned n = sort_replies(0, sorted[0]), k = sort_replies(1, sorted[1]);

	CHECK(n == k);
	for (unsigned i = 0; i < n; i++)
		CHECK(!by_bytes(&sorted[0][i], &sorted[1][i]));
	for (const struct known *a = known; known_used <= FEW_NAMES && a < known + known_end; a++) {
		const struct known *b = known_find(!a->guest, &a->a, a->name);

		CHECK(b && b->until == a->until);
	}
}

static void cut_stream(void)
{
	unsigned nsizes = take(1) % 16, turns = 0;
	uint8_t size[16] = { 0 }, whole[STREAM_ROOM];
	size_t len;

	for (unsigned i = 0; i < nsizes; i++)
		size[i] = (uint8_t)take(1);
	len = MIN(in_left, sizeof(whole));
	memcpy(whole, in, len);
	for (unsigned k = 0; k < GUESTS; k++) {
		struct guest_stream *s = stream_of(&c.guest[k], 0);

		CHECK(stream_open(&c.guest[k], s));
		memcpy(s->ahead, whole, len);
		s->nahead = len;
		while (s->nahead && stream_far(s)) {
			stream_come(s, k ? 1U + size[turns++ % MAX(nsizes, 1U)] : SIZE_MAX);
			resolve_all();
		}
		if (stream_far(s)) {
			stream_far(s)->eof = true;
			stream_far(s)->events |= EPOLLIN | EPOLLRDHUP;
		}
		turn();
		resolve_all();
		CHECK(!stream_far(s));
	}
	check_same();
}

/* ---- begin and end ---- */

static void set_network(uint8_t set)
{
	cf = (struct conf){ .mode = MODE_PASST, .guests = GUESTS, .freebind = set & S_FREEBIND };
	cf.ip[V4].out_addr = set & S_FREEBIND ? addr_of(21) : addr_any4;
	cf.ip[V6].out_addr = addr_any6;
	cf.lan = (struct lan_conf){ .on = set & S_LAN, .v6 = true, .plen4 = 24 };
	cf.lan.net[V4] = addr_from4(htonl(0xc0a84d00));
	cf.lan.net[V6] = (struct addr){ .b = { 0xfd, 0, 0, 0x77 } };
	c.net = (struct net){ .cf = &cf };
	for (enum family f = V4; f < FAMILIES; f++) {
		struct net_ip *ip = &c.net.ip[f];

		ip->on = true;
		ip->ifindex = 2;
		ip->gw = ip->dns_forward = addr_of(f == V4 ? 19 : 20);
		ip->map_loopback = ip->map_guest = ip->dns_host = addr_any(f);
		ip->guest.addr = addr_of(f == V4 ? 17 : 18);
	}
	set_resolvers(2);
}

static void begin(uint8_t set)
{
	const struct caps caps = { .mtu = 65535 };
	struct policy *p;

	memset(c.guest, 0, GUESTS * sizeof(c.guest[0]));
	memset(&c.leases, 0, sizeof(c.leases));
	memset(&c.resolve, 0, sizeof(c.resolve));
	c.now = 1000000;
	failing = 0;
	full = false;
	lookups = 0;
	files_end = 0;
	set_network(set);
	flows_init(&c.flows);
	wheel_init(&c.wheel, c.now);
	leases_start(&c.leases, &c.net);
	flow_log_init(&c);
	c.flow_log.on = set & S_LOG;
	c.accept.fds = set & S_FEW && !(set & S_CUT) ? 64 : 1 << 16;
	c.egress.nl.fd = -1;
	guest_init(&c);
	c.guests = GUESTS;
	c.here = (struct guests){ { (1U << GUESTS) - 1 } };
	ask_start(&c);
	p = rules_of((enum rules_word)(set & S_RULES));
	for (unsigned i = 0; i < GUESTS; i++)
		c.guest[i].policy = (set & S_RULES) == LOCKED && !(set & S_LOCKED) ? NULL : p;
	for (unsigned i = 0; i < GUESTS; i++)
		tap_init(&c.guest[i].tap, &sink, 1, &caps, -1);
	for (unsigned i = 0; i < ARRAY_SIZE(stream); i++)
		stream[i] = (struct guest_stream){ .fd = -1 };
	for (unsigned i = 0; i < GUESTS; i++)
		replies[i].n = 0;
	memset(questions, 0, sizeof(questions));
	memset(last_question, 0, sizeof(last_question));
}

/* No lookup lives for longer than its time, no stream for longer than it is idle and has none; then the guests go */
static void finish(void)
{
	failing = 0;
	full = false;
	turn();
	for (unsigned i = 0; c.flows.count[FLOW_STREAM] && i < ROUNDS; i++)
		pass(LOOKUP_MOST);
	pass(LOOKUP_MOST);
	CHECK(!c.flows.count[FLOW_LOOKUP] && !c.flows.count[FLOW_STREAM]);
	check_names();
	for (unsigned i = 0; i < GUESTS; i++)
		guest_gone(&c.guest[i]);
	known_clear();
	CHECK(!c.flows.used && wheel_timeout(&c.wheel, c.now) < 0);
	for (unsigned i = 0; i < files_end; i++)
		CHECK(file[i].kind == FILE_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t set;

	log_level = LOG_EMERG;
	in = data;
	in_left = size;
	set = (uint8_t)take(1);
	begin(set);
	if (set & S_CUT && policy_resolves(c.guest[0].policy))
		cut_stream();
	else
		for (unsigned i = 0; in_left && i < STEPS; i++)
			step(i);
	finish();
	return 0;
}
