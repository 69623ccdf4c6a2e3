/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "../../drop.c"
#include "../t.h"

int main(void)
{
	test("every reason to drop has a name of its own");
	for (unsigned i = 0; i < DROP_COUNT; i++) {
		ok(drop_name[i] && *drop_name[i]);
		for (unsigned j = 0; j < i; j++)
			ok(strcmp(drop_name[i], drop_name[j]));
	}
	return done();
}
