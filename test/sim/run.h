/* SPDX-License-Identifier: GPL-2.0-or-later */
/* run.h - one run of the program in the simulated world, and what the guest knows of its connections */
#ifndef RUN_H
#define RUN_H

#include "../../ctx.h"
#include "script.h"
#include "wire.h"
#include "world.h"

#define CONNS		64
#define PEND_MAX	65536
#define GUEST_PORT	40000		/* + number of the connection, when the guest opens it */
#define HOST_PORT	79		/* + number: what it connects to */
#define CLIENT_PORT	50000		/* + number: who connects to LISTEN_PORT, and so to the guest's */
#define SERVER_PORT	80

/* What a guest does while a script is about another one, see company.c */
enum company {
	COMPANY_NONE, COMPANY_ACTIVE, COMPANY_PASSIVE, COMPANY_FULL, COMPANY_HALF, COMPANY_PIECES, COMPANY_LEAVES,
	COMPANY_KINDS
};

/* What kind of world a run is in */
struct variant {
	bool		v6, offload, big, wrap;		/* wrap: sequence numbers about to */
	bool		no_peek_off, no_meminfo;	/* kernels without SO_PEEK_OFF for TCP, without SO_MEMINFO */
	uint64_t	fail_at;			/* n-th call fails, 0: none */
	bool		fail_on;			/* and all after it */
	unsigned	guest;				/* whom the script is about, */
	enum company	company[SIM_GUESTS];		/* and what the others do */
};

/* One connection, as the guest sees it. Positions are relative: 0 is the SYN, 1 the first byte. */
struct conn {
	struct end	guest, peer;
	uint32_t	g_isn, o_isn;
	bool		o_known, reset;
	bool		reused;		/* a connection of the same addresses was before: its segments may still come */
	int		g_wscale, o_wscale;	/* -1: not offered */
	bool		g_ts, o_ts, g_sack, o_sack;	/* timestamps, SACK: the same */
	uint32_t	o_tsval;	/* of our SYN */
	uint16_t	mss;
	uint16_t	small;		/* a path's MTU allows no more than that, until: */
	uint64_t	small_until;	/* ns */
	uint32_t	edge;		/* right edge of the guest's window, the farthest it ever was */
	uint32_t	sent;		/* guest's numbers sent in order, in the window: we have to take these */
	uint32_t	sent_max;	/* any of the guest's */
	uint32_t	acked;		/* of the guest's, by us */
	uint32_t	adv;		/* right edge of our window */
	uint32_t	got;		/* bytes and flags from us, in order */
	uint64_t	host_got;	/* stream position at the last check */
	/* Of datagrams (dgrams.c) */
	bool		client;		/* it is one of the forwarded port */
	struct fsock	*sock, *far, *child;	/* the program's, once seen: to the host's peer; a splice's */
	struct end	server;		/* where the far one sent to */
	struct addr	at;		/* that the client asked */
};

struct run {
	const struct script *s;
	struct variant	v;
	struct ctx	c;
	struct conf	cf;
	bool		strict;		/* expectations count */
	bool		over;		/* the script is: only the rules that always hold */
	uint64_t	woken;		/* wakeups at the last check */
	bool		others;		/* guests that do not act have frames, too: property runs */
	unsigned	guest;		/* who acts, run_as(); of each guest, up to @why: */
	struct conn	conn[CONNS];
	unsigned	cur;
	uint64_t	t0;		/* ns: time of the step before */
	struct wire	*pend;		/* segments to the guest nobody looked at yet; payload is checked already */
	unsigned	pend_head, pend_len;
	bool		udp_seen;
	uint16_t	udp_id;		/* identification of the last datagram to the guest */
	uint16_t	dgrams[CONNS][2];	/* sent so far, by connection and direction */
	uint16_t	dgram_last[CONNS];	/* number of the last one that got to the guest */
	bool		numbered;	/* all datagrams are */
	unsigned	frames;		/* to the guest since the last check */
	char		why[512];	/* first failure */
	unsigned	line;		/* of the script, where the run is */
	bool		failed, verbose;
	/* Where the guest's frames go, NULL: straight onto the link */
	void		(*carry)(const void *frame, size_t len, const struct offload *off);
};

/* Rules for a guest, lines of a file */
void run_rules(struct run *r, unsigned guest, const char *rules);

/* Sets up the program in a fresh world */
void run_begin(struct run *r, const struct script *s, const struct variant *v);

/* A turn of the loop without anything of the process's */
void run_turn(struct ctx *c);
/* From now on, guest @k acts, and its link and sockets are looked at */
void run_as(struct run *r, unsigned k);
/* Runs the script to its end; true if all went as it says. run_steps(): another one, within it. */
bool run_script(struct run *r);
bool run_steps(struct run *r, const struct script *s);
/* Silence, or resets: everything must go away. True if it did. */
bool run_end(struct run *r, bool silence);

bool run_fail(struct run *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Loop turns until nothing is left to do at time @until (ns), or @frame and there is one for the guest */
bool run_until(struct run *r, uint64_t until, bool frame);
struct wire *run_peek(struct run *r);
void run_pop(struct run *r);

struct addr run_addr(const struct run *r, const struct addr *a);
struct addr run_addr_text(const struct run *r, const char *text);
void run_log(struct run *r, const char *dir, const struct wire *w);
void run_log_print(void);
const char *wire_text(const struct run *r, const struct wire *w);
struct conn *conn_of(struct run *r, const struct wire *w);
void conn_init(struct run *r, unsigned n, const struct end *to);

/* The guest's segment goes onto the link; @by: cut into pieces of that size, 0: as the link does it. @opts: NULL: none;
 * with numbers as on the wire
 */
void guest_tcp(struct run *r, struct conn *cn, uint8_t flags, uint32_t seq, uint32_t len, uint32_t ack, uint16_t win,
	       uint16_t mss, int wscale, uint32_t by, bool ignored);
void guest_tcp_opts(struct run *r, struct conn *cn, uint8_t flags, uint32_t seq, uint32_t len, uint32_t ack,
		    uint16_t win, uint16_t mss, int wscale, const struct wire_opts *opts, uint32_t by, bool ignored);
/* A datagram, or @gso if that is not 0 and the link has super-packets, onto the link */
void guest_push(struct run *r, struct wire *w, uint16_t gso);

/* An address is new there: RFC 5227 1.1, RFC 4862 5.4.2 */
void guest_announce(struct run *r);

/* A router behind the guest can't pass on number @seq of TCP, or a datagram. @astray: it was sent to somebody else */
void guest_too_big(struct run *r, struct conn *cn, uint8_t proto, uint32_t mtu, uint32_t seq, bool astray);

/* dgrams.c: steps of datagrams. dgram_check(): number and content of one that got to the guest. */
bool dgram_step(struct run *r, const struct step *t);
bool dgram_check(struct run *r, struct wire *w);

/* steps.c: waits for a frame within the step's time; time passes up to it, and nothing may happen meanwhile */
bool step_await(struct run *r, const struct step *t);
bool step_advance(struct run *r, const struct step *t);
bool step_unexpected(struct run *r);

/* company.c: the other guests begin; do their part in the middle of a script; end, with nothing of the script's guest.
 * company_frames(): frames to guest @k, while another one acts
 */
bool company_begin(struct run *r);
bool company_middle(struct run *r);
bool company_end(struct run *r);
bool company_sleeps(const struct run *r);	/* has no timers of its own */
bool company_frames(struct run *r, unsigned k);
/* Next frame to the acting guest, decoded, to where run_peek() finds it */
bool run_frame(struct run *r);

/* check.c: what always holds. Each returns false, and fails the run, if it does not. */
bool check_segment(struct run *r, struct wire *w);
bool check_idle(struct run *r);
struct flow *run_flow(struct run *r, const struct conn *cn);

#endif /* RUN_H */
