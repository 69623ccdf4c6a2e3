/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_file.h - the process that writes the flow log's file */
#ifndef FLOW_FILE_H
#define FLOW_FILE_H

#include "ctx.h"

/* Starts it, for @file: 0, or -errno. From now on, there is something to read the flow log (flow_log.h). */
int flow_file_start(struct ctx *c, const struct log_file *file);

/* Waits for it: it has let go of all that the main process has. From now on, room in its pipe is an event. */
int flow_file_ready(struct ctx *c);

#endif /* FLOW_FILE_H */
