/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nodelay.c - TCP_NODELAY of a listener is that of the connections it accepts (tcp(7) doesn't say) */
#include "pair.h"

static int nodelay(int fd)
{
	socklen_t len = sizeof(int);
	int on = -1;

	getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len);
	return !!on;
}

int main(void)
{
	for (int on = 0; on < 2; on++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0), accepted, l;
		struct sockaddr_in sa;

		test("listener with TCP_NODELAY %s", on ? "on" : "off");
		l = listener(&sa);
		eq(setsockopt(l, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
		eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
		accepted = accept(l, NULL, NULL);
		eq(nodelay(accepted), on);
		eq(nodelay(fd), 0);
		close(accepted);
		close(fd);
		close(l);
	}
	return done();
}
