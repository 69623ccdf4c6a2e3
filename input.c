/* SPDX-License-Identifier: GPL-2.0-or-later */
/* input.c - a batch from the guest goes to responders and flows; the only demultiplexer
 *
 * Packets of one flow are chained, and the flow gets the chain once the batch is sorted: its segments become one system
 * call, however they are mixed with those of other flows.
 */
#include <errno.h>
#include <string.h>

#include "answer.h"
#include "ask.h"
#include "attach.h"
#include "frag.h"
#include "icmp.h"
#include "input.h"
#include "ping.h"
#include "tcp.h"
#include "udp.h"

#define SMALL		1500		/* bytes of payload */

/* One batch: scratch within a call */
static struct raw input_raw[TAP_BATCH];
static struct pkt input_pkt[TAP_BATCH];
static uint32_t input_flow[TAP_BATCH];		/* flows touched, in order */
static unsigned input_flows;

/* Flow of a packet, opened if need be; NULL if it was dropped, or answered without one */
static struct flow *input_find(struct ctx *c, struct guest *g, const struct pkt *p)
{
	bool tcp = p->proto == IPPROTO_TCP;
	struct flow *f = flow_find_guest(&c->flows, g->index, tcp ? FLOW_TCP : FLOW_UDP, &p->src, &p->dst);

	if (f || !tcp)
		return f ? f : udp_open(c, g, p);
	tcp_open(c, g, p);
	return NULL;
}

/* "Too big": of a packet of ours, which gets smaller if it is TCP's */
static enum drop input_too_big(struct ctx *c, struct guest *g, const struct pkt *p)
{
	struct icmp_size s;
	enum drop why = icmp_too_big(c, g, p, &s);

	return why || s.flow->type != FLOW_TCP ? why : tcp_too_big(c, s.flow, s.seq, s.mtu);
}

/* One packet that is a flow's: chained to it */
static void input_chain_to(struct ctx *c, struct guest *g, uint16_t i)
{
	struct pkt *p = &input_pkt[i];
	struct flow *f;

	if (p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6) {
		ping_input(c, g, p);
		return;
	}
	if (!(f = input_find(c, g, p)))
		return;

	f->queue = g->tap.pair;
	if (f->type == FLOW_UDP)
		c->flows.f[f->udp.port].queue = f->queue;	/* its datagrams are read by the port's */
	p->next = PKT_NEXT_NONE;
	if (f->batch_head == PKT_NEXT_NONE) {
		f->batch_head = i;
		input_flow[input_flows++] = flow_idx(&c->flows, f);
	} else {
		input_pkt[f->batch_tail].next = i;
	}
	f->batch_tail = i;
}

/* One packet: answered, dropped, or a flow's */
static enum drop input_packet(struct ctx *c, struct guest *g, uint16_t i)
{
	const struct pkt *p = &input_pkt[i];
	enum drop why = DROP_NONE;

	if (!guest_learn(c, g, p))
		return DROP_OWNER;
	if (answer_local(c, g, p, &why))
		return why;
	if (icmp_is_too_big(p))
		return input_too_big(c, g, p);
	input_chain_to(c, g, i);
	return DROP_NONE;
}

/* Segments behind the end of their flow are looked up again, one by one: a SYN may reuse the addresses at once */
static void input_leftover(struct ctx *c, struct guest *g, uint16_t i)
{
	while (i != PKT_NEXT_NONE) {
		uint16_t next = input_pkt[i].next;
		struct flow *f = input_find(c, g, &input_pkt[i]);

		if (f) {
			input_pkt[i].next = PKT_NEXT_NONE;
			f->batch_head = f->batch_tail = i;
			if (tcp_input(c, f, input_pkt) == i) {	/* ended that flow, too */
				input_pkt[i].next = next;
				continue;
			}
		}
		i = next;
	}
}

static void input_chain(struct ctx *c, struct guest *g, struct flow *f)
{
	if (f->dead)				/* gave way to a newer one of this batch */
		return;
	g->tap.pair = f->queue;
	if (f->type == FLOW_TCP)
		input_leftover(c, g, tcp_input(c, f, input_pkt));
	else
		udp_input(c, f, input_pkt);
}

/* Flows touched so far get their chains: those of one small packet first, as others may take long */
static void input_flush(struct ctx *c, struct guest *g)
{
	unsigned rest = 0;

	for (unsigned i = 0; i < input_flows; i++) {
		struct flow *f = &c->flows.f[input_flow[i]];

		if (f->batch_head == f->batch_tail && input_pkt[f->batch_tail].data.len < SMALL)
			input_chain(c, g, f);
		else
			input_flow[rest++] = input_flow[i];
	}
	for (unsigned i = 0; i < rest; i++)
		input_chain(c, g, &c->flows.f[input_flow[i]]);
	input_flows = 0;
}

static enum drop input_frame(struct ctx *c, struct guest *g, uint16_t i)
{
	bool whole, full = input_raw[i].off.full, ours = true;
	enum drop why = c->net.cf->lan.on ? lan_input(c, g, &input_raw[i], &ours) : DROP_NONE;

	if (why || !ours)
		return why;
	why = pkt_parse(&input_raw[i], &input_pkt[i]);
	g->tap.pair = input_raw[i].queue;
	if (why)
		return why;
	if (!input_pkt[i].fragment)
		return input_packet(c, g, i);

	why = frag_add(g->frags, &input_pkt[i], c->now, &input_raw[i], &whole);
	if (!whole)
		return why;
	input_raw[i].off.full = full;
	why = pkt_parse(&input_raw[i], &input_pkt[i]);
	if (!why)		/* no fragments in fragments */
		why = input_pkt[i].fragment ? DROP_FRAGMENT : input_packet(c, g, i);
	input_flush(c, g);		/* the datagram is in the pool's memory until the next fragment */
	return why;
}

/* The first frame of a connection. False: the guest has to go. */
static bool input_first(struct ctx *c, struct guest *g, const struct raw *raw)
{
	const struct view v = { raw->iov, raw->cnt, ETH_ALEN, raw->len - MIN(raw->len, ETH_ALEN) };
	struct mac from;

	if (!view_copy(&v, 0, &from, sizeof(from)))
		from = (struct mac){ 0 };
	return attach_first(c, g, &from);
}

int input_ready(struct ctx *c, struct guest *g)
{
	int n = tap_recv(&g->tap, input_raw);

	for (int i = 0; i < n && (!g->fresh || input_first(c, g, &input_raw[i])); i++) {
		enum drop why = input_frame(c, g, (uint16_t)i);

		if (why)
			drop_count(g, why);
	}
	input_flush(c, g);
	lan_settle(c, g, (unsigned)MAX(n, 0));
	tap_recv_done(&g->tap);
	return n < 0 ? n : 0;
}

void input_asked(struct ctx *c)
{
	static uint8_t frame[ASK_ROOM];
	struct iovec iov = { .iov_base = frame };
	struct raw raw = { .iov = &iov, .cnt = 1 };

	for (struct guest *g = c->guest; g < c->guest + GUEST_MAX; g++) {
		while ((iov.iov_len = ask_next(g, frame, &raw))) {
			g->tap.pair = raw.queue;
			if (pkt_parse(&raw, &input_pkt[0]))
				continue;
			input_chain_to(c, g, 0);
			input_flush(c, g);
		}
	}
}
