/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lossy.h - one direction of an emulated link, for tools that carry frames: delay, bit rate, accidents
 *
 * OPTIONS is a list of NAME=VALUE, with commas between. Those in front of a slash are of the first direction, those
 * behind it of the other one; without a slash, of both.
 *
 *	seed=N		accidents are the same in every run with the same seed and the same frames
 *	delay=MS	one way, with fractions
 *	mbit=N		bit rate; 0, no limit
 *	queue=N		frames that wait for the line, at that rate; by default 4 MiB of them
 *	burst=N		a card with N buffers, emptied when nothing more waits: frames beyond N at once are lost
 *	loss=P		each frame is lost with a probability of P %
 *	nth=N		one in N frames is lost
 *	gap=P:N		with P %, N frames in a row are lost
 *	once=MIN:MAX	a TCP segment with that many bytes of payload is lost, the first time that it is sent
 *	dup=P		P % arrive twice
 *	reorder=P:N	P % arrive behind the next N frames, or HOLD_MS later
 *	split=P		P % of TCP segments arrive as two, the second half first
 *
 * They apply in the order: split, once, nth, gap, loss, burst, queue, reorder, dup.
 */
#ifndef LOSSY_H
#define LOSSY_H

#include <stddef.h>
#include <stdint.h>

#define LOSSY_FRAME_MAX	65550

struct lossy;

/* Nanoseconds of the clock that all times here are of */
uint64_t lossy_now(void);

/**
 * lossy_new() - a direction without a frame; ends the tool if the text has a fault
 * @options:	or NULL: none
 * @way:	0, the first direction; 1, the other one
 */
struct lossy *lossy_new(const char *options, unsigned way);

/* A frame comes in; with luck, it is on its way from now on. lossy_turn(): nothing more waits, a burst has ended. */
void lossy_put(struct lossy *l, const uint8_t *frame, size_t len, uint64_t now);
void lossy_turn(struct lossy *l);

/* The first frame that has arrived by now, or NULL; it stays until lossy_pop() */
const uint8_t *lossy_peek(struct lossy *l, size_t *len, uint64_t now);
void lossy_pop(struct lossy *l);

/* When lossy_peek() has a frame, or UINT64_MAX: none is on its way */
uint64_t lossy_due(const struct lossy *l);

/* Frames lost so far, whatever the reason */
uint64_t lossy_lost(const struct lossy *l);

/* All frames on their way are gone */
void lossy_clear(struct lossy *l);

#endif /* LOSSY_H */
