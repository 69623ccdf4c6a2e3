/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lossy.c - one direction of an emulated link: delay, bit rate, accidents */
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "device.h"
#include "lossy.h"

#define RING		(1U << 15)		/* frames under way */
#define QUEUE_BYTES	(4UL << 20)
#define HOLD_MS		5			/* that a frame waits for others to overtake it */
#define HELD_MAX	64
#define FLOWS		256			/* connections that are told apart */
#define MS		1000000ULL
#define ALL		(1ULL << 32)		/* of a probability: always */

#define IP4_LEN		20			/* without options */
#define IP6_LEN		40
#define TCP_LEN		20
#define TCP_FIN_PSH	0x09
#define TCP_SYN_RST_URG	0x26

struct frame {
	uint64_t	due;			/* ns */
	size_t		len;
	uint8_t		data[];
};

struct held {
	struct frame	*f;
	unsigned	left;			/* frames that are to overtake it */
	uint64_t	until;			/* ns */
};

struct lossy {
	/* Options */
	uint64_t	delay;			/* ns */
	double		bytes_per_ns;		/* 0: no limit */
	unsigned	queue, burst, nth, gap_len, by;
	uint64_t	loss, gap, dup, reorder, split;		/* probabilities, of ALL */
	size_t		once_min, once_max;

	uint64_t	random;
	struct frame	*ring[RING];		/* in order of arrival */
	uint32_t	head, tail;		/* next to arrive, next to fill; they wrap */
	struct held	held[HELD_MAX];
	unsigned	nheld;
	uint64_t	line_free;		/* ns: when the line has sent what is queued */
	unsigned	in_turn;		/* frames of this burst */
	uint64_t	seen, lost;
	unsigned	gap_left;		/* frames to lose */
	struct once {
		uint32_t	ports, seq;	/* of the segment of a connection that was lost last */
		bool		seen;
	} first[FLOWS];
};

/* TCP segment in a frame */
struct seg {
	uint8_t		*ip, *tcp;
	bool		v6;
	size_t		hlen, len;		/* of the frame's headers; of the payload */
};

uint64_t lossy_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- Options */

_Noreturn static void fault(const char *option)
{
	fprintf(stderr, "%s: no such option, or not its value: %s\n", program_invocation_short_name, option);
	exit(1);
}

static bool set(struct lossy *l, const char *name, const char *value)
{
	char *end;
	double x = strtod(value, &end), n = *end == ':' ? strtod(end + 1, &end) : 0;
	uint64_t p = (uint64_t)(x / 100 * (double)ALL);

	if (end == value || *end || x < 0 || n < 0 || (n < 1) != !strchr(value, ':'))
		return false;
	if (!strcmp(name, "seed"))		l->random = (uint64_t)x * 0x9e3779b97f4a7c15ULL + 1;
	else if (!strcmp(name, "delay"))	l->delay = (uint64_t)(x * (double)MS);
	else if (!strcmp(name, "mbit"))		l->bytes_per_ns = x / 8000;
	else if (!strcmp(name, "queue"))	l->queue = (unsigned)x;
	else if (!strcmp(name, "burst"))	l->burst = (unsigned)x;
	else if (!strcmp(name, "loss"))		l->loss = p;
	else if (!strcmp(name, "nth"))		l->nth = (unsigned)x;
	else if (!strcmp(name, "gap"))		l->gap = p, l->gap_len = (unsigned)n;
	else if (!strcmp(name, "once"))		l->once_min = (size_t)x, l->once_max = (size_t)n;
	else if (!strcmp(name, "dup"))		l->dup = p;
	else if (!strcmp(name, "reorder"))	l->reorder = p, l->by = (unsigned)n;
	else if (!strcmp(name, "split"))	l->split = p;
	else
		return false;
	return true;
}

struct lossy *lossy_new(const char *options, unsigned way)
{
	struct lossy *l = calloc(1, sizeof(*l));
	const char *other = options ? strchr(options, '/') : NULL;
	char *text = NULL, *at, *option;

	if (l && options)
		text = other && way ? strdup(other + 1) : strndup(options, strcspn(options, "/"));
	if (!l || (options && !text))
		fatal("memory");
	l->random = 1;
	at = text;
	while ((option = strsep(&at, ","))) {
		char *value = strchr(option, '=');

		if (!*option)
			continue;
		if (value)
			*value++ = '\0';
		if (!value || !set(l, option, value))
			fault(option);
	}
	free(text);
	l->random += way;
	return l;
}

/* ---- Accidents */

static bool chance(struct lossy *l, uint64_t of_all)
{
	if (!of_all)
		return false;
	l->random = l->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return l->random >> 32 < of_all;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* False: the frame is no TCP segment, or one with IP options, of a fragment */
static bool seg_of(uint8_t *frame, size_t len, struct seg *s)
{
	size_t ip_len, off;

	if (len < ETH_HLEN + IP6_LEN + TCP_LEN && len < ETH_HLEN + IP4_LEN + TCP_LEN)
		return false;
	s->ip = frame + ETH_HLEN;
	s->v6 = get16(frame + 12) == ETH_P_IPV6;
	ip_len = s->v6 ? IP6_LEN : IP4_LEN;
	if (s->v6 ? s->ip[6] != IPPROTO_TCP || len < ETH_HLEN + IP6_LEN + TCP_LEN
		  : get16(frame + 12) != ETH_P_IP || s->ip[0] != 0x45 || s->ip[9] != IPPROTO_TCP ||
		    get16(s->ip + 6) & 0x3fff)
		return false;
	s->tcp = s->ip + ip_len;
	off = (size_t)(s->tcp[12] >> 4) * 4;
	s->hlen = ETH_HLEN + ip_len + off;
	/* Short frames are padded: the length is the packet's */
	len = ETH_HLEN + (s->v6 ? IP6_LEN + (size_t)get16(s->ip + 4) : get16(s->ip + 2));
	if (off < TCP_LEN || len < s->hlen)
		return false;
	s->len = len - s->hlen;
	return true;
}

/* RFC 1071, of an even start */
static uint32_t sum(const uint8_t *p, size_t len, uint32_t acc)
{
	for (; len > 1; len -= 2, p += 2)
		acc += get16(p);
	if (len)
		acc += (uint32_t)*p << 8;
	return (acc & 0xffff) + (acc >> 16);
}

static uint16_t folded(uint32_t acc)
{
	acc = (acc & 0xffff) + (acc >> 16);
	return (uint16_t)~((acc & 0xffff) + (acc >> 16));
}

/* Lengths and checksums for @len bytes of payload */
static void seg_finish(struct seg *s, size_t len)
{
	size_t tcp_len = s->hlen + len - (size_t)(s->tcp - s->ip) - ETH_HLEN;
	uint32_t acc = sum(s->ip + (s->v6 ? 8 : 12), s->v6 ? 32 : 8, IPPROTO_TCP + (uint32_t)tcp_len);

	if (s->v6) {
		put16(s->ip + 4, tcp_len);
	} else {
		put16(s->ip + 2, IP4_LEN + tcp_len);
		put16(s->ip + 10, 0);
		put16(s->ip + 10, folded(sum(s->ip, IP4_LEN, 0)));
	}
	put16(s->tcp + 16, 0);
	put16(s->tcp + 16, folded(sum(s->tcp, tcp_len, acc)));
}

/* ---- Under way */

static struct frame *frame_new(const uint8_t *data, size_t len)
{
	struct frame *f = malloc(sizeof(*f) + len);

	if (!f)
		fatal("memory");
	f->len = len;
	memcpy(f->data, data, len);
	return f;
}

static void append(struct lossy *l, struct frame *f, uint64_t due)
{
	if (l->tail - l->head == RING) {
		l->lost++;
		free(f);
		return;
	}
	f->due = due;
	l->ring[l->tail++ % RING] = f;
}

/* Segments sent again may have other borders: none that begins before the last one lost is lost */
static bool lost_once(struct lossy *l, const struct seg *s)
{
	uint32_t ports = get32(s->tcp), seq = get32(s->tcp + 4);
	struct once *o = &l->first[(ports ^ ports >> 16) % FLOWS];

	if (s->len < l->once_min || s->len > l->once_max)
		return false;
	if (o->seen && o->ports == ports && (int32_t)(seq - o->seq) <= 0)
		return false;
	*o = (struct once){ ports, seq, true };
	return true;
}

static bool lost(struct lossy *l, uint8_t *frame, size_t len)
{
	struct seg s;

	l->seen++;
	if (l->once_max && seg_of(frame, len, &s) && lost_once(l, &s))
		return true;
	if (l->nth && l->seen % l->nth == 0)
		return true;
	if (!l->gap_left && chance(l, l->gap))
		l->gap_left = l->gap_len;
	if (l->gap_left) {
		l->gap_left--;
		return true;
	}
	return chance(l, l->loss) || (l->burst && l->in_turn++ >= l->burst);
}

/* Time of arrival, or 0: the queue in front of the line is full */
static uint64_t on_the_line(struct lossy *l, size_t len, uint64_t now)
{
	uint64_t start = l->line_free > now ? l->line_free : now;

	if (l->bytes_per_ns > 0) {
		double backlog = (double)(start - now) * l->bytes_per_ns;

		/* Frames are counted by the length of this one */
		if (l->queue ? backlog >= (double)l->queue * (double)len : backlog > QUEUE_BYTES)
			return 0;
		l->line_free = start + (uint64_t)((double)len / l->bytes_per_ns);
		start = l->line_free;
	}
	return start + l->delay;
}

/* Frames that were overtaken often enough, or, @now, for long enough */
static void held_release(struct lossy *l, uint64_t due, uint64_t now)
{
	unsigned n = 0;

	for (unsigned i = 0; i < l->nheld; i++) {
		struct held *h = &l->held[i];

		if (!h->left || h->until <= now)
			append(l, h->f, due);
		else
			l->held[n++] = *h;
	}
	l->nheld = n;
}

static void put_one(struct lossy *l, uint8_t *frame, size_t len, uint64_t now)
{
	uint64_t due;

	if (lost(l, frame, len) || !(due = on_the_line(l, len, now))) {
		l->lost++;
		return;
	}
	if (l->nheld < HELD_MAX && chance(l, l->reorder)) {
		l->held[l->nheld++] = (struct held){ frame_new(frame, len), l->by, due + HOLD_MS * MS };
		return;
	}
	append(l, frame_new(frame, len), due);
	if (chance(l, l->dup))
		append(l, frame_new(frame, len), due);
	for (unsigned i = 0; i < l->nheld; i++)
		l->held[i].left--;
	held_release(l, due, 0);
}

/* Two segments of the one in @frame, the second one first */
static void put_split(struct lossy *l, uint8_t *frame, struct seg *s, uint64_t now)
{
	static uint8_t tail[LOSSY_FRAME_MAX];
	size_t first = s->len / 2;
	struct seg t;

	memcpy(tail, frame, s->hlen);
	memcpy(tail + s->hlen, frame + s->hlen + first, s->len - first);
	t = (struct seg){ tail + (s->ip - frame), tail + (s->tcp - frame), s->v6, s->hlen, s->len - first };
	put16(t.tcp + 4, (get32(s->tcp + 4) + (uint32_t)first) >> 16);
	put16(t.tcp + 6, get32(s->tcp + 4) + (uint32_t)first);
	seg_finish(&t, t.len);
	put_one(l, tail, t.hlen + t.len, now);
	s->tcp[13] &= (uint8_t)~TCP_FIN_PSH;
	seg_finish(s, first);
	put_one(l, frame, s->hlen + first, now);
}

void lossy_put(struct lossy *l, const uint8_t *frame, size_t len, uint64_t now)
{
	static uint8_t copy[LOSSY_FRAME_MAX];
	struct seg s;

	if (len > sizeof(copy))
		return;
	memcpy(copy, frame, len);
	if (l->split && seg_of(copy, len, &s) && s.len > 1 && !(s.tcp[13] & TCP_SYN_RST_URG) && chance(l, l->split))
		put_split(l, copy, &s, now);
	else
		put_one(l, copy, len, now);
}

void lossy_turn(struct lossy *l)
{
	l->in_turn = 0;
}

const uint8_t *lossy_peek(struct lossy *l, size_t *len, uint64_t now)
{
	struct frame *f;

	if (l->nheld)
		held_release(l, now, now);
	if (l->head == l->tail)
		return NULL;
	f = l->ring[l->head % RING];
	if (f->due > now)
		return NULL;
	*len = f->len;
	return f->data;
}

void lossy_pop(struct lossy *l)
{
	free(l->ring[l->head++ % RING]);
}

uint64_t lossy_due(const struct lossy *l)
{
	uint64_t due = l->head == l->tail ? UINT64_MAX : l->ring[l->head % RING]->due;

	for (unsigned i = 0; i < l->nheld; i++)
		due = l->held[i].until < due ? l->held[i].until : due;
	return due;
}

uint64_t lossy_lost(const struct lossy *l)
{
	return l->lost;
}

void lossy_clear(struct lossy *l)
{
	while (l->head != l->tail)
		lossy_pop(l);
	while (l->nheld)
		free(l->held[--l->nheld].f);
	l->line_free = 0;
}
