/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_hold.c - connections of two guests whose first bytes are held until the server names in them are judged
 *
 * A connection by name begins if the guest was given its address for a name that is allowed, and that still holds. Its
 * bytes, in any pieces, go on, all of them, if each name in them is allowed and led there; else none of them does, at
 * once, or as late as their time is over. From then on, it lives by the name that it sent: known.h has the table.
 *
 * Input: settings (S_*, one byte), then steps. The lowest four bits of a step's first byte are enum op, the others a
 * number: of a guest (the highest), a connection, a time. All is big-endian, and 0 behind the end of the input.
 */
/* LINK: test/sim/hellos.o test/sim/pools.o */
/* LDFLAGS: -Wl,--wrap=nl_route_type,--wrap=tcp_write,--wrap=tcp_abort,--wrap=siphash,--wrap=getentropy */
#include <linux/rtnetlink.h>

#include "../../ask.h"
#include "../../egress.h"
#include "../../hello.h"
#include "../../tcp_buf.h"
#include "../../tcp_conn.h"
#include "../sim/hellos.h"
#include "../sim/pools.h"
#include "known.h"

#define GUESTS		2
#define STEPS		400
#define CONNS		8
#define HELD		(2 * HELLO_MAX)

enum { S_RULES = 3, S_LOG = 16 };
enum op { DO_CONNECT, DO_BYTES, DO_END, DO_TIME, DO_GRANT, DO_LIVE, DO_GONE, DO_STASH, DO_COUNT };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_nl_route_type(struct nl *nl, const struct addr *a);
void __wrap_tcp_write(struct tcp *t);
void __wrap_tcp_abort(struct ctx *cx, struct flow *f, bool tell);

static struct conf cf;

/* ---- connections ---- */

static struct conn {
	struct flow	*f;		/* NULL: none */
	struct known	*lives;		/* by that name, or NULL */
	bool		odd;		/* its address may be the host's: the reference doesn't know */
	bool		written, aborted, fin;
	uint64_t	first;		/* ms: first byte held, 0: none */
	uint8_t		b[HELD], ahead[HELLOS_MAX + 600];
	size_t		n, nahead, at;	/* bytes that came; that are to come, and how many of these did */
} conn[CONNS];

static struct conn *conn_of(const struct flow *f)
{
	struct conn *cn = conn;

	while (cn->f != f)
		CHECK(++cn < conn + CONNS);
	return cn;
}

static void lives_by(struct conn *cn, struct known *k)
{
	if (cn->lives)
		cn->lives->flows--;
	cn->lives = k;
	if (k)
		k->flows++;
}

static bool conn_end(struct ctx *cx, struct flow *f)
{
	struct conn *cn = conn_of(f);

	lives_by(cn, NULL);
	cn->f = NULL;
	stash_free(&f->tcp);
	flow_end(&cx->flows, f);
	return true;
}

static const struct flow_ops conn_flow = { .type = FLOW_TCP, .fds = 1, .end = conn_end };

void __wrap_tcp_write(struct tcp *t)
{
	struct conn *cn = conn_of(container_of(t, struct flow, tcp));
	struct iovec iov[8];
	uint32_t len;
	unsigned n = stash_iov(t, iov, ARRAY_SIZE(iov), &len);
	size_t at = 0;

	CHECK(!(t->flags & TCPF_HELD) && len == cn->n);
	for (unsigned i = 0; i < n; at += iov[i++].iov_len)
		CHECK(!memcmp(cn->b + at, iov[i].iov_base, iov[i].iov_len));
	cn->written = true;
}

void __wrap_tcp_abort(struct ctx *cx, struct flow *f, bool tell)
{
	CHECK(tell);
	conn_of(f)->aborted = true;
	conn_end(cx, f);
}

int __wrap_nl_route_type(struct nl *nl, const struct addr *a)
{
	static const int types[] = { RTN_LOCAL, RTN_BROADCAST, RTN_UNREACHABLE };

	(void)nl;
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		const struct addr odd = addr_of(10 + i);

		if (addr_eq(a, &odd))
			return types[i];
	}
	return RTN_UNICAST;
}

/* The best verdict on names that hold for an address */
static enum verdict best_verdict(unsigned guest, const struct addr *a)
{
	enum verdict best = DENY;

	for (unsigned i = *bucket_of(guest, a); i; i = known[i - 1].next) {
		const struct known *k = &known[i - 1];
		enum verdict v = verdict_of(k->name);

		if (k->guest == guest && addr_eq(&k->a, a) && known_holds(k) && v != DENY && best != ALLOW)
			best = v;
	}
	return best;
}

/* Begins as in tcp_open() */
static void op_connect(struct guest *g, unsigned n)
{
	static const uint16_t ports[] = { 443, 80, 8443, 8080, 22 };
	struct conn *cn = &conn[n % CONNS];
	uint8_t nr = (uint8_t)take(1);
	struct end to = { addr_of(nr), ports[take(1) % ARRAY_SIZE(ports)] };
	struct known *k = NULL;
	struct decision d;
	enum drop why;

	if (cn->f)
		conn_end(&c, cn->f);
	flow_bury(&c.flows);
	why = egress_judge(&c, g, IPPROTO_TCP, &to, &d);
	if (rules_now == NAMES && nr >= ROUTED) {	/* nothing else allows it */
		CHECK(d.verdict == best_verdict(g->index, &to.a) && (d.verdict == DENY || d.grant));
		CHECK(d.verdict == DENY || d.by == BY_NAME);
	}
	if (why && d.verdict != ASK)			/* the user said yes */
		return;
	if (d.grant) {
		k = known_find(g->index, &to.a, names_text(d.grant));
		CHECK(k && known_holds(k) && verdict_of(k->name) == d.verdict);
	}
	cn->f = flow_alloc(&c.flows, &conn_flow, g->index, c.now);
	cn->odd = nr < ROUTED && rules_now != EXCEPT;
	cn->written = cn->aborted = cn->fin = false;
	cn->first = cn->n = cn->nahead = cn->at = 0;
	cn->f->side[HOST].peer = to;
	cn->f->tcp = (struct tcp){ .sock = -1, .state = TCP_ESTABLISHED, .guest = g->index };
	flow_decided(&c.flows, cn->f, &d);
	lives_by(cn, k);
	tcp_hold(cn->f);
	CHECK(!(cn->f->tcp.flags & TCPF_HELD) == (d.by == BY_ADDRESS || to.port == 22));
	if (!(cn->f->tcp.flags & TCPF_HELD) || !tcp_hold_begin(&cn->f->tcp))
		conn_end(&c, cn->f);
}

/* Is a server name allowed on @f? */
static bool sent_allowed(const struct flow *f, const char *name)
{
	const struct known *k = known_find(f->guest, &f->side[HOST].peer.a, name);
	enum verdict v = verdict_of(name);

	if (f->decision.by != BY_NAME)
		return v != DENY;
	if (!k || !known_holds(k))
		return false;
	return v == ALLOW || (v == ASK && k == conn_of(f)->lives);
}

/* What is to become of the bytes so far. A part of what is malformed may wait: that may be found later. */
enum fate { FATE_WAITS, FATE_ON, FATE_REFUSED, FATE_MALFORMED };

/* @name: filled in with the last name, or an empty text */
static enum fate fate_of(const struct conn *cn, char name[static HELLO_NAME])
{
	enum hello_proto proto = cn->f->side[HOST].peer.port % 1000 == 443 ? HELLO_TLS : HELLO_HTTP;
	bool by_name = cn->f->decision.by == BY_NAME, named = !by_name;
	enum hello_kind kind;
	struct hello h;
	uint16_t at = 0;

	*name = '\0';
	switch (cn->n ? hello_read(proto, cn->b, MIN(cn->n, HELLO_MAX), &at, &h) : HELLO_MORE) {
	case HELLO_MORE:
		return cn->fin ? FATE_REFUSED : FATE_WAITS;
	case HELLO_OTHER:
		return by_name ? FATE_REFUSED : FATE_ON;
	case HELLO_BAD:
		return FATE_MALFORMED;
	case HELLO_WHOLE:
		break;
	}
	while ((kind = hello_name(&h, name))) {
		if (kind == HELLO_NAME_BAD || (kind == HELLO_NAME_ADDRESS && by_name) ||
		    (kind == HELLO_NAME_GOOD && !sent_allowed(cn->f, name)))
			return FATE_REFUSED;
		named |= kind == HELLO_NAME_GOOD;
		if (kind != HELLO_NAME_GOOD)
			*name = '\0';
	}
	return named ? FATE_ON : FATE_REFUSED;
}

/* It waits, goes on, or has ended */
static void check_fate(struct conn *cn, enum fate fate, const char *name)
{
	uint64_t due;

	if (cn->aborted) {
		CHECK(!cn->f && (cn->odd || fate == FATE_REFUSED || fate == FATE_MALFORMED));
		return;
	}
	if (cn->written) {
		struct known *k = known_find(cn->f->guest, &cn->f->side[HOST].peer.a, name);

		CHECK(cn->odd || fate == FATE_ON);
		if (cn->f->decision.grant)
			CHECK(!strcmp(names_text(cn->f->decision.grant), *name ? name : cn->lives->name));
		if (*name)
			lives_by(cn, k && known_holds(k) ? k : NULL);
		known_check(0);
		conn_end(&c, cn->f);
		return;
	}
	CHECK(cn->f->tcp.flags & TCPF_HELD && (fate == FATE_WAITS || (fate == FATE_MALFORMED && !cn->fin)));
	due = tcp_hold_due(&c, &cn->f->tcp);
	CHECK(cn->first ? due + 1 >= MAX(c.now, cn->first + 10000) && due <= MAX(c.now, cn->first + 10001) :
			  due == UINT64_MAX);
}

/* More of the guest's bytes, or its end: as in tcp_input() */
static void conn_come(struct conn *cn, size_t n)
{
	struct iovec iov = { cn->ahead + cn->at, MIN(MIN(n, cn->nahead - cn->at), HELD - cn->n) };
	char name[HELLO_NAME];
	enum fate fate;
	bool alive;

	memcpy(cn->b + cn->n, iov.iov_base, iov.iov_len);
	CHECK(stash_add(&cn->f->tcp, &iov, 1, 0, (uint32_t)iov.iov_len) == iov.iov_len);
	cn->n += iov.iov_len;
	cn->at += iov.iov_len;
	if (cn->n && !cn->first)
		cn->first = c.now;
	cn->f->tcp.state = cn->fin ? TCP_CLOSE_WAIT : TCP_ESTABLISHED;
	CHECK(tcp_hold_offer(&cn->f->tcp) == (cn->n < HELLO_MAX ? HELLO_MAX - cn->n : 0));
	fate = fate_of(cn, name);
	alive = tcp_hold_read(&c, cn->f);
	CHECK(alive == !cn->aborted);
	check_fate(cn, fate, name);
	flow_bury(&c.flows);
}

static void op_bytes(unsigned n)
{
	struct conn *cn = &conn[n % CONNS];
	uint8_t how = (uint8_t)take(1);
	char names[2 * DNS_NAME_LEN + 2];
	size_t more = take(2);

	if (!cn->f)
		return;
	if (how & 3) {
		const char *first = name_take(), *second = how & 4 ? name_take() : NULL;

		cn->at = cn->nahead = 0;
		first = how & 8 ? "-" : how & 16 ? "192.0.2.1" : first;
		snprintf(names, sizeof(names), "%s%s%s", first, second ? "," : "", second ? second : "");
		if ((how & 3) == 3)
			for (unsigned k = take(1) % 64; k; k--)
				cn->ahead[cn->nahead++] = (uint8_t)take(1);
		else
			cn->nahead = (how & 3) == 1 ? hello_make(cn->ahead, names, take(2) % 17000) :
						     request_make(cn->ahead, names, take(2) % 17000);
		if (how & 32 && cn->nahead) {
			size_t at = take(2) % cn->nahead;

			cn->ahead[at] ^= (uint8_t)take(1);
		}
	}
	cn->fin |= how & 64;
	conn_come(cn, how & 128 ? SIZE_MAX : more);
}

/* ---- other steps ---- */

static void op_time(unsigned n)
{
	static const uint64_t ms[] = {
		1, 500, 5000, 9998, 9999, 10000, 10001, 30000, 59999, 60000, 60001, 3600000, 86400000, 7 * 86400000ULL,
		100, 50,
	};

	c.now += ms[n];
	for (struct conn *cn = conn; cn < conn + CONNS; cn++) {
		if (!cn->f || tcp_hold_due(&c, &cn->f->tcp) > c.now) {
			CHECK(!cn->f || !cn->first || c.now <= cn->first + 10001);
			continue;
		}
		CHECK(cn->first && cn->first + 9999 <= c.now);
		tcp_hold_late(&c, cn->f);
		CHECK(cn->aborted && !cn->f);
	}
	flow_bury(&c.flows);
}

/* Its link is gone: attach.c */
static void guest_gone(struct guest *g)
{
	for (struct conn *cn = conn; cn < conn + CONNS; cn++)
		if (cn->f && cn->f->guest == g->index)
			conn_end(&c, cn->f);
	flow_bury(&c.flows);
	known_forget(g);
}

static void step(unsigned nr)
{
	uint8_t first = (uint8_t)take(1);
	unsigned n = first >> 4;
	struct guest *g = &c.guest[n >> 3];

	switch ((enum op)((first & 15) % DO_COUNT)) {
	case DO_CONNECT:
		op_connect(g, n);
		break;
	case DO_BYTES:
		op_bytes(n);
		break;
	case DO_END:
		if (conn[n % CONNS].f)
			conn_end(&c, conn[n % CONNS].f);
		flow_bury(&c.flows);
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
	case DO_GONE:
		guest_gone(g);
		break;
	case DO_STASH:
		if (!c.flows.used)		/* none of it is promised */
			pools_stash(n & 1);
		break;
	case DO_COUNT:
		break;
	}
	known_check(nr);
}

static void begin(uint8_t set)
{
	memset(c.guest, 0, GUESTS * sizeof(c.guest[0]));
	cf = (struct conf){ .mode = MODE_PASST, .guests = GUESTS };
	c.net = (struct net){ .cf = &cf };
	for (enum family f = V4; f < FAMILIES; f++) {
		c.net.ip[f] = (struct net_ip){ .on = true, .dns_host = addr_any(f) };
		c.net.ip[f].guest.addr = f == V4 ? addr_of(9) : (struct addr){ .b = { 0x26, 9, [15] = 1 } };
	}
	c.now = 1000000;
	flows_init(&c.flows);
	flow_log_init(&c);
	c.flow_log.on = set & S_LOG;
	c.egress.nl.fd = -1;
	guest_init(&c);
	c.guests = GUESTS;
	ask_start(&c);
	egress_set(&c, rules_of((enum rules_word)(set & S_RULES)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	log_level = LOG_EMERG;
	in = data;
	in_left = size;
	begin((uint8_t)take(1));
	for (unsigned i = 0; in_left && i < STEPS; i++)
		step(i);
	for (unsigned i = 0; i < GUESTS; i++)
		guest_gone(&c.guest[i]);
	pools_stash(false);
	known_clear();
	CHECK(!c.flows.used && !pools_used());
	return 0;
}
