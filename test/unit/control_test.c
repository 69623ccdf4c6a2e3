/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control_test.c - who connects to the control socket gets in, whatever else uses up descriptors */
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "../t.h"
#include "../../auto.h"
#include "../../control.c"

#define LIMIT	64

static struct ctx c;

void auto_again(struct ctx *ctx)
{
	(void)ctx;
}

static unsigned clients(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
		n += ct.client[i].fd >= 0;
	return n;
}

/* Flows take what there is */
static void use_up(void)
{
	while (dup(c.epfd) >= 0)
		;
}

static void event(uint32_t idx)
{
	control_event(&c, (union ev_ref){ .type = EV_CONTROL, .idx = idx }, EPOLLIN);
}

int main(void)
{
	const struct rlimit lim = { LIMIT, LIMIT };
	char dir[] = "/tmp/control_test.XXXXXX";
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd, client[2];

	test("I8 PEER-05 where flows use up descriptors, the spare one is a client's, and of nobody else");
	ok(!setrlimit(RLIMIT_NOFILE, &lim));
	c.epfd = epoll_create1(EPOLL_CLOEXEC);
	wheel_init(&c.wheel, 1000);
	c.now = 1000;
	accept_init(&c);
	if (!ok(mkdtemp(dir)))
		return done();
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/s", dir);
	fd = unix_listen(a.sun_path, 0600);
	ok(fd >= 0 && !control_start(&c, fd) && ct.spare >= 0);
	for (unsigned i = 0; i < 2; i++) {
		client[i] = socket(AF_UNIX, SOCK_STREAM, 0);
		ok(!connect(client[i], (const struct sockaddr *)&a, sizeof(a)));
	}
	use_up();
	event(LISTENER);
	use_up();
	event(LISTENER);
	eq(clients(), 1);

	event(LISTENER);			/* the other waits until that one has gone */
	eq(clients(), 1);
	ok(ct.deaf);
	close(client[0]);
	use_up();
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
		if (ct.client[i].fd >= 0)
			control_event(&c, (union ev_ref){ .type = EV_CONTROL, .idx = i, .gen = ct.client[i].gen },
				      EPOLLHUP);
	ok(!clients() && !ct.deaf && ct.spare >= 0);
	use_up();
	event(LISTENER);
	eq(clients(), 1);
	unlink(a.sun_path);
	rmdir(dir);
	for (fd = STDERR_FILENO + 1; fd < LIMIT; fd++)	/* sanitizers need some at the end */
		close(fd);
	return done();
}
