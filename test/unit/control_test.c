/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control_test.c - who connects to the control socket gets in, whatever else uses up descriptors; an answer that waits
 * for news
 */
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

/* The other end of a new client's connection */
static int client_new(struct client *cl)
{
	int p[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p))
		exit(EXIT_FAILURE);
	memset(cl, 0, offsetof(struct client, in));
	cl->fd = p[0];
	cl->events = EPOLLIN;
	cl->patience.kind = TIMER_CONTROL;
	cl->out = (struct json_out){ .b = cl->buf, .max = sizeof(cl->buf) };
	ev_add(c.epfd, p[0], EV_CONTROL, (uint32_t)(cl - ct.client), 0, EPOLLIN);
	timer_set(&c.wheel, &cl->patience, c.now + PATIENCE);
	return p[1];
}

/* What a client has got since, with ';' for NUL */
static const char *got(int fd)
{
	static char text[2 * CONTROL_OUT];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	for (ssize_t i = 0; i < n; i++)
		text[i] = text[i] ? text[i] : ';';
	return text;
}

static void deny(void)
{
	const struct end to = { .port = 443 };

	flow_log_verdict(&c, &(struct flow_note){ .event = FLOW_DENY, .proto = IPPROTO_UDP, .g = &c.guest[0],
						  .to = &to });
}

static void test_events(void)
{
	static const char call[] = "{\"method\":\"org.passt.control.Events\",\"more\":true}";
	struct client *cl = &ct.client[0];
	const char *s;
	int fd;

	test("an answer waits for news: its client is watched for its end only, and may take its time");
	c.epfd = epoll_create1(EPOLL_CLOEXEC);
	c.now = 1000;
	wheel_init(&c.wheel, 1000);
	flow_log_init(&c);
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
		ct.client[i].fd = -1;
	fd = client_new(cl);
	ok(send(fd, call, sizeof(call), 0) == sizeof(call));
	event(0);
	eq_str(got(fd), "{\"parameters\":{\"events\":[]},\"continues\":true};");
	ok(c.flow_log.on && cl->call.waits && !timer_armed(&cl->patience));
	eq(cl->events, 0);
	control_news(&c);
	eq_str(got(fd), "");

	test("and goes on");
	deny();
	control_news(&c);
	s = got(fd);
	ok(strstr(s, "\"event\":\"deny\"") && strstr(s, "]},\"continues\":true};"));
	eq(cl->events, 0);

	test("a client that takes nothing is watched for room; later it gets the rest, and what it lost");
	for (unsigned i = 0; i < 40000; i++) {
		deny();
		control_news(&c);
	}
	eq(cl->events, EPOLLOUT);
	while (*(s = got(fd)) && !strstr(s, "\"event\":\"lost\",\"count\":"))
		control_event(&c, (union ev_ref){ .type = EV_CONTROL }, EPOLLOUT);
	ok(*s);

	test("its end is that of the record");
	control_event(&c, (union ev_ref){ .type = EV_CONTROL }, EPOLLHUP);
	ok(cl->fd < 0 && !c.flow_log.on && !c.flow_log.clients);
	close(fd);
	close(c.epfd);
}

/* All clients there may be, the first one idle for longest: @waits is a bit for each that waits for news */
static void clients_new(unsigned waits)
{
	for (unsigned i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *cl = &ct.client[i];

		if (cl->fd >= 0)
			client_close(&c, cl);
		close(client_new(cl));
		cl->heard = i;
		cl->call.busy = cl->call.waits = waits >> i & 1;
	}
}

static void test_evict(void)
{
	test("FWD-19 who gives way: the client idle for longest, but none that waits for news if there is another");
	c.epfd = epoll_create1(EPOLL_CLOEXEC);
	c.now = 1000;
	wheel_init(&c.wheel, 1000);
	ct.fd = ct.spare = -1;
	clients_new(0);
	ok(evict(&c) && ct.client[0].fd < 0 && clients() == CONTROL_CLIENTS - 1);
	clients_new(0x000b);
	ok(evict(&c) && ct.client[2].fd < 0 && clients() == CONTROL_CLIENTS - 1);

	test("FWD-19 so it is if that one isn't idle yet: a new one waits");
	clients_new(0x7fff);
	ct.client[CONTROL_CLIENTS - 1].heard = c.now - GRACE + 10;
	ok(!evict(&c) && ct.deaf && clients() == CONTROL_CLIENTS);
	c.now += 10;
	ok(evict(&c) && ct.client[CONTROL_CLIENTS - 1].fd < 0 && clients() == CONTROL_CLIENTS - 1);

	test("FWD-19 if all wait for news, one of them gives way");
	clients_new(0xffff);
	ok(evict(&c) && ct.client[0].fd < 0 && clients() == CONTROL_CLIENTS - 1);

	for (unsigned i = 1; i < CONTROL_CLIENTS; i++)
		client_close(&c, &ct.client[i]);
	close(ct.spare);
	close(c.epfd);
}

int main(void)
{
	const struct rlimit lim = { LIMIT, LIMIT };
	char dir[] = "/tmp/control_test.XXXXXX";
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd, client[2];

	test_events();
	test_evict();
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
