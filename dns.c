/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns.c - messages of the Domain Name System, read and written */
#include <stdio.h>
#include <string.h>

#include "dns.h"

#define JUMPS		DNS_LABELS	/* of a compressed name */
#define ALIASES		16		/* of a chain of CNAME records */
#define LOOKS		4096		/* at names there, in one message: then names go as they are */
#define OFFSETS		64		/* of names in a message of ours that others may refer to */

/* Byte 2 and 3 of the header, with those in dns.h */
#define OPCODE		0x78
#define AA		0x04
#define RD		0x01
#define RA		0x80
#define AD		0x20
#define CD		0x10

#define CLASS_IN	1
#define OPT_DO		0x8000
#define OPT_LEN		11
#define EDE		15		/* extended error (RFC 8914 2) */
#define EDE_BLOCKED	15

enum type {
	TYPE_A = DNS_A, TYPE_NS = 2, TYPE_CNAME = 5, TYPE_SOA = 6, TYPE_PTR = DNS_PTR, TYPE_MX = 15,
	TYPE_AAAA = DNS_AAAA, TYPE_OPT = 41, TYPE_SVCB = 64, TYPE_HTTPS = 65,
	TYPE_META = 128 /* and above: RFC 6895 3.1 */, TYPE_ANY = 255
};

/* Keys of service parameters (RFC 9460 14.3.2) */
enum { KEY_MANDATORY, KEY_IPV4 = 4, KEY_ECH, KEY_IPV6 };

/* Records with names in them, which may be compressed (RFC 3597 4): bytes in front of the names, and their number.
 * First those in which we may compress names, too.
 */
static const struct {
	uint16_t	type;
	uint8_t		front, names;
	bool		ours;
} named[] = {
	{ TYPE_NS, 0, 1, true }, { TYPE_CNAME, 0, 1, true }, { TYPE_SOA, 0, 2, true }, { TYPE_PTR, 0, 1, true },
	{ TYPE_MX, 2, 1, true },
	{ 3, 0, 1, false }, { 4, 0, 1, false }, { 7, 0, 1, false }, { 8, 0, 1, false }, { 9, 0, 1, false },
	{ 14, 0, 2, false }, { 17, 0, 2, false }, { 18, 2, 1, false }, { 21, 2, 1, false }, { 26, 2, 2, false },
	{ 33, 6, 1, false }, { 36, 2, 1, false }, { 39, 0, 1, false },
};

/* A message that is read */
struct msg {
	const uint8_t	*b;
	size_t		len, at;
};

/* One that is written; @full: not all of it had room */
struct made {
	uint8_t		*b;
	size_t		len, max;
	bool		full;
	unsigned	looks;
	uint16_t	off[OFFSETS];	/* of labels that begin a name, or the rest of one */
	unsigned	noff;
};

struct name {
	uint8_t		len;		/* 0: none */
	uint8_t		b[DNS_WIRE_LEN];
};

struct record {
	struct name	owner;
	uint16_t	type, class;
	uint32_t	ttl;
	size_t		at, end;	/* of its data in the message */
};

/* ---- reading ---- */

/* Name at @m->at, which moves behind it: false if it makes no sense. Each pointer leads further to the front. */
static bool name_read(struct msg *m, struct name *n)
{
	size_t at = m->at, low = at;
	unsigned len = 0, jumps = 0;
	uint8_t l;

	do {
		if (at >= m->len)
			return false;
		l = m->b[at];
		if (l >= 0xc0) {		/* RFC 1035 4.1.4 */
			size_t to = at + 1 < m->len ? get_be16(m->b + at) & 0x3fffU : low;

			if (to >= low || ++jumps > JUMPS)
				return false;
			m->at = jumps == 1 ? at + 2 : m->at;
			at = low = to;
			continue;
		}
		if (l > 63 || at + l >= m->len || len + l + (l ? 2U : 1U) > DNS_WIRE_LEN)
			return false;
		memcpy(n->b + len, m->b + at, l + 1U);
		len += l + 1U;
		at += l + 1U;
	} while (l);
	m->at = jumps ? m->at : at;
	n->len = (uint8_t)len;
	return true;
}

static bool name_eq(const uint8_t *a, const uint8_t *b, size_t len)
{
	while (len && ascii_lower(*a) == ascii_lower(*b)) {
		a++;
		b++;
		len--;
	}
	return !len;
}

static bool names_eq(const struct name *a, const struct name *b)
{
	return a->len == b->len && name_eq(a->b, b->b, a->len);
}

/* As text: false if a label has something in it that is neither visible nor plain, as a dot */
static bool name_text(const uint8_t *name, char text[static DNS_NAME_LEN + 1])
{
	char *s = text;

	for (; *name; name += *name + 1) {
		if (s > text)
			*s++ = '.';
		for (unsigned i = 1; i <= *name; i++) {
			uint8_t b = ascii_lower(name[i]);

			if (b <= ' ' || b >= 0x7f || b == '.' || b == '\\' || b == '"') {
				*text = '\0';
				return false;
			}
			*s++ = (char)b;
		}
	}
	*s = '\0';
	return true;
}

static bool record_read(struct msg *m, struct record *r)
{
	const uint8_t *b;

	if (!name_read(m, &r->owner) || m->len - m->at < 10)
		return false;
	b = m->b + m->at;
	r->type = get_be16(b);
	r->class = get_be16(b + 2);
	r->ttl = get_be32(b + 4);
	r->at = m->at + 10;
	r->end = r->at + get_be16(b + 8);
	m->at = r->end;
	return r->end <= m->len;
}

/* The part behind the question of a query: OPT, or nothing. Return: enum dns_rcode */
static enum dns_rcode opt_read(struct msg *m, struct dns_query *q)
{
	unsigned n = get_be16(m->b + 10);
	struct record r;

	if (n > 1 || (n && (!record_read(m, &r) || r.type != TYPE_OPT || r.owner.len != 1)) || m->at != m->len)
		return DNS_FORMERR;
	if (!n)
		return DNS_OK;
	q->edns = true;
	q->dnssec = r.ttl & OPT_DO;
	q->size = MAX(r.class, DNS_SMALL);
	return r.ttl >> 16 & 0xff ? DNS_BADVERS : DNS_OK;	/* RFC 6891 6.1.3 */
}

/* The question: enum dns_rcode */
static enum dns_rcode question_read(struct msg *m, struct dns_query *q)
{
	struct name n;

	for (size_t at = m->at; at < m->len && m->b[at]; at += m->b[at] + 1U)
		if (m->b[at] > 63)		/* nothing to refer to */
			return DNS_FORMERR;
	if (!name_read(m, &n) || m->len - m->at < 4)
		return DNS_FORMERR;
	q->type = get_be16(m->b + m->at);
	if (get_be16(m->b + m->at + 2) != CLASS_IN)
		return DNS_NOTIMP;
	m->at += 4;
	q->len = n.len;
	memcpy(q->name, n.b, n.len);
	if (q->type >= TYPE_META && q->type < TYPE_ANY)
		return DNS_NOTIMP;
	return q->type && q->type != TYPE_OPT ? DNS_OK : DNS_FORMERR;
}

int dns_read(const uint8_t *b, size_t len, struct dns_query *q)
{
	struct msg m = { b, len, DNS_HEADER };
	enum dns_rcode rc;

	memset(q, 0, offsetof(struct dns_query, name));
	q->text[0] = '\0';
	if (len < DNS_HEADER || b[2] & DNS_QR)
		return DNS_NONE;
	q->id = get_be16(b);
	q->size = DNS_SMALL;
	q->opcode = (b[2] & OPCODE) >> 3;
	q->rd = b[2] & RD;
	q->ad = b[3] & AD;
	q->cd = b[3] & CD;
	if (q->opcode)
		return DNS_NOTIMP;
	if (get_be16(b + 4) != 1 || get_be16(b + 6) || get_be16(b + 8) || b[2] & DNS_TC)
		return DNS_FORMERR;
	rc = question_read(&m, q);
	if (!rc)
		rc = opt_read(&m, q);
	if (!rc && !name_text(q->name, q->text))
		rc = DNS_NXDOMAIN;		/* in no rule, and in no log */
	return (int)rc;
}

/* ---- writing ---- */

static void made_bytes(struct made *o, const void *b, size_t n)
{
	if (o->full || o->max - o->len < n) {
		o->full = true;
		return;
	}
	memcpy(o->b + o->len, b, n);
	o->len += n;
}

static void made16(struct made *o, unsigned v)
{
	uint8_t b[2];

	put_be16(b, (uint16_t)v);
	made_bytes(o, b, sizeof(b));
}

static void made32(struct made *o, uint32_t v)
{
	made16(o, v >> 16);
	made16(o, v & 0xffff);
}

/* Is the rest @n of a name, in labels, at offset @off of the message? Pointers there lead to the front. */
static bool rest_is_at(const struct made *o, const uint8_t *n, size_t off)
{
	for (;;) {
		uint8_t l = o->b[off];

		if (l >= 0xc0) {
			off = get_be16(o->b + off) & 0x3fffU;
			continue;
		}
		if (l != *n || !name_eq(o->b + off + 1, n + 1, l))
			return false;
		if (!l)
			return true;
		off += l + 1U;
		n += l + 1U;
	}
}

static void made_name(struct made *o, const uint8_t *n, bool compress)
{
	unsigned whole = compress ? o->noff : 0;	/* not those of this name */
	size_t at;

	/* A name that had no room has no end: behind it are bytes of another message */
	for (; *n && !o->full; n += *n + 1) {
		for (unsigned i = 0; i < whole; i++) {
			if (o->looks++ > LOOKS || !rest_is_at(o, n, o->off[i]))
				continue;
			made16(o, 0xc000U | o->off[i]);
			return;
		}
		at = o->len;
		made_bytes(o, n, *n + 1U);
		if (!o->full && o->noff < OFFSETS && at < 0x4000 && compress)
			o->off[o->noff++] = (uint16_t)at;
	}
	made_bytes(o, n, 1);
}

/* Header and question */
static void made_head(struct made *o, const struct dns_query *q, uint16_t id, unsigned flags)
{
	made16(o, id);
	made16(o, flags);
	made16(o, !!q->len);
	made32(o, 0);
	made16(o, q->edns);
	if (!q->len)
		return;
	made_name(o, q->name, true);
	made16(o, q->type);
	made16(o, CLASS_IN);
}

/* RFC 6891 6.1.2, with the upper bits of the result, and @ede bytes of an option, which follow */
static void made_opt(struct made *o, const struct dns_query *q, uint16_t size, unsigned rcode, unsigned ede)
{
	made_bytes(o, "", 1);
	made16(o, TYPE_OPT);
	made16(o, size);
	made32(o, (uint32_t)rcode >> 4 << 24 | (q->dnssec ? OPT_DO : 0));
	made16(o, ede);
}

size_t dns_ask(const struct dns_query *q, uint16_t id, bool edns, uint8_t out[static DNS_QUERY_MAX])
{
	struct made o = { .b = out, .max = DNS_QUERY_MAX };
	struct dns_query ask = *q;

	for (unsigned i = 0; i < ask.len; i++)
		ask.name[i] = ascii_lower(ask.name[i]);	/* lengths are below 64 */
	ask.edns = edns;
	made_head(&o, &ask, id, (unsigned)(q->rd ? RD : 0) << 8 | (q->ad ? AD : 0) | (q->cd ? CD : 0));
	if (edns)
		made_opt(&o, q, DNS_UDP, 0, 0);
	return o.len;
}

/* Flags of an answer */
static unsigned flags_of(const struct dns_query *q, unsigned more, unsigned rcode)
{
	unsigned high = DNS_QR | (unsigned)q->opcode << 3 | (q->rd ? RD : 0);

	return high << 8 | RA | (q->cd ? CD : 0) | more | (rcode & DNS_RCODE);
}

size_t dns_error(const struct dns_query *q, enum dns_rcode rcode, bool blocked, uint8_t out[static DNS_ERROR_MAX])
{
	struct made o = { .b = out, .max = DNS_ERROR_MAX };

	made_head(&o, q, q->id, flags_of(q, 0, rcode));
	if (!q->edns)
		return o.len;
	made_opt(&o, q, DNS_UDP, rcode, blocked ? 6 : 0);
	if (!blocked)
		return o.len;
	made16(&o, EDE);
	made16(&o, 2);
	made16(&o, EDE_BLOCKED);
	return o.len;
}

/* A record with the question's name, up to its data of @len bytes */
static void record_head(struct made *o, const struct dns_query *q, uint16_t type, uint32_t ttl, size_t len)
{
	made_name(o, q->name, true);
	made16(o, type);
	made16(o, CLASS_IN);
	made32(o, ttl);
	made16(o, (unsigned)len);
}

size_t dns_record(const struct dns_query *q, const struct addr *a, const char *name, uint32_t ttl,
		  uint8_t out[static DNS_RECORD_MAX])
{
	struct made o = { .b = out, .max = DNS_RECORD_MAX };
	uint8_t b[16];

	made_head(&o, q, q->id, flags_of(q, AA << 8, DNS_OK));
	if (a) {
		addr_to_bytes(a, b);
		record_head(&o, q, addr_is_v4(a) ? DNS_A : DNS_AAAA, ttl, addr_is_v4(a) ? 4 : 16);
		made_bytes(&o, b, addr_is_v4(a) ? 4 : 16);
	} else if (name) {
		record_head(&o, q, DNS_PTR, ttl, strlen(name) + 2);
		for (size_t n; *name; name += n + (name[n] == '.')) {
			n = strcspn(name, ".");
			made_bytes(&o, &(uint8_t){ (uint8_t)n }, 1);
			made_bytes(&o, name, n);
		}
		made_bytes(&o, "", 1);
	}
	put_be16(out + 6, a || name);
	if (q->edns)
		made_opt(&o, q, DNS_UDP, DNS_OK, 0);
	return o.len;
}

/* ---- answers ---- */

static void found_add(struct dns_found *f, const struct addr *a, uint32_t ttl)
{
	if (f->n == DNS_FOUND)
		return;
	f->a[f->n] = *a;
	f->ttl[f->n++] = ttl;
}

/* Data with names in it, which are written anew: false if it makes no sense */
static bool data_named(struct msg *m, const struct record *r, unsigned front, unsigned names, bool compress,
		       struct made *o)
{
	struct msg data = { m->b, r->end, r->at + front };
	struct name n;

	if (data.at > r->end)
		return false;
	made_bytes(o, m->b + r->at, front);
	while (names--) {
		if (!name_read(&data, &n))
			return false;
		made_name(o, n.b, compress);
	}
	made_bytes(o, m->b + data.at, r->end - data.at);
	return true;
}

/* Keys that a client must know, but for that of encrypted hellos */
static void made_mandatory(struct made *o, const uint8_t *b, unsigned len)
{
	unsigned n = 0;

	for (unsigned i = 0; i < len; i += 2)
		n += get_be16(b + i) != KEY_ECH ? 2 : 0;
	if (!n)
		return;
	made16(o, KEY_MANDATORY);
	made16(o, n);
	for (unsigned i = 0; i < len; i += 2)
		if (get_be16(b + i) != KEY_ECH)
			made_bytes(o, b + i, 2);
}

/* A parameter, without keys of encrypted hellos */
static void made_param(struct made *o, unsigned key, const uint8_t *b, unsigned len)
{
	if (key == KEY_MANDATORY) {
		made_mandatory(o, b, len);
	} else if (key != KEY_ECH) {
		made16(o, key);
		made16(o, len);
		made_bytes(o, b, len);
	}
}

/* Data of SVCB and HTTPS (RFC 9460 2.2): false if it makes no sense. @f: hints are for the name asked for, or NULL */
static bool data_service(struct msg *m, const struct record *r, struct made *o, struct dns_found *f)
{
	struct msg data = { m->b, r->end, r->at + 2 };
	int last = -1;
	struct name n;

	if (data.at > r->end || !name_read(&data, &n))
		return false;
	made_bytes(o, m->b + r->at, 2);
	made_name(o, n.b, false);
	while (data.at < r->end) {
		const uint8_t *b = m->b + data.at;
		bool whole = r->end - data.at >= 4;
		unsigned key = whole ? get_be16(b) : 0, len = whole ? get_be16(b + 2) : 0;
		unsigned size = key == KEY_IPV4 ? 4 : key == KEY_IPV6 ? 16 : 0;

		data.at += 4 + len;
		if (data.at > r->end || (int)key <= last || (size && len % size) || (!key && len % 2))
			return false;
		last = (int)key;
		made_param(o, key, b + 4, len);
		for (unsigned i = 0; f && size && i < len; i += size) {
			struct addr a = addr_from_bytes(b + 4 + i, size == 4);

			found_add(f, &a, r->ttl);
		}
	}
	return true;
}

/* Address in the record: false if there is none that makes sense */
static bool data_addr(struct msg *m, const struct record *r, struct addr *a)
{
	bool v4 = r->type == TYPE_A;

	if (r->end - r->at != (v4 ? 4U : 16U))
		return false;
	*a = addr_from_bytes(m->b + r->at, v4);
	return true;
}

/* One record, written anew. @f: NULL, or it is about the name asked for. Return: false: it makes no sense */
static bool record_write(struct msg *m, struct record *r, struct made *o, struct dns_found *f)
{
	size_t at;
	struct addr a;
	bool fine = true;
	unsigned i = 0;

	made_name(o, r->owner.b, true);
	made16(o, r->type);
	made16(o, r->class);
	made32(o, r->ttl);
	at = o->len;
	made16(o, 0);
	while (i < ARRAY_SIZE(named) && named[i].type != r->type)
		i++;
	if (i < ARRAY_SIZE(named)) {
		fine = data_named(m, r, named[i].front, named[i].names, named[i].ours, o);
	} else if (r->type == TYPE_SVCB || r->type == TYPE_HTTPS) {
		fine = data_service(m, r, o, f);
	} else {
		if (r->type == TYPE_A || r->type == TYPE_AAAA) {
			fine = data_addr(m, r, &a);
			if (fine && f)
				found_add(f, &a, r->ttl);
		}
		made_bytes(o, m->b + r->at, r->end - r->at);
	}
	if (!o->full)
		put_be16(o->b + at, (uint16_t)(o->len - at - 2));
	return fine;
}

/* The name at the end of the chain of @n records at @m, which begins with @name. Records may be in any order. */
static void chain_end(const struct msg *answers, unsigned n, struct name *name)
{
	for (unsigned aliases = 0; aliases < ALIASES; aliases++) {
		struct msg m = *answers;
		struct record r;
		unsigned i;

		for (i = 0; i < n && record_read(&m, &r); i++) {
			struct msg data = { m.b, r.end, r.at };

			if (r.type == TYPE_CNAME && r.class == CLASS_IN && names_eq(&r.owner, name) &&
			    name_read(&data, name))
				break;
		}
		if (i == n)
			return;
	}
	name->len = 0;				/* a loop */
}

static bool answers_type(uint16_t asked, uint16_t type)
{
	return asked == type || asked == TYPE_ANY;
}

/* By its header, which is whole */
static bool is_response(const uint8_t *b, size_t len, uint16_t id)
{
	return len >= DNS_HEADER && get_be16(b) == id && (b[2] & (DNS_QR | OPCODE)) == DNS_QR;
}

/* Is it the answer to @q, so far? Behind the question, @m->at */
static bool is_answer(struct msg *m, const struct dns_query *q, uint16_t id)
{
	struct name n;

	if (!is_response(m->b, m->len, id) || get_be16(m->b + 4) != 1)
		return false;
	m->at = DNS_HEADER;
	if (!name_read(m, &n) || m->len - m->at < 4 || n.len != q->len || !name_eq(n.b, q->name, n.len))
		return false;
	m->at += 4;
	return get_be16(m->b + m->at - 4) == q->type && get_be16(m->b + m->at - 2) == CLASS_IN;
}

bool dns_no_opt(const uint8_t *b, size_t len, uint16_t id)
{
	return is_response(b, len, id) && ((b[3] & DNS_RCODE) == DNS_FORMERR || (b[3] & DNS_RCODE) == DNS_NOTIMP);
}

/* Records of a section, of which @count is set; OPT is left out. @last: the name to find addresses of, or NULL.
 * Return: false: one makes no sense
 */
static bool section(struct msg *m, unsigned n, const struct dns_query *q, const struct name *last, struct made *o,
		    unsigned *count, struct dns_found *f)
{
	struct record r;

	for (*count = 0; n--;) {
		unsigned noff = o->noff, nfound = f->n;
		size_t start = o->len;
		bool ours;

		if (!record_read(m, &r))
			return false;
		if (r.type == TYPE_OPT) {
			f->rcode = (uint16_t)(f->rcode | r.ttl >> 24 << 4);
			continue;
		}
		r.ttl = r.ttl >> 31 ? 0 : MIN(r.ttl, (uint32_t)DNS_TTL_MOST);	/* RFC 2181 8 */
		ours = last && r.class == CLASS_IN && names_eq(&r.owner, last) && answers_type(q->type, r.type);
		if (o->full)
			continue;
		if (!record_write(m, &r, o, ours ? f : NULL))
			return false;
		if (o->full) {
			o->len = start;
			o->noff = noff;
			f->n = nfound;
		} else {
			++*count;
		}
	}
	return true;
}

size_t dns_answer(const uint8_t *b, size_t len, const struct dns_query *q, uint16_t id, uint8_t *out, size_t max,
		  struct dns_found *found)
{
	struct made o = { .b = out, .max = max - (q->edns ? OPT_LEN : 0) };
	struct msg m = { b, len, 0 };
	struct name last = { .len = q->len };
	unsigned count[3], flags;

	if (!is_answer(&m, q, id))
		return 0;
	*found = (struct dns_found){ .rcode = b[3] & DNS_RCODE, .cut = b[2] & DNS_TC };
	memcpy(last.b, q->name, q->len);
	chain_end(&m, get_be16(b + 6), &last);
	made_head(&o, q, q->id, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(count); i++) {
		if (!section(&m, get_be16(b + 6 + 2 * i), q, i || !last.len ? NULL : &last, &o, &count[i], found))
			return 0;
		put_be16(out + 6 + 2 * i, (uint16_t)(count[i] + (i == 2 && q->edns)));
	}
	flags = (unsigned)((b[2] & AA) << 8 | (b[3] & AD) | (found->cut || o.full ? DNS_TC << 8 : 0));
	put_be16(out + 2, (uint16_t)flags_of(q, flags, found->rcode));
	o.max = max;
	o.full = false;
	if (q->edns)
		made_opt(&o, q, DNS_UDP, found->rcode, 0);
	return o.len;
}

const char *dns_type(uint16_t type, char buf[static DNS_TYPE_LEN])
{
	static const struct {
		uint16_t	type;
		char		name[7];
	} known[] = {
		{ TYPE_A, "A" }, { TYPE_NS, "NS" }, { TYPE_CNAME, "CNAME" }, { TYPE_SOA, "SOA" }, { TYPE_PTR, "PTR" },
		{ TYPE_MX, "MX" }, { 16, "TXT" }, { TYPE_AAAA, "AAAA" }, { 33, "SRV" }, { 35, "NAPTR" }, { 43, "DS" },
		{ 46, "RRSIG" }, { 48, "DNSKEY" }, { 52, "TLSA" }, { TYPE_SVCB, "SVCB" }, { TYPE_HTTPS, "HTTPS" },
		{ TYPE_ANY, "ANY" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].type == type)
			return known[i].name;
	snprintf(buf, DNS_TYPE_LEN, "TYPE%u", type);	/* RFC 3597 5 */
	return buf;
}
