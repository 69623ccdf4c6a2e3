/* SPDX-License-Identifier: GPL-2.0-or-later */
/* passt.c - start-up in order, and the loop
 *
 * main() is the table of contents. All errors come before the loop, with one line and status 1; a daemon's parent ends
 * only when its child is ready.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auto.h"
#include "check.h"
#include "control.h"
#include "counters.h"
#include "egress.h"
#include "attach.h"
#include "flow_file.h"
#include "follow.h"
#include "hint.h"
#include "isolate.h"
#include "loop.h"
#include "ns.h"
#include "opt.h"
#include "pcap.h"
#include "pesto.h"
#include "reclaim.h"
#include "sock.h"
#include "summary.h"
#include "tcp_buf.h"
#include "unix.h"

static struct conf conf;
static struct ctx ctx;
static struct ns ns;
static struct follow watcher;

/* Files named by options: opened as the user, before privileges are dropped */
static struct {
	int pid, pcap, null;
	int link[GUEST_MAX];		/* --fd */
	unsigned nlink;
	int listen, repair, control;	/* sockets for guests, for helpers of a migration, and for clients */
	bool pid_new, log_new, flows_new, pcap_new;	/* the file was made by us */
	char socket[UNIX_PATH];		/* path of @listen */
	char repair_path[UNIX_PATH];
	struct log_file flows;
} file = { .listen = -1, .repair = -1, .control = -1 };

static bool pasta(void)
{
	return conf.mode == MODE_PASTA;
}

/* Ends the process if @rc is -errno */
static void need(int rc, const char *what)
{
	if (rc < 0)
		die("Failed to %s: %s%s", what, errno_text(-rc), hint_limit(-rc));
}

/* At exit before the loop */
static void clean_up(void)
{
	if (ns.opener)				/* it would end by itself, but only a moment later */
		ns_opener_stop(&ns);
	if (file.listen >= 0)
		file_remove(file.socket, S_IFSOCK);
	if (file.repair >= 0)
		file_remove(file.repair_path, S_IFSOCK);
	if (file.control >= 0)
		file_remove(conf.control, S_IFSOCK);
	if (file.pid_new)
		file_remove(conf.pid_file, S_IFREG);
	if (file.log_new)
		file_remove(conf.log_file, S_IFREG);
	if (file.flows_new)
		file_remove(conf.flow_log, S_IFREG);
	if (file.pcap_new)
		file_remove(conf.pcap, S_IFREG);
}

/* No file there yet? */
static bool is_new(const char *path)
{
	struct stat st;

	return lstat(path, &st) && errno == ENOENT;
}

static void open_pid_file(const char *path)
{
	file.pid_new = is_new(path);
	file.pid = pidfile_open(path);
	if (file.pid < 0)
		die("Couldn't open PID file %s: %s (-P/--pid)", path, file_text(-file.pid));
}

/* For the user only */
static void open_control(const char *path)
{
	file.control = unix_listen(path, 0600);
	if (file.control == -EADDRINUSE)
		die("Control socket %s already in use (-c/--conf-path)", path);
	if (file.control < 0)
		die("Failed to listen on control socket %s: %s (-c/--conf-path)", path, file_text(-file.control));
}

/* Beside the guest's socket by default: management that migrates virtual machines waits for it */
static void open_repair(const struct conf *c)
{
	int len;

	if (!c->vhost_user || (c->repair ? !strcmp(c->repair, "none") : file.listen < 0))
		return;
	len = snprintf(file.repair_path, UNIX_PATH, "%s%s", c->repair ? c->repair : file.socket,
		       c->repair ? "" : ".repair");
	if (len >= UNIX_PATH) {
		warn("No socket for helpers of a migration: the path %s.repair is too long", file.socket);
		return;
	}
	file.repair = unix_listen(file.repair_path, 0777);
	if (file.repair == -EADDRINUSE)
		die("Socket path %s, of --repair-path, already in use", file.repair_path);
	if (file.repair < 0)
		die("Failed to listen on socket path %s, of --repair-path: %s", file.repair_path,
		    file_text(-file.repair));
}

static void open_files(const struct conf *c)
{
	char version[64];
	int rc;

	file.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	need(file.null < 0 ? -errno : 0, "open /dev/null");

	atexit(clean_up);
	/* Sockets first: if another process has them, it has the other files, too */
	if (!pasta() && c->link_fd < 0)
		file.listen = attach_listen(c->socket, file.socket);
	open_repair(c);
	if (c->control)
		open_control(c->control);
	snprintf(version, sizeof(version), "%s %s", conf_name(c), opts_version_text);
	file.log_new = c->log_file && is_new(c->log_file);
	if ((rc = log_open(conf_name(c), c->log_file, c->log_size, version)))
		die("Couldn't open log file %s: %s (-l/--log-file)", c->log_file, file_text(-rc));
	file.log_new = false;		/* the reason of the end is in it */

	file.flows_new = c->flow_log && is_new(c->flow_log);
	if (c->flow_log && (rc = log_file_open(&file.flows, c->flow_log, c->log_size)))
		die("Couldn't open flow log %s: %s (--flow-log)", c->flow_log, file_text(-rc));
	file.pid = -1;
	if (c->pid_file)
		open_pid_file(c->pid_file);
	file.pcap_new = c->pcap && is_new(c->pcap);
	file.pcap = c->pcap ? pcap_open(c->pcap) : -1;
	if (c->pcap && file.pcap < 0)
		die("Couldn't open pcap file %s: %s (-p/--pcap)", c->pcap, file_text(-file.pcap));
}

/* A link that is a standard stream, as from inetd, gets another number: a daemon closes these, and no message belongs
 * on a link.
 */
static int link_above_std(int given)
{
	int fd;

	if (given >= 0 && !pasta() && !attach_fd_ok(given))	/* as long as stderr is there */
		die("Invalid value \"%i\" for -F/--fd: not a connected stream socket", given);
	fd = given >= 0 && given <= STDERR_FILENO ? fcntl(given, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : -1;
	if (fd < 0)
		return given;			/* an error is found later */
	close(given);
	return fd;
}

static void links_above_std(void)
{
	file.nlink = conf.link_fd < 0 ? 0 : conf.guests > 1 ? conf.nlink_fds : 1;
	for (unsigned i = 0; i < file.nlink; i++)
		file.link[i] = link_above_std(conf.link_fds[i]);
}

/* All descriptors there can be: each flow needs one */
static void raise_limits(void)
{
	struct rlimit r;

	if (!getrlimit(RLIMIT_NOFILE, &r) && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

/* Signals are events: no handler runs anywhere */
static void signals_init(struct ctx *c)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGCHLD, SIGHUP };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (unsigned i = 0; i < ARRAY_SIZE(signals) - pasta(); i++)	/* SIGHUP is for virtual machines */
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	need(fd < 0 ? -errno : ev_add(c->epfd, fd, EV_SIGNAL, 0, 0, EPOLLIN), "set up signals");
}

static _Noreturn void quit(int status)
{
	if (conf.stats_interval)
		counters_log(&ctx);
	fwd_close(&ctx.fwd);
	flow_log_quit(&ctx);
	_exit(status);
}

/* COMMAND's status is ours; 128 and the signal's number if it was killed */
static void child_ended(void)
{
	int status;

	if (ns.child > 0 && waitpid(ns.child, &status, WNOHANG) == ns.child)
		quit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static void read_signals(struct ctx *c, int fd)
{
	struct signalfd_siginfo si;

	while (read(fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGUSR1)
			counters_log(c);
		else if (si.ssi_signo == SIGHUP)
			attach_drop(c, &c->here);
		else if (si.ssi_signo == SIGCHLD)
			child_ended();
		else if (si.ssi_signo == SIGTERM || ns.child <= 0)	/* others at a terminal are for the command */
			quit(0);
	}
}

static void check_namespace(void)
{
	if (!ns_gone(&ns))
		return;
	info("Namespace is gone, exiting");
	quit(0);
}

static struct timer ns_timer = { .kind = TIMER_NS };
static struct timer stats_timer = { .kind = TIMER_STATS };

static void process_event(struct ctx *c, union ev_ref ref, uint32_t events)
{
	if (ref.type == EV_SIGNAL)
		read_signals(c, ref.fd);
	else if (ref.type == EV_NETNS)
		check_namespace();
	else if (ref.type == EV_HOST)
		follow_event(&watcher, c, ref);
	else if (ref.type == EV_CONTROL)
		control_event(c, ref, events);
}

static void process_timer(struct ctx *c, struct timer *t)
{
	switch (t->kind) {
	case TIMER_NS:
		check_namespace();
		timer_set(&c->wheel, t, c->now + NS_POLL);
		break;
	case TIMER_STATS:
		if (counters_moved(c))
			counters_log(c);
		timer_set(&c->wheel, t, c->now + 1000ULL * conf.stats_interval);
		break;
	case TIMER_AUTO:
		auto_scan(c);
		break;
	case TIMER_CONTROL:
		control_timer(c, t);
		break;
	case TIMER_ASKED:
		control_news(c);
		break;
	case TIMER_HOST:
		follow_timer(&watcher, c, t);
		break;
	}
}

static void start_timers(struct ctx *c)
{
	if (ns.poll)
		timer_set(&c->wheel, &ns_timer, c->now + NS_POLL);
	if (conf.stats_interval)
		timer_set(&c->wheel, &stats_timer, c->now + 1000ULL * conf.stats_interval);
}

/* Neighbours of the host, for the guest to see; without them, all have our address */
static void follow_neighbours(struct ctx *c)
{
	int fd = conf.splice_only ? -ENODEV : neigh_start(&c->neigh, &c->net), rc;

	if (fd == -ENODEV)
		return;
	rc = fd < 0 ? fd : ev_add(c->epfd, fd, EV_NEIGH, 0, 0, EPOLLIN);
	if (rc)
		debug("Neighbours of the host are not known: %s", errno_text(-rc));
	else if (neigh_waits(&c->neigh))
		timer_set(&c->wheel, &c->neigh_again, c->now);
}

/* Guest's link: the tap device, and its address; or none */
static void link_tap(struct ctx *c)
{
	struct guest *g = &c->guest[0];
	struct caps caps;
	int fd;

	if (conf.splice_only) {
		ns_configure(&ns, &c->net);
		return;
	}
	fd = ns_tap(&ns, &c->net, file.nlink ? file.link[0] : -1, &caps);
	tun_attach(&g->tap, fd, &caps, file.pcap);
	tun_mac(fd, &g->device);
	g->mac = g->device;
	g->since = c->now;
	guests_add(&c->here, 0);
	need(ev_add(c->epfd, fd, EV_TAP, 0, 0, EPOLLIN), "watch the tap device");
	ns_configure(&ns, &c->net);
	attach_up(c, g);
}

/* Guests' links: connected sockets, or one that they connect to */
static void link_socket(struct ctx *c)
{
	for (unsigned i = 0; i < c->guests; i++)
		c->guest[i].tap.pcap = file.pcap;
	if (file.listen >= 0)
		need(ev_add(c->epfd, file.listen, EV_GUEST, 0, 0, EPOLLIN), "watch the guest's socket");
	for (unsigned i = 0; i < file.nlink; i++)
		need(attach_guest(c, &c->guest[i], file.link[i]), "watch the guest's socket");
	if (file.repair >= 0)
		need(ev_add(c->epfd, file.repair, EV_REPAIR, 0, 0, EPOLLIN | EPOLLET), "watch the migration's socket");
}

/* A reader of the PID file may send signals. On an error, @daemon (0: none) has to end. */
static void write_pid_file(pid_t pid, pid_t daemon)
{
	int rc = pidfile_write(file.pid, pid);

	if (!rc)
		return;
	if (daemon)
		kill(daemon, SIGTERM);
	die("Couldn't write PID file %s: %s (-P/--pid)", conf.pid_file, errno_text(-rc));
}

/* The daemon's end of the socket its parent waits on; -1 in the foreground */
static int daemonise(const struct conf *c)
{
	int ready[2];
	pid_t pid = -1;
	char ok;

	if (c->foreground) {
		ctx.pid = getpid();
		log_pid(ctx.pid);
		return -1;
	}

	need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ready) || (pid = fork()) < 0 ? -errno : 0,
	     "start in the background");
	if (pid) {
		close(ready[1]);
		fd_write_all(ready[0], &pid, sizeof(pid));	/* in its PID namespace, it is number 1 */
		if (read(ready[0], &ok, 1) != 1)
			hint_child(pid);
		write_pid_file(pid, pid);
		_exit(0);
	}

	close(ready[0]);
	fd_close(file.pid);
	if (read(ready[1], &pid, sizeof(pid)) == sizeof(pid))
		log_pid(ctx.pid = pid);
	setsid();
	return ready[1];
}

/* All is ready, and the PID file is written. A daemon's standard streams are closed before its parent ends, as their
 * readers must not wait for a daemon.
 */
static void announce(int ready)
{
	log_running(ready < 0);
	if (ready >= 0) {
		for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
			dup2(file.null, fd);
		fd_write_all(ready, "", 1);
		close(ready);
	}
	close(file.null);
	file.listen = file.repair = file.control = -1;	/* they stay */
	file.pid_new = file.flows_new = file.pcap_new = false;
	if (ready < 0)
		write_pid_file(ctx.pid, 0);
	if (pasta())
		ns_go(&ns);
}

/* Those that stay beside this one, with rights that it gives up */
static void start_processes(void)
{
	if (pasta()) {
		ns_opener_stop(&ns);
		ns_setter(&ns);
	}
	follow_names(&watcher, &ctx);
	if (conf.flow_log)
		need(flow_file_start(&ctx, &file.flows), "start the process that writes the flow log");
}

static void wait_for_processes(void)
{
	if (pasta())
		ns_setter_ready(&ns);
	follow_names_ready(&watcher);
	need(flow_file_ready(&ctx), "start the process that writes the flow log");
}

/* The link of a namespace, or of the last guest, if no other can come */
static void link_lost(struct guest *g)
{
	bool trial = g->trial, ours = g->link_error == -ECONNABORTED;

	if (pasta()) {
		err("Link to the guest lost: %s", errno_text(-g->link_error));
		quit(1);
	}
	attach_lost(&ctx, g);
	if (guests_first(&ctx.here, 0) < 0 && !trial && ((conf.one_off && !ours) || conf.link_fd >= 0))
		quit(0);
}

static void turn_end(struct ctx *c)
{
	struct guest *g;

	if (follow_waits(&watcher, c))
		follow_flows_ended(&watcher, c);
	loop_end(c);
	if (follow_walks(&watcher))
		follow_link_takes(&watcher, c);
	if (c->flow_log.clients)
		control_news(c);
	while ((g = guest_next(c, &c->lost)))
		link_lost(g);
}

int main(int argc, char **argv)
{
	struct turn turn;
	int ready;

	if (pesto_is_meant(argv[0]))
		return pesto_main(argc, argv);
	conf_parse(&conf, argc, argv);
	signal(SIGPIPE, SIG_IGN);		/* a reader of our lines may be gone */
	if (conf.check)
		return check_host(&conf, &ns);
	fwd_need_files();
	links_above_std();
	isolate_early(&conf, file.link, file.nlink);
	open_files(&conf);
	isolate_user(&conf);
	if (pasta())
		ns_open(&ns, &conf);
	raise_limits();				/* the command keeps its own */

	sock_probe();
	follow_open(&watcher, &conf);
	net_start(&ctx.net, &conf);
	leases_start(&ctx.leases, &ctx.net);
	need(loop_init(&ctx), "set up event loop");
	need(egress_start(&ctx, conf.policy, conf.control), "ask the kernel about addresses");
	follow_neighbours(&ctx);
	if (pasta())
		link_tap(&ctx);
	else
		link_socket(&ctx);
	if (fwd_listen(&ctx.fwd, &ctx.net, ctx.epfd))
		exit(EXIT_FAILURE);		/* with a line of its own */
	reclaim_limit(&ctx);
	stash_shares(conf.guests > 1 ? ctx.guests : 1);
	if (pasta())
		auto_start(&ctx);
	ctx.fwd.auto_first = sock_low_ports;	/* from now on, no port that takes our privilege */
	if (pasta())
		ns_watch(&ns, &conf, ctx.epfd);
	start_timers(&ctx);
	follow_start(&watcher, &ctx, pasta() ? &ns : NULL);
	if (file.control >= 0)
		need(control_start(&ctx, file.control), "watch the control socket");
	if (file.listen >= 0)
		info("UNIX domain socket bound at %s", file.socket);
	if (file.repair >= 0)
		info("UNIX domain socket bound at %s", file.repair_path);
	summary_print(&ctx.net, ns.ifname, file.socket);

	start_processes();
	isolate_prefork(&conf);
	ready = daemonise(&conf);
	wait_for_processes();
	signals_init(&ctx);			/* after fork(): a signalfd reports the signals of its process */
	if (pasta() && (conf.rules.n || file.control >= 0))
		need(ns_opener_stay(&ns), "start the thread that opens sockets in the namespace");
	isolate_late(&conf);
	announce(ready);

	while (true) {
		loop_wait(&ctx, &turn);
		while (loop_next(&ctx, &turn)) {
			if (turn.timer)
				process_timer(&ctx, turn.timer);
			else
				process_event(&ctx, turn.ref, turn.events);
		}
		turn_end(&ctx);
	}
}
