/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_vhost.c - requests of a vhost-user front end, with descriptors, while frames pass
 *
 * Input: messages. Of each, a byte is the request (49 and 50: the memory is cut short, or grows again; 51: the front
 * end reads no more), one the flags, the number of descriptors and their kind, one the size of the payload in words;
 * each word is a number of value[], or from 0xf0 on, the next eight bytes. After each message, the link has a turn both
 * ways. A front end that is lost connects again; no descriptor may stay behind.
 */
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "../descriptors.h"
#include "../../log.h"
#include "../../tap.h"
#include "../../vhost.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)	((x) ? (void)0 : abort())
#define LEN		0x40000U
#define GPA		0x100000000ULL
#define UVA		0x7f0000000000ULL
#define WORDS		34U		/* of a payload, at most */
#define FDS		70U		/* more than a message may have */
#define RING		0x10000ULL	/* from one ring to the next */

static const uint64_t value[] = {
	0, 1, 2, 3, 4, 8, 64, 256, 1024, 4096, 65535, 65536, LEN, 1ULL << 63, ~0ULL, ~0ULL - 4095,
	GPA, GPA + LEN / 2, GPA + LEN, LEN / 2, UVA, UVA + LEN / 2, UVA + LEN, UVA + 0x2000, UVA + 0x3000,
	UVA + RING, UVA + RING + 0x2000, UVA + RING + 0x3000, UVA + RING + 0x3001, UVA + LEN - 64,
	1ULL << 32, 1ULL << 32 | 1, 64ULL << 32, 64ULL << 32 | 1, 3ULL << 32, 3ULL << 32 | 1, 1 << 8, 1 << 8 | 1,
	1ULL << 15, 1ULL << 15 | 1ULL << 32, 1ULL << 30 | 1ULL << 32, 1ULL << 26, 1ULL << 29 | 1ULL << 28, 1500,
	0x1b03b, 0x100008003, 64ULL << 16 | 2, 1ULL << 32 | 64ULL << 16 | 2,
};

static const uint8_t *in;
static size_t left;
static struct tap tap;
static int front, epfd, memory = -1, kinds[4];

static uint8_t byte(void)
{
	return left ? left--, *in++ : 0;
}

static uint64_t word(void)
{
	uint8_t b = byte();
	uint64_t n = 0;

	if (b < 0xf0)
		return value[b % ARRAY_SIZE(value)];
	for (unsigned i = 0; i < 8; i++)
		n = n << 8 | byte();
	return n;
}

static void join(void)
{
	int pair[2];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair));
	front = pair[1];
	CHECK(!tap_vhost_attach(&tap, pair[0], epfd, -1, false));
}

static void leave(void)
{
	tap_gone(&tap);
	close(front);
}

static void send_one(uint32_t request)
{
	uint8_t how = byte(), words = byte();
	uint64_t payload[WORDS];
	union {
		struct cmsghdr	cm;
		uint8_t		buf[CMSG_SPACE(FDS * sizeof(int))];
	} ctl = { 0 };
	uint32_t head[3] = { request, (how & 32 ? 2U : 1U) | (how & 1 ? VHOST_NEED_REPLY : 0), 0 };
	unsigned n = how >> 1 & 3, nfds = n < 3 ? n : how & 64 ? FDS : 16;
	struct iovec iov[2] = { { head, sizeof(head) }, { payload, 0 } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };

	iov[1].iov_len = words & 0x80 ? words & 0x3f : 8U * (words % WORDS);
	head[2] = how & 128 ? UINT16_MAX : (uint32_t)iov[1].iov_len;
	for (unsigned i = 0; i < DIV_ROUND_UP(iov[1].iov_len, 8); i++)
		payload[i] = word();
	if (nfds) {
		ctl.cm = (struct cmsghdr){ CMSG_LEN(nfds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		for (unsigned i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(&ctl.cm) + i * sizeof(int), &kinds[how >> 3 & 3], sizeof(int));
		mh.msg_control = ctl.buf;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
	}
	sendmsg(front, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* One frame to the guest, and all that it has. Return: as tap_flush() */
static int traffic(void)
{
	static struct raw raw[TAP_BATCH];
	const struct net_hdr net = { .src = { addr_from4(1), 1 }, .dst = { addr_from4(2), 2 } };
	const struct tcp_seg s = { .wscale = TCP_WSCALE_NONE };
	struct frame *f;
	int n;

	if (tap_reserve_exact(&tap, &f, 1, 100, net_hdr_len(true, TCP_HLEN))) {
		f->len = frame_room(f);
		frame_tcp(f, &net, &s, 1000, &tap.caps);
		tap_commit(&tap, f);
	}
	n = tap_recv(&tap, raw);
	for (int i = 0; i < n; i++) {
		struct pkt p;

		pkt_parse(&raw[i], &p);
	}
	tap_recv_done(&tap);
	n = n < 0 ? n : tap_flush(&tap);
	tap.full = n == -EAGAIN;
	return n == -EAGAIN ? 0 : n;
}

static void step(uint8_t request)
{
	uint32_t events;
	uint8_t drain[4096];
	int rc;

	if (request == 49)
		CHECK(!ftruncate(memory, 0));
	else if (request == 50)
		CHECK(!ftruncate(memory, LEN));
	else if (request == 51)
		shutdown(front, SHUT_RD);
	else
		send_one(request);
	rc = tap_event(&tap, VHOST_SUB_CONTROL, &events);
	tap.full &= !(events & EPOLLOUT);
	if (!rc)
		rc = traffic();
	while (recv(front, drain, sizeof(drain), MSG_DONTWAIT) > 0)
		;
	if (rc) {
		leave();
		join();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned before;

	if (memory < 0) {
		log_level = LOG_ERR;
		memory = kinds[0] = kinds[1] = memfd_create("guest", MFD_CLOEXEC);
		kinds[2] = eventfd(0, EFD_CLOEXEC);
		kinds[3] = epfd = epoll_create1(EPOLL_CLOEXEC);
		CHECK(memory >= 0 && kinds[2] >= 0 && epfd >= 0);
	}
	in = data;
	left = size;
	CHECK(!ftruncate(memory, 0) && !ftruncate(memory, LEN));
	before = fds_open();
	join();
	while (left)
		step(byte());
	leave();
	CHECK(fds_open() == before);
	return 0;
}
