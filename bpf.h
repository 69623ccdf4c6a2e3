/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf.h - programs of classic BPF (linux/filter.h), for sockets and system calls */
#ifndef CLASSIC_BPF_H
#define CLASSIC_BPF_H

#include <linux/filter.h>

#include "addr.h"

#define FILTER_PASS	UINT32_MAX
#define FILTER_DROP	0

/* The kernel refuses a program that was longer: its jumps or its end are missing */
struct bpf {
	unsigned short		n;
	struct sock_filter	op[1024];
};

struct bpf_part {
	uint16_t	size;		/* BPF_W, BPF_H, BPF_B */
	uint32_t	at, value;	/* in host byte order, which BPF_LD converts to */
};

/* Appends an instruction: its index */
unsigned bpf_op(struct bpf *p, uint16_t code, uint32_t k, unsigned jt, unsigned jf);
void bpf_load(struct bpf *p, uint16_t size, size_t at);
void bpf_ret(struct bpf *p, uint32_t verdict);
/* The verdict on a packet with all of the @n parts; any other goes on */
void bpf_ret_if(struct bpf *p, const struct bpf_part *part, unsigned n, uint32_t verdict);
/* The verdict, unless the value loaded last is one of @n: then the packet goes on */
void bpf_ret_unless(struct bpf *p, const uint32_t *value, unsigned n, uint32_t verdict);

/* Parts of a packet with address @a at @at: their number, 1 or 4 */
unsigned bpf_addr(struct bpf_part part[static 4], uint32_t at, const struct addr *a);

/* Filter of a socket, with the verdict on all other packets: 0, or -errno: the one before stays */
int bpf_attach(struct bpf *p, int fd, uint32_t verdict);

#endif /* CLASSIC_BPF_H */
