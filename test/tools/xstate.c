/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xstate.c - preloaded into user-mode Linux, whose buffer for a process' registers is too short on newer processors
 *
 * Linux takes a tracee's extended state in its full length only (arch/x86/kernel/fpu/regset.c), 11,008 bytes with AMX;
 * user-mode Linux 6.1 has room for 2,696, and ends its first process. Here a short one is completed by the tracee's
 * own.
 */
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#define XSTATE_MAX	65536

long ptrace(enum __ptrace_request request, ...)
{
	static long (*next)(enum __ptrace_request request, ...);
	static char full[XSTATE_MAX];	/* its stacks are small; it has one thread */
	struct iovec iov = { full, sizeof(full) };
	const struct iovec *given;
	void *addr, *data;
	va_list ap;
	int pid;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "ptrace");
	va_start(ap, request);
	pid = va_arg(ap, int);
	addr = va_arg(ap, void *);
	data = va_arg(ap, void *);
	va_end(ap);
	given = data;
	if (request != PTRACE_SETREGSET || (unsigned long)addr != NT_X86_XSTATE)
		return next(request, pid, addr, data);
	if (next(PTRACE_GETREGSET, pid, addr, &iov) || given->iov_len > iov.iov_len)
		return next(request, pid, addr, data);
	memcpy(full, given->iov_base, given->iov_len);
	return next(request, pid, addr, &iov);
}
