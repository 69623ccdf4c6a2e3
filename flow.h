/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow.h - the flow table, and on one page all state of a flow
 *
 * A flow is found by the guest, and the guest's side: protocol, guest's endpoint, and the endpoint the guest talks to
 * ("our" on that side). A UDP flow is also found by the host's side: the socket and the remote endpoint; a spliced one
 * by both endpoints on the client's side, whichever that is. Two more tables have flows by one of their endpoints and a
 * number (udp.c, udp_splice.c).
 *
 * Entries live in a static table and are handed out last-in first-out. A flow that ends leaves the hash tables at once,
 * so it can never match again, and its entry is reused after the current loop turn (flow_bury()).
 *
 * A flow is on at most one list of its guest: ready (used up its turn, more to do at once), or stalled (waits for the
 * link).
 */
#ifndef FLOW_H
#define FLOW_H

#include "addr.h"
#include "policy.h"
#include "timer.h"
#include "util.h"

#define FLOW_MAX	(1U << 17)
#define FLOW_NONE	UINT32_MAX
#define GRANTS_MAX	4096		/* names granted (names.h): numbers from 1 to that */

enum flow_type {
	FLOW_FREE, FLOW_TCP, FLOW_UDP, FLOW_UDP_PORT, FLOW_PING, FLOW_SPLICE, FLOW_UDP_SPLICE, FLOW_LOOKUP, FLOW_STREAM,
	FLOW_TYPES
};

struct ctx;
struct flow;

/* The verbs of a type of flow. Each may end @f. */
struct flow_ops {
	enum flow_type	type;
	const char	*name[2];		/* for users, IPv4 and IPv6; NULL: an internal one, not shown */
	uint8_t		fds;			/* descriptors of one flow, at most */
	bool		spliced;
	bool		shares;			/* its socket is that of another flow */
	const char	*(*state)(const struct flow *f);	/* for users; NULL if there is no @name */
	/* Events of its socket on @side, edge-triggered */
	void		(*ready)(struct ctx *c, struct flow *f, unsigned side, uint32_t events);
	/* Its turn on the ready or the stalled list; NULL: as if its socket was readable */
	void		(*resume)(struct ctx *c, struct flow *f);
	void		(*timeout)(struct ctx *c, struct flow *f);
	/* Its guest is gone, or it gives way. A socket with many flows ends after several calls. false: it is in use */
	bool		(*end)(struct ctx *c, struct flow *f);
	/* The local address of its socket left the host; NULL: it doesn't matter */
	void		(*lost)(struct ctx *c, struct flow *f);
};

/* Lists that a flow waits on, two of each guest */
enum flow_wait { WAIT_NONE, WAIT_READY, WAIT_STALLED, WAIT_KINDS };

#define WAIT_LISTS	(1 + 2 * GUEST_MAX)

/* Datagram flows, those idle for longest first: unanswered ones give way before answered ones (reclaim.h). Those with a
 * socket to themselves (FLOW_UDP_PORT of an endpoint of the guest, FLOW_PING, FLOW_UDP_SPLICE) are on lists of their
 * own, so that a socket is found as soon as an entry (FLOW_UDP).
 */
enum flow_lru { LRU_SILENT, LRU_ANSWERED, LRU_SOCKET_SILENT, LRU_SOCKET_ANSWERED, LRU_LISTS };

/* Guest's side: @peer is the guest's endpoint, @our the one it talks to. Host's side: @peer is the remote endpoint,
 * @our the local address and port of the socket.
 */
enum { GUEST, HOST };

/* Hash tables: two by side, two by an endpoint */
enum { BY_ANSWER = HOST + 1, BY_CLIENT, FLOW_TABLES };

/* Links of the two lists that a flow may be on */
enum { LINK_WAIT, LINK_LRU, FLOW_LINKS };

/* States of RFC 9293 3.3.2 as the guest sees us, from the side that is played towards it */
enum tcp_state {
	TCP_CLOSED,
	TCP_CONNECTING,		/* guest's SYN is here, connect() to the host's peer under way */
	TCP_SYN_SENT,		/* connection accepted on the host, SYN sent to the guest */
	TCP_SYN_RCVD,		/* SYN,ACK sent to the guest */
	TCP_ESTABLISHED,
	TCP_CLOSE_WAIT,		/* guest's FIN taken, host still sends */
	TCP_FIN_WAIT_1,		/* host's FIN sent to the guest, not acknowledged */
	TCP_FIN_WAIT_2,		/* host's FIN acknowledged, guest still sends */
	TCP_CLOSING,		/* both FINs, ours not acknowledged, guest's came later */
	TCP_LAST_ACK,		/* both FINs, guest's came first */
	TCP_STATES
};

extern const char *const tcp_state_name[TCP_STATES];

/* Number of flows that send at the same time, found anew after each round of so many bytes of all of them */
struct senders {
	uint64_t	bytes, squares;	/* of this round: sum of each flow's bytes, and of their squares */
	uint32_t	n;		/* in the last round, 0: there was none */
	uint16_t	round;
};

/* Do several guests send at the same time? */
struct rivals {
	const struct senders *last;	/* whose round was over last */
	uint32_t	rounds;		/* of one guest, until it is alone */
};

/* One of them */
struct sender {
	uint32_t	bytes;		/* in this round */
	uint16_t	round;
};

/* snd_: towards the guest; rcv_: from the guest (RFC 9293 3.3.1). Sequence numbers wrap. Times in ms, 0: not set. */
struct tcp {
	int		sock;
	uint8_t		state;		/* enum tcp_state; written by tcp_set_state() alone */
	uint8_t		snd_wscale : 4, rcv_wscale : 4;
	uint8_t		retries;	/* timeouts in a row without progress */
	uint8_t		dup_acks;
	uint8_t		ttl;		/* of the guest's SYN */
	uint8_t		dups;		/* duplicate acknowledgments due at the end of the turn */
	uint16_t	recover;	/* state of lost segments (tcp_recover.c), 0: none */
	uint32_t	flags;		/* TCPF_* in tcp_conn.h */
	uint16_t	mss;		/* payload bytes of a segment to the guest */
	uint16_t	mss_most;	/* the same, were it not for the path's MTU behind the guest */
	uint16_t	rcv_mss;	/* largest segment seen from the guest */
	uint16_t	gap;		/* queue of bytes behind a gap (tcp_gap.c), 0: none */
	uint32_t	mss_until;	/* s: a smaller @mss holds until then */

	uint32_t	snd_una, snd_nxt;
	uint32_t	snd_max;	/* highest snd_nxt ever: without @recover, snd_nxt goes back after a loss */
	uint32_t	snd_wnd;	/* guest's window, from snd_una on */
	uint32_t	sock_seq;	/* sequence number of the first byte in the socket's receive queue */
	uint32_t	peek_off;	/* where the kernel's SO_PEEK_OFF stands */
	uint32_t	fin_seq;	/* of our FIN, once the host's end of file is known */

	uint32_t	rcv_nxt;
	uint32_t	rcv_acked;	/* last acknowledgment number sent */
	uint32_t	rcv_adv;	/* right edge of the window advertised: every byte before it is taken */
	uint32_t	again_seq, again_end;	/* numbers that came twice, to be reported; equal: none */
	uint32_t	ts_recent;	/* the guest's timestamp to echo (RFC 7323 4.3) */
	uint32_t	ts_off;		/* of ours, to the clock */

	uint16_t	stash, stash_last;	/* blocks with bytes from the guest that the socket did not take */
	uint32_t	stash_off, stash_len;
	uint32_t	promised;		/* bytes of stash reserved for this flow */
	uint16_t	keep, keep_len;		/* slot with bytes read off the socket and not acknowledged */
	uint16_t	hello_at;		/* of bytes that are held (tcp_hold.c): see hello_read() */
	uint8_t		guest;			/* whose promise it is: the flow's */
	uint32_t	held_at;		/* ms, low half: first of them; 0: none came */
	uint32_t	room, room_asked;	/* bytes the socket would take: now, and when it was asked */
	uint32_t	room_size;		/* the same for an empty socket */
	uint32_t	burst;			/* bytes until EPOLLOUT is asked for again, 0: until it is full */
	struct sender	sender;
	uint32_t	fill_edge, fill_len;	/* a window that is being filled: where it ends, how long it was */
	uint32_t	fill_at;		/* us: since then */
	uint32_t	goal;			/* bytes to offer a guest with a long round trip, 0: as usual */

	uint32_t	srtt, rttvar;	/* us, RFC 6298 2; @srtt 0: no round trip was measured yet */
	uint32_t	rtt_seq, rtt_at;	/* one is: an acknowledgment of this number, at that time */
	uint16_t	rto;		/* ms, doubled by timeouts; 0: it is not (seg_rto()) */
	uint16_t	rtt_min;	/* shortest, in SEG_RTT_UNIT us, rounded up */
	uint32_t	challenged_at;	/* ms, low half: last acknowledgment of an empty segment out of the window */
	uint64_t	rtx_at;		/* retransmission or window probe due */
	uint64_t	ack_at;		/* delayed acknowledgment due */
	uint64_t	heard_at;	/* last segment from the guest */
};

/* A datagram to a group or broadcast address a moment ago: anybody there may answer */
#define UDP_ASKED	6

struct udp_asked {
	uint32_t	at;		/* ms, its low half */
	uint32_t	scope;		/* interface it left by, 0: routes decided */
	uint32_t	broadcast;	/* address of an IPv4 network, in network order; 0: a group, or all */
	uint16_t	port;		/* 0: entry is free */
};

struct udp {
	int		sock;		/* FLOW_UDP_PORT; FLOW_UDP_SPLICE: on the far side; of a child: near one */
	uint32_t	unasked;	/* FLOW_UDP_PORT: datagrams of no flow */
	uint64_t	used;		/* ms: last datagram, either way */
	uint32_t	port;		/* FLOW_UDP, FLOW_UDP_SPLICE: index of the FLOW_UDP_PORT with the socket */
	uint32_t	scope;		/* the same: its interface, for link-local and group peers, broadcast; or 0 */
	uint32_t	listener;	/* FLOW_UDP_PORT: index of the listener it stands for, or FLOW_NONE */
	uint32_t	refs;		/* FLOW_UDP_PORT: flows that use it, and the listener */
	uint32_t	flows;		/* FLOW_UDP_PORT: first of those flows, FLOW_NONE: there is none */
	uint32_t	prev, next;	/* FLOW_UDP, FLOW_UDP_SPLICE: others of the same port */
	/* FLOW_UDP_SPLICE: flows of a server that answered from another port; index + 1, or 0 */
	uint32_t	parent;
	uint32_t	child;		/* the first one */
	uint32_t	sibling;	/* the next one of the same parent */
	uint8_t		batch;		/* FLOW_UDP_PORT: messages that are expected at once */
	uint8_t		near;		/* FLOW_UDP_SPLICE: side of the client, and of the listener */
	bool		replied;	/* datagrams seen both ways: longer timeout; FLOW_UDP_PORT: of one flow */
	bool		inbound;	/* FLOW_UDP: began on the host's side: the guest answers */
	bool		linkless;	/* FLOW_UDP_PORT: none of its datagrams can go to the link */
	bool		spliced;	/* FLOW_UDP_PORT: so was all of its last batch */
	bool		single;		/* FLOW_UDP_PORT: several datagrams in a message were refused */
	bool		bcast;		/* FLOW_UDP_PORT: SO_BROADCAST is on */
	bool		whole;		/* FLOW_UDP_PORT: what is too large for the path is refused (udp_size.c) */
	bool		filtered;	/* FLOW_UDP_PORT: the kernel drops datagrams of no flow */
	bool		relayed;	/* FLOW_UDP: DNS to --dns-forward, see udp_relay.c */
	bool		many;		/* FLOW_UDP: to a group or broadcast address; FLOW_UDP_PORT: ready for that */
	struct udp_asked asked[UDP_ASKED];	/* FLOW_UDP_PORT: the last ones */
};

struct ping {
	int		sock;
	uint16_t	id;		/* the guest's identifier; the socket has another one */
	uint8_t		ttl;		/* as set on the socket, 0: the default */
	bool		replied;	/* somebody answered */
	uint64_t	used;		/* ms: last echo request or reply */
	uint64_t	asked;		/* ms: first request since anything came back, or 0 */
	bool		bcast;		/* SO_BROADCAST is on */
};

/* A query that was sent on, and a stream of queries (resolve.h) */
struct lookup_sock {
	int		sock;
	uint16_t	nr;		/* of its entry in resolve.c */
};

struct stream {
	int		sock;
	uint16_t	lookups;	/* under way */
	bool		eof;		/* nothing comes behind what is in the socket */
	uint64_t	used;		/* ms: last query */
};

/* One direction of a spliced connection */
struct splice_way {
	int		pipe[2];	/* read end, write end; -1: none */
	uint32_t	queued;		/* bytes in it */
	uint8_t		flags;		/* WAY_* in splice.c */
};

/* Both by side: of a socket, or where a way comes from */
struct splice {
	int		sock[2];
	struct splice_way way[2];
	uint8_t		far;		/* side that was connected to */
	bool		connecting;
	bool		reset;		/* a side broke: the end is RST, not FIN */
};

struct flow {
	const struct flow_ops *ops;
	uint8_t		type;		/* enum flow_type: that of @ops, FLOW_FREE: none */
	uint8_t		wait;		/* enum flow_wait */
	uint8_t		guest;		/* index of the guest it belongs to */
	bool		dead;		/* ended in this loop turn */
	uint8_t		queue;		/* of the link: the one that the guest used last */
	uint8_t		lru;		/* enum flow_lru, LRU_LISTS: on none */
	bool		egress;		/* the guest began it: its policy has allowed that, */
	struct decision	decision;	/* by this */
	uint16_t	gen;		/* of this entry, 10 bits: events of an earlier owner have another one */
	uint32_t	id;		/* of this flow alone, for users */
	uint16_t	batch_head, batch_tail;	/* this batch's packets of the flow, PKT_NEXT_NONE: none */
	uint32_t	hash[FLOW_TABLES], hnext[FLOW_TABLES];	/* hash and chain; FLOW_NONE: not in that table */
	uint32_t	key[FLOW_TABLES];	/* number it is found by there, */
	uint8_t		at[FLOW_TABLES];	/* and the endpoint's place in @side */
	struct {
		uint32_t	prev, next;
	} link[FLOW_LINKS];		/* free and dead list use LINK_WAIT's next */
	struct side	side[2];
	struct timer	timer;
	uint64_t	created;	/* ms */
	uint64_t	bytes[2];	/* of payload, by the side they came from */
	union {
		int		sock;	/* first member of all but splice */
		struct tcp	tcp;
		struct udp	udp;
		struct ping	ping;
		struct splice	splice;
		struct lookup_sock lookup;
		struct stream	stream;
	};
};

struct flow_list {
	uint32_t	head, tail;
	uint32_t	n;		/* flows on it */
};

struct flows {
	struct flow	*f;		/* FLOW_MAX entries, in flow.c */
	uint32_t	free, unused;	/* free list; first entry never used */
	uint32_t	dead;
	uint32_t	count[FLOW_TYPES], used;	/* by type, and in all */
	uint64_t	opened[FLOW_TYPES], ended[FLOW_TYPES];	/* so far */
	uint32_t	fds;		/* descriptors of all, at most */
	uint32_t	granted[GRANTS_MAX + 1];	/* flows by the name that was granted for them */
	uint32_t	of_guest[GUEST_MAX];	/* flows of each */
	struct guests	ready;			/* guests with flows on their ready list */
	struct flow_list wait[WAIT_LISTS];	/* by wait_list() */
	struct flow_list lru[GUEST_MAX][LRU_LISTS];
	uint32_t	id;		/* of the latest verdict, and of the next flow */
	uint64_t	bytes[2];	/* of payload of all flows so far, by the side they came from */
	uint64_t	key[2];		/* of the hash */
};

void flows_init(struct flows *fs);

static inline uint32_t flow_idx(const struct flows *fs, const struct flow *f)
{
	return (uint32_t)(f - fs->f);
}

/* Payload from @side */
static inline void flow_moved(struct flows *fs, struct flow *f, unsigned side, size_t bytes)
{
	f->bytes[side] += bytes;
	fs->bytes[side] += bytes;
}

/* Flow of an event reference, or NULL if it is not that flow any more */
struct flow *flow_get(const struct flows *fs, uint32_t idx, uint16_t gen);

/* New flow, in no hash table yet; NULL if the table is full */
struct flow *flow_alloc(struct flows *fs, const struct flow_ops *ops, unsigned guest, uint64_t now);

/**
 * flow_hash() - into a hash table that it is not in
 * @key:	with one endpoint: number that belongs to it. HOST: of a socket, index of port or listener
 * @peer:	endpoint in @f->side, which doesn't change from now on
 * @our:	the other one of the same side, NULL: it is found by @peer and @key
 */
void flow_hash(struct flows *fs, struct flow *f, unsigned table, uint32_t key, const struct end *peer,
	       const struct end *our);

/* Arguments as above. By HOST and one endpoint, a flow is found whichever @guest it belongs to. */
struct flow *flow_find(const struct flows *fs, unsigned table, unsigned guest, enum flow_type type, uint32_t key,
		       const struct end *peer, const struct end *our);

static inline void flow_hash_guest(struct flows *fs, struct flow *f)
{
	flow_hash(fs, f, GUEST, 0, &f->side[GUEST].peer, &f->side[GUEST].our);
}

static inline void flow_hash_host(struct flows *fs, struct flow *f, uint32_t key)
{
	flow_hash(fs, f, HOST, key, &f->side[HOST].peer, NULL);
}

static inline struct flow *flow_find_guest(const struct flows *fs, unsigned guest, enum flow_type type,
					   const struct end *peer, const struct end *our)
{
	return flow_find(fs, GUEST, guest, type, 0, peer, our);
}

static inline struct flow *flow_find_host(const struct flows *fs, enum flow_type type, uint32_t key,
					  const struct end *peer)
{
	return flow_find(fs, HOST, 0, type, key, peer, NULL);
}

static inline struct flow *flow_find_end(const struct flows *fs, unsigned guest, unsigned table, enum flow_type type,
					 uint32_t key, const struct end *e)
{
	return flow_find(fs, table, guest, type, key, e, NULL);
}

/* The guest began it, and that is how it was decided */
static inline void flow_decided(struct flows *fs, struct flow *f, const struct decision *d)
{
	fs->granted[f->decision.grant]--;
	f->egress = true;
	f->decision = *d;
	fs->granted[d->grant]++;
}

/* Out of a table: its endpoints may change */
void flow_unhash(struct flows *fs, struct flow *f, unsigned table);

/* flow_hash() by one endpoint. A flow of the guest found there by the same leaves the table: the last one counts. */
void flow_hash_end(struct flows *fs, struct flow *f, unsigned table, uint32_t key, const struct end *e);

/* A flow that is in no hash table and on no list becomes another guest's */
void flow_move(struct flows *fs, struct flow *f, unsigned guest);

/* Out of hash tables and lists at once; the entry is free after flow_bury(). The owner ends timer and sockets. */
void flow_end(struct flows *fs, struct flow *f);
void flow_bury(struct flows *fs);

/* Puts @f at the end of a list, or takes it off with WAIT_NONE */
void flow_wait(struct flows *fs, struct flow *f, enum flow_wait wait);

/* Number of a guest's list: those of the first guest are WAIT_READY and WAIT_STALLED */
static inline unsigned wait_list(enum flow_wait wait, unsigned guest)
{
	return wait + 2 * guest;
}

/* Is there a flow on a list? */
static inline bool flow_waits(const struct flows *fs, unsigned list)
{
	return fs->wait[list].head != FLOW_NONE;
}

/* The first one, taken off, or NULL */
struct flow *flow_next(struct flows *fs, unsigned list);

/* Datagram flow was active; @answered: there was an answer, ever */
void flow_touch(struct flows *fs, struct flow *f, bool answered);
/* The one of a guest's list that is idle for longest, or NULL */
struct flow *flow_oldest(const struct flows *fs, unsigned guest, enum flow_lru lru);

#endif /* FLOW_H */
