/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hello.c - server names in the first bytes of a connection: a ClientHello of TLS, or the header of an HTTP request */
#include <string.h>

#include "hello.h"
#include "util.h"

#define LABEL_LEN	63		/* RFC 1035 2.3.4 */

/* TLS (RFC 8446 5.1, 4, 4.2) */
#define TLS_HEADER	5		/* of a record: type, version, length */
#define TLS_HANDSHAKE	22
#define TLS_MAJOR	3
#define TLS_RECORD	(1U << 14)	/* bytes in one, at most */
#define TLS_MSG_HEADER	4		/* of a handshake message: type, length */
#define TLS_CLIENT_HELLO 1
#define TLS_FIXED	34		/* legacy_version, random */
#define TLS_SESSION_ID	32
#define TLS_SERVER_NAME	0		/* RFC 6066 3 */

/* ---- spans ---- */

/* The first @n bytes leave @s: false if it has less */
static bool span_take(struct span *s, size_t n, struct span *out)
{
	if (n > s->len)
		return false;
	*out = (struct span){ s->p, n };
	s->p += n;
	s->len -= n;
	return true;
}

/* The same of a vector with its length, of @width bytes, before it */
static bool span_vector(struct span *s, unsigned width, struct span *out)
{
	struct span len;

	return span_take(s, width, &len) && span_take(s, width == 1 ? len.p[0] : get_be16(len.p), out);
}

static bool is_digit(int ch)
{
	return ch >= '0' && ch <= '9';
}

/* Labels (RFC 1035 2.3.1, and the underscore). One that begins with a digit at the end makes an address of it, in one
 * of the spellings of inet_aton(3).
 */
static enum hello_kind name_kind(const char *s, size_t len)
{
	size_t label = 0;
	char first = 0;

	for (size_t i = 0; i < len; i++) {
		char ch = s[i];

		if (ch == '.' ? !label || s[i - 1] == '-' :
				(ch < 'a' || ch > 'z') && !is_digit(ch) && ch != '_' && (ch != '-' || !label))
			return HELLO_NAME_BAD;
		if (!label)
			first = ch;
		label = ch == '.' ? 0 : label + 1;
		if (label > LABEL_LEN)
			return HELLO_NAME_BAD;
	}
	if (!label || s[len - 1] == '-')
		return HELLO_NAME_BAD;
	return is_digit(first) ? HELLO_NAME_ADDRESS : HELLO_NAME_GOOD;
}

/* The name in @s as rules have it */
static enum hello_kind name_clean(struct span s, char *name)
{
	size_t n = s.len - (s.len && s.p[s.len - 1] == '.');

	if (n >= HELLO_NAME)
		return HELLO_NAME_BAD;
	for (size_t i = 0; i < n; i++)
		name[i] = (char)ascii_lower(s.p[i]);
	name[n] = '\0';
	return name_kind(name, n);
}

/* ---- TLS ---- */

/* Does a record of the handshake begin like that, as far as it is here? None is empty. */
static bool tls_header(const uint8_t *p, size_t len)
{
	if (len && p[0] != TLS_HANDSHAKE)
		return false;
	if (len > 1 && p[1] != TLS_MAJOR)
		return false;
	return len < TLS_HEADER || (get_be16(p + 3) && get_be16(p + 3) <= TLS_RECORD);
}

/* The first message of the handshake, whose pieces are in one record or several, joined in @msg. @at: bytes without
 * which it can't be whole
 */
static enum hello_state tls_join(const uint8_t *p, size_t len, uint16_t *at, struct span *msg)
{
	static uint8_t buf[HELLO_MAX];
	size_t have = 0, want = TLS_MSG_HEADER, i = 0, record = 0, head, n;

	do {
		head = record ? 0 : TLS_HEADER;
		if (!tls_header(p + i, MIN(len - i, head)) || i + head + want - have > HELLO_MAX)
			return HELLO_BAD;
		*at = (uint16_t)(i + head + want - have);
		if (len - i <= head)
			return HELLO_MORE;
		if (head)
			record = get_be16(p + i + 3);
		i += head;
		n = MIN(MIN(record, want - have), len - i);
		memcpy(buf + have, p + i, n);
		have += n;
		i += n;
		record -= n;
		if (buf[0] != TLS_CLIENT_HELLO)
			return HELLO_BAD;
		if (have == TLS_MSG_HEADER)
			want += (size_t)buf[1] << 16 | get_be16(buf + 2);
	} while (have < want);
	*msg = (struct span){ buf, have };
	return HELLO_WHOLE;
}

/* The names of an extension: RFC 6066 3, and all entries as long as they say */
static bool tls_server_name(struct span data, struct span *list)
{
	struct span rest, type, name;

	if (!span_vector(&data, 2, list) || data.len || !list->len)
		return false;
	for (rest = *list; rest.len;)
		if (!span_take(&rest, 1, &type) || !span_vector(&rest, 2, &name))
			return false;
	return true;
}

/* ClientHello (RFC 8446 4.1.2): all of it is as long as it says; its extensions in @exts */
static bool tls_client_hello(struct span m, struct span *exts)
{
	struct span fixed, id, suites, compression, rest, type, data, list;

	*exts = (struct span){ m.p, 0 };
	if (!span_take(&m, TLS_MSG_HEADER, &type) || !span_take(&m, TLS_FIXED, &fixed) || fixed.p[0] != TLS_MAJOR ||
	    !span_vector(&m, 1, &id) || id.len > TLS_SESSION_ID || !span_vector(&m, 2, &suites) || !suites.len ||
	    suites.len % 2 || !span_vector(&m, 1, &compression) || !compression.len)
		return false;
	if (m.len && (!span_vector(&m, 2, exts) || m.len))	/* before RFC 5246 7.4.1.4, there are none */
		return false;
	for (rest = *exts; rest.len;)
		if (!span_take(&rest, 2, &type) || !span_vector(&rest, 2, &data) ||
		    (get_be16(type.p) == TLS_SERVER_NAME && !tls_server_name(data, &list)))
			return false;
	return true;
}

static enum hello_state tls_read(const uint8_t *p, size_t len, uint16_t *at, struct hello *h)
{
	struct span msg;
	enum hello_state state;

	if (len && p[0] != TLS_HANDSHAKE)
		return HELLO_OTHER;
	if (len < *at)
		return HELLO_MORE;
	state = tls_join(p, len, at, &msg);
	return state == HELLO_WHOLE && !tls_client_hello(msg, &h->rest) ? HELLO_BAD : state;
}

static enum hello_kind tls_name(struct hello *h, char *name)
{
	struct span type, data;

	while (!h->list.len) {
		if (!span_take(&h->rest, 2, &type) || !span_vector(&h->rest, 2, &data))
			return HELLO_NAME_NONE;
		if (get_be16(type.p) == TLS_SERVER_NAME)
			tls_server_name(data, &h->list);
	}
	span_take(&h->list, 1, &type);
	span_vector(&h->list, 2, &data);
	return type.p[0] ? HELLO_NAME_BAD : name_clean(data, name);	/* of host_name, the only type */
}

/* ---- HTTP ---- */

/* Character of a token, of which methods and names of fields are (RFC 9110 5.6.2) */
static bool is_tchar(uint8_t ch)
{
	uint8_t low = ch | 0x20;

	return (low >= 'a' && low <= 'z') || is_digit(ch) || (ch && strchr("!#$%&'*+-.^_`|~", ch));
}

/* Takes a token off the front of @s, which may be empty */
static struct span take_token(struct span *s)
{
	struct span token = { s->p, 0 };

	while (token.len < s->len && is_tchar(token.p[token.len]))
		token.len++;
	s->p += token.len;
	s->len -= token.len;
	return token;
}

/* Does @s begin with @text, in lower case? */
static bool begins(struct span s, const char *text)
{
	size_t i = 0;

	while (i < s.len && text[i] && ascii_lower(s.p[i]) == text[i])
		i++;
	return !text[i];
}

/* Has a line, which is no request, a version of HTTP somewhere? Then a lenient server may take it for one. */
static bool has_version(struct span line)
{
	struct span ch;

	while (!begins(line, "http/"))
		if (!span_take(&line, 1, &ch))
			return false;
	return true;
}

/* The next line of @s, without its end, CRLF or LF (RFC 9112 2.2): false if it is not whole */
static bool http_line(struct span *s, struct span *line)
{
	const uint8_t *end = s->len ? memchr(s->p, '\n', s->len) : NULL;

	if (!end)
		return false;
	span_take(s, (size_t)(end - s->p) + 1, line);
	line->len--;
	line->len -= line->len && line->p[line->len - 1] == '\r';
	return true;
}

/* Name in an authority, less the port (RFC 3986 3.2); that with a user is a bad one */
static enum hello_kind authority_name(struct span a, char *name)
{
	size_t n = a.len;

	while (n && is_digit(a.p[n - 1]))
		n--;
	if (n && a.p[n - 1] == ':')
		a.len = n - 1;
	if (!a.len || (a.len > 2 && a.p[0] == '[' && a.p[a.len - 1] == ']'))
		return HELLO_NAME_ADDRESS;
	return name_clean(a, name);
}

/* A request's line (RFC 9112 3) is METHOD TARGET HTTP/1.x; @authority is that of the target, if it has one: in absolute
 * form, or CONNECT's (RFC 9112 3.2)
 */
static bool http_request(struct span line, struct span *authority)
{
	struct span method = take_token(&line), target, scheme, part;
	size_t n = 0;

	*authority = (struct span){ line.p, 0 };
	if (!method.len || !span_take(&line, 1, &part) || part.p[0] != ' ')
		return false;
	while (n < line.len && line.p[n] > ' ' && line.p[n] != 0x7f)
		n++;
	if (!span_take(&line, n, &target) || !n || line.len != 9 || memcmp(line.p, " HTTP/1.", 8) ||
	    !is_digit(line.p[8]))
		return false;
	if (method.len == 7 && !memcmp(method.p, "CONNECT", 7)) {
		*authority = target;
		return true;
	}
	if (target.p[0] == '/' || (n == 1 && target.p[0] == '*'))
		return true;
	scheme = take_token(&target);
	if (!scheme.len || !span_take(&target, 3, &part) || memcmp(part.p, "://", 3))
		return false;
	for (n = 0; n < target.len && !strchr("/?#", target.p[n]);)
		n++;
	return n && span_take(&target, n, authority);
}

/* A field (RFC 9112 5): no blank before the colon, no line that goes on with the one before. @value: the host's, as far
 * as it is one
 */
static bool http_field(struct span line, struct span *value)
{
	struct span name = take_token(&line), colon;

	if (!name.len || !span_take(&line, 1, &colon) || colon.p[0] != ':')
		return false;
	while (line.len && (line.p[0] == ' ' || line.p[0] == '\t'))
		span_take(&line, 1, &colon);
	while (line.len && (line.p[line.len - 1] == ' ' || line.p[line.len - 1] == '\t'))
		line.len--;
	for (size_t i = 0; i < line.len; i++)
		if (!line.p[i] || line.p[i] == '\r')
			return false;
	*value = line;
	if (name.len != 4 || !begins(name, "host"))
		value->p = NULL;
	return true;
}

/* @at: the first line that isn't whole */
static enum hello_state http_read(const uint8_t *p, size_t len, uint16_t *at, struct hello *h)
{
	struct span all = { p, len }, line, part, rest;
	size_t from = 0;

	if (len && (p[0] == '\r' || p[0] == '\n'))	/* an empty line before it: RFC 9112 2.2 */
		from = p[0] == '\r' ? 2 : 1;
	if (len > from && !is_tchar(p[from]))
		return from ? HELLO_BAD : HELLO_OTHER;
	if (from == 2 && len > 1 && p[1] != '\n')
		return HELLO_BAD;
	if (len <= from)
		return HELLO_MORE;

	span_take(&all, MAX(from, *at), &part);
	for (rest = all; http_line(&rest, &line); all = rest) {
		bool first = line.p == p + from;

		if (!line.len) {
			h->rest = (struct span){ p + from, (size_t)(line.p - p) - from };
			return HELLO_WHOLE;
		}
		if (first && !http_request(line, &part))
			return has_version(line) ? HELLO_BAD : HELLO_OTHER;
		if (!first && !http_field(line, &part))
			return HELLO_BAD;
	}
	*at = (uint16_t)(all.p - p);
	return len < HELLO_MAX ? HELLO_MORE : HELLO_BAD;
}

static enum hello_kind http_name(struct hello *h, char *name)
{
	struct span line, value;

	while (http_line(&h->rest, &line)) {
		bool first = !h->begun;

		h->begun = true;
		if (first ? http_request(line, &value) && value.len : http_field(line, &value) && value.p)
			return authority_name(value, name);
	}
	return HELLO_NAME_NONE;
}

enum hello_state hello_read(enum hello_proto proto, const uint8_t *p, size_t len, uint16_t *at, struct hello *h)
{
	*h = (struct hello){ .proto = proto };
	return proto == HELLO_TLS ? tls_read(p, len, at, h) : http_read(p, len, at, h);
}

enum hello_kind hello_name(struct hello *h, char *name)
{
	return h->proto == HELLO_TLS ? tls_name(h, name) : http_name(h, name);
}
