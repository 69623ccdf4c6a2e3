/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LDFLAGS: -Wl,--wrap=pesto_call,--wrap=pesto_answer */
/* pesto_view_test.c - tables of flows: numbers that fit, rates, the order of rows; what a terminal is sent */

#include "../t.h"
#include "../../pesto_view.c"

void __wrap_pesto_call(int fd, const char *path, const char *text, size_t len);
const char *__wrap_pesto_answer(int fd, const char *path, bool *more);

static const char *answer[8];
static unsigned at;

/* The other side */
void __wrap_pesto_call(int fd, const char *path, const char *text, size_t len)
{
	(void)fd;
	(void)path;
	ok(json_read(text, len - 1));
}

const char *__wrap_pesto_answer(int fd, const char *path, bool *more)
{
	const char *v = answer[at++];

	(void)fd;
	(void)path;
	*more = answer[at];
	return json_read(v, strlen(v));
}

static void test_numbers(void)
{
	static const struct {
		uint64_t	n;
		const char	*text;
	} sizes[] = {
		{ 0, "0" }, { 999, "999" }, { 1000, "1.0k" }, { 1049, "1.0k" }, { 99949, "99.9k" }, { 99950, "100k" },
		{ 999499, "999k" }, { 999500, "1.0M" }, { 12345678, "12.3M" }, { 1000000000000, "1.0T" },
		{ UINT64_MAX, "18.4E" },
	}, ages[] = {
		{ 0, "0s" }, { 59999, "59s" }, { 60000, "1m00s" }, { 3599999, "59m59s" }, { 3600000, "1h00m" },
		{ 359999999, "99h59m" }, { 360000000, "4d" }, { 86400000ULL * 365000, "365000d" },
	};
	char buf[16];

	test("bytes");
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		eq_str(size_text(sizes[i].n, buf), sizes[i].text);
	test("ages");
	for (unsigned i = 0; i < ARRAY_SIZE(ages); i++)
		eq_str(age_text(ages[i].n, buf), ages[i].text);
}

#define FLOW(id, addr, to, from, age, more)									\
	"{\"protocol\":\"tcp\",\"direction\":\"out\","								\
	"\"id\":" #id ",\"host\":{\"remote\":{\"address\":\"" addr						\
	"\",\"port\":443},\"local\":{\"address\":\"10.0.0.1\",\"port\":8080}},\"to_guest\":" #to		\
	",\"from_guest\":" #from ",\"age\":" #age more "}"

static void test_rows(void)
{
	uint64_t to = 0, from = 0;

	test("rates, of flows that were there and of new ones; the order is that of rates");
	answer[0] =
		"{\"flows\":[" FLOW(3, "192.0.2.3", 1000, 0, 5000, "") "," FLOW(1, "192.0.2.1", 500, 7, 10, "") "]}";
	answer[1] = "{\"flows\":[" FLOW(2, "192.0.2.2", 100, 100, 90000, "") "]}";
	answer[2] = NULL;
	read_flows(0, "", 0, 0, NULL, NULL);
	eq(nreadings[0], 3);
	at = 0;
	answer[0] = "{\"flows\":[" FLOW(1, "192.0.2.1", 500, 7, 2010, "") "]}";
	answer[1] = "{\"flows\":[" FLOW(4, "2001:db8::4", 1500, 0, 500, ",\"name\":\"a.example\"") "," FLOW(
		3, "192.0.2.3", 5001000, 4000, 7000, ",\"rule\":\"any\"") "]}";
	read_flows(0, "", 2000, 24, &to, &from);
	eq(to, 1500 + 2500000);
	eq(from, 2000);
	eq(nrows, 3);
	eq_str(row[0].text, "tcp      2.5M   2.0k     7s  out  192.0.2.3:443                               any");
	eq_str(row[1].text, "tcp      1.5k      0     0s  out  a.example [2001:db8::4]:443");
	eq_str(row[2].text, "tcp         0      0     2s  out  192.0.2.1:443");

	test("as many rows as there is room for");
	at = 0;
	to = from = 0;
	read_flows(0, "", 2000, 1, &to, &from);
	eq(nrows, 1);

	test("flows from outside, echo, and what a server could send to confuse a terminal");
	at = 0;
	answer[0] =
		"{\"flows\":[{\"protocol\":\"icmp\",\"id\":9,\"to_guest\":9000,"
		"\"host\":{\"remote\":{\"address\":\"fd00::1\"}}},"
		"{\"protocol\":\"udp\",\"direction\":\"in\",\"id\":8,\"to_guest\":8000,\"host\":{\"remote\":"
		"{\"address\":\"192.0.2.1\",\"port\":5000},\"local\":{\"port\":53}}},"
		"{\"protocol\":\"\\u001b[2J\",\"id\":7,\"rule\":\"\\u001b\"}]}";
	answer[1] = NULL;
	read_flows(0, "", 1000, 24, &to, &from);
	eq_str(row[0].text, "icmp     9.0k      0     0s       fd00::1");
	eq_str(row[1].text, "udp      8.0k      0     0s  in   192.0.2.1:5000 to :53");
	eq_str(row[2].text, "?[2J        0      0     0s       :0                                          ?");
}

int main(void)
{
	test_numbers();
	test_rows();
	return done();
}
