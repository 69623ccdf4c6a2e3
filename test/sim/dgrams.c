/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dgrams.c - steps of scripts about datagrams: UDP and echo, from the guest, from the host's side, and spliced
 *
 * A datagram of at least 4 bytes carries its connection and number: each arrives at most once, in order and unchanged,
 * also when calls fail. On a link without super-packets, a guest sends datagrams one by one.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "kernel.h"
#include "run.h"

#define HEAD		4		/* connection, number, one byte of the pattern */
#define ECHO_HLEN	8
#define CLIENT_TO	53		/* port of the guest's that LISTEN_PORT leads to */

#define STEP_OK(cond, r, ...)	((cond) || !(r)->strict || run_fail(r, __VA_ARGS__))

/* What a step takes behind its name */
enum what { W_LEN, W_ERR, W_ICMP, W_CALL };

static const struct {
	const char *who, *dir, *name;
	enum dgram_op op;
	enum what what;
} forms[] = {
	{ "guest", ">", "udp",		DG_SEND,	W_LEN },	/* gso, ttl, tos, from */
	{ "guest", "<", "udp",		DG_EXPECT,	W_LEN },	/* from, to */
	{ "guest", ">", "echo",		DG_PING,	W_LEN },	/* request: ttl */
	{ "guest", "<", "echo",		DG_PONG,	W_LEN },	/* reply: ttl, from */
	{ "guest", "<", "icmp",		DG_ICMP,	W_ICMP },	/* mtu, from */
	{ "host", NULL, "udp",		DG_HOST,	W_LEN },	/* arrives from the peer: gso, from, if */
	{ "host", NULL, "got-udp",	DG_GOT,		W_LEN },	/* next one to the peer: to, from, ttl, tos */
	{ "host", NULL, "udp-client",	DG_CLIENT,	W_LEN },	/* to the forwarded port: from, to, gso */
	{ "host", NULL, "udp-error",	DG_ERROR,	W_ICMP },	/* in the error queue: from, mtu, to */
	{ "host", NULL, "udp-broken",	DG_BROKEN,	W_ERR },	/* of the socket itself */
	{ "host", NULL, "udp-unread",	DG_UNREAD,	W_LEN },	/* datagrams that wait in the peer's socket */
	{ "host", NULL, "echo",		DG_REPLY,	W_LEN },	/* ttl, from */
	{ "host", NULL, "got-echo",	DG_GOT_ECHO,	W_LEN },	/* ttl */
	{ "host", NULL, "echo-error",	DG_ECHO_ERROR,	W_ICMP },	/* from, mtu */
	{ "host", NULL, "echo-closed",	DG_ECHO_CLOSED,	W_LEN },	/* so many of the echo sockets are still open */
	{ "host", NULL, "far",		DG_FAR,		W_LEN },	/* from a splice's server: from, gso */
	{ "host", NULL, "far-got",	DG_FAR_GOT,	W_LEN },	/* next one to it: to, from */
	{ "host", NULL, "far-error",	DG_FAR_ERROR,	W_ERR },
	{ "host", NULL, "far-sockets",	DG_FAR_SOCKS,	W_LEN },	/* so many are open */
	{ "host", NULL, "child",	DG_CHILD,	W_LEN },	/* from the client to a new port of ours */
	{ "host", NULL, "child-got",	DG_CHILD_GOT,	W_LEN },	/* next one from there to the client: from */
	{ "host", NULL, "calls",	DG_CALLS,	W_CALL },	/* NAME N: since the last such step */
	{ "link", NULL, "frames",	DG_FRAMES,	W_LEN },	/* since the last such step; single */
};

static const struct {
	const char *name;
	uint8_t type4, code4, type6, code6;
	int err;
} icmp_names[] = {
	{ "net-unreach",	3, 0,	1, 0,	ENETUNREACH },
	{ "host-unreach",	3, 1,	1, 3,	EHOSTUNREACH },
	{ "port-unreach",	3, 3,	1, 4,	ECONNREFUSED },
	{ "admin",		3, 13,	1, 1,	EACCES },
	{ "too-big",		3, 4,	2, 0,	EMSGSIZE },
	{ "time-exceeded",	11, 0,	3, 0,	EHOSTUNREACH },
};

static bool parse_key(struct step *t, const char *key, const char *v)
{
	static const struct {
		const char *name;
		size_t at;
	} numbers[] = {
		{ "gso", offsetof(struct step, gso) }, { "ttl", offsetof(struct step, ttl) },
		{ "tos", offsetof(struct step, tos) }, { "mtu", offsetof(struct step, mtu) },
		{ "if", offsetof(struct step, ifindex) }, { "single", offsetof(struct step, single) },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!strcmp(numbers[i].name, key))
			return script_number(v, (int64_t *)((char *)t + numbers[i].at));
	if (!strcmp(key, "from"))
		return (t->has_end = script_end(&t->end, v));
	if (!strcmp(key, "to"))
		return (t->has_to = script_end(&t->to, v));
	return false;
}

static bool parse_what(struct step *t, enum what what, const char *s)
{
	switch (what) {
	case W_LEN:
		return script_number(s, &t->n);
	case W_ERR:
		t->n = err_number(s);
		return t->n > 0;
	case W_ICMP:
		t->m = -1;
		for (unsigned i = 0; i < ARRAY_SIZE(icmp_names); i++)
			if (!strcmp(icmp_names[i].name, s))
				t->m = i;
		t->n = err_number(s);
		return t->m >= 0 || t->n > 0;
	case W_CALL:
		snprintf(t->word, sizeof(t->word), "%s", s);
		return true;
	}
	return false;
}

bool dgram_parse(struct step *t, char *const *w, unsigned n)
{
	for (unsigned i = 0; i < ARRAY_SIZE(forms); i++) {
		unsigned at = forms[i].dir ? 4 : 3;

		if (n <= at || strcmp(forms[i].who, w[1]) || (forms[i].dir && strcmp(forms[i].dir, w[2])) ||
		    strcmp(forms[i].name, w[at - 1]))
			continue;
		t->op = OP_DGRAM;
		t->dgram = forms[i].op;
		t->gso = t->ttl = t->tos = t->mtu = t->ifindex = t->single = ABSENT;
		if (!parse_what(t, forms[i].what, w[at++]))
			return false;
		if (forms[i].what == W_CALL && (at == n || !script_number(w[at++], &t->n)))
			return false;
		for (; at + 2 <= n; at += 2)
			if (!parse_key(t, w[at], w[at + 1]))
				return false;
		return at == n;
	}
	return false;
}

/* ---- content ---- */

/* Writes one more datagram of the current connection */
static void fill(struct run *r, unsigned dir, uint8_t *p, size_t len)
{
	uint16_t no = ++r->dgrams[r->cur][dir];

	r->numbered = true;
	for (size_t i = 0; i < len; i++)
		p[i] = pattern(dir, r->cur, ((uint64_t)no << 20) + i);
	if (len < HEAD)
		return;
	p[0] = (uint8_t)r->cur;
	put_be16(p + 1, no);
}

/* Is that a datagram of ours, the next one or a later one than number *@last of its connection? */
static bool intact(struct run *r, unsigned dir, const uint8_t *p, size_t len, uint16_t *last)
{
	uint16_t no;

	if (len < HEAD)
		return true;
	no = get_be16(p + 1);
	if (!p[0] || p[0] >= CONNS || !no || no > r->dgrams[p[0]][dir])
		return run_fail(r, "datagram of %zu bytes that nobody sent", len);
	for (size_t i = HEAD - 1; i < len; i++)
		if (p[i] != pattern(dir, p[0], ((uint64_t)no << 20) + i))
			return run_fail(r, "byte %zu of a datagram of %zu bytes is wrong", i, len);
	if (no <= last[p[0]])
		return run_fail(r, "datagram %u again, or out of turn: after %u", no, last[p[0]]);
	last[p[0]] = no;
	return true;
}

/* The packet that an ICMP error is about, as the guest sent it */
static bool quote_read(struct run *r, struct wire *w)
{
	size_t hlen = w->v6 ? 40 : 20;
	const uint8_t *p = w->data;

	if (w->len < hlen + 8 || p[0] >> 4 != (w->v6 ? 6 : 4))
		return run_fail(r, "ICMP error without the packet it is about");
	w->q_proto = w->v6 ? p[6] : p[9];
	w->q_src.a = addr_from_bytes(p + (w->v6 ? 8 : 12), !w->v6);
	w->q_dst.a = addr_from_bytes(p + (w->v6 ? 24 : 16), !w->v6);
	w->q_src.port = get_be16(p + hlen);
	w->q_dst.port = get_be16(p + hlen + 2);
	if (w->q_proto != IPPROTO_UDP && w->q_proto != IPPROTO_TCP) {	/* echo: identifier */
		w->q_src.port = get_be16(p + hlen + 4);
		w->q_dst.port = 0;
	}
	return true;
}

bool dgram_check(struct run *r, struct wire *w)
{
	bool icmp = w->proto == IPPROTO_ICMP || w->proto == IPPROTO_ICMPV6;

	if (!r->numbered)
		return true;
	if (icmp && w->type != (w->v6 ? 129 : 0) && (w->v6 ? w->type < 128 : w->type != 8))
		return quote_read(r, w);
	return (!icmp && w->proto != IPPROTO_UDP) || intact(r, TO_GUEST, w->data, w->len, r->dgram_last);
}

/* ---- the guest ---- */

static struct conn *cur(struct run *r)
{
	return &r->conn[r->cur];
}

static struct end end_of(const struct run *r, const struct end *e, const struct end *otherwise, bool has)
{
	return has ? (struct end){ run_addr(r, &e->a), e->port ? e->port : otherwise->port } : *otherwise;
}

static bool guest_send(struct run *r, const struct step *t)
{
	static uint8_t data[65536];
	struct conn *cn = cur(r);
	bool echo = t->dgram == DG_PING;
	struct wire w = {
		.v6 = r->v.v6, .proto = echo ? r->v.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP : IPPROTO_UDP,
		.ttl = t->ttl == ABSENT ? 64 : (uint8_t)t->ttl, .tos = t->tos == ABSENT ? 0 : (uint8_t)t->tos,
		.src = end_of(r, &t->end, &cn->guest, t->has_end), .dst = cn->peer,
	};
	size_t len = (size_t)t->n, gso = t->gso == ABSENT ? len : (size_t)t->gso, at = 0;

	if (!step_unexpected(r))
		return false;
	if (echo) {
		w.type = r->v.v6 ? 128 : 8;
		w.seq = (uint32_t)r->dgrams[r->cur][TO_HOST] + 1;
	}
	do {
		size_t n = MIN(len - at, gso);

		fill(r, TO_HOST, data + at, n);
		w.data = data + at;
		w.len = n;
		if (!r->v.offload || gso == len)
			guest_push(r, &w, 0);
		at += n;
	} while (at < len);
	w.data = data;
	w.len = len;
	if (r->v.offload && gso < len)
		guest_push(r, &w, (uint16_t)gso);
	return true;
}

static bool guest_expect(struct run *r, const struct step *t)
{
	const struct conn *cn = cur(r);
	struct end from = end_of(r, &t->end, &cn->peer, t->has_end), to = end_of(r, &t->to, &cn->guest, t->has_to);
	bool echo = t->dgram == DG_PONG;
	struct wire *w;

	if (!step_await(r, t))
		return false;
	if (!r->strict)
		return step_unexpected(r);
	w = run_peek(r);
	if (w->proto != (!echo ? IPPROTO_UDP : w->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) ||
	    (echo && w->type != (w->v6 ? 129 : 0)))
		return run_fail(r, "got: %s", wire_text(r, w));
	if ((t->n != ANY && w->len != (size_t)t->n) || !addr_eq(&w->src.a, &from.a) ||
	    (!echo && w->src.port != from.port) || !end_eq(&w->dst, &to))
		return run_fail(r, "%zu bytes, port %u to %u, or other addresses", w->len, w->src.port, w->dst.port);
	if (t->ttl != ABSENT && w->ttl != t->ttl)
		return run_fail(r, "TTL %u", w->ttl);
	run_pop(r);
	return true;
}

static bool guest_icmp(struct run *r, const struct step *t)
{
	const struct conn *cn = cur(r);
	struct end from = end_of(r, &t->end, &cn->peer, t->has_end);
	uint32_t mtu;
	struct wire *w;

	if (!step_await(r, t))
		return false;
	if (!r->strict)
		return step_unexpected(r);
	w = run_peek(r);
	mtu = w->v6 ? (uint32_t)w->dst.port << 16 | w->seq : w->seq;
	if (t->m < 0 || w->proto != (w->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) ||
	    w->type != (w->v6 ? icmp_names[t->m].type6 : icmp_names[t->m].type4) ||
	    w->code != (w->v6 ? icmp_names[t->m].code6 : icmp_names[t->m].code4))
		return run_fail(r, "got: %s", wire_text(r, w));
	if (t->mtu != ABSENT && mtu != t->mtu)
		return run_fail(r, "MTU %u", mtu);
	if (t->has_end && !addr_eq(&w->src.a, &from.a))
		return run_fail(r, "from another address");
	if (r->numbered && (!end_eq(&w->q_src, &cn->guest) || !addr_eq(&w->q_dst.a, &cn->peer.a) ||
			    (w->q_dst.port && w->q_dst.port != cn->peer.port)))
		return run_fail(r, "about another packet: protocol %u, ports %u to %u", w->q_proto, w->q_src.port,
				w->q_dst.port);
	run_pop(r);
	return true;
}

/* ---- sockets ---- */

static bool open_udp(const struct fsock *s)
{
	return s && s->kind == FS_UDP && s->fd != NOBODY && fs_mine(s);
}

/* First open socket with a datagram to @to in its queue; @far: on the far side of a splice, which nobody else has */
static struct fsock *sender_to(struct run *r, enum fs_kind kind, const struct end *to, bool far)
{
	for (unsigned i = 0; i < world.nfs; i++) {
		struct fsock *s = &world.fs[i];
		bool taken = false;

		if (s->kind != kind || s->fd == NOBODY || !s->tx.len || !fs_mine(s))
			continue;
		for (unsigned k = 1; far && k < CONNS; k++)
			taken |= r->conn[k].far == s && k != r->cur;
		if (taken || (far && s->ns == r->s->outward))
			continue;
		if (!to || (addr_eq(&s->tx.d[s->tx.head].peer.a, &to->a) && s->tx.d[s->tx.head].peer.port == to->port))
			return s;
	}
	return NULL;
}

/* Socket towards the peer of the current connection: the listener's, or one with the guest's port */
static struct fsock *host_sock(struct run *r)
{
	struct conn *cn = cur(r);

	if (cn->client)
		return fs_listener(FS_UDP, !r->v.v6);
	for (unsigned i = 0; !open_udp(cn->sock) && i < world.nfs; i++)
		if (open_udp(&world.fs[i]) && world.fs[i].local.port == cn->guest.port)
			cn->sock = &world.fs[i];
	return open_udp(cn->sock) ? cn->sock : NULL;
}

/* Takes the next datagram off what @s sent, and looks at it */
static bool sock_got(struct run *r, const struct step *t, struct fsock *s, const struct end *to, unsigned dir)
{
	struct dgram *d;
	bool good;

	if (!s || !s->tx.len)
		return STEP_OK(false, r, "nothing was sent");
	d = &s->tx.d[s->tx.head];
	good = intact(r, dir, d->data, d->len, s->last);
	if (good && r->strict && t->n != ANY && d->len != (size_t)t->n)
		good = run_fail(r, "got %zu bytes, of %u datagrams", d->len, s->tx.len);
	if (good && to && !end_eq(&d->peer, to))
		good = STEP_OK(false, r, "sent to another endpoint, port %u", d->peer.port);
	if (good && t->has_end) {
		struct addr from = run_addr(r, &t->end.a);

		good = STEP_OK(addr_eq(&d->our.a, &from) && (!t->end.port || t->end.port == s->local.port), r,
			       "sent from another address, or port %u", s->local.port);
	}
	if (good && t->ttl != ABSENT)
		good = STEP_OK(d->ttl == t->ttl, r, "TTL %u", d->ttl);
	if (good && t->tos != ABSENT)
		good = STEP_OK(d->tos == t->tos, r, "TOS %u", d->tos);
	free(d->data);
	s->tx.head = (s->tx.head + 1) % DGRAM_MAX;
	s->tx.len--;
	return good;
}

/* Datagrams arrive at @s: one, or several, as one where the program wants that */
static bool sock_arrive(struct run *r, const struct step *t, struct fsock *s, struct dgram *d, unsigned dir)
{
	static uint8_t data[65536];
	size_t len = (size_t)t->n, gso = t->gso == ABSENT || t->gso >= t->n ? len : (size_t)t->gso, at = 0;

	if (!step_unexpected(r))
		return false;
	if (!open_udp(s) && !(s && s->kind == FS_PING && s->fd != NOBODY))
		return STEP_OK(false, r, "there is no such socket");
	if (t->ifindex != ABSENT)
		d->ifindex = (unsigned)t->ifindex;
	do {
		d->data = data + at;
		d->len = MIN(len - at, gso);
		fill(r, dir, data + at, d->len);
		at += d->len;
		if (!(s->gro && gso < len))
			fs_dgram(s, &s->rx, d);
	} while (at < len);
	d->data = data;
	d->len = len;
	d->gso = (uint16_t)gso;
	if (s->gro && gso < len)
		fs_dgram(s, &s->rx, d);
	return true;
}

/* What an error queue has for a datagram to @to */
static void sock_error_for(struct run *r, const struct step *t, struct fsock *s, const struct end *to, uint8_t *data,
			   size_t len)
{
	const struct end from = end_of(r, &t->end, to, t->has_end);
	struct dgram d = { .peer = *to, .data = data, .len = len, .err = (int)t->n, .origin = 1 };

	if (t->m >= 0) {			/* SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6 */
		d.err = icmp_names[t->m].err;
		d.origin = r->v.v6 ? 3 : 2;
		d.type = r->v.v6 ? icmp_names[t->m].type6 : icmp_names[t->m].type4;
		d.code = r->v.v6 ? icmp_names[t->m].code6 : icmp_names[t->m].code4;
		d.our.a = from.a;
	} else {
		d.our.a = r->v.v6 ? addr_any6 : addr_any4;
	}
	if (t->mtu != ABSENT)
		d.info = (uint32_t)t->mtu;
	s->err = d.err;
	fs_dgram(s, &s->errq, &d);
}

/* ---- steps of the host's side ---- */

static bool client_step(struct run *r, const struct step *t)
{
	const struct end any = { addr_from4(htonl(0xcb007105)), (uint16_t)(CLIENT_PORT + r->cur) };
	const struct addr asked = t->has_to ? t->to.a : addr_from4(htonl(0xc6336402));
	const struct end def = { run_addr(r, &any.a), any.port };
	struct end client = end_of(r, &t->end, &def, t->has_end);
	struct dgram d = { .our.a = run_addr(r, &asked) };
	struct conn *cn = cur(r);

	if (!cn->client || !end_eq(&cn->peer, &client)) {
		conn_init(r, r->cur, NULL);
		cn->peer = client;
		cn->client = true;
		cn->guest.port = CLIENT_TO;
	}
	d.peer = client;
	return sock_arrive(r, t, fs_listener(FS_UDP, !r->v.v6), &d,
			   addr_is_loopback(&client.a) ? TO_HOST : TO_GUEST);
}

static bool far_step(struct run *r, const struct step *t)
{
	struct conn *cn = cur(r);
	const struct end to = end_of(r, &t->to, &cn->server, t->has_to);
	struct dgram d = { .peer = end_of(r, &t->end, &cn->server, t->has_end) };

	if (t->dgram == DG_FAR)
		return sock_arrive(r, t, cn->far, &d, TO_GUEST);
	if (t->dgram == DG_FAR_ERROR) {
		if (!open_udp(cn->far))
			return STEP_OK(false, r, "there is no such socket");
		cn->far->err = (int)t->n;
		fs_wake(cn->far, EPOLLERR);
		return true;
	}
	if (!open_udp(cn->far))
		cn->far = sender_to(r, FS_UDP, NULL, true);
	if (cn->far && cn->far->tx.len && !cn->server.port)
		cn->server = cn->far->tx.d[cn->far->tx.head].peer;
	return sock_got(r, t, cn->far, t->has_to ? &to : NULL, TO_HOST);
}

static bool child_step(struct run *r, const struct step *t)
{
	struct conn *cn = cur(r);
	struct dgram d = { .peer = cn->peer };

	if (!open_udp(cn->child) || (t->dgram == DG_CHILD_GOT && !cn->child->tx.len)) {
		struct fsock *s = NULL;

		for (unsigned i = 0; i < world.nfs; i++)
			if (open_udp(&world.fs[i]) && world.fs[i].connects && end_eq(&world.fs[i].peer, &cn->peer) &&
			    (t->dgram != DG_CHILD_GOT || world.fs[i].tx.len))
				s = &world.fs[i];
		cn->child = s;
	}
	if (t->dgram == DG_CHILD)
		return sock_arrive(r, t, cn->child, &d, TO_HOST);
	return sock_got(r, t, cn->child, &cn->peer, TO_GUEST);
}

static bool got_step(struct run *r, const struct step *t)
{
	struct conn *cn = cur(r);
	const struct end to = end_of(r, &t->to, &cn->peer, t->has_to);
	struct fsock *s = cn->client ? host_sock(r) : sender_to(r, FS_UDP, &to, false);

	if (!s)
		s = host_sock(r);
	if (!cn->client && s)
		cn->sock = s;
	return sock_got(r, t, s, &to, cn->client && addr_is_loopback(&cn->peer.a) ? TO_GUEST : TO_HOST);
}

static bool error_step(struct run *r, const struct step *t)
{
	static uint8_t quoted[64];
	struct conn *cn = cur(r);
	const struct end to = end_of(r, &t->to, &cn->peer, t->has_to);
	struct fsock *s = host_sock(r);

	if (!s)
		return STEP_OK(false, r, "there is no UDP socket");
	if (t->dgram == DG_BROKEN) {
		s->err = (int)t->n;
		fs_wake(s, EPOLLERR);
		return true;
	}
	r->numbered = true;
	sock_error_for(r, t, s, &to, quoted, sizeof(quoted));
	return true;
}

/* Echo: the socket's messages have a header, with an identifier of its own */
static bool echo_step(struct run *r, const struct step *t)
{
	static uint8_t msg[65536 + ECHO_HLEN];
	struct conn *cn = cur(r);
	const struct end to = { .a = cn->peer.a };
	struct dgram d = { .peer.a = t->has_end ? run_addr(r, &t->end.a) : to.a, .data = msg };

	memset(msg, 0, ECHO_HLEN);
	if (t->dgram == DG_GOT_ECHO) {
		struct fsock *s = sender_to(r, FS_PING, &to, false);
		struct dgram *got = s ? &s->tx.d[s->tx.head] : NULL;

		if (!s || got->len < ECHO_HLEN || got->data[0] != (r->v.v6 ? 128 : 8))
			return STEP_OK(false, r, "no echo request was sent");
		cn->sock = s;
		cn->server.port = get_be16(got->data + 6);
		memmove(got->data, got->data + ECHO_HLEN, got->len -= ECHO_HLEN);
		return sock_got(r, t, s, &to, TO_HOST);
	}
	if (!step_unexpected(r))
		return false;
	if (!cn->sock || cn->sock->kind != FS_PING || cn->sock->fd == NOBODY)
		return STEP_OK(false, r, "there is no echo socket");
	msg[0] = r->v.v6 ? 128 : 8;
	put_be16(msg + 6, cn->server.port);
	if (t->dgram == DG_ECHO_ERROR) {
		r->numbered = true;
		sock_error_for(r, t, cn->sock, &to, msg, ECHO_HLEN + 16);
		return true;
	}
	msg[0] = r->v.v6 ? 129 : 0;
	fill(r, TO_GUEST, msg + ECHO_HLEN, (size_t)t->n);
	d.len = (size_t)t->n + ECHO_HLEN;
	d.ttl = t->ttl == ABSENT ? 0 : (uint8_t)t->ttl;
	return fs_dgram(cn->sock, &cn->sock->rx, &d);
}

/* ---- counts ---- */

static bool count_step(struct run *r, const struct step *t)
{
	unsigned n = 0;

	if (t->dgram == DG_CALLS) {
		static char name[32];

		n = world.count_call && !strcmp(world.count_call, t->word) ? world.counted : (unsigned)t->n;
		snprintf(name, sizeof(name), "%s", t->word);
		world.count_call = name;
		world.counted = 0;
	} else if (t->dgram == DG_FRAMES) {
		n = r->frames;
		r->frames = 0;
		if (!r->v.offload && t->single != ABSENT)
			return STEP_OK(n == t->single, r, "%u frames", n);
	} else if (t->dgram == DG_UNREAD) {
		n = host_sock(r) ? host_sock(r)->rx.len : 0;
	} else {
		for (unsigned i = 0; i < world.nfs; i++) {
			const struct fsock *s = &world.fs[i];

			n += t->dgram == DG_ECHO_CLOSED ? s->kind == FS_PING && s->fd != NOBODY && fs_mine(s) :
			     open_udp(s) && s->ns != r->s->outward && s->by;
		}
	}
	return STEP_OK(n == (unsigned)t->n, r, "it is %u", n);
}

bool dgram_step(struct run *r, const struct step *t)
{
	struct dgram d = { .peer = cur(r)->peer };

	if (!step_advance(r, t))
		return false;
	switch (t->dgram) {
	case DG_SEND: case DG_PING:
		return guest_send(r, t);
	case DG_EXPECT: case DG_PONG:
		return guest_expect(r, t);
	case DG_ICMP:
		return guest_icmp(r, t);
	case DG_HOST:
		d.peer = end_of(r, &t->end, &d.peer, t->has_end);
		return sock_arrive(r, t, host_sock(r), &d, TO_GUEST);
	case DG_CLIENT:
		return client_step(r, t);
	case DG_GOT:
		return run_until(r, world.now, false) && got_step(r, t);
	case DG_ERROR: case DG_BROKEN:
		return error_step(r, t);
	case DG_GOT_ECHO:
		return run_until(r, world.now, false) && echo_step(r, t);
	case DG_REPLY: case DG_ECHO_ERROR:
		return echo_step(r, t);
	case DG_FAR: case DG_FAR_ERROR:
		return far_step(r, t);
	case DG_FAR_GOT:
		return run_until(r, world.now, false) && far_step(r, t);
	case DG_CHILD:
		return child_step(r, t);
	case DG_CHILD_GOT:
		return run_until(r, world.now, false) && child_step(r, t);
	case DG_CALLS: case DG_FRAMES: case DG_UNREAD: case DG_ECHO_CLOSED: case DG_FAR_SOCKS:
		return run_until(r, world.now, false) && count_step(r, t);
	}
	return false;
}
