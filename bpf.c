/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf.c - programs of classic BPF (linux/filter.h), for sockets and system calls */
#include <sys/socket.h>

#include "bpf.h"
#include "util.h"

unsigned bpf_op(struct bpf *p, uint16_t code, uint32_t k, unsigned jt, unsigned jf)
{
	if (p->n < ARRAY_SIZE(p->op))
		p->op[p->n++] = (struct sock_filter){ .code = code, .jt = (uint8_t)jt, .jf = (uint8_t)jf, .k = k };
	return p->n - 1U;
}

void bpf_load(struct bpf *p, uint16_t size, size_t at)
{
	bpf_op(p, (uint16_t)(BPF_LD | BPF_ABS | size), (uint32_t)at, 0, 0);
}

void bpf_ret(struct bpf *p, uint32_t verdict)
{
	bpf_op(p, BPF_RET | BPF_K, verdict, 0, 0);
}

void bpf_ret_if(struct bpf *p, const struct bpf_part *part, unsigned n, uint32_t verdict)
{
	for (unsigned i = 0; i < n; i++) {
		bpf_load(p, part[i].size, part[i].at);
		bpf_op(p, BPF_JMP | BPF_JEQ | BPF_K, part[i].value, 0, 2 * (n - 1 - i) + 1);
	}
	bpf_ret(p, verdict);
}

void bpf_ret_unless(struct bpf *p, const uint32_t *value, unsigned n, uint32_t verdict)
{
	for (unsigned i = 0; i < n; i++)
		bpf_op(p, BPF_JMP | BPF_JEQ | BPF_K, value[i], n - i, 0);
	bpf_ret(p, verdict);
}

unsigned bpf_addr(struct bpf_part part[static 4], uint32_t at, const struct addr *a)
{
	unsigned n = addr_is_v4(a) ? 1 : 4;

	for (unsigned i = 0; i < n; i++)
		part[i] = (struct bpf_part){ BPF_W, at + 4 * i, ntohl(a->w[4 - n + i]) };
	return n;
}

int bpf_attach(struct bpf *p, int fd, uint32_t verdict)
{
	struct sock_fprog prog = { .filter = p->op };

	bpf_ret(p, verdict);
	prog.len = p->n;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ? -errno : 0;
}
