/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ask.c - ask rules: questions, packets that wait for an answer, and answers that hold
 *
 * Tables are searched from one end to the other, once for a packet that begins a flow, or would: they are small, and
 * such packets are few, or the guest's own loss.
 */
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "log.h"

const char *const ask_word_name[ASK_WORDS] = { "once", "always", "never" };

/* Of a packet. The last three are to be judged again: its question was answered, or is none any more */
enum { PACKET_FREE, PACKET_WAITS, PACKET_ALLOWED, PACKET_REFUSED, PACKET_AGAIN };

/* First packet of a flow */
struct ask_packet {
	uint8_t		state;
	uint8_t		proto;		/* of IP */
	uint8_t		question;	/* index of the one it waits for */
	uint8_t		queue;		/* of the link */
	uint16_t	len;		/* of its frame */
	struct end	src, dst;	/* as the guest wrote them; of echo, the identifier is @src's port */
	struct end	to;		/* place that the question is about, */
	char		name[ASK_NAME];	/* and its name */
	struct offload	off;
};

struct asks {
	bool		used;		/* ever since it was cleared: else its pages are not touched */
	unsigned	npackets;	/* in use */
	unsigned	judged;		/* index of the packet that is judged again, + 1 */
	unsigned	oldest;		/* index of an answer */
	struct ask_question question[ASK_QUESTIONS];
	struct ask_packet packet[ASK_PACKETS];
	struct ask_known known[ASK_KNOWN];
	uint8_t		frame[ASK_PACKETS][ASK_ROOM];
};

static struct asks tables[GUEST_MAX];
static_assert(ASK_QUESTIONS <= UINT8_MAX, "a packet has the index of its question");

/* Without the frames, which are written before they are read */
static void tables_clear(struct asks *a)
{
	if (a->used)
		memset(a, 0, offsetof(struct asks, frame));
}

void ask_start(struct ctx *c)
{
	c->ask.last = 0;
	c->ask.news.kind = TIMER_ASKED;
	for (unsigned i = 0; i < c->guests; i++) {
		tables_clear(&tables[i]);
		c->guest[i].asks = &tables[i];
	}
}

static bool place_eq(const struct ask_place *a, const struct ask_place *b)
{
	return a->proto == b->proto && end_eq(&a->to, &b->to) && !strcmp(a->name, b->name);
}

/* ---- packets ---- */

static struct end src_of(const struct pkt *p)
{
	bool echo = p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6;

	return (struct end){ p->src.a, echo ? p->icmp.id : p->src.port };
}

static struct ask_packet *packet_find(struct asks *a, const struct pkt *p)
{
	const struct end src = src_of(p);

	for (struct ask_packet *w = a->packet; a->npackets && w < a->packet + ASK_PACKETS; w++) {
		if (w->state != PACKET_FREE && w->proto == p->proto && end_eq(&w->src, &src) &&
		    end_eq(&w->dst, &p->dst))
			return w;
	}
	return NULL;
}

static struct ask_packet *packet_new(struct asks *a)
{
	for (struct ask_packet *w = a->packet; a->npackets < ASK_PACKETS; w++) {
		if (w->state != PACKET_FREE)
			continue;
		a->npackets++;
		return w;
	}
	return NULL;
}

static void packet_free(struct asks *a, struct ask_packet *w)
{
	w->state = PACKET_FREE;
	a->npackets--;
}

/* Copies @p to @w: false if it is too large */
static bool packet_copy(struct asks *a, struct ask_packet *w, const struct pkt *p)
{
	uint8_t *frame = a->frame[w - a->packet];

	if (p->ip.len > ASK_ROOM - ETH_HLEN)
		return false;
	put_eth(frame + ETH_HLEN, &p->dmac, &p->smac, p->ethertype);
	view_copy(&p->ip, 0, frame + ETH_HLEN, p->ip.len);
	w->len = (uint16_t)(ETH_HLEN + p->ip.len);
	w->off = p->off;
	w->off.full = false;			/* its checksum was right */
	return true;
}

bool ask_waits(const struct guest *g, const struct pkt *p)
{
	struct asks *a = g->asks;
	struct ask_packet *w = a ? packet_find(a, p) : NULL;

	if (w && p->tcp.flags & TCP_RST)
		packet_free(a, w);
	return w;
}

size_t ask_next(const struct guest *g, uint8_t frame[static ASK_ROOM], struct raw *raw)
{
	struct asks *a = g->asks;
	struct ask_packet *last = a && a->judged ? &a->packet[a->judged - 1] : NULL;

	if (last && last->state > PACKET_WAITS)	/* it may wait again, for another question */
		packet_free(a, last);
	for (unsigned i = a && a->npackets ? a->judged : ASK_PACKETS; i < ASK_PACKETS; i++) {
		const struct ask_packet *w = &a->packet[i];

		if (w->state <= PACKET_WAITS)
			continue;
		a->judged = i + 1;
		memcpy(frame, a->frame[i], w->len);
		raw->len = w->len;
		raw->off = w->off;
		raw->queue = w->queue;
		return w->len;
	}
	if (a)
		a->judged = 0;
	return 0;
}

/* ---- questions ---- */

static struct ask_question *question_find(struct asks *a, const struct ask_place *place)
{
	for (struct ask_question *q = a->question; q < a->question + ASK_QUESTIONS; q++) {
		if (q->id && place_eq(&q->place, place))
			return q;
	}
	return NULL;
}

static void question_log(struct ctx *c, const struct guest *g, const struct ask_question *q)
{
	flow_log_verdict(c, &(struct flow_note){
		.event = FLOW_ASK, .dir = FLOW_OUT, .proto = q->place.proto, .g = g, .id = c->flows.id,
		.to = &q->place.to, .name = q->place.name[0] ? q->place.name : NULL, .rule = q->rule,
	});
}

static struct ask_question *question_new(struct ctx *c, const struct guest *g, const struct ask_place *place,
					 const char *rule)
{
	char to[END_STRLEN];

	for (struct ask_question *q = g->asks->question; q < g->asks->question + ASK_QUESTIONS; q++) {
		if (q->id)
			continue;
		g->asks->used = true;
		*q = (struct ask_question){
			.id = ++c->ask.last, .place = *place, .rule = rule, .guest = g->index,
			.timer.kind = TIMER_ASK,
		};
		timer_set(&c->wheel, &q->timer, c->now + 1000ULL * c->net.cf->ask_timeout);
		timer_set(&c->wheel, &c->ask.news, c->now);
		if (c->flow_log.on)
			question_log(c, g, q);
		log_limited(LOG_INFO, "%s to %s waits for an answer: pesto --ask", proto_text(place->proto),
			    end_fmt(&place->to, to));
		return q;
	}
	return NULL;
}

/* Packets that wait for it are to be judged again */
static void question_end(struct ctx *c, struct ask_question *q, uint8_t state)
{
	struct asks *a = c->guest[q->guest].asks;

	for (struct ask_packet *w = a->packet; w < a->packet + ASK_PACKETS; w++) {
		if (w->state == PACKET_WAITS && &a->question[w->question] == q)
			w->state = state;
	}
	timer_clear(&c->wheel, &q->timer);
	q->id = 0;
}

void ask_timeout(struct ctx *c, struct timer *t)
{
	question_end(c, container_of(t, struct ask_question, timer), PACKET_REFUSED);
}

static struct ask_known *known_find(struct asks *a, const struct ask_place *place)
{
	for (struct ask_known *k = a->known; k < a->known + ASK_KNOWN; k++) {
		if (k->id && place_eq(&k->place, place))
			return k;
	}
	return NULL;
}

bool ask_answer(struct ctx *c, uint64_t id, enum ask_word word)
{
	const struct ask_question *found = ask_after(c, id - 1);
	struct ask_question *q;
	struct asks *a;

	if (!id || !found || found->id != id)
		return false;
	a = c->guest[found->guest].asks;
	q = &a->question[found - a->question];
	if (word != ASK_ONCE) {
		a->known[a->oldest] = (struct ask_known){ .id = id, .place = q->place, .word = word };
		a->oldest = (a->oldest + 1) % ASK_KNOWN;
	}
	question_end(c, q, word == ASK_NEVER ? PACKET_REFUSED : PACKET_ALLOWED);
	return true;
}

void ask_renew(struct ctx *c)
{
	for (struct asks *a = tables; a < tables + c->guests; a++) {
		if (!a->used)
			continue;
		for (struct ask_question *q = a->question; q < a->question + ASK_QUESTIONS; q++)
			if (q->id)
				question_end(c, q, PACKET_AGAIN);
		memset(a->known, 0, sizeof(a->known));
	}
}

void ask_forget(struct ctx *c, const struct guest *g)
{
	struct asks *a = g->asks;

	if (!a)
		return;
	for (unsigned i = 0; a->used && i < ASK_QUESTIONS; i++)
		timer_clear(&c->wheel, &a->question[i].timer);
	tables_clear(a);
}

/* ---- verdicts ---- */

/* @p begins a flow, or would if it didn't wait already as @w (NULL: it doesn't): it waits for @q */
static enum drop packet_wait(const struct guest *g, const struct ask_question *q, struct ask_packet *w,
			     const struct pkt *p)
{
	struct asks *a = g->asks;
	bool first = !w;

	w = first ? packet_new(a) : w;
	if (!w)
		return DROP_POLICY;
	w->state = PACKET_WAITS;
	w->question = (uint8_t)(q - a->question);
	w->proto = p->proto;
	w->queue = g->tap.pair;
	w->src = src_of(p);
	w->dst = p->dst;
	w->to = q->place.to;
	memcpy(w->name, q->place.name, sizeof(w->name));
	if (packet_copy(a, w, p))
		return DROP_WAITS;
	if (first)
		packet_free(a, w);
	return DROP_ASK;
}

enum drop ask_judge(struct ctx *c, const struct guest *g, uint8_t proto, const struct end *to, const char *name,
		    const struct pkt *p, const char *rule)
{
	struct ask_place place = { .to = *to, .proto = proto };
	struct ask_packet *w = p ? packet_find(g->asks, p) : NULL;
	const struct ask_known *known;
	struct ask_question *q;

	snprintf(place.name, sizeof(place.name), "%s", name ? name : "");
	if (w && w->state == PACKET_REFUSED && end_eq(&w->to, to))
		return DROP_POLICY;
	if (w && w->state == PACKET_ALLOWED && end_eq(&w->to, to) && !strcmp(w->name, place.name))
		return DROP_NONE;
	known = known_find(g->asks, &place);
	if (known)
		return known->word == ASK_ALWAYS ? DROP_NONE : DROP_POLICY;
	if (!p)
		return DROP_POLICY;
	if (w && w->state == PACKET_WAITS && end_eq(&w->to, to))	/* of TCP the last one counts, else the first */
		return proto == IPPROTO_TCP && packet_copy(g->asks, w, p) ? DROP_WAITS : DROP_ASK;
	q = question_find(g->asks, &place);
	q = q ? q : question_new(c, g, &place, rule);
	return q ? packet_wait(g, q, w, p) : DROP_POLICY;
}

/* ---- lists ---- */

const struct ask_question *ask_after(const struct ctx *c, uint64_t id)
{
	const struct ask_question *next = NULL;

	for (const struct asks *a = tables; a < tables + c->guests; a++) {
		for (const struct ask_question *q = a->question; a->used && q < a->question + ASK_QUESTIONS; q++)
			if (q->id > id && (!next || q->id < next->id))
				next = q;
	}
	return next;
}

const struct ask_known *ask_known_after(const struct ctx *c, uint64_t id)
{
	const struct ask_known *next = NULL;

	for (const struct asks *a = tables; a < tables + c->guests; a++) {
		for (const struct ask_known *k = a->known; a->used && k < a->known + ASK_KNOWN; k++)
			if (k->id > id && (!next || k->id < next->id))
				next = k;
	}
	return next;
}
