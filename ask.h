/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ask.h - ask rules: flows that wait while the user is asked
 *
 * A question is about a guest and a place: protocol, address, port, and the name that the guest knows it by. All flows
 * of the guest to that place wait for its answer. A flow that waits is no more than a copy of its first packet: it has
 * no socket, no timer and no entry in the flow table. When its question is over, the packet is judged again, as if it
 * had just come (input_asked()), and the answer is found then.
 *
 * Tables are static, and a guest's own: a guest that fills them is refused by that, and no other.
 */
#ifndef ASK_H
#define ASK_H

#include "ctx.h"

/* Of one guest */
#define ASK_QUESTIONS	64
#define ASK_PACKETS	256		/* that wait */
#define ASK_KNOWN	256		/* answers that hold; a new one takes the place of the oldest */

#define ASK_ROOM	1536		/* bytes of a frame that waits */
#define ASK_NAME	256		/* bytes of a name, with its NUL */

enum ask_word { ASK_ONCE, ASK_ALWAYS, ASK_NEVER, ASK_WORDS };

extern const char *const ask_word_name[ASK_WORDS];

struct ask_place {
	struct end	to;		/* as dialled: after all mapping */
	uint8_t		proto;		/* of IP */
	char		name[ASK_NAME];	/* or empty */
};

struct ask_question {
	uint64_t	id;		/* ascending; 0: none */
	struct ask_place place;
	const char	*rule;		/* its text */
	struct timer	timer;		/* of its end */
	uint8_t		guest;
};

/* An answer that holds for all flows to come */
struct ask_known {
	uint64_t	id;		/* of the question; 0: none */
	struct ask_place place;
	enum ask_word	word;
};

/* Tables of all guests, empty */
void ask_start(struct ctx *c);

/**
 * ask_judge() - verdict on a flow by an ask rule
 * @to:		endpoint to connect or send to, after all mapping
 * @name:	that the guest knows its address by, or NULL
 * @p:		its first packet; NULL: it can't wait
 * @rule:	text of the rule
 *
 * Return: DROP_NONE, DROP_POLICY; DROP_WAITS: @p waits; DROP_ASK: the flow waits, without @p
 */
enum drop ask_judge(struct ctx *c, const struct guest *g, uint8_t proto, const struct end *to, const char *name,
		    const struct pkt *p, const char *rule);

/* Does the TCP connection of a segment that is no SYN wait? RST is the end of that. */
bool ask_waits(const struct guest *g, const struct pkt *p);

/**
 * ask_next() - the next packet whose question is over, to be judged again
 * @frame:	filled in
 * @raw:	filled in, but for the buffers
 *
 * The packet before that is done with. Return: bytes in @frame, 0: there is no other
 */
size_t ask_next(const struct guest *g, uint8_t frame[static ASK_ROOM], struct raw *raw);

/* These end questions: input_asked() has to follow */
bool ask_answer(struct ctx *c, uint64_t id, enum ask_word word);	/* false: there is no such question any more */
void ask_timeout(struct ctx *c, struct timer *t);		/* TIMER_ASK */
void ask_renew(struct ctx *c);					/* all of them, and all answers, as rules are new */

/* The guest is gone, and all that was its own */
void ask_forget(struct ctx *c, const struct guest *g);

/* The first question after number @id, or NULL; the same for answers that hold */
const struct ask_question *ask_after(const struct ctx *c, uint64_t id);
const struct ask_known *ask_known_after(const struct ctx *c, uint64_t id);

#endif /* ASK_H */
