/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhost_user.h - the front end's half of the vhost-user protocol (QEMU, docs/interop/vhost-user.rst) */
#ifndef VHOST_USER_H
#define VHOST_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VU_REGIONS	8

enum vu_request {
	VU_GET_FEATURES = 1, VU_SET_FEATURES = 2, VU_SET_OWNER = 3, VU_SET_MEM_TABLE = 5,
	VU_SET_LOG_BASE = 6, VU_SET_VRING_NUM = 8, VU_SET_VRING_ADDR = 9, VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11, VU_SET_VRING_KICK = 12, VU_SET_VRING_CALL = 13,
	VU_GET_PROTOCOL_FEATURES = 15, VU_SET_PROTOCOL_FEATURES = 16, VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18, VU_NET_SET_MTU = 20, VU_SET_BACKEND_REQ_FD = 21,
	VU_GET_INFLIGHT_FD = 31, VU_SET_INFLIGHT_FD = 32, VU_GET_MAX_MEM_SLOTS = 36,
	VU_ADD_MEM_REG = 37, VU_REM_MEM_REG = 38, VU_SET_STATUS = 39,
};

/* Protocol features, bits */
enum {
	VU_P_MQ = 0, VU_P_LOG_SHMFD = 1, VU_P_RARP = 2, VU_P_REPLY_ACK = 3, VU_P_MTU = 4, VU_P_BACKEND_REQ = 5,
	VU_P_INFLIGHT = 12, VU_P_RESET = 13, VU_P_MEM_SLOTS = 15, VU_P_STATUS = 16, VU_P_DEVICE_STATE = 19,
};

#define VU_F_LOG_ALL	26		/* device features, bits: beside those of virtio */
#define VU_F_PROTOCOL	30
#define VU_NO_FD	0x100		/* kick, call: ring index with this bit has no descriptor */

struct vu_state {
	uint32_t	index, num;
};

struct vu_addr {
	uint32_t	index, flags;
	uint64_t	desc, used, avail, log;
};

struct vu_region {
	uint64_t	gpa, size, uva, offset;
};

struct vu_mem {
	uint32_t	n, pad;
	struct vu_region region[VU_REGIONS];
};

struct vu_inflight {
	uint64_t	size, offset;
	uint16_t	queues, queue_size;
};

/* One connection. A lost one sets @lost, and from then on requests do nothing. */
struct vu {
	int		sock;
	bool		ack;		/* REPLY_ACK was negotiated */
	bool		lost;
};

/* A name of a feature, for options; bit of the device's features, or of the protocol's */
struct vu_name {
	const char	*name;
	bool		protocol;
	uint8_t		bit;
};
const struct vu_name *vu_name(const char *name, size_t len);

/**
 * vu_send() - a request without a reply of its own; its acknowledgment is awaited if that was negotiated
 * @len:	bytes of @payload
 * @fds:	@n of them, passed along
 *
 * Ends the tool if the back end refuses.
 */
void vu_send(struct vu *vu, enum vu_request what, const void *payload, size_t len, const int *fds, unsigned n);
void vu_send_u64(struct vu *vu, enum vu_request what, uint64_t value);
void vu_send_state(struct vu *vu, enum vu_request what, uint32_t index, uint32_t num);
void vu_send_fd(struct vu *vu, enum vu_request what, unsigned ring, int fd);	/* fd -1: none */

/* A request with a reply of @len bytes, into @reply; @fd gets its descriptor, or NULL */
void vu_ask(struct vu *vu, enum vu_request what, const void *payload, size_t size, void *reply, size_t len, int *fd);
uint64_t vu_ask_u64(struct vu *vu, enum vu_request what);

#endif /* VHOST_USER_H */
