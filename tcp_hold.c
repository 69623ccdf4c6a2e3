/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp_hold.c - TCP: the guest's first bytes are held until the names in them are judged
 *
 * So it is with a connection that is allowed by a name only, or that a name could forbid, on the ports of TLS and HTTP.
 * It is open on both sides, but nothing passes, until the guest's bytes are a whole ClientHello, or the header of a
 * request (hello.h), or something else. Then either all of them go on as they came, or both sides get RST.
 *
 * Bytes wait in the stash, whose room is promised when the guest gets its SYN,ACK. A window of HELLO_MAX is open until
 * as much is there, as its edge is rounded up: so twice as much may come. Meanwhile the socket counts as full
 * (TCPF_BLOCKED), and as one without news (no TCPF_READABLE).
 */
#include <string.h>

#include "egress.h"
#include "hello.h"
#include "names.h"
#include "tcp_buf.h"
#include "tcp_conn.h"

#define HOLD_TIME	10000U		/* ms, from the first byte on */

_Static_assert(HELLO_MAX == STASH_BLOCK, "the first block is read");

static const struct {
	uint16_t	port;
	uint8_t		proto;		/* enum hello_proto */
} ports[] = { { 443, HELLO_TLS }, { 8443, HELLO_TLS }, { 80, HELLO_HTTP }, { 8080, HELLO_HTTP } };

/* Place in ports[] of the port that is connected to, or the number of places */
static unsigned hold_port(const struct flow *f)
{
	unsigned i = 0;

	while (i < ARRAY_SIZE(ports) && ports[i].port != f->side[HOST].peer.port)
		i++;
	return i;
}

void tcp_hold(struct flow *f)
{
	if (f->decision.by != BY_ADDRESS && hold_port(f) < ARRAY_SIZE(ports))
		f->tcp.flags |= TCPF_HELD | TCPF_BLOCKED;
}

bool tcp_hold_begin(struct tcp *t)
{
	return stash_promise(t, 2 * HELLO_MAX) == 2 * HELLO_MAX;
}

uint32_t tcp_hold_offer(const struct tcp *t)
{
	return HELLO_MAX - MIN(HELLO_MAX, t->stash_len);
}

uint64_t tcp_hold_due(const struct ctx *c, const struct tcp *t)
{
	int32_t left = (int32_t)(t->held_at + HOLD_TIME - (uint32_t)c->now);

	return t->held_at ? c->now + (uint32_t)MAX(left, 0) : UINT64_MAX;
}

static void hold_deny(struct ctx *c, struct flow *f, const char *reason, const char *name)
{
	debug("TCP connection refused by its first bytes: %s%s%s", reason, *name ? ": " : "", name);
	drop_count(flow_guest(c, f), DROP_POLICY);
	names_refused(c, f, name, reason);
	f->bytes[GUEST] = 0;			/* none has got anywhere */
	tcp_abort(c, f, true);
}

/* The name that was sent is the one that the flow lives by from now on */
static void hold_name(struct ctx *c, struct flow *f, const char *name)
{
	struct decision d = f->decision;

	d.grant = names_find(c, flow_guest(c, f), &f->side[HOST].peer.a, name);
	flow_decided(&c->flows, f, &d);
	names_allowed(c, f, name);
}

void tcp_hold_late(struct ctx *c, struct flow *f)
{
	hold_deny(c, f, "no server name in time", "");
}

/* Is a name allowed? A question that was answered was about the name that led here, or about the address. */
static bool hold_allows(struct ctx *c, const struct flow *f, const char *name)
{
	struct decision d = names_judge(c, flow_guest(c, f), POLICY_TCP, &f->side[HOST].peer, name);

	return d.verdict == ALLOW || (d.verdict == ASK && f->decision.verdict == ASK && d.rule == f->decision.rule &&
				      d.grant == f->decision.grant);
}

/* NULL if all names are allowed, and there is one where one has to be; or the reason to refuse it. @name: the last */
static const char *hold_names(struct ctx *c, const struct flow *f, struct hello *h, char *name)
{
	bool named = f->decision.by != BY_NAME;
	enum hello_kind kind;

	while ((kind = hello_name(h, name))) {
		if (kind == HELLO_NAME_BAD || (kind == HELLO_NAME_ADDRESS && f->decision.by == BY_NAME))
			break;
		if (kind == HELLO_NAME_GOOD && !hold_allows(c, f, name))
			return "server name is not allowed";
		if (kind == HELLO_NAME_GOOD)
			named = true;
		else
			*name = '\0';
	}
	if (kind)
		*name = '\0';			/* which may be anything */
	if (kind == HELLO_NAME_BAD)
		return "malformed server name";
	if (kind == HELLO_NAME_ADDRESS)
		return "an address instead of a server name";
	return named ? NULL : "no server name";
}

/* The same of the bytes so far; *@more: they aren't whole */
static const char *hold_judge(struct ctx *c, struct flow *f, bool *more, char *name)
{
	enum hello_proto proto = ports[hold_port(f)].proto;
	struct tcp *t = &f->tcp;
	enum hello_state state = HELLO_MORE;
	struct iovec iov;
	struct hello h;
	uint32_t len;

	if (stash_iov(t, &iov, 1, &len))
		state = hello_read(proto, iov.iov_base, len, &t->hello_at, &h);
	switch (state) {
	case HELLO_MORE:
		*more = true;
		return tcp_in(t, TCPS_GUEST_FIN) ? "the end before a server name" : NULL;
	case HELLO_OTHER:
		if (f->decision.by != BY_NAME)
			return NULL;
		return proto == HELLO_TLS ? "not TLS" : "not HTTP";
	case HELLO_BAD:
		return proto == HELLO_TLS ? "malformed ClientHello" : "malformed HTTP request";
	case HELLO_WHOLE:
		return hold_names(c, f, &h, name);
	}
	return NULL;
}

bool tcp_hold_read(struct ctx *c, struct flow *f)
{
	struct tcp *t = &f->tcp;
	char name[HELLO_NAME] = "";
	bool more = false;
	const char *reason;

	if (!t->held_at && t->stash_len)
		t->held_at = (uint32_t)c->now | 1;	/* 0 is none */
	reason = hold_judge(c, f, &more, name);
	if (reason) {
		hold_deny(c, f, reason, name);
		return false;
	}
	if (!more) {
		if (*name)
			hold_name(c, f, name);
		t->flags &= ~TCPF_HELD;
		t->flags |= TCPF_READABLE;
		tcp_write(t);
	}
	return true;
}
