/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhost_user.c - the front end's half of the vhost-user protocol: messages on the connected socket */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "device.h"
#include "vhost_user.h"

#define VERSION		1U
#define REPLY		4U
#define NEED_REPLY	8U
#define FDS_MAX		VU_REGIONS

struct hdr {
	uint32_t	request, flags, size;
};

#define HOST_USO	56		/* virtio 1.3 5.1.3; headers before Linux 6.2 lack them */
#define GUEST_USO4	54
#define GUEST_USO6	55
#define RING_RESET	40

static const struct vu_name names[] = {
	{ "csum", false, VIRTIO_NET_F_CSUM }, { "guest_csum", false, VIRTIO_NET_F_GUEST_CSUM },
	{ "mtu", false, VIRTIO_NET_F_MTU }, { "guest_tso4", false, VIRTIO_NET_F_GUEST_TSO4 },
	{ "guest_tso6", false, VIRTIO_NET_F_GUEST_TSO6 }, { "guest_ecn", false, VIRTIO_NET_F_GUEST_ECN },
	{ "host_tso4", false, VIRTIO_NET_F_HOST_TSO4 }, { "host_tso6", false, VIRTIO_NET_F_HOST_TSO6 },
	{ "host_ecn", false, VIRTIO_NET_F_HOST_ECN }, { "mrg_rxbuf", false, VIRTIO_NET_F_MRG_RXBUF },
	{ "host_uso", false, HOST_USO }, { "guest_uso4", false, GUEST_USO4 }, { "guest_uso6", false, GUEST_USO6 },
	{ "indirect", false, VIRTIO_RING_F_INDIRECT_DESC }, { "event_idx", false, VIRTIO_RING_F_EVENT_IDX },
	{ "version_1", false, VIRTIO_F_VERSION_1 }, { "ring_reset", false, RING_RESET },
	{ "mq", true, VU_P_MQ }, { "log", true, VU_P_LOG_SHMFD }, { "reply_ack", true, VU_P_REPLY_ACK },
	{ "net_mtu", true, VU_P_MTU }, { "backend_req", true, VU_P_BACKEND_REQ },
	{ "inflight", true, VU_P_INFLIGHT }, { "mem_slots", true, VU_P_MEM_SLOTS }, { "status", true, VU_P_STATUS },
	{ "protocol", false, VU_F_PROTOCOL },
};

const struct vu_name *vu_name(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i].name) == len && !memcmp(names[i].name, name, len))
			return &names[i];
	return NULL;
}

/* The peer went away: the caller sees to it */
static void lost(struct vu *vu)
{
	vu->lost = true;
}

static void message(struct vu *vu, const struct hdr *h, const void *payload, const int *fds, unsigned n)
{
	struct iovec iov[2] = { { (void *)(uintptr_t)h, sizeof(*h) }, { (void *)(uintptr_t)payload, h->size } };
	union {
		struct cmsghdr	align;
		char		buf[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} c = { .align = { .cmsg_len = CMSG_LEN(n * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	if (n) {
		memcpy(CMSG_DATA(&c.align), fds, n * sizeof(int));
		m.msg_control = c.buf;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
	}
	if (!vu->lost && sendmsg(vu->sock, &m, MSG_NOSIGNAL) != (ssize_t)(sizeof(*h) + h->size))
		lost(vu);
}

/* All of @len bytes, and perhaps a descriptor with the first of them */
static bool take(struct vu *vu, void *to, size_t len, int *fd)
{
	union {
		struct cmsghdr	align;
		char		buf[CMSG_SPACE(sizeof(int))];
	} c;
	size_t got = 0;

	while (!vu->lost && got < len) {
		struct iovec iov = { (char *)to + got, len - got };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.buf,
				    .msg_controllen = sizeof(c) };
		ssize_t n = recvmsg(vu->sock, &m, MSG_CMSG_CLOEXEC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			lost(vu);
			break;
		}
		if (fd && CMSG_FIRSTHDR(&m))
			memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
		got += (size_t)n;
	}
	return got == len;
}

/* The reply to @what, of @len bytes */
static bool reply(struct vu *vu, enum vu_request what, void *to, size_t len, int *fd)
{
	struct hdr h;

	if (!take(vu, &h, sizeof(h), fd))
		return false;
	if (h.request == VU_SET_LOG_BASE && h.size < len)	/* with or without a payload */
		len = h.size;
	if (h.request != what || !(h.flags & REPLY) || (h.flags & 3) != VERSION || h.size != len) {
		fprintf(stderr, "%s: reply to request %d: request %u, flags %#x, %u bytes\n",
			program_invocation_short_name, what, h.request, h.flags, h.size);
		exit(3);
	}
	return take(vu, to, len, NULL);
}

void vu_send(struct vu *vu, enum vu_request what, const void *payload, size_t len, const int *fds, unsigned n)
{
	bool own = what == VU_SET_LOG_BASE;	/* has a reply of its own, with LOG_SHMFD */
	struct hdr h = { what, VERSION | (vu->ack && !own ? NEED_REPLY : 0), (uint32_t)len };
	uint64_t rc = 0;

	message(vu, &h, payload, fds, n);
	if ((vu->ack || own) && reply(vu, what, &rc, sizeof(rc), NULL) && rc && !own) {
		fprintf(stderr, "%s: request %d is refused\n", program_invocation_short_name, what);
		exit(3);
	}
}

void vu_send_u64(struct vu *vu, enum vu_request what, uint64_t value)
{
	vu_send(vu, what, &value, sizeof(value), NULL, 0);
}

void vu_send_state(struct vu *vu, enum vu_request what, uint32_t index, uint32_t num)
{
	const struct vu_state s = { index, num };

	vu_send(vu, what, &s, sizeof(s), NULL, 0);
}

void vu_send_fd(struct vu *vu, enum vu_request what, unsigned ring, int fd)
{
	const uint64_t value = ring | (fd < 0 ? VU_NO_FD : 0);

	vu_send(vu, what, &value, sizeof(value), &fd, fd >= 0);
}

void vu_ask(struct vu *vu, enum vu_request what, const void *payload, size_t size, void *to, size_t len, int *fd)
{
	const struct hdr h = { what, VERSION, (uint32_t)size };

	message(vu, &h, payload, NULL, 0);
	memset(to, 0, len);
	if (fd)
		*fd = -1;
	reply(vu, what, to, len, fd);
}

uint64_t vu_ask_u64(struct vu *vu, enum vu_request what)
{
	uint64_t value;

	vu_ask(vu, what, NULL, 0, &value, sizeof(value), NULL);
	return value;
}
