/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhost_test.c - vhost-user's requests: descriptors, answers, rings that start and stop, memory that comes and goes
 *
 * A front end at the other end of a socket pair. What a driver does with rings is in virtq_test.c and tap_vhost_test.c.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <syslog.h>

#include "../../vhost.c"
#include "../descriptors.h"
#include "../t.h"

#define SIZE		64U		/* of rings */
#define LEN		(1U << 20)	/* of memory */
#define UVA		0x7f0000000000ULL
#define GPA		0x100000000ULL
#define EVERY		(~0ULL)

enum {
	GET_FEATURES = 1, SET_FEATURES = 2, SET_MEM_TABLE = 5, SET_LOG_BASE = 6, SET_NUM = 8, SET_ADDR, SET_BASE,
	GET_BASE, SET_KICK, SET_CALL, SET_ERR, GET_PROTOCOL, SET_PROTOCOL, SET_ENABLE = 18, SEND_RARP, SET_MTU,
	SET_BACKEND,
	GET_INFLIGHT = 31, SET_INFLIGHT, RESET_DEVICE = 34, ADD_REG = 37, REM_REG, SET_STATUS, GET_STATUS,
	SET_STATE_FD = 42, CHECK_STATE
};

static struct vhost *v;
static int front = -1, epfd = -1, memory = -1;
static uint8_t *shared;			/* the memory, as the front end has it */

static void end(void)
{
	if (front < 0)
		return;
	vhost_close(v);
	close(v->fd);
	close(front);
	close(epfd);
	close(memory);
	munmap(shared, LEN);
	front = -1;
}

static bool given;	/* by --fd */

static void begin(void)
{
	int pair[2];

	end();
	eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	front = pair[1];
	epfd = epoll_create1(EPOLL_CLOEXEC);
	memory = memfd_create("guest", MFD_CLOEXEC);
	eq(ftruncate(memory, LEN), 0);
	shared = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	v = vhost_of(0);
	eq(vhost_open(v, 0, epfd, pair[0], given), 0);
}

static void say(uint32_t request, uint32_t flags, const void *payload, uint32_t size, const int *fds, unsigned nfds)
{
	static struct vhost_message m;
	static union {
		struct cmsghdr	cm;
		uint8_t		buf[CMSG_SPACE(253 * sizeof(int))];
	} ctl;
	struct iovec iov = { &m, offsetof(struct vhost_message, payload) + size };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	m = (struct vhost_message){ .request = request, .flags = 1 | flags, .size = size };
	if (size)
		memcpy(m.payload, payload, size);
	if (nfds) {
		ctl.cm = (struct cmsghdr){ CMSG_LEN(nfds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(&ctl.cm), fds, nfds * sizeof(int));
		mh.msg_control = ctl.buf;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
	}
	eq(sendmsg(front, &mh, 0), (ssize_t)iov.iov_len);
}

/* The same, and its turn. Return: that of vhost_control() */
static int ask(uint32_t request, const void *payload, uint32_t size, const int *fds, unsigned nfds)
{
	say(request, 0, payload, size, fds, nfds);
	return vhost_control(v);
}

static int ask_u64(uint32_t request, uint64_t n, int fd)
{
	return ask(request, &n, sizeof(n), &fd, fd >= 0);
}

static int ask_ring(uint32_t request, unsigned ring, uint32_t num)
{
	return ask(request, &(struct vhost_vring_state){ ring, num }, 8, NULL, 0);
}

/* The answer to @request, @size bytes of it in @payload; and a descriptor, or -1 */
static int answered(uint32_t request, void *payload, uint32_t size, int *fd)
{
	static struct vhost_message m;
	union {
		struct cmsghdr	cm;
		uint8_t		buf[CMSG_SPACE(sizeof(int))];
	} ctl = { 0 };
	struct iovec iov = { &m, offsetof(struct vhost_message, payload) + size };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf, .msg_controllen = sizeof(ctl) };
	ssize_t n = recvmsg(front, &mh, MSG_DONTWAIT);

	memcpy(payload, m.payload, size);
	if (fd)
		*fd = -1;
	if (fd && mh.msg_controllen)
		memcpy(fd, CMSG_DATA(&ctl.cm), sizeof(*fd));
	return n == (ssize_t)iov.iov_len && m.request == request && m.flags == 5 && m.size == size;
}

static uint64_t answer_of(uint32_t request)
{
	uint64_t n = 0;

	ok(answered(request, &n, sizeof(n), NULL));
	return n;
}

static bool silent(void)
{
	return recv(front, &(char){ 0 }, 1, MSG_DONTWAIT) < 0;
}

static uint64_t get(uint32_t request)
{
	eq(ask(request, NULL, 0, NULL, 0), 0);
	return answer_of(request);
}

static struct {
	uint64_t n, pad;
	struct region r;
} table = { 1, 0, { GPA, LEN, UVA, 0 } };

/* As in SET_MEM_TABLE: the number takes 8 bytes */
static int set_table(void)
{
	uint8_t m[8 + sizeof(struct region)];

	memcpy(m, &table.n, 8);
	memcpy(m + 8, &table.r, sizeof(table.r));
	return ask(SET_MEM_TABLE, m, sizeof(m), &memory, 1);
}

static int region(uint32_t request, bool fd)
{
	uint8_t m[8 + sizeof(struct region)] = { 0 };

	memcpy(m + 8, &table.r, sizeof(table.r));
	return ask(request, m, sizeof(m), &memory, fd);
}

static struct vhost_vring_addr place(unsigned ring)
{
	uint64_t at = UVA + ring * 0x10000ULL;

	return (struct vhost_vring_addr){ .index = ring, .desc_user_addr = at, .avail_user_addr = at + 0x2000,
					  .used_user_addr = at + 0x3000 };
}

static int set_place(unsigned ring)
{
	struct vhost_vring_addr a = place(ring);

	return ask(SET_ADDR, &a, sizeof(a), NULL, 0);
}

static int set_eventfd(uint32_t request, unsigned ring)
{
	int fd = eventfd(0, EFD_CLOEXEC), rc = ask_u64(request, ring, fd);

	close(fd);
	return rc;
}

/* One of the four steps that a ring needs */
static int step(unsigned i)
{
	switch (i) {
	case 0:
		return set_table();
	case 1:
		return ask_ring(SET_NUM, 0, SIZE);
	case 2:
		return set_place(0);
	default:
		return set_eventfd(SET_KICK, 0);
	}
}

static uint16_t *used_index(unsigned ring)
{
	return (uint16_t *)(void *)(shared + ring * 0x10000 + 0x3002);
}

static void set_up(uint64_t features)
{
	begin();
	eq(ask_u64(SET_FEATURES, features, -1), 0);
	for (unsigned i = 0; i < 4; i++)
		eq(step(i), 0);
	ok(v->ring[0].started);
}

static void test_features(void)
{
	static const struct {
		uint64_t	f, use;
	} row[] = {
		{ TO_HOST, 0 },
		{ TO_GUEST, 0 },
		{ TO_HOST | BIT(VIRTIO_NET_F_CSUM), TO_HOST | BIT(VIRTIO_NET_F_CSUM) },
		{ TO_GUEST | BIT(VIRTIO_NET_F_GUEST_CSUM), BIT(VIRTIO_NET_F_GUEST_CSUM) },
		{ TO_GUEST | BIT(VIRTIO_NET_F_MRG_RXBUF), BIT(VIRTIO_NET_F_MRG_RXBUF) },
		{ TO_GUEST | BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_GUEST_CSUM),
		  TO_GUEST | BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_GUEST_CSUM) },
	};
	uint64_t before;

	test("an offload without the features that it needs counts as not acknowledged");
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		begin();
		eq(ask_u64(SET_FEATURES, row[i].f, -1), 0);
		eq(v->use, row[i].use);
		eq(vhost_caps(v).tso4, row[i].use & BIT(VIRTIO_NET_F_GUEST_TSO4) ? IP_MAX : 0);
		eq(vhost_caps(v).link_hdr, row[i].f & BIT(VIRTIO_NET_F_MRG_RXBUF) ? 12 : 10);
	}

	test("UDP super-packets: for both IP versions, or for none");
	begin();
	before = BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_USO4);
	eq(ask_u64(SET_FEATURES, before, -1), 0);
	ok(!vhost_caps(v).uso);
	eq(ask_u64(SET_FEATURES, before | BIT(VIRTIO_NET_F_GUEST_USO6), -1), 0);
	ok(vhost_caps(v).uso);

	test("the MTU is offered to a front end that has a place for it, and is used");
	begin();
	ok(!(get(GET_FEATURES) & BIT(VIRTIO_NET_F_MTU)));
	eq(ask_u64(SET_PROTOCOL, BIT(P_NET_MTU), -1), 0);
	ok(get(GET_FEATURES) & BIT(VIRTIO_NET_F_MTU));
	eq(ask_u64(SET_MTU, 1400, -1), 0);
	eq(vhost_caps(v).mtu, 1400);
	eq(ask_u64(SET_MTU, 67, -1), -EPROTO);

	test("a feature that wasn't offered: the connection ends, or the front end has an error");
	begin();
	eq(ask_u64(SET_FEATURES, EVERY, -1), -EPROTO);
	begin();
	eq(ask_u64(SET_PROTOCOL, BIT(P_REPLY_ACK), -1), 0);
	say(SET_FEATURES, VHOST_NEED_REPLY, &(uint64_t){ EVERY }, 8, NULL, 0);
	eq(vhost_control(v), 0);
	eq(answer_of(SET_FEATURES), 1);
	eq(v->features, 0);
}

static void test_messages(void)
{
	unsigned n;
	int rc = 0;

	test("the channel for our requests is not offered to one that has passed its socket by --fd");
	begin();
	ok(get(GET_PROTOCOL) & BIT(P_BACKEND_REQ));
	given = true;
	begin();
	ok(!(get(GET_PROTOCOL) & BIT(P_BACKEND_REQ)));
	ok(ask_u64(SET_PROTOCOL, BIT(P_BACKEND_REQ), -1));
	given = false;

	test("a request comes in any pieces");
	begin();
	for (unsigned cut = 1; cut < 20; cut++) {
		const struct {
			uint32_t r, f, s;
			uint64_t n;
		} __attribute__((packed)) m = { SET_FEATURES, 1, 8, BIT(VIRTIO_NET_F_CSUM) << (cut % 2) };

		v->features = 0;
		eq(send(front, &m, cut, 0), cut);
		eq(vhost_control(v), 0);
		eq(v->features, 0);
		eq(send(front, (const char *)&m + cut, 20 - cut, 0), 20 - cut);
		eq(vhost_control(v), 0);
		eq(v->features, m.n);
	}

	test("what there is no request for: refused, and an error if an answer was asked for");
	eq(ask_u64(99, 0, -1), 0);
	ok(silent());
	eq(ask_u64(SET_PROTOCOL, BIT(P_REPLY_ACK), -1), 0);
	say(99, VHOST_NEED_REPLY, &(uint64_t){ 0 }, 8, NULL, 0);
	eq(vhost_control(v), 0);
	eq(answer_of(99), 1);

	test("migration: RARP and state are refused");
	say(SEND_RARP, VHOST_NEED_REPLY, &(uint64_t){ 0 }, 8, NULL, 0);
	eq(vhost_control(v), 0);
	eq(answer_of(SEND_RARP), 1);
	eq(ask_u64(SET_STATE_FD, 0, memory), 0);
	eq(answer_of(SET_STATE_FD), NO_FD | 1);
	ok(get(CHECK_STATE) & 0xff);

	test("answers that nobody reads end the connection");
	for (n = 0; !rc && n < 100000; n++) {
		say(GET_FEATURES, 0, NULL, 0, NULL, 0);
		rc = vhost_control(v);
	}
	eq(rc, -EPROTO);

	test("the end of the connection, and another version");
	begin();
	eq(shutdown(front, SHUT_WR), 0);
	eq(vhost_control(v), -ECONNRESET);
	begin();
	say(GET_FEATURES, 3, NULL, 0, NULL, 0);
	eq(vhost_control(v), -EPROTO);
}

/* Any request, with any payload and number of descriptors, whatever becomes of it */
static void test_descriptors(void)
{
	static const unsigned counts[] = { 0, 1, 2, VHOST_FDS, VHOST_FDS + 1, 253 };
	static const uint32_t sizes[] = { 0, 7, 8, 16, 20, 40, VHOST_PAYLOAD };
	struct rlimit most, none;
	unsigned before;
	int fds[253];

	test("no descriptor stays open, with whatever request it came");
	end();
	before = fds_open();
	for (uint32_t id = 0; id < 48; id++)
		for (unsigned i = 0; i < ARRAY_SIZE(counts); i++)
			for (unsigned k = 0; k < ARRAY_SIZE(sizes); k++) {
				uint8_t payload[VHOST_PAYLOAD] = { i % 2, [8] = k % 2 };
				int fd = eventfd(0, EFD_CLOEXEC);

				begin();
				for (unsigned j = 0; j < counts[i]; j++)
					fds[j] = k % 2 ? memory : fd;
				ask(id, payload, sizes[k], fds, counts[i]);
				ask(id, payload, sizes[k], fds, counts[i]);
				close(fd);
				end();
			}
	eq(fds_open(), before);

	test("one that replaces another closes that");
	begin();
	before = fds_open();
	for (unsigned i = 0; i < 10; i++) {
		eq(set_eventfd(SET_KICK, 3), 0);
		eq(set_eventfd(SET_CALL, 3), 0);
		eq(set_eventfd(SET_ERR, 3), 0);
		eq(ask(SET_BACKEND, NULL, 0, &memory, 1), 0);
		eq(set_table(), 0);
		eq(ask(SET_LOG_BASE, &(uint64_t[2]){ 4096, 0 }, 16, &memory, 1), 0);
		answer_of(SET_LOG_BASE);
	}
	eq(fds_open(), before + 4);

	test("without a descriptor left, memory is refused, and nothing stays open");
	begin();
	before = fds_open();
	getrlimit(RLIMIT_NOFILE, &most);
	none = (struct rlimit){ (rlim_t)dup(0), most.rlim_max };	/* the lowest number that is free */
	close((int)none.rlim_cur);
	eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	eq(set_table(), -EPROTO);
	eq(setrlimit(RLIMIT_NOFILE, &most), 0);
	eq(v->mem.n, 0);
	eq(fds_open(), before);
	ok(v->msg.cut);

	test("a notification never waits");
	begin();
	eq(pipe2(fds, O_CLOEXEC), 0);
	eq(ask_u64(SET_CALL, 0, fds[1]), 0);
	for (unsigned i = 0; i < 100000; i++)
		vhost_call(&v->ring[0]);
	close(fds[0]);
	close(fds[1]);
}

static void test_start(void)
{
	unsigned n = 0;

	test("a ring starts when all is there, in whatever order it came");
	for (unsigned code = 0; code < 256; code++) {
		unsigned order[4] = { code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6 }, seen = 0;

		for (unsigned i = 0; i < 4; i++)
			seen |= 1U << order[i];
		if (seen != 15)
			continue;
		begin();
		for (unsigned i = 0; i < 4; i++) {
			ok(!v->ring[0].started);
			eq(step(order[i]), 0);
		}
		n += ok(v->ring[0].started && v->ring[0].enabled);
	}
	eq(n, 24);

	test("it is enabled by a request of its own where the front end knows that");
	set_up(BIT(F_PROTOCOL_FEATURES));
	ok(!v->ring[0].enabled);
	eq(ask_ring(SET_ENABLE, 0, 1), 0);
	ok(v->ring[0].enabled && !vhost_up(v));

	test("without a kick, it is polled");
	begin();
	for (unsigned i = 0; i < 3; i++)
		eq(step(i), 0);
	eq(ask_u64(SET_KICK, NO_FD, -1), 0);
	ok(v->ring[0].started && vhost_polled(v));

	test("sizes and addresses that a ring can't have");
	for (uint64_t num = 0; num <= UINT32_MAX; num = num * 3 + 1) {
		begin();
		eq(ask_ring(SET_NUM, 0, (uint32_t)num), num == 1 || num == 4 ? 0 : -EPROTO);
	}
	for (unsigned i = 0; i < 3; i++) {
		struct vhost_vring_addr a = place(0);

		set_up(0);
		*(i == 0 ? &a.desc_user_addr : i == 1 ? &a.avail_user_addr : &a.used_user_addr) = UVA + LEN - 64;
		eq(ask(SET_ADDR, &a, sizeof(a), NULL, 0), -EPROTO);
		ok(!v->ring[0].started);
	}
}

static void test_stop(void)
{
	struct vhost_vring_state s;

	test("the base: a ring stops, its index is the answer, and it starts again from there");
	set_up(0);
	v->ring[0].q.avail_next = 77;
	eq(ask_ring(GET_BASE, 0, 0), 0);
	ok(answered(GET_BASE, &s, sizeof(s), NULL));
	eq(s.index, 0);
	eq(s.num, 77);
	ok(!v->ring[0].started && v->ring[0].kick < 0);
	eq(set_eventfd(SET_KICK, 0), 0);
	ok(v->ring[0].started);
	eq(v->ring[0].q.avail_next, 77);

	test("status 0 stops rings until they are kicked off again; RESET_DEVICE takes all settings");
	eq(ask_u64(SET_STATUS, 15, -1), 0);
	eq(get(GET_STATUS), 15);
	eq(ask_u64(SET_STATUS, 0, -1), 0);
	ok(!v->ring[0].started);
	eq(get(GET_STATUS), 0);
	eq(set_eventfd(SET_KICK, 0), 0);
	ok(v->ring[0].started);
	eq(ask(RESET_DEVICE, NULL, 0, NULL, 0), 0);
	ok(!v->ring[0].started && !v->ring[0].size && v->ring[0].kick < 0 && !v->features);
	eq(set_eventfd(SET_KICK, 0), 0);
	ok(!v->ring[0].started);

	test("memory of a ring goes, and comes back: it goes on");
	set_up(0);
	v->ring[0].q.avail_next = 5;
	eq(region(REM_REG, false), 0);
	ok(!v->ring[0].started);
	eq(v->mem.n, 0);
	eq(region(ADD_REG, true), 0);
	ok(v->ring[0].started);
	eq(v->ring[0].q.avail_next, 5);
	eq(region(ADD_REG, true), -EPROTO);
	eq(v->mem.n, 1);
}

static void test_inflight(void)
{
	struct inflight i = { .queues = 2, .queue_size = SIZE };
	uint16_t head[8];
	int fd;

	test("buffers in flight: a region for them");
	begin();
	eq(ask(GET_INFLIGHT, &i, INFLIGHT_BYTES, NULL, 0), 0);
	ok(answered(GET_INFLIGHT, &i, INFLIGHT_BYTES, &fd));
	ok(fd >= 0 && i.size == 2 * (16 + 16 * SIZE + 48) && lseek(fd, 0, SEEK_END) == (off_t)i.size);
	eq(pread(fd, head, sizeof(head), (off_t)i.size / 2), (ssize_t)sizeof(head));
	eq(head[4], 1);
	eq(head[5], SIZE);

	eq(ask(GET_INFLIGHT, &i, sizeof(i), NULL, 0), 0);
	ok(answered(GET_INFLIGHT, &i, sizeof(i), NULL));

	test("... and with one, rings start where the guest has no used buffer yet");
	eq(ask(SET_INFLIGHT, &i, INFLIGHT_BYTES, &fd, 1), 0);
	close(fd);
	*used_index(0) = 9;
	eq(ask_ring(SET_BASE, 0, 12), 0);
	for (unsigned k = 0; k < 4; k++)
		eq(step(k), 0);
	eq(v->ring[0].q.avail_next, 9);
	eq(v->ring[0].q.out, 0);

	test("regions that nobody can have");
	for (unsigned k = 0; k < 3; k++) {
		i.queues = k == 0 ? 0 : k == 1 ? VHOST_RINGS + 1 : 2;
		i.queue_size = k == 2 ? 3 : SIZE;
		begin();
		eq(ask(GET_INFLIGHT, &i, INFLIGHT_BYTES, NULL, 0), -EPROTO);
	}
	i = (struct inflight){ .size = 64, .queues = 2, .queue_size = SIZE };
	begin();
	eq(ask(SET_INFLIGHT, &i, INFLIGHT_BYTES, &memory, 1), -EPROTO);
}

static void test_log(void)
{
	int log = memfd_create("log", MFD_CLOEXEC);
	struct vhost_vring_addr a = place(0);
	uint8_t bit = 0;

	test("a log of dirty pages is kept while the feature is acknowledged, also of used rings");
	eq(ftruncate(log, 1 << 20), 0);
	set_up(0);
	eq(ask(SET_LOG_BASE, &(uint64_t[2]){ (1 << 20) - 4096, 4096 }, 16, &log, 1), 0);
	answer_of(SET_LOG_BASE);
	ok(!v->mem.log);
	eq(ask_u64(SET_FEATURES, BIT(VHOST_F_LOG_ALL), -1), 0);
	ok(v->mem.log);
	a.flags = 1 << VHOST_VRING_F_LOG;
	a.log_guest_addr = 5 * MEM_PAGE;
	eq(ask(SET_ADDR, &a, sizeof(a), NULL, 0), 0);
	ok(v->ring[0].q.logged);
	v->ring[0].q.out = 1;
	virtq_use(&v->ring[0].q, 0, 0);
	eq(pread(log, &bit, 1, 4096), 1);
	eq(bit, 1 << 5);
	eq(ask_u64(SET_FEATURES, 0, -1), 0);
	ok(!v->mem.log && !v->ring[0].q.logged);
	close(log);
}

static void test_cut(void)
{
	test("memory that the front end cuts short is zeros, and the link ends");
	set_up(0);
	shared[0] = 1;
	eq(v->mem.region[0].at[0], 1);
	eq(ftruncate(memory, 0), 0);
	eq(v->mem.region[0].at[0], 0);
	eq(v->mem.region[0].at[LEN - 1], 0);
	ok(v->broken);
	eq(vhost_control(v), -EFAULT);

	test("pipes, sockets and eventfds are no memory");
	for (unsigned i = 0; i < 3; i++) {
		int p[2] = { -1, -1 }, fd = memory;

		begin();
		if (i == 0)
			memory = (eq(pipe2(p, O_CLOEXEC), 0), p[0]);
		else
			memory = i == 1 ? front : eventfd(0, EFD_CLOEXEC);
		eq(set_table(), -EPROTO);
		eq(v->mem.n, 0);
		if (i != 1)
			close(memory);
		if (p[1] >= 0)
			close(p[1]);
		memory = fd;
	}
	end();
}

int main(void)
{
	log_level = LOG_ERR;
	test_features();
	test_messages();
	test_descriptors();
	test_start();
	test_stop();
	test_inflight();
	test_log();
	test_cut();
	return done();
}
