/* SPDX-License-Identifier: GPL-2.0-or-later */
/* company.c - what other guests do while a script is about one of them; they have its address
 *
 * NONE: nothing. ACTIVE, PASSIVE: connections of the same addresses and ports, datagrams and echo, idle while the
 * script runs. FULL: the link takes nothing, and a flow waits for it. HALF: the first half of a frame is in its
 * stream. PIECES: the first half of a datagram came, and the script's guest sent the second. LEAVES: as ACTIVE,
 * and in the middle of the script the link is lost.
 *
 * In the end, each goes on where it was, and counters and addresses are as they were: nothing of the script's
 * guest came here.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "../../attach.h"
#include "../../event.h"
#include "kernel.h"
#include "run.h"

#define PATIENCE	(10 * SEC)	/* until what waits is given up by others, for good reason */
#define DEAD		(60 * SEC)	/* the same, for TCP on a link that takes nothing */
#define FULL_BYTES	600000		/* as in company/full.pkt */
#define FIRST_HALF	64		/* bytes of UDP */

static struct script begins[COMPANY_KINDS], ends[COMPANY_KINDS], dgrams;
static bool were_read;

/* As it was before the script */
static struct {
	uint64_t	began, drops[DROP_WAITS + 1];
	struct tap_stats stats;
	struct seen	seen;
	struct mac	mac;
} was[SIM_GUESTS];

static bool scripts_read(void)
{
	static const char *const name[COMPANY_KINDS] = {
		[COMPANY_ACTIVE] = "active", [COMPANY_PASSIVE] = "passive", [COMPANY_FULL] = "full",
		[COMPANY_LEAVES] = "active",
	};
	char path[64];

	were_read = script_read(&dgrams, "test/sim/company/dgrams.pkt");
	for (unsigned i = 0; i < COMPANY_KINDS; i++) {
		if (!name[i])
			continue;
		snprintf(path, sizeof(path), "test/sim/company/%s.pkt", name[i]);
		were_read &= script_read(&begins[i], path);
		snprintf(path, sizeof(path), "test/sim/company/%s_end.pkt", name[i]);
		were_read &= i == COMPANY_FULL || script_read(&ends[i], path);
	}
	return were_read;
}

static bool blame(struct run *r, unsigned k, const char *what)
{
	return run_fail(r, "guest %u, in company %u: %s", k, r->v.company[k], what);
}

/* One half of a datagram, that both guests send with the same identification; @first: the one with the UDP header */
static void send_half(struct run *r, bool first)
{
	static uint8_t frame[1024], piece[1024];
	const uint8_t data[2 * FIRST_HALF] = { 1 };
	const struct conn *cn = &r->conn[1];
	const struct wire w = {
		.v6 = r->v.v6, .proto = IPPROTO_UDP, .ttl = 64, .src = cn->guest, .dst = cn->peer,
		.data = data, .len = sizeof(data),
	};
	size_t len = wire_build(frame, &w, false), ip = r->v.v6 ? 40 : 20, hdr = 14 + ip + (r->v.v6 ? 8 : 0);
	size_t at = first ? 0 : FIRST_HALF, n = first ? FIRST_HALF : len - 14 - ip - FIRST_HALF;
	const struct offload off = { 0 };
	uint32_t sum = 0;

	memcpy(piece, frame, 14 + ip);
	piece[11] = (uint8_t)(piece[11] + r->guest);
	memcpy(piece + hdr, frame + 14 + ip + at, n);
	if (r->v.v6) {
		put_be16(piece + 18, (uint16_t)(8 + n));
		piece[20] = IPPROTO_FRAGMENT;
		memset(piece + 54, 0, 8);
		piece[54] = IPPROTO_UDP;
		put_be16(piece + 56, (uint16_t)(at | first));
		put_be32(piece + 58, 77);
	} else {
		put_be16(piece + 16, (uint16_t)(20 + n));
		put_be16(piece + 18, 77);
		put_be16(piece + 20, (uint16_t)(at / 8 | (first ? 0x2000 : 0)));
		put_be16(piece + 24, 0);
		for (unsigned i = 0; i < 20; i += 2)
			sum += get_be16(piece + 14 + i);
		put_be16(piece + 24, (uint16_t)~((sum >> 16) + (sum & 0xffff)));
	}
	tap_sim_push(piece, hdr + n, &off);
}

/* Datagrams that the guest that acts has sent to the host's side */
static unsigned dgrams_sent(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < world.nfs; i++)
		n += world.fs[i].kind == FS_UDP && world.fs[i].by == world.link ? world.fs[i].tx.len : 0;
	return n;
}

static bool settle(struct run *r)
{
	return run_until(r, world.now, false);
}

/* Is the script about descriptors that are used up? Then flows of whoever has the most give way. */
static bool scarce(const struct script *s)
{
	bool fails = false;

	for (unsigned i = 0; i < s->n; i++)
		fails |= s->step[i].op == OP_FAIL && !strcmp(s->step[i].word, "socket");
	return fails;
}

static void open_all(struct run *r, enum company kind)
{
	run_steps(r, &begins[kind]);
	if ((kind == COMPANY_ACTIVE || kind == COMPANY_LEAVES) && !r->cf.no_udp && !r->cf.no_icmp && !scarce(r->s))
		run_steps(r, &dgrams);
}

static void begin(struct run *r, unsigned k)
{
	switch (r->v.company[k]) {
	case COMPANY_ACTIVE: case COMPANY_PASSIVE: case COMPANY_FULL: case COMPANY_LEAVES:
		open_all(r, r->v.company[k]);
		break;
	case COMPANY_HALF:
		guest_tcp(r, &r->conn[1], TCP_SYN, 0, 0, 0, 65535, 1000, 7, 0, false);
		tap_sim_hold(world.link, 30);
		settle(r);
		break;
	case COMPANY_PIECES:
		send_half(r, true);
		settle(r);
		run_as(r, r->v.guest);
		send_half(r, false);
		settle(r);
		if (dgrams_sent())
			blame(r, k, "halves of two guests' datagrams became one");
		break;
	case COMPANY_NONE: case COMPANY_KINDS:
		break;
	}
}

bool company_begin(struct run *r)
{
	if (r->strict && SIM_GUESTS > 1 && !were_read && !scripts_read())
		return run_fail(r, "no scripts of company's");
	for (unsigned k = 0; k < SIM_GUESTS && r->strict; k++) {
		const struct guest *g = &r->c.guest[k];

		if (k == r->v.guest)
			continue;
		run_as(r, k);
		r->t0 = world.now;
		begin(r, k);
		was[k].began = world.now;
		was[k].stats = g->tap.stats;
		was[k].seen = g->seen;
		was[k].mac = g->mac;
		memcpy(was[k].drops, g->drops, sizeof(g->drops));
	}
	run_as(r, r->v.guest);
	r->t0 = world.now;
	return !r->failed;
}

static unsigned flows_of(const struct run *r, unsigned k)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < r->c.flows.unused; i++) {
		const struct flow *f = &r->c.flows.f[i];

		if (f->type == FLOW_UDP_PORT && f->udp.listener != FLOW_NONE)
			continue;
		n += f->type != FLOW_FREE && !f->dead && f->guest == k;
	}
	return n;
}

bool company_sleeps(const struct run *r)
{
	bool sleeps = true;

	for (unsigned k = 0; k < SIM_GUESTS; k++) {
		enum company does = r->v.company[k];

		sleeps &= does == COMPANY_NONE || does == COMPANY_HALF || does == COMPANY_PIECES;
	}
	return sleeps;
}

bool company_middle(struct run *r)
{
	for (unsigned k = 0; k < SIM_GUESTS && r->strict; k++) {
		struct guest *g = &r->c.guest[k];
		unsigned all = r->c.flows.used, mine = flows_of(r, k);

		if (k == r->v.guest || r->v.company[k] != COMPANY_LEAVES)
			continue;
		g->link_error = -ECONNRESET;
		attach_lost(&r->c, g);
		if (flows_of(r, k) || r->c.flows.used != all - mine || g->tap.fd >= 0 || g->sockets)
			return blame(r, k, "its flows did not end with its link, or others did");
	}
	return true;
}

/* The next guest in its place: nothing of the one before is there */
static void rejoin(struct run *r, unsigned k)
{
	const struct caps caps = { .mtu = r->s->mtu };
	struct guest *g = &r->c.guest[k];

	if (guest_heard(g))
		blame(r, k, "what was learned of it is not forgotten");
	tap_sim_attach(&g->tap, &caps);
	g->device = was[k].mac;
	if (ev_add(r->c.epfd, world.link->fs->fd, EV_TAP, k, 0, EPOLLIN))
		blame(r, k, "can't come back");
	for (unsigned i = 1; i < 3; i++) {
		conn_init(r, i, NULL);
		r->conn[i].g_isn += 100000;
	}
	r->cur = 1;
	r->t0 = world.now;
	run_steps(r, &begins[COMPANY_ACTIVE]);
}

/* All bytes arrive once the link takes more, unless that was too late */
static void drain(struct run *r, unsigned k)
{
	struct conn *cn = &r->conn[1];

	tap_sim_room(ROOM_AUTO);
	for (unsigned i = 0; i < PATIENCE / SEC && cn->got != FULL_BYTES + 1; i++) {
		if (!run_until(r, world.now + SEC, true))
			return;
		for (; run_peek(r); run_pop(r))
			;
		if (!cn->reset)
			guest_tcp(r, cn, TCP_ACK, cn->sent, 0, cn->got, 65535, 0, -1, 0, false);
	}
	if (cn->got != FULL_BYTES + 1 && (!cn->reset || world.now - was[k].began < DEAD))
		blame(r, k, "not all bytes arrived after its link was full");
}

static void end(struct run *r, unsigned k)
{
	bool late = world.now - was[k].began > PATIENCE;

	r->t0 = world.now;
	switch (r->v.company[k]) {
	case COMPANY_ACTIVE: case COMPANY_PASSIVE:
		run_steps(r, &ends[r->v.company[k]]);
		break;
	case COMPANY_FULL:
		drain(r, k);
		break;
	case COMPANY_HALF:
		tap_sim_hold(world.link, 0);
		if (settle(r) && !fs_find(FS_TCP, &r->conn[1].peer))
			blame(r, k, "its frame did not come in one piece");
		break;
	case COMPANY_PIECES:
		send_half(r, false);
		if (settle(r) && !late && dgrams_sent() != !r->cf.no_udp)
			blame(r, k, "its datagram did not come in one piece");
		break;
	case COMPANY_LEAVES:
		rejoin(r, k);
		break;
	case COMPANY_NONE: case COMPANY_KINDS:
		break;
	}
}

bool company_end(struct run *r)
{
	for (unsigned k = 0; k < SIM_GUESTS && r->strict; k++) {
		const struct guest *g = &r->c.guest[k];
		bool there = r->v.company[k] != COMPANY_LEAVES;

		if (k == r->v.guest)
			continue;
		run_as(r, k);
		if (there && (memcmp(was[k].drops, g->drops, sizeof(g->drops)) ||
			      was[k].stats.rx_frames != g->tap.stats.rx_frames))
			blame(r, k, "frames or drops of another guest are counted as its own");
		if (there && (memcmp(&was[k].seen, &g->seen, sizeof(g->seen)) || !mac_eq(&was[k].mac, &g->mac)))
			blame(r, k, "addresses of another guest were learned");
		end(r, k);
	}
	run_as(r, r->v.guest);
	return !r->failed;
}

/* Nothing may come but keep-alive probes, which are answered, and after the end */
bool company_frames(struct run *r, unsigned k)
{
	unsigned self = r->guest;

	run_as(r, k);
	while (world.link->out_len) {
		struct conn *cn;
		struct wire *w;

		if (r->over) {
			tap_sim_drop(world.link);
			continue;
		}
		if (!run_frame(r))
			break;
		r->others = true;
		if (r->carry || !run_peek(r))
			continue;
		w = run_peek(r);
		cn = conn_of(r, w);
		if (k == r->v.guest) {		/* time passes while others end: its flows may be at anything */
			run_pop(r);
			continue;
		}
		if (w->proto != IPPROTO_TCP || w->flags != TCP_ACK || w->len > 1 || w->seq - cn->o_isn + 1 != cn->got) {
			blame(r, k, wire_text(r, w));
			break;
		}
		run_pop(r);
		guest_tcp(r, cn, TCP_ACK, cn->sent, 0, cn->got, 512, 0, -1, 0, false);
		was[k].stats.rx_frames++;
	}
	run_as(r, self);
	return !r->failed;
}
