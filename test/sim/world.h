/* SPDX-License-Identifier: GPL-2.0-or-later */
/* world.h - everything around the program, simulated: clock, descriptors, epoll, host sockets, the guest's link
 *
 * The program's own objects run unchanged; its system calls are replaced at link time (-Wl,--wrap). Time only passes in
 * epoll_wait(), and only up to world.limit. Streams carry a pattern that depends on the position of each byte, so that
 * every byte is checked where it arrives, and nothing has to be stored.
 */
#ifndef WORLD_H
#define WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "../../addr.h"
#include "../../packet.h"
#include "../../tap.h"
#include "hellos.h"

#define MS		1000000ULL	/* the clock counts ns */
#define START		(101000 * SEC)	/* of every run; just behind a move of the timer wheel's higher levels */
#define SEC		(1000 * MS)
#define ROOM_AUTO	UINT64_MAX	/* host's peer takes everything at once */
#define NOBODY		(-1)
#define NO_URGENT	UINT64_MAX

enum fs_kind { FS_NONE, FS_TCP, FS_LISTEN, FS_UDP, FS_PING, FS_EPOLL, FS_TAP };
enum fs_state { FS_NEW, FS_CONNECTING, FS_CONNECTED, FS_CLOSED };

#define DGRAM_MAX	256
#define ACCEPT_MAX	64

struct dgram {
	struct end	peer, our;
	uint8_t		*data;
	size_t		len;
	uint16_t	gso;		/* segment size of a super-packet, 0: one datagram */
	uint8_t		ttl, tos;	/* 0: none was given */
	unsigned	ifindex;	/* it came in by, 0: the usual one */
	int		err;		/* error queue: errno, with the ICMP message below */
	uint8_t		origin, type, code;
	uint32_t	info;
};

struct dgrams {
	struct dgram	d[DGRAM_MAX];
	unsigned	head, len;
};

/* One open (or once open) file of the simulated kernel; stays readable for checks after close() */
struct fsock {
	enum fs_kind	kind;
	enum fs_state	state;
	int		fd;		/* NOBODY once closed */
	int		domain;
	struct end	local, peer;

	bool		reg;		/* with epoll */
	uint32_t	events;
	uint64_t	data;
	uint64_t	ready;		/* place in the ready list, 0: not on it */
	uint64_t	adds, mods;	/* epoll_ctl() calls */

	int		err;		/* sk_err */
	uint64_t	rx_have, rx_read;	/* stream positions: arrived from the peer, taken off the queue */
	bool		rx_eof, rx_shut;
	uint64_t	urgent;		/* stream position of the urgent byte, NO_URGENT: none */
	bool		inline_;	/* SO_OOBINLINE */
	int64_t		peek_off;	/* SO_PEEK_OFF, -1: off */
	uint64_t	tx_taken;	/* stream position: accepted from the program */
	uint64_t	room;		/* bytes it still takes, or ROOM_AUTO */
	uint64_t	told;		/* room SO_MEMINFO tells, if that differs (ROOM_AUTO: does not) */
	bool		nospace;	/* found full: a wakeup is due when there is room again */
	bool		tx_shut, linger0, nodelay;
	bool		reset;		/* close() made it a RST */
	unsigned	connects, shutdowns;

	struct end	accept[ACCEPT_MAX];	/* listener: clients waiting */
	unsigned	naccept;

	uint8_t		ttl;
	bool		v6only, pktinfo, gro, recverr, bcast;
	struct simlink	*by;		/* whose: the guest that acted when it was opened; NULL: all guests' */
	bool		ns;		/* in the guest's namespace: on the far side of what is spliced */
	uint64_t	msgs;		/* messages sent, of one datagram or several */
	uint16_t	last[64];	/* number of the last datagram it got, by connection (dgrams.c) */

	struct dgrams	rx, tx, errq;	/* behind all others, see fs_open() */
};

struct frame_in {			/* from the guest */
	uint8_t		*buf;
	size_t		len;
	struct offload	off;
};

struct frame_out {			/* to the guest */
	uint8_t		*buf;
	size_t		len;
	struct offload	off;
	uint16_t	csum_start, csum_off;
	uint64_t	at;		/* ns */
};

#define LINK_FRAMES	65536

/* A guest's link. Frames from it may be a stream, as a virtual machine's: then part of one may be here. */
struct simlink {
	struct frame_in	in[LINK_FRAMES];
	unsigned	in_head, in_len, in_taken;
	size_t		in_at;		/* stream: bytes of the first one that were read */
	size_t		held;		/* stream: bytes of the last one that are not here yet */
	struct frame_out out[LINK_FRAMES];
	unsigned	out_head, out_len;
	uint8_t		arena[1 << 20];	/* frames there */
	size_t		arena_used;
	uint64_t	room;		/* frames it still takes */
	uint16_t	port;		/* forwarded to the guest */
	bool		stream;
	uint8_t		part[4 + 14 + 65535 + 4];	/* stream: of a frame that is not whole */
	size_t		part_len;
	struct fsock	*fs;
};

struct world {
	uint64_t	now, limit;	/* ns */
	bool		idle;		/* epoll_wait() had nothing to do up to @limit */
	uint64_t	wakeups;	/* times epoll_wait() came back for another reason */
	uint64_t	seed;

	bool		no_peek_off;	/* kernel before 6.9 */
	bool		no_meminfo;	/* kernel before 4.12 */
	bool		armed;		/* count calls, and fail one */
	uint64_t	calls, fail_at;
	bool		fail_on;	/* not just that one, but all after it that may fail for long */
	const char	*failed;	/* which one it was */
	const char	*fail_call;	/* every call of this name fails with @fail_err, @fail_count times */
	int		fail_err;
	unsigned	fail_count;
	const char	*count_call;	/* calls of this name are counted */
	unsigned	counted;

	int		connect_err;	/* what the next connect() says */
	uint64_t	room;		/* of new connections */
	const char	*violation;	/* first thing the program did that no program may do */
	char		why[256];

	struct simlink	*link;		/* of the guest that a script is about */
	struct addr	host_addr;	/* of the host, but for loopback */
	uint8_t		hello[HELLOS_MAX];	/* first bytes of guests' streams, in place of the pattern */
	size_t		hello_len;

	struct fsock	*fs;		/* every file ever opened in this run */
	unsigned	nfs;
};

/* Guests of a world: several in a build for that, "make GUESTS=3 sim" */
#define SIM_GUESTS	(GUEST_MAX < 64 ? GUEST_MAX : 1)

extern struct world world;
extern struct simlink sim_link[SIM_GUESTS];

enum { TO_GUEST, TO_HOST };

static inline uint8_t pattern(unsigned dir, unsigned salt, uint64_t pos)
{
	if (dir == TO_HOST && pos < world.hello_len)
		return world.hello[pos];
	return (uint8_t)((pos + ((uint64_t)salt << 32) + dir * 0x12345ULL) * 0x9e3779b97f4a7c15ULL >> 56);
}

/* A new world, nothing open; frees the old one */
void world_reset(uint64_t seed);
void world_bad(const char *fmt, ...) PRINTF_LIKE(1, 2);
uint32_t world_random(void);

/* Random: a number below @n, 0 if there is none; true for so many of 1000 */
static inline uint32_t below(uint32_t n)
{
	return n ? world_random() % n : 0;
}

static inline bool chance(uint32_t of_1000)
{
	return below(1000) < of_1000;
}

/* What a script does to a socket; each wakes whoever waits, as Linux would */
void fs_wake(struct fsock *s, uint32_t events);
void fs_connected(struct fsock *s);
void fs_error(struct fsock *s, int err);
void fs_data(struct fsock *s, uint64_t n);
void fs_urgent(struct fsock *s, uint64_t n);	/* the last of @n bytes is urgent */
void fs_eof(struct fsock *s);
void fs_room(struct fsock *s, uint64_t room);
bool fs_client(struct fsock *listener, const struct end *from, const struct end *to);
bool fs_dgram(struct fsock *s, struct dgrams *q, const struct dgram *d);

/* Does it belong to the guest that acts? */
static inline bool fs_mine(const struct fsock *s)
{
	return !s->by || s->by == world.link;
}

/* Newest socket of a kind whose peer is @peer, open or not, or NULL */
struct fsock *fs_find(enum fs_kind kind, const struct end *peer);
struct fsock *fs_listener(enum fs_kind kind, bool v4);
unsigned fs_count(enum fs_kind kind);
struct fsock *fs_get(int fd);

/* tap_sim.c: guests' links. Those without one name world.link. */
void tap_sim_attach(struct tap *t, const struct caps *caps);
void tap_sim_stream(struct tap *t);		/* the same, behind tap_sock.c */
void tap_sim_push(const void *frame, size_t len, const struct offload *off);
void tap_sim_push_to(struct simlink *l, const void *frame, size_t len, const struct offload *off);
void tap_sim_room(uint64_t frames);
void tap_sim_room_of(struct simlink *l, uint64_t frames);
void tap_sim_hold(struct simlink *l, size_t held);
void tap_sim_drop(struct simlink *l);		/* the oldest of those to the guest */
void tap_sim_clear(void);
ssize_t sim_stream_recv(struct fsock *s, void *buf, size_t len);
ssize_t sim_stream_send(struct fsock *s, const struct msghdr *m);
struct simlink *sim_link_of(const struct fsock *s);
size_t sim_stream_here(const struct simlink *l);	/* bytes that can be read */
bool sim_fault(const char *call, int err);
int fs_open(enum fs_kind kind, int domain);

#endif /* WORLD_H */
