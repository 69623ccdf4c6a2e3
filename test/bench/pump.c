/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pump.c - what the kernel's calls alone cost: bytes between a tap device and a TCP socket, with next to nothing in
 * between
 *
 *	pump [-1] [-m MTU] [CASE]
 *
 *	out	a kernel's TCP sender behind the tap device -> us -> socket on loopback -> receiver
 *	in	sender -> socket on loopback -> us -> tap device -> a kernel's TCP receiver
 *
 * out_read, out_send, in_recv and in_write are half of the way; in_no_peek takes what it reads off the queue at once,
 * as nobody can who may have to send it again. Frames to the guest have up to 256 KiB, as the program's, if the kernel
 * has memory for such. TCP towards the guest is only as much as makes one connection move: this is the limit of a
 * program that does it with these calls. One line for each case: Gb/s that were moved and that a core of ours could
 * move, and nanoseconds of our CPU time, and system calls, for 64 KiB.
 *
 * We are on CPU 0, both ends on CPU 1. With -1, all are on CPU 0: which shows what it costs that bytes move to another
 * core's cache. Each case has a network namespace of its own. What else runs disturbs: as root, use chrt -f 5.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP		300000000U	/* ns */
#define HDR		66		/* virtio_net, Ethernet, IPv4, TCP without options */
#define SYN_OPTIONS	8
#define SUPER		(262144 - 14)	/* bytes of IP: largest super-packet to the guest (TAP_SUPER) */
#define ROOM		(HDR + SUPER + 62)
#define SECONDS		1
#define BUFS		8		/* frames in a batch */
#define WINDOW		(2U << 20)	/* what we offer the guest */
#define STEP		(256U << 10)	/* bytes read, and discarded, at once */

static uint8_t pool[BUFS][ROOM] __attribute__((aligned(4096)));
static int tap, sock, epfd;
static unsigned mtu = 65520;
static uint32_t each;				/* payload of a full frame from the guest, 64 KiB */
static uint32_t each_in;			/* and of one to it, 256 KiB */
static bool one_cpu;
static struct { uint64_t bytes, calls; } sum;
static struct { uint32_t seq, ack, una, wnd; uint8_t scale; } us;

static void fatal(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	_exit(1);
}

static uint64_t ns(clockid_t id)
{
	struct timespec ts = { 0 };

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Asked before each batch; prints the result at the end */
static bool running(void)
{
	static uint64_t begin, from, cpu, bytes, calls;
	uint64_t now = ns(CLOCK_MONOTONIC);

	begin = begin ? begin : now;
	if (now - begin < WARM_UP) {
		from = now;
		cpu = ns(CLOCK_PROCESS_CPUTIME_ID);
		bytes = sum.bytes;
		calls = sum.calls;
	}
	if (now - from < SECONDS * 1000000000ULL)
		return true;

	cpu = ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	bytes = sum.bytes - bytes;
	printf(" gbit=%.2f gbit_core=%.2f cpu_64k=%.0f calls_64k=%.2f\n", (double)bytes * 8 / (double)(now - from),
	       (double)bytes * 8 / (double)cpu, (double)cpu * 65536 / (double)bytes,
	       (double)(sum.calls - calls) * 65536 / (double)bytes);
	return false;
}

/* TCP towards the guest */

static struct hdr {
	struct virtio_net_hdr_v1 v;
	uint8_t		eth[14];
	struct iphdr	ip;
	struct tcphdr	tcp;
	uint8_t		option[SYN_OPTIONS];
} __attribute__((packed)) h = {
	.v = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16, .hdr_len = 54 },
	.eth = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8 },
	.ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP },
	.option = { 2, 4, 0, 0, 1, 3, 3, 7 },
};

/* Headers of a frame. The TCP checksum is left to whoever needs one: nobody. */
static void build(uint8_t *p, uint32_t len, uint32_t options)
{
	uint16_t w[10];
	uint32_t check = 0;

	h.v.gso_type = len > mtu - 40 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_NONE;
	h.v.gso_size = (uint16_t)(mtu - 40);
	h.ip.tot_len = 40 + options + len > 65535 ? 0 : htons((uint16_t)(40 + options + len));	/* as BIG TCP has it */
	h.ip.check = 0;
	memcpy(w, &h.ip, sizeof(w));
	for (int i = 0; i < 10; i++)
		check += w[i];
	h.ip.check = (uint16_t)~((check & 0xffff) + (check >> 16));
	h.tcp.doff = (20 + options) / 4 & 15;
	h.tcp.ack = 1;
	h.tcp.syn = options > 0;
	h.tcp.seq = htonl(us.seq);
	h.tcp.ack_seq = htonl(us.ack);
	h.tcp.window = htons(WINDOW >> 7);
	memcpy(p, &h, HDR + options);
	us.seq += len + h.tcp.syn;
}

/* Payload of a frame, 0 if there is none that is new */
static uint32_t take(const void *p, ssize_t len)
{
	const struct hdr *g = p;
	uint32_t n = (uint32_t)len - 46 - g->tcp.doff * 4U;

	if (g->eth[12] != 8 || g->eth[13] || g->ip.protocol != IPPROTO_TCP)
		return 0;
	us.una = ntohl(g->tcp.ack_seq);
	us.wnd = (uint32_t)ntohs(g->tcp.window) << us.scale;
	if (ntohl(g->tcp.seq) != us.ack)
		return 0;
	us.ack += n;
	return n;
}

/* Until there is something new: on the socket, not what was peeked at already */
static void wait_for(bool socket)
{
	struct pollfd p[2] = { { .fd = tap, .events = POLLIN }, { .fd = epfd, .events = POLLIN } };
	struct epoll_event e;

	sum.calls++;
	if (poll(p, socket ? 2 : 1, 100) > 0 && p[1].revents)
		epoll_wait(epfd, &e, 1, 0);
}

static void emit(uint32_t options)
{
	uint8_t p[HDR + SYN_OPTIONS];

	build(p, 0, options);
	sum.calls++;
	if (write(tap, p, HDR + options) < 0)
		fatal("write");
}

static void handshake(void)
{
	const struct hdr *g = (const void *)pool[0];
	const uint8_t *o = g->option;

	while (read(tap, pool[0], ROOM) < HDR || g->ip.protocol != IPPROTO_TCP || !g->tcp.syn)
		wait_for(false);
	h.tcp.source = g->tcp.dest;
	h.tcp.dest = g->tcp.source;
	h.ip.saddr = g->ip.daddr;
	h.ip.daddr = g->ip.saddr;
	h.option[2] = (uint8_t)((mtu - 40) >> 8);
	h.option[3] = (uint8_t)(mtu - 40);
	us.ack = ntohl(g->tcp.seq) + 1;
	while (*o != 3)				/* there is a window scale: there always is */
		o += *o == 1 ? 1 : o[1];
	us.scale = o[2];
	emit(SYN_OPTIONS);
	us.una = us.seq;
	us.wnd = 65535;
}

/* From the guest: @half 'r' is reading only, 's' sending */
static void out(int half)
{
	struct iovec iov[BUFS];
	struct msghdr mh = { .msg_iov = iov };

	while (running()) {
		unsigned n = 0;
		size_t bytes = 0;

		while (n < BUFS) {
			ssize_t len = half == 's' ? HDR + (ssize_t)each : read(tap, pool[n], ROOM);
			uint32_t got;

			sum.calls += half != 's';
			if (len < 0)
				break;
			got = half == 's' ? each : take(pool[n], len);
			iov[n] = (struct iovec){ pool[n] + len - got, got };
			bytes += got;
			n += got > 0;
		}
		mh.msg_iovlen = n;
		sum.calls += n && half != 'r';
		if (n && half != 'r' && sendmsg(sock, &mh, MSG_NOSIGNAL) < (ssize_t)bytes)
			fatal("sendmsg");
		if (n && half != 's')
			emit(0);
		sum.bytes += bytes;
		if (!n)
			wait_for(false);
	}
}

/* To the guest: @how 'p' peeks, 'r' is receiving only, 'w' writing */
static void in(int how)
{
	uint32_t gone = us.seq;
	struct iovec iov[BUFS];

	if (how == 'p' && setsockopt(sock, SOL_SOCKET, SO_PEEK_OFF, &(int){ 0 }, sizeof(int)))
		fatal("SO_PEEK_OFF");
	while (running()) {
		struct msghdr mh = { .msg_iov = iov };
		uint32_t left = STEP, size;
		ssize_t got;

		while (sum.calls++, (got = read(tap, pool[0], ROOM)) > 0)
			take(pool[0], got);
		if (how != 'r' && us.una + us.wnd - us.seq < STEP)
			left = us.una + us.wnd - us.seq;
		size = left < each_in ? left : each_in;
		mh.msg_iovlen = left ? left / size : 0;
		for (size_t i = 0; i < mh.msg_iovlen; i++)
			iov[i] = (struct iovec){ pool[i] + HDR, size };
		sum.calls += how != 'w';
		if (!left)
			got = -1;
		else if (how == 'w')
			got = (ssize_t)(mh.msg_iovlen * size);
		else
			got = recvmsg(sock, &mh, MSG_DONTWAIT | (how == 'p' ? MSG_PEEK : 0));
		sum.bytes += got > 0 ? (uint64_t)got : 0;

		for (uint32_t i = 0, todo = got > 0 && how != 'r' ? (uint32_t)got : 0, len; todo; i++, todo -= len) {
			len = todo < size ? todo : size;
			build(pool[i], len, 0);
			sum.calls++;
			if (write(tap, pool[i], HDR + len) < 0)
				fatal("write");
		}
		if (how == 'p' && us.una - gone >= (got < 0 ? 1 : STEP)) {
			sum.calls++;
			gone += (uint32_t)recv(sock, NULL, us.una - gone, MSG_TRUNC);
		}
		if (got < 0)
			wait_for(left);
	}
}

/* An end: accepts on @l, or connects, and moves bytes */
static void end_start(bool sends, int l)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000202), .sin_port = htons(9) };
	int s;

	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	s = l >= 0 ? accept(l, NULL, NULL) : socket(AF_INET, SOCK_STREAM, 0);
	if (l < 0 && connect(s, (struct sockaddr *)&to, sizeof(to)))
		fatal("connect");
	while ((sends ? send(s, pool, 131072, MSG_NOSIGNAL) : recv(s, pool, 131072, 0)) > 0)
		;
	_exit(0);
}

static void ends_start(bool outwards, bool guest, bool host)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	int l = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(a);

	epfd = epoll_create1(0);
	sock = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(l, (struct sockaddr *)&a, len) || listen(l, 1) || getsockname(l, (struct sockaddr *)&a, &len))
		fatal("listen");
	if (host) {
		end_start(!outwards, l);
		if (connect(sock, (struct sockaddr *)&a, len) || epoll_ctl(epfd, EPOLL_CTL_ADD, sock, &e))
			fatal("connect");
	}
	if (guest) {
		end_start(outwards, -1);
		handshake();
	}
}

static void on_cpu(int cpu)
{
	unsigned long set = 1UL << cpu;

	if (sched_setaffinity(0, sizeof(set), (cpu_set_t *)&set))
		fatal("sched_setaffinity");
}

static void net_up(void)
{
	struct ifreq r = { .ifr_name = "pump0", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int len = sizeof(struct virtio_net_hdr_v1);
	char cmd[256];

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		fatal("unshare");
	tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tap < 0 || ioctl(tap, TUNSETIFF, &r) || ioctl(tap, TUNSETVNETHDRSZ, &len) ||
	    ioctl(tap, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6))
		fatal("tap device");
	if (write(tap, pool[0], ROOM) < 0 && errno != EIO)	/* down, but that is looked at behind everything else */
		each_in = each;
	snprintf(cmd, sizeof(cmd), "ip link set lo up && ip link set pump0 address 02:00:00:00:00:01 mtu %u arp off && "
		 "ip link set pump0 up && ip addr add 192.0.2.1/24 dev pump0", mtu);
	if (system(cmd))
		fatal("ip");
}

static const struct way {
	const char *name;
	void (*run)(int);
	int arg;
	bool guest, host;
} ways[] = {
	{ "out",	out,	0,	true,	true },
	{ "out_read",	out,	'r',	true,	false },
	{ "out_send",	out,	's',	false,	true },
	{ "in",		in,	'p',	true,	true },
	{ "in_no_peek",	in,	0,	true,	true },
	{ "in_recv",	in,	'r',	false,	true },
	{ "in_write",	in,	'w',	true,	false },
};

static void run(const struct way *w)
{
	printf("case=%s mtu=%u cpus=%d", w->name, mtu, one_cpu ? 1 : 2);
	fflush(stdout);
	net_up();
	memset(pool, 'x', sizeof(pool));
	on_cpu(one_cpu ? 0 : 1);
	ends_start(w->run == out, w->guest, w->host);
	on_cpu(0);
	w->run(w->arg);
	exit(0);
}

int main(int argc, char **argv)
{
	int c, rc = 0;

	while ((c = getopt(argc, argv, "1m:")) != -1) {
		one_cpu |= c == '1';
		mtu = c == 'm' ? (unsigned)atoi(optarg) : mtu;
	}
	if (mtu < 576 || mtu > 65520)
		return 2;
	each = (65535 - 40) / (mtu - 40) * (mtu - 40);
	each_in = (SUPER - 40) / (mtu - 40) * (mtu - 40);
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		int status = 0;

		if (optind < argc && strcmp(argv[optind], ways[i].name))
			continue;
		if (!fork())
			run(&ways[i]);
		if (wait(&status) >= 0)
			rc |= status != 0;
	}
	return rc;
}
