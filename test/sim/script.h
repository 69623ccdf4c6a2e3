/* SPDX-License-Identifier: GPL-2.0-or-later */
/* script.h - packet scripts: one step a line
 *
 *	TIME guest > SEGMENT [by N] [ignored]	the guest sends; N: cut into segments of that size
 *	TIME guest < SEGMENT [by N]		we send, nothing else and at no other time
 *	TIME guest < bytes A:B [ack N]		data, however it is cut, PSH at its end
 *	TIME guest < acks			any number of ACKs with nothing else; +0~T: for so long
 *	TIME guest > too-big MTU SEQ|udp [astray]	ICMP error that quotes our segment, or a datagram;
 *						not sent to its source
 *	TIME guest < nothing
 *	TIME guest > udp N [KEY VALUE]...	and other steps of datagrams: see forms[] in dgrams.c
 *	TIME host WHAT				the socket's side: see script_ops[] in script.c
 *	TIME flow WHAT | link WHAT | conn N [new] [to ADDR:PORT]
 *	TIME counter NAME N			value of one in counters.c
 *	set NAME [VALUE]			mtu N, only v4, only v6, no-faults, meminfo, peek, no-peek, outward,
 *						no-icmp, no-udp, no-stash, sockets N, gap-blocks N, routed; allow RULE,
 *						deny RULE, ask RULE, egress WORD (its addresses are not replaced);
 *						grant NAME of 192.0.2.1 to the guest; hello NAMES [LEN], request
 *						NAMES [LEN]: its first bytes of each connection, hellos.h
 *	use active | use passive | use sack	connection opened by the guest, or from the host: MSS 1000, scale 7;
 *						by a guest with SACK. A round trip takes 1/3 s, and so a timeout 1 s
 *
 * TIME: +S seconds after the step before; +S~T for a segment that may come in between; * for one that may take a day.
 * SEGMENT: FLAGS A:B(LEN) [ack N] [win N] [<OPTION,OPTION>], numbers relative to both sides' initial ones, * for any.
 * OPTION: mss N, wscale N, sackOK, ts VALUE:ECHO, sack A:B [A:B]..., or "no" and a name. The guest's timestamps are as
 * on the wire, ours relative to our SYN's. Expected segments may have options that are not mentioned.
 * What the guest and the host do at the same time is in one batch, or one event.
 *
 * IPv4 addresses stand for IPv6 ones when the script runs as IPv6.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "../../addr.h"

#define STEPS_MAX	400
#define ANY		INT64_MIN	/* * in a script */
#define ABSENT		(INT64_MIN + 1)	/* not mentioned */

enum op {
	OP_SEND, OP_EXPECT, OP_EXPECT_BYTES, OP_NOTHING, OP_ACKS, OP_TOO_BIG, OP_DGRAM,
	OP_CONNECT, OP_WRITABLE, OP_ERROR, OP_DATA,
	OP_URGENT, OP_EOF, OP_ROOM, OP_TOLD, OP_GOT, OP_SHUTDOWN, OP_NO_SHUTDOWN,
	OP_CLOSED, OP_RESET, OP_OPEN, OP_ACCEPT, OP_FAIL, OP_UNREAD,
	OP_UP, OP_LINK, OP_GONE, OP_STATE, OP_COUNT, OP_SLEEP, OP_WAKEUPS, OP_CONN, OP_COUNTER,
	OP_ANSWER, OP_QUESTIONS, OP_RULES, OP_NOW,
};

/* Steps of datagrams: forms[] in dgrams.c */
enum dgram_op {
	DG_SEND, DG_EXPECT, DG_PING, DG_PONG, DG_ICMP, DG_HOST, DG_GOT, DG_CLIENT, DG_ERROR, DG_BROKEN, DG_UNREAD,
	DG_REPLY, DG_GOT_ECHO, DG_ECHO_ERROR, DG_ECHO_CLOSED, DG_FAR, DG_FAR_GOT, DG_FAR_ERROR, DG_FAR_SOCKS, DG_CHILD,
	DG_CHILD_GOT, DG_CALLS, DG_FRAMES,
};

struct spec {
	int64_t		flags, seq, end, len, ack, win, mss, wscale;
	int64_t		sack_ok, ts, tsval, tsecr, sacks;	/* @sack_ok, @ts: 0 or 1 */
	struct {
		int64_t	from, to;
	} sack[4];
	uint32_t	by;		/* 0: as it comes */
	bool		ignored;	/* not in order or not in the window: nobody has to take it */
};

struct step {
	unsigned	line;
	char		text[160];
	enum op		op;
	uint64_t	at, until;	/* ns after the step before */
	struct spec	spec;
	int64_t		n, m;
	struct end	end;
	bool		has_end, flag;
	char		word[32];
	enum dgram_op	dgram;
	int64_t		gso, ttl, tos, mtu, ifindex, single;
	struct end	to;
	bool		has_to;
};

struct script {
	char		name[128];
	char		title[160];	/* first comment */
	struct step	step[STEPS_MAX];
	unsigned	n;
	uint32_t	mtu;
	bool		only4, only6, no_faults;
	bool		meminfo;		/* only on kernels with SO_MEMINFO */
	bool		peek, no_peek;		/* only on kernels with, or without, SO_PEEK_OFF for TCP */
	bool		outward;		/* UDP is forwarded out of the namespace, not into it */
	bool		no_icmp, no_udp;
	bool		routed;			/* TCP is of a host behind the guest */
	uint32_t	sockets_max;		/* of the guest's */
	char		policy[256];		/* rules for what the guest begins, a line each */
	char		grants[128];		/* names granted to the guest for 192.0.2.1, a line each */
	char		hello[128];		/* names in its first bytes; empty: those are as any */
	uint32_t	hello_len;		/* bytes of that; 0: as many as it takes */
	bool		request;		/* HTTP, not TLS */
	uint32_t	gap_blocks;		/* for queues behind gaps, 0: as usual */
	bool		no_recover;		/* no flow has state for lost segments */
	bool		no_stash;		/* all of it is promised */
};

/* false, with a message on standard output, if the file can't be read or makes no sense */
bool script_read(struct script *s, const char *path);

int err_number(const char *name);
bool script_number(const char *s, int64_t *v);
bool script_end(struct end *e, const char *s);

/* dgrams.c: a step of @n words */
bool dgram_parse(struct step *t, char *const *w, unsigned n);

#endif /* SCRIPT_H */
