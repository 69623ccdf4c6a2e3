/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control.c - clients on the control socket: connections, messages, and the interface that every Varlink service has
 *
 * All is level-triggered: either a client's calls are waited for, or that it takes what is there for it, never both. So
 * one that doesn't read isn't read from either, and costs a slot and nothing else.
 *
 * The connection ends with what is no call, or is longer than one may be; after PATIENCE without a whole call, so that a
 * client of another protocol, which waits for a greeting, notices; and, once all calls are answered, after the client's
 * end. A client that is being answered may take its time. An event handles one call, or one buffer of an answer: a client
 * can't keep the loop to itself.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "accept.h"
#include "control.h"
#include "opt.h"
#include "unix.h"

#define LISTENER	CONTROL_CLIENTS		/* index of its events */
#define NAME_MAX_	256			/* of a method, and of what errors quote */
#define GRACE		500			/* ms of silence, before a client has to give way */
#define RETRY		1000			/* ms, if there is no descriptor left */
#define PATIENCE	5000			/* ms, for a whole call */

struct client {
	int		fd;			/* -1: free */
	uint16_t	gen;
	uint32_t	events;			/* waited for */
	uint64_t	heard;			/* ms: when it last did something */
	struct timer	patience;		/* armed while a call is waited for */
	bool		eof;			/* no calls will come any more */
	uint32_t	in_at, in_len, in_seen;	/* unread bytes of @in, and how many of them have no end of a call */
	uint32_t	out_at;			/* bytes of @out that were sent */
	struct json_out	out;
	struct call	call;			/* being answered, if its @fn is set */
	const struct method *method;
	char		in[CONTROL_IN], buf[CONTROL_OUT];
};

static struct {
	struct client	client[CONTROL_CLIENTS];
	int		fd;
	int		spare;			/* descriptor that makes room for a client where there is none left, or -1 */
	bool		deaf;			/* connections wait */
	struct timer	retry;
} ct = { .fd = -1, .spare = -1, .retry = { .kind = TIMER_CONTROL } };

/* Messages */

void reply_begin(struct json_out *o)
{
	json_open(o, NULL, '{');
	json_open(o, "parameters", '{');
}

void reply_end(struct json_out *o, bool continues)
{
	json_close(o, '}');
	if (continues)
		json_bool(o, "continues", true);
	json_close(o, '}');
	json_nul(o);
}

void reply_error(struct json_out *o, const char *error)
{
	json_open(o, NULL, '{');
	json_str(o, "error", error);
	json_open(o, "parameters", '{');
}

static void reply_service_error(struct json_out *o, const char *error, const char *name, const char *value)
{
	reply_error(o, error);
	if (name)
		json_str(o, name, value);
	reply_end(o, false);
}

void reply_invalid(struct json_out *o, const char *parameter)
{
	reply_service_error(o, "org.varlink.service.InvalidParameter", "parameter", parameter);
}

const char *unknown_member(const struct json *v, const char *const *names, unsigned n)
{
	static char name[NAME_MAX_];
	struct json in = *v, key, value;
	unsigned i;

	while (json_next_member(&in, &key, &value)) {
		for (i = 0; i < n && !(names[i] && json_is(&key, names[i])); i++)
			;
		if (i == n)
			return json_get_str(&key, name, sizeof(name)) ? name : "";
	}
	return NULL;
}

/* org.varlink.service: the same for every service (varlink.org) */

static const char service_description[] =
	"# What every Varlink service has\n"
	"interface org.varlink.service\n"
	"\n"
	"# Who implements what\n"
	"method GetInfo() -> (\n"
	"  vendor: string,\n"
	"  product: string,\n"
	"  version: string,\n"
	"  url: string,\n"
	"  interfaces: []string\n"
	")\n"
	"\n"
	"# Description of one of these interfaces\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n"
	"\n"
	"error InterfaceNotFound (interface: string)\n"
	"error MethodNotFound (method: string)\n"
	"error MethodNotImplemented (method: string)\n"
	"error InvalidParameter (parameter: string)\n"
	"error PermissionDenied ()\n"
	"error ExpectedMore ()\n";

#define SERVICE_INTERFACE	"org.varlink.service"

static void get_info(struct ctx *c, struct call *call, struct json_out *o)
{
	(void)call;
	reply_begin(o);
	json_str(o, "vendor", "passt");
	json_str(o, "product", conf_name(c->cf));
	json_str(o, "version", opts_version_text);
	json_str(o, "url", "");
	json_open(o, "interfaces", '[');
	json_str(o, NULL, SERVICE_INTERFACE);
	json_str(o, NULL, CONTROL_INTERFACE);
	json_close(o, ']');
	reply_end(o, false);
}

static void get_description(struct ctx *c, struct call *call, struct json_out *o)
{
	char name[NAME_MAX_];
	struct json v;
	bool ours;

	(void)c;
	if (!json_member(&call->parameters, "interface", &v) || !json_get_str(&v, name, sizeof(name))) {
		reply_invalid(o, "interface");
		return;
	}
	ours = !strcmp(name, CONTROL_INTERFACE);
	if (!ours && strcmp(name, SERVICE_INTERFACE)) {
		reply_service_error(o, SERVICE_INTERFACE ".InterfaceNotFound", "interface", name);
		return;
	}
	reply_begin(o);
	json_str(o, "description", ours ? control_description : service_description);
	reply_end(o, false);
}

static const struct method service_methods[] = {
	{ "GetInfo", false, { NULL }, get_info },
	{ "GetInterfaceDescription", false, { "interface" }, get_description },
};

/* Method by its full name; NULL, and the error is written, if there is none */
static const struct method *find_method(char *name, struct json_out *o)
{
	char *dot = strrchr(name, '.');
	const struct method *m, *end;

	if (dot)
		*dot = '\0';
	if (dot && !strcmp(name, SERVICE_INTERFACE)) {
		m = service_methods;
		end = m + ARRAY_SIZE(service_methods);
	} else if (dot && !strcmp(name, CONTROL_INTERFACE)) {
		m = control_methods;
		end = m + control_nmethods;
	} else {
		reply_service_error(o, SERVICE_INTERFACE ".InterfaceNotFound", "interface", dot ? name : "");
		return NULL;
	}
	while (m < end && strcmp(m->name, dot + 1))
		m++;
	*dot = '.';
	if (m < end)
		return m;
	reply_service_error(o, SERVICE_INTERFACE ".MethodNotFound", "method", name);
	return NULL;
}

/* Member that is a boolean, or not there; false if it is something else */
static bool get_flag(const struct json *call, const char *name, bool *flag)
{
	struct json v;

	*flag = false;
	return !json_member(call, name, &v) || json_type(&v) == JSON_NULL || json_get_bool(&v, flag);
}

/* Starts to answer the call in @v: false if it is none */
static bool call_begin(struct ctx *c, struct client *cl, const struct json *v)
{
	static const struct json none = { "{}", &"{}"[2] };
	struct call *call = &cl->call;
	char name[NAME_MAX_];
	const char *unknown;
	struct json m;
	bool upgrade;

	*call = (struct call){ .parameters = none };
	if (!json_member(v, "method", &m) || !json_get_str(&m, name, sizeof(name)) ||
	    !get_flag(v, "more", &call->more) || !get_flag(v, "oneway", &call->oneway) || !get_flag(v, "upgrade", &upgrade))
		return false;
	if (json_member(v, "parameters", &m) && json_type(&m) != JSON_NULL) {
		if (json_type(&m) != JSON_OBJECT)
			return false;
		call->parameters = m;
	}

	cl->method = find_method(name, &cl->out);
	if (!cl->method)
		return true;
	unknown = unknown_member(&call->parameters, cl->method->parameters, ARRAY_SIZE(cl->method->parameters));
	if (unknown || upgrade) {
		reply_invalid(&cl->out, unknown ? unknown : "upgrade");
	} else if (cl->method->more && !call->more) {
		reply_service_error(&cl->out, SERVICE_INTERFACE ".ExpectedMore", NULL, NULL);
	} else {
		debug("Control: %s", name);
		cl->method->fn(c, call, &cl->out);
	}
	return true;
}

/* Connections */

/* Length of the next call that is there as a whole, its end not counted; -1: none */
static int next_call(struct client *cl)
{
	const char *start = cl->in + cl->in_at, *nul;

	nul = memchr(start + cl->in_seen, '\0', cl->in_len - cl->in_seen);
	cl->in_seen = nul ? (uint32_t)(nul - start) : cl->in_len;
	return nul ? (int)cl->in_seen : -1;
}

/* Reads what there is: false if the connection is to end */
static bool client_read(const struct ctx *c, struct client *cl)
{
	ssize_t n;

	memmove(cl->in, cl->in + cl->in_at, cl->in_len);
	cl->in_at = 0;
	if (cl->in_len == sizeof(cl->in)) {
		debug("Control: a call of more than %u bytes, closing", CONTROL_IN);
		return false;
	}
	n = recv(cl->fd, cl->in + cl->in_len, sizeof(cl->in) - cl->in_len, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	cl->in_len += (uint32_t)n;
	cl->eof = !n;
	cl->heard = c->now;
	return true;
}

/* Sends what is left of @out: false if the connection is to end */
static bool client_send(const struct ctx *c, struct client *cl)
{
	ssize_t n;

	if (cl->out_at == cl->out.len)
		return true;
	n = send(cl->fd, cl->buf + cl->out_at, cl->out.len - cl->out_at, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	cl->out_at += (uint32_t)n;
	cl->heard = c->now;
	if (cl->out_at == cl->out.len)
		cl->out_at = 0, cl->out.len = 0;
	return true;
}

/* Goes on with an answer, or begins the next: false if the connection is to end */
static bool client_answer(struct ctx *c, struct client *cl)
{
	struct json v;
	bool ok = true;
	int len;

	if (cl->call.busy) {
		cl->method->fn(c, &cl->call, &cl->out);
	} else {
		len = next_call(cl);
		if (len < 0)
			return true;
		timer_clear(&c->wheel, &cl->patience);
		ok = json_read(cl->in + cl->in_at, (size_t)len, &v) && call_begin(c, cl, &v);
		if (!ok)
			debug("Control: what a client sent is no call, closing");
		cl->in_at += (uint32_t)len + 1;
		cl->in_len -= (uint32_t)len + 1;
		cl->in_seen = 0;
	}
	if (cl->out.full) {
		log_limited(LOG_WARNING, "Control: an answer doesn't fit, closing");
		return false;
	}
	if (cl->call.oneway) {
		cl->call.busy = false;
		cl->out.len = 0;
		cl->out.comma = false;
	}
	return ok;
}

static bool client_serve(struct ctx *c, struct client *cl, uint32_t events)
{
	bool busy;
	uint32_t want;

	if (events & (EPOLLHUP | EPOLLERR))
		return false;
	if (events & EPOLLIN && !client_read(c, cl))
		return false;
	if (!client_send(c, cl))
		return false;
	if (!cl->out.len && !(client_answer(c, cl) && client_send(c, cl)))
		return false;

	busy = cl->out.len || cl->call.busy || next_call(cl) >= 0;
	if (cl->eof && !busy)
		return false;
	want = busy ? EPOLLOUT : EPOLLIN;
	if (want != cl->events && ev_mod(c->epfd, cl->fd, EV_CONTROL, (uint32_t)(cl - ct.client), cl->gen, want))
		return false;
	cl->events = want;
	if (busy)
		timer_clear(&c->wheel, &cl->patience);
	else if (!timer_armed(&cl->patience))
		timer_set(&c->wheel, &cl->patience, c->now + PATIENCE);
	return true;
}

/* Who connects has to wait, for @ms at most */
static void deafen(struct ctx *c, uint64_t ms)
{
	ct.deaf = true;
	ev_mod(c->epfd, ct.fd, EV_CONTROL, LISTENER, 0, 0);
	timer_set(&c->wheel, &ct.retry, c->now + ms);
}

static void undeafen(struct ctx *c)
{
	if (!ct.deaf)
		return;
	ct.deaf = false;
	timer_clear(&c->wheel, &ct.retry);
	ev_mod(c->epfd, ct.fd, EV_CONTROL, LISTENER, 0, EPOLLIN);
}

static void client_close(struct ctx *c, struct client *cl)
{
	timer_clear(&c->wheel, &cl->patience);
	close(cl->fd);
	cl->fd = -1;
	cl->gen = (cl->gen + 1) & 0x3ff;
	if (ct.spare < 0)
		ct.spare = unix_spare();
	undeafen(c);
}

void control_timer(struct ctx *c, struct timer *t)
{
	if (t == &ct.retry) {
		if (ct.spare < 0)
			ct.spare = unix_spare();
		undeafen(c);
		return;
	}
	debug("Control: no call within %u ms, closing", PATIENCE);
	client_close(c, container_of(t, struct client, patience));
}

/* A free slot, or the client that is idle for longest; NULL: none */
static struct client *client_slot(bool free)
{
	struct client *oldest = NULL;

	for (struct client *cl = ct.client; cl < ct.client + CONTROL_CLIENTS; cl++) {
		if (free == (cl->fd < 0) && (!oldest || cl->heard < oldest->heard))
			oldest = cl;
	}
	return oldest;
}

/* The client idle for longest gives way, if it was for long enough: false if not */
static bool evict(struct ctx *c)
{
	struct client *cl = client_slot(false);

	if (!cl || c->now - cl->heard < GRACE) {
		deafen(c, cl ? cl->heard + GRACE - c->now : RETRY);
		return false;
	}
	debug("Control: the client that was idle for longest gives way to another");
	client_close(c, cl);
	return true;
}

static bool is_scarce(int rc)
{
	return rc == -EMFILE || rc == -ENFILE || rc == -ENOBUFS || rc == -ENOMEM;
}

/* Next client that waits. The spare descriptor is for one that finds no other, and given up only here: a flow would have it
 * otherwise. There is another once a client has gone.
 */
static int take_client(const struct ctx *c)
{
	int fd = accept_take(c, ct.fd, NULL, false);

	if (!is_scarce(fd) || ct.spare < 0)
		return fd;
	close(ct.spare);
	fd = accept_take(c, ct.fd, NULL, false);
	ct.spare = fd < 0 ? unix_spare() : -1;
	return fd;
}

static void admit(struct ctx *c)
{
	struct client *cl = client_slot(true);
	int fd;

	if (!cl && !evict(c))
		return;
	if (!cl)
		cl = client_slot(true);
	fd = take_client(c);
	if (is_scarce(fd))
		evict(c);			/* the event comes again */
	else if (fd < 0 && fd != -EAGAIN)
		deafen(c, RETRY);
	if (fd < 0)
		return;
	cl->fd = fd;
	cl->events = EPOLLIN;
	cl->heard = c->now;
	cl->eof = false;
	cl->in_at = cl->in_len = cl->in_seen = cl->out_at = 0;
	cl->out = (struct json_out){ .b = cl->buf, .max = sizeof(cl->buf) };
	cl->call = (struct call){ 0 };
	timer_set(&c->wheel, &cl->patience, c->now + PATIENCE);
	if (ev_add(c->epfd, fd, EV_CONTROL, (uint32_t)(cl - ct.client), cl->gen, EPOLLIN))
		client_close(c, cl);
}

void control_event(struct ctx *c, union ev_ref ref, uint32_t events)
{
	struct client *cl = &ct.client[ref.idx];

	if (ref.idx == LISTENER)
		admit(c);
	else if (cl->fd >= 0 && cl->gen == ref.gen && !client_serve(c, cl, events))
		client_close(c, cl);
}

int control_start(struct ctx *c, int fd)
{
	for (struct client *cl = ct.client; cl < ct.client + CONTROL_CLIENTS; cl++) {
		cl->fd = -1;
		cl->patience.kind = TIMER_CONTROL;
	}
	ct.fd = fd;
	ct.spare = unix_spare();
	return ev_add(c->epfd, fd, EV_CONTROL, LISTENER, 0, EPOLLIN);
}
