/* SPDX-License-Identifier: GPL-2.0-or-later */
/* descriptors.h - descriptors of a test that are open */
#ifndef TEST_DESCRIPTORS_H
#define TEST_DESCRIPTORS_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static inline unsigned fds_open(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	if (!d) {
		printf("Bail out! no /proc/self/fd\n");
		exit(EXIT_FAILURE);
	}
	while (readdir(d))
		n++;
	closedir(d);
	return n - 3;		/* ".", "..", and the directory */
}

#endif /* TEST_DESCRIPTORS_H */
