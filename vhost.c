/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhost.c - vhost-user's control protocol: state of a front end; its memory, rings and messages
 *
 * A request is refused with a line in the log, and with an error if an answer was asked for (REPLY_ACK). Otherwise the
 * front end would go on with a device that isn't as it believes: the connection ends, unless the request is not
 * supported at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "log.h"
#include "vhost.h"

/* Newer than some headers: virtio 1.3, 5.1.3 */
#ifndef VIRTIO_NET_F_GUEST_USO4
#define VIRTIO_NET_F_GUEST_USO4		54
#define VIRTIO_NET_F_GUEST_USO6		55
#define VIRTIO_NET_F_HOST_USO		56
#endif
#ifndef VIRTIO_F_RING_RESET
#define VIRTIO_F_RING_RESET		40
#endif
#ifndef VHOST_F_LOG_ALL
#define VHOST_F_LOG_ALL			26
#endif

#define BIT(n)	(1ULL << (n))

/* vhost-user.rst, Communication */
#define F_PROTOCOL_FEATURES		30

/* vhost-user.rst, Protocol features */
enum {
	P_MQ			= 0,
	P_LOG_SHMFD		= 1,
	P_REPLY_ACK		= 3,
	P_NET_MTU		= 4,
	P_BACKEND_REQ		= 5,
	P_INFLIGHT_SHMFD	= 12,
	P_RESET_DEVICE		= 13,
	P_CONFIGURE_MEM_SLOTS	= 15,
	P_STATUS		= 16,
};

#define PROTOCOL	(BIT(P_MQ) | BIT(P_LOG_SHMFD) | BIT(P_REPLY_ACK) | BIT(P_NET_MTU) |			\
			 BIT(P_BACKEND_REQ) | BIT(P_INFLIGHT_SHMFD) | BIT(P_RESET_DEVICE) |			\
			 BIT(P_CONFIGURE_MEM_SLOTS) | BIT(P_STATUS))

/* Offloads that need another feature: virtio 1.3, 5.1.3.1. Super-packets to the guest need mergeable buffers here: a
 * driver without them has to make each buffer as large as the largest packet (5.1.6.3.1), and not all do.
 */
#define TO_GUEST	(BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) |		\
			 BIT(VIRTIO_NET_F_GUEST_USO4) | BIT(VIRTIO_NET_F_GUEST_USO6))
#define TO_HOST		(BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_USO))

#define FEATURES	(TO_GUEST | TO_HOST | BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) |	\
			 BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |		\
			 BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ANY_LAYOUT) |	\
			 BIT(VIRTIO_F_RING_RESET) | BIT(VHOST_F_LOG_ALL) | BIT(F_PROTOCOL_FEATURES))

#define MESSAGES	64			/* messages, before others have their turn */

#define RING_MASK	0xffU			/* of a message about an eventfd: the ring, */
#define NO_FD		(1U << 8)		/* and no descriptor came */

#define INFLIGHT_BYTES	20			/* payload: vhost-user.rst, Inflight description */

#define ANSWER		1			/* result of a request: its answer is in place */

struct vhost vhost_pool[GUEST_MAX];

/* Memory */

/* A file of huge pages is mapped in whole pages, and unmapped so only: 2 MiB and 1 GiB are the sizes of most CPUs */
static size_t map_bytes(unsigned try, size_t len)
{
	static const size_t page[] = { 1, 2U << 20, 1U << 30 };

	return ROUND_UP(len, page[try]);
}

static void map_close(struct vhost_map *m)
{
	if (m->at) {
		for (unsigned i = 0; i < 3 && munmap(m->at, map_bytes(i, m->len)) && errno == EINVAL; i++)
			;
	}
	*m = (struct vhost_map){ 0 };
}

/* File @fd from its start, as a part can't begin anywhere in a file of huge pages, to @len bytes behind @off */
static int map_open(struct vhost_map *m, int fd, uint64_t off, uint64_t len)
{
	void *at;

	if (!len || len > SIZE_MAX / 2 || off > SIZE_MAX / 2 - len)
		return -EINVAL;
	at = mmap(NULL, (size_t)(off + len), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	*m = (struct vhost_map){ at, (size_t)(off + len) };
	return 0;
}

static bool map_has(const struct vhost_map *m, const void *addr)
{
	return m->at && (uintptr_t)addr - (uintptr_t)m->at < m->len;
}

/* Async-signal-safe: zeros in place of the whole mapping, and an end of the connection, which is an event */
static bool map_replace(struct vhost *v, const struct vhost_map *m)
{
	for (unsigned i = 0; i < 3; i++) {
		void *at = mmap(m->at, map_bytes(i, m->len), PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

		if (at != MAP_FAILED) {
			v->broken = true;
			shutdown(v->fd, SHUT_RDWR);
			return true;
		}
	}
	return false;
}

static bool replace_at(struct vhost *v, const void *addr)
{
	for (unsigned i = 0; i < v->mem.n; i++) {
		const struct mem_region *r = &v->mem.region[i];
		const struct vhost_map m = { r->map, r->map_len };

		if (map_has(&m, addr))
			return map_replace(v, &m);
	}
	return map_has(&v->log, addr) && map_replace(v, &v->log);
}

/* The front end has cut short a file that is mapped here */
static void on_sigbus(int sig, siginfo_t *si, void *context)
{
	int err = errno;
	bool done = false;

	(void)context;
	for (unsigned i = 0; i < GUEST_MAX && !done; i++)
		done = replace_at(&vhost_pool[i], si->si_addr);
	if (!done)
		signal(sig, SIG_DFL);		/* and again */
	errno = err;
}

static void mem_close(struct mem *m)
{
	for (unsigned i = 0; i < m->n; i++)
		map_close(&(struct vhost_map){ m->region[i].map, m->region[i].map_len });
	m->n = 0;
}

/* As in a message: vhost-user.rst, Memory regions description */
struct region {
	uint64_t	gpa, size, uva, off;
};

static int region_add(struct mem *m, const struct region *r, int fd)
{
	struct vhost_map map = { 0 };
	struct mem_region reg;
	int rc = map_open(&map, fd, r->off, r->size);

	if (rc)
		return rc;
	reg = (struct mem_region){ .gpa = r->gpa, .size = r->size, .uva = r->uva, .at = (uint8_t *)map.at + r->off,
				   .map = map.at, .map_len = map.len };
	rc = mem_add(m, &reg);
	if (rc)
		map_close(&map);
	return rc;
}

/* Rings */

/* Closes *@fd, which another process has open too */
static void drop_fd(const struct vhost *v, int *fd)
{
	if (*fd >= 0)
		ev_del(v->epfd, *fd);
	fd_close(*fd);
	*fd = -1;
}

static void ring_stop(struct vhost_ring *r)
{
	if (r->started)
		r->base = virtq_stop(&r->q);
	r->started = false;
}

/* To a state without any settings; whether it is enabled then depends on the features */
static void ring_reset(struct vhost *v, struct vhost_ring *r)
{
	ring_stop(r);
	drop_fd(v, &r->kick);
	r->size = r->base = 0;
	r->placed = r->logged = r->ready = r->polled = r->enabled = false;
}

static bool rings_enabled_at_start(const struct vhost *v)
{
	return !(v->features & BIT(F_PROTOCOL_FEATURES));
}

static void ring_log(const struct vhost *v, struct vhost_ring *r)
{
	r->q.logged = r->logged && v->mem.log;
	r->q.log = r->log;
}

/* A ring starts once it is kicked, or polled (vhost-user.rst, Ring states), and all that it needs is there, in whatever
 * order it came
 */
static void rings_start(struct vhost *v)
{
	for (unsigned i = 0; i < VHOST_RINGS; i++) {
		struct vhost_ring *r = &v->ring[i];
		int rc;

		if (r->started || !r->ready || !r->placed || !r->size)
			continue;
		rc = virtq_start(&r->q, &v->mem, &r->at, r->size, r->base, i % 2 ? VIRTQ_READ : VIRTQ_WRITE, v->use);
		if (rc) {
			debug("vhost-user: ring %u can't start: %s", i, errno_text(-rc));
			continue;
		}
		r->started = true;
		v->pairs = MAX(v->pairs, i / 2 + 1);
		if (v->inflight)
			virtq_rewind(&r->q);
		r->enabled |= rings_enabled_at_start(v);
		ring_log(v, r);
		if (r->call >= 0)
			vhost_call(r);		/* what an earlier process used was perhaps not reported */
	}
}

/* Memory has changed. A ring that is not there any more waits for another change. */
static void rings_move(struct vhost *v)
{
	for (unsigned i = 0; i < VHOST_RINGS; i++) {
		struct vhost_ring *r = &v->ring[i];

		if (r->started && virtq_move(&r->q, &r->at))
			ring_stop(r);
	}
}

static void log_update(struct vhost *v)
{
	bool on = v->log.at && v->features & BIT(VHOST_F_LOG_ALL);

	v->mem.log = on ? (uint8_t *)v->log.at + v->log_at : NULL;
	v->mem.log_len = on ? v->log_len : 0;
	for (unsigned i = 0; i < VHOST_RINGS; i++)
		ring_log(v, &v->ring[i]);
}

void vhost_call(const struct vhost_ring *r)
{
	/* Never full, or the other side was slow and has a notification to come */
	if (r->call >= 0 && write(r->call, &(uint64_t){ 1 }, sizeof(uint64_t)) < 0)
		debug("vhost-user: a notification was not sent: %s", errno_text(errno));
}

void vhost_error(const struct vhost_ring *r)
{
	if (r->err >= 0 && write(r->err, &(uint64_t){ 1 }, sizeof(uint64_t)) < 0)
		debug("vhost-user: an error was not reported: %s", errno_text(errno));
}

bool vhost_polled(const struct vhost *v)
{
	bool polled = false;

	for (unsigned i = 0; i < VHOST_RINGS; i++)
		polled |= v->ring[i].started && v->ring[i].polled;
	return polled;
}

/* Features */

/* Without a condition, an offload counts as not acknowledged */
static uint64_t resolve(uint64_t f)
{
	if (!(f & BIT(VIRTIO_NET_F_CSUM)))
		f &= ~TO_HOST;
	if (!(f & BIT(VIRTIO_NET_F_GUEST_CSUM)) || !(f & BIT(VIRTIO_NET_F_MRG_RXBUF)))
		f &= ~TO_GUEST;
	return f;
}

/* A front end that doesn't know the protocol feature has no place for the value behind the feature: in user-mode Linux
 * (virtio_uml), the guest would read an MTU of arbitrary bytes; and the driver refuses a device with several queues and
 * no control queue, which is the front end's
 */
static uint64_t offered(const struct vhost *v)
{
	return FEATURES | (v->protocol & BIT(P_NET_MTU) ? BIT(VIRTIO_NET_F_MTU) : 0) |
	       (v->protocol & BIT(P_MQ) ? BIT(VIRTIO_NET_F_MQ) : 0);
}

struct caps vhost_caps(const struct vhost *v)
{
	bool merge = v->use & BIT(VIRTIO_NET_F_MRG_RXBUF);
	const uint64_t uso = BIT(VIRTIO_NET_F_GUEST_USO4) | BIT(VIRTIO_NET_F_GUEST_USO6);

	return (struct caps){
		/* A driver without mergeable buffers has such of 1,514 bytes of frame (5.1.6.3.1) */
		.mtu	= merge ? (v->mtu ? v->mtu : IP_MAX) : MIN(v->mtu ? v->mtu : ETH_DATA_LEN, ETH_DATA_LEN),
		.csum	= v->use & BIT(VIRTIO_NET_F_GUEST_CSUM),
		.tso4	= v->use & BIT(VIRTIO_NET_F_GUEST_TSO4) ? IP_MAX : 0,
		.tso6	= v->use & BIT(VIRTIO_NET_F_GUEST_TSO6) ? IP_MAX : 0,
		.uso	= (v->use & uso) == uso,
		.link_hdr = (uint8_t)vhost_hdr_len(v),
	};
}

/* Requests. Each has its payload, and takes the descriptors that it keeps. Return: 0, ANSWER, or -errno */

static uint64_t get_u64(const struct vhost *v)
{
	uint64_t n;

	memcpy(&n, v->msg.payload, sizeof(n));
	return n;
}

static int answer(struct vhost *v, const void *payload, size_t len)
{
	memcpy(v->msg.payload, payload, len);
	v->msg.size = (uint32_t)len;
	return ANSWER;
}

static int answer_u64(struct vhost *v, uint64_t n)
{
	return answer(v, &n, sizeof(n));
}

static int get_features(struct vhost *v)
{
	return answer_u64(v, offered(v));
}

static int set_features(struct vhost *v)
{
	uint64_t f = get_u64(v);

	if (f & ~offered(v))
		return -EINVAL;
	v->features = f;
	v->use = resolve(f);
	log_update(v);
	return 0;
}

static int get_protocol(struct vhost *v)
{
	return answer_u64(v, v->offered);
}

static int set_protocol(struct vhost *v)
{
	uint64_t f = get_u64(v);

	if (f & ~v->offered)
		return -EINVAL;
	v->protocol = f;
	return 0;
}

/* "It is recommended that back-ends ignore this message": RESET_OWNER. An owner is only a mark. */
static int nothing(struct vhost *v)
{
	(void)v;
	return 0;
}

static int reset_device(struct vhost *v)
{
	for (unsigned i = 0; i < VHOST_RINGS; i++)
		ring_reset(v, &v->ring[i]);
	v->features = v->use = 0;
	v->status = 0;
	log_update(v);
	return 0;
}

/* The new table is complete before the old one goes */
static int set_mem_table(struct vhost *v)
{
	static struct mem next;
	struct region r;
	uint32_t n;
	int rc = 0;

	memcpy(&n, v->msg.payload, sizeof(n));
	if (n > MEM_REGIONS || v->msg.size < 8 + n * sizeof(r) || v->msg.nfds != n)
		return -EINVAL;
	next = (struct mem){ .log = v->mem.log, .log_len = v->mem.log_len };
	for (uint32_t i = 0; i < n && !rc; i++) {
		memcpy(&r, v->msg.payload + 8 + i * sizeof(r), sizeof(r));
		rc = region_add(&next, &r, v->msg.fds[i]);
	}
	if (rc) {
		mem_close(&next);
		return rc;
	}
	mem_close(&v->mem);
	v->mem = next;
	rings_move(v);
	return 0;
}

static int add_mem_reg(struct vhost *v)
{
	struct region r;
	int rc;

	if (v->msg.nfds != 1)
		return -EINVAL;
	memcpy(&r, v->msg.payload + 8, sizeof(r));
	rc = region_add(&v->mem, &r, v->msg.fds[0]);
	rings_move(v);
	return rc;
}

static int rem_mem_reg(struct vhost *v)
{
	struct mem_region reg;
	struct region r;
	int rc;

	memcpy(&r, v->msg.payload + 8, sizeof(r));
	rc = mem_remove(&v->mem, r.gpa, r.size, r.uva, &reg);
	if (rc)
		return rc;
	rings_move(v);
	map_close(&(struct vhost_map){ reg.map, reg.map_len });
	return 0;
}

static int get_mem_slots(struct vhost *v)
{
	return answer_u64(v, MEM_REGIONS);
}

/* vhost-user.rst, Log description */
static int set_log_base(struct vhost *v)
{
	struct {
		uint64_t size, off;
	} l;
	struct vhost_map map = { 0 };
	int rc;

	memcpy(&l, v->msg.payload, sizeof(l));
	if (v->msg.nfds != 1 || v->msg.size < sizeof(l))
		return -EINVAL;
	rc = map_open(&map, v->msg.fds[0], l.off, l.size);
	if (rc)
		return rc;
	map_close(&v->log);
	v->log = map;
	v->log_at = l.off;
	v->log_len = l.size;
	log_update(v);
	return answer_u64(v, 0);
}

/* Ring of a message about a state, or NULL; its number in *@num */
static struct vhost_ring *state_ring(struct vhost *v, uint32_t *num)
{
	struct vhost_vring_state s;

	memcpy(&s, v->msg.payload, sizeof(s));
	*num = s.num;
	return s.index < VHOST_RINGS ? &v->ring[s.index] : NULL;
}

/* A ring that was started has to stop before it gets another size or base: it starts again with it */
static int set_vring_num(struct vhost *v)
{
	uint32_t num;
	struct vhost_ring *r = state_ring(v, &num);

	if (!r || !virtq_size_ok(num))
		return -EINVAL;
	ring_stop(r);
	r->size = num;
	return 0;
}

static int set_vring_base(struct vhost *v)
{
	uint32_t num;
	struct vhost_ring *r = state_ring(v, &num);

	if (!r || num > UINT16_MAX)
		return -EINVAL;
	ring_stop(r);
	r->base = (uint16_t)num;
	return 0;
}

static int get_vring_base(struct vhost *v)
{
	struct vhost_vring_state s;
	uint32_t num;
	struct vhost_ring *r = state_ring(v, &num);

	if (!r)
		return -EINVAL;
	ring_stop(r);
	r->ready = r->polled = false;
	drop_fd(v, &r->kick);
	s = (struct vhost_vring_state){ (unsigned)(r - v->ring), r->base };
	return answer(v, &s, sizeof(s));
}

static int set_vring_addr(struct vhost *v)
{
	struct vhost_vring_addr a;
	struct vhost_ring *r;

	memcpy(&a, v->msg.payload, sizeof(a));
	if (a.index >= VHOST_RINGS)
		return -EINVAL;
	r = &v->ring[a.index];
	r->at = (struct virtq_place){ a.desc_user_addr, a.avail_user_addr, a.used_user_addr };
	r->log = a.log_guest_addr;
	r->logged = a.flags & 1U << VHOST_VRING_F_LOG;
	r->placed = true;
	if (r->started && virtq_move(&r->q, &r->at)) {
		ring_stop(r);
		return -EINVAL;
	}
	ring_log(v, r);
	return 0;
}

static int set_vring_enable(struct vhost *v)
{
	uint32_t num;
	struct vhost_ring *r = state_ring(v, &num);

	if (!r || num > 1)
		return -EINVAL;
	r->enabled = num;
	return 0;
}

/* Ring of a message about an eventfd, which is in *@fd then, or -1 for none; NULL: malformed */
static struct vhost_ring *eventfd_ring(struct vhost *v, int *fd)
{
	uint64_t n = get_u64(v);

	if (n & ~(uint64_t)(RING_MASK | NO_FD) || (n & RING_MASK) >= VHOST_RINGS || v->msg.nfds != !(n & NO_FD))
		return NULL;
	*fd = v->msg.nfds ? v->msg.fds[0] : -1;
	return &v->ring[n & RING_MASK];
}

/* Edge-triggered: an eventfd that is written again is another event, though it is never read */
static int set_vring_kick(struct vhost *v)
{
	int fd, rc;
	struct vhost_ring *r = eventfd_ring(v, &fd);

	if (!r)
		return -EINVAL;
	drop_fd(v, &r->kick);
	if (fd >= 0) {
		rc = ev_add(v->epfd, fd, EV_TAP, v->guest, (uint16_t)VHOST_SUB_KICK(r - v->ring), EPOLLIN | EPOLLET);
		if (rc)
			return rc;
		r->kick = vhost_msg_take_fd(&v->msg, 0);
	}
	r->polled = fd < 0;
	r->ready = true;
	return 0;
}

/* Written to without waiting: a pipe may be full (virtio_uml), and an eventfd's number the highest */
static int keep_eventfd(struct vhost *v, int *to, int fd)
{
	if (fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK))
		return -errno;
	fd_close(*to);
	*to = fd < 0 ? -1 : vhost_msg_take_fd(&v->msg, 0);
	return 0;
}

static int set_vring_call(struct vhost *v)
{
	int fd, rc;
	struct vhost_ring *r = eventfd_ring(v, &fd);

	rc = r ? keep_eventfd(v, &r->call, fd) : -EINVAL;
	if (!rc && r->started)
		vhost_call(r);			/* what came meanwhile was reported to the other one */
	return rc;
}

static int set_vring_err(struct vhost *v)
{
	int fd;
	struct vhost_ring *r = eventfd_ring(v, &fd);

	return r ? keep_eventfd(v, &r->err, fd) : -EINVAL;
}

static int get_queue_num(struct vhost *v)
{
	return answer_u64(v, VHOST_PAIRS);
}

static int set_mtu(struct vhost *v)
{
	uint64_t mtu = get_u64(v);

	if (mtu < 68 || mtu > IP_MAX)		/* virtio 1.3, 5.1.4.1 */
		return -EINVAL;
	v->mtu = (uint32_t)mtu;
	return 0;
}

static int set_backend_fd(struct vhost *v)
{
	if (v->msg.nfds != 1)
		return -EINVAL;
	fd_close(v->backend);
	v->backend = vhost_msg_take_fd(&v->msg, 0);
	return 0;
}

static int get_status(struct vhost *v)
{
	return answer_u64(v, v->status);
}

/* 0 is a reset (virtio 1.3, 2.1.2) */
static int set_status(struct vhost *v)
{
	uint64_t s = get_u64(v);

	if (s > UINT8_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < VHOST_RINGS && !s; i++) {
		ring_stop(&v->ring[i]);
		v->ring[i].ready = false;
	}
	v->status = (uint8_t)s;
	return 0;
}

/* vhost-user.rst, Inflight I/O tracking. Buffers are used in the order in which they were made available: those in
 * flight are the ones behind the used index, where rings start then, whatever base the front end remembers. No entry of
 * the region is ever marked.
 */
struct inflight {
	uint64_t	size, off;
	uint16_t	queues, queue_size;
};

/* The region of one split ring: header, and an entry for each descriptor */
static uint64_t inflight_bytes(const struct inflight *i)
{
	return ROUND_UP(16 + 16ULL * i->queue_size, 64);
}

static int get_inflight(struct vhost *v)
{
	struct inflight i = { 0 };	/* with its padding */
	int fd;

	memcpy(&i, v->msg.payload, INFLIGHT_BYTES);
	if (!i.queues || i.queues > VHOST_RINGS || !virtq_size_ok(i.queue_size) || v->msg.nfds)
		return -EINVAL;
	fd = memfd_create("inflight", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	v->msg.fds[v->msg.nfds++] = fd;
	i.size = i.queues * inflight_bytes(&i);
	i.off = 0;
	for (uint16_t q = 0; q < i.queues; q++) {
		const uint16_t head[] = { 0, 0, 0, 0, 1, i.queue_size, 0, 0 };	/* features, version, entries */

		if (pwrite(fd, head, sizeof(head), (off_t)(q * inflight_bytes(&i))) != sizeof(head))
			return -ENOMEM;
	}
	if (ftruncate(fd, (off_t)i.size))
		return -errno;
	v->msg.give = true;
	return answer(v, &i, MIN(v->msg.size, sizeof(i)));	/* with the padding of C, or without */
}

static int set_inflight(struct vhost *v)
{
	struct inflight i;

	memcpy(&i, v->msg.payload, INFLIGHT_BYTES);
	if (v->msg.nfds != 1 || !i.queues || i.queues > VHOST_RINGS || !virtq_size_ok(i.queue_size) ||
	    i.size < i.queues * inflight_bytes(&i))
		return -EINVAL;
	v->inflight = true;
	return 0;
}

static int no_config(struct vhost *v)
{
	return answer(v, "", 0);		/* "zero length of payload to indicate an error" */
}

static int no_rarp(struct vhost *v)
{
	(void)v;
	log_limited(LOG_WARNING, "vhost-user: there is no migration yet: no RARP is sent");
	return -EOPNOTSUPP;
}

/* Bits 0 to 7: error; bit 8: no descriptor comes */
static int no_state(struct vhost *v)
{
	log_limited(LOG_WARNING, "vhost-user: there is no migration yet: state is not transferred");
	return answer_u64(v, NO_FD | 1);
}

/* By number: vhost-user.rst, Front-end message types. Those without a name here are refused. */
static const struct request_row {
	const char	*name;
	int		(*take)(struct vhost *);
	uint16_t	size;			/* of the payload, at least */
} requests[] = {
	[1]  = { "GET_FEATURES", get_features, 0 },
	[2]  = { "SET_FEATURES", set_features, 8 },
	[3]  = { "SET_OWNER", nothing, 0 },
	[4]  = { "RESET_OWNER", nothing, 0 },
	[5]  = { "SET_MEM_TABLE", set_mem_table, 8 },
	[6]  = { "SET_LOG_BASE", set_log_base, 8 },
	[7]  = { "SET_LOG_FD", nothing, 0 },	/* "may be used to inform the front-end" */
	[8]  = { "SET_VRING_NUM", set_vring_num, 8 },
	[9]  = { "SET_VRING_ADDR", set_vring_addr, sizeof(struct vhost_vring_addr) },
	[10] = { "SET_VRING_BASE", set_vring_base, 8 },
	[11] = { "GET_VRING_BASE", get_vring_base, 8 },
	[12] = { "SET_VRING_KICK", set_vring_kick, 8 },
	[13] = { "SET_VRING_CALL", set_vring_call, 8 },
	[14] = { "SET_VRING_ERR", set_vring_err, 8 },
	[15] = { "GET_PROTOCOL_FEATURES", get_protocol, 0 },
	[16] = { "SET_PROTOCOL_FEATURES", set_protocol, 8 },
	[17] = { "GET_QUEUE_NUM", get_queue_num, 0 },
	[18] = { "SET_VRING_ENABLE", set_vring_enable, 8 },
	[19] = { "SEND_RARP", no_rarp, 8 },
	[20] = { "NET_SET_MTU", set_mtu, 8 },
	[21] = { "SET_BACKEND_REQ_FD", set_backend_fd, 0 },
	[24] = { "GET_CONFIG", no_config, 0 },
	[31] = { "GET_INFLIGHT_FD", get_inflight, INFLIGHT_BYTES },
	[32] = { "SET_INFLIGHT_FD", set_inflight, INFLIGHT_BYTES },
	[34] = { "RESET_DEVICE", reset_device, 0 },
	[36] = { "GET_MAX_MEM_SLOTS", get_mem_slots, 0 },
	[37] = { "ADD_MEM_REG", add_mem_reg, 8 + sizeof(struct region) },
	[38] = { "REM_MEM_REG", rem_mem_reg, 8 + sizeof(struct region) },
	[39] = { "SET_STATUS", set_status, 8 },
	[40] = { "GET_STATUS", get_status, 0 },
	[42] = { "SET_DEVICE_STATE_FD", no_state, 0 },
	[43] = { "CHECK_DEVICE_STATE", no_state, 0 },
};

/* Messages */

/* 0, ANSWER, or -errno: refused */
static int msg_take(struct vhost *v)
{
	uint32_t id = v->msg.request;
	const struct request_row *q = id < ARRAY_SIZE(requests) && requests[id].take ? &requests[id] : NULL;
	int rc = q ? 0 : -EOPNOTSUPP;

	if (q && v->msg.cut)
		rc = -EMFILE;
	else if (q && v->msg.size < q->size)
		rc = -EINVAL;
	else if (q)
		rc = q->take(v);
	if (rc < 0)
		log_limited(LOG_WARNING, "vhost-user: request %u (%s) refused: %s", id, q ? q->name : "not supported",
			    errno_text(-rc));
	else
		debug("vhost-user: %s", q->name);
	return rc;
}

static int msg_done(struct vhost *v)
{
	bool ask = v->msg.flags & VHOST_NEED_REPLY;
	int rc = msg_take(v);

	ask &= !!(v->protocol & BIT(P_REPLY_ACK));	/* also for the request that brought it */
	rings_start(v);
	if (rc != ANSWER && ask)
		answer_u64(v, rc < 0);
	else if (rc < 0 && rc != -EOPNOTSUPP)
		return -EPROTO;
	rc = rc == ANSWER || ask ? vhost_msg_answer(&v->msg, v->fd) : 0;
	vhost_msg_done(&v->msg);
	return rc;
}

int vhost_control(struct vhost *v)
{
	for (unsigned i = 0; i < MESSAGES; i++) {
		int rc = v->broken ? -EFAULT : vhost_msg_read(&v->msg, v->fd);

		if (rc > 0)
			rc = msg_done(v);
		else if (!rc)
			return 0;
		if (rc)
			return v->broken ? -EFAULT : rc;
	}
	return 0;
}

int vhost_open(struct vhost *v, unsigned guest, int epfd, int fd, bool given)
{
	const struct sigaction sa = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	*v = (struct vhost){ .fd = fd, .epfd = epfd, .guest = (uint8_t)guest, .backend = -1 };
	/* "-netdev passt" of QEMU 11.1, by --fd, closes this channel's descriptor, and reads the next file there */
	v->offered = PROTOCOL & ~(given ? BIT(P_BACKEND_REQ) : 0);
	for (unsigned i = 0; i < VHOST_RINGS; i++)
		v->ring[i].kick = v->ring[i].call = v->ring[i].err = -1;
	if (sigaction(SIGBUS, &sa, NULL))
		return -errno;
	return ev_add(epfd, fd, EV_TAP, guest, VHOST_SUB_CONTROL, EPOLLIN);
}

void vhost_close(struct vhost *v)
{
	vhost_msg_done(&v->msg);
	for (unsigned i = 0; i < VHOST_RINGS; i++) {
		ring_reset(v, &v->ring[i]);
		fd_close(v->ring[i].call);
		fd_close(v->ring[i].err);
		v->ring[i].call = v->ring[i].err = -1;
	}
	fd_close(v->backend);
	v->backend = -1;
	map_close(&v->log);
	mem_close(&v->mem);
	ev_del(v->epfd, v->fd);
}
