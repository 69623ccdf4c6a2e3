/* SPDX-License-Identifier: GPL-2.0-or-later */
/* replay.c - feed files to a fuzz target without libFuzzer
 *
 * fuzz_x [FILE|DIRECTORY]...: one TAP line for each file; test/fuzz/corpus/x without arguments. A finding ends the
 * process, as it does under libFuzzer. A directory without files is a failure: it would mean that nothing was tested.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned count;

static bool report(bool ok, const char *path)
{
	printf("%sok %u - %s\n", ok ? "" : "not ", ++count, path);
	fflush(stdout);
	return ok;
}

static bool replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	struct stat st;
	bool ok = false;

	if (!f)
		return report(false, path);
	if (!fstat(fileno(f), &st)) {
		/* As many bytes as there are, so that a sanitizer sees one too many being read */
		data = malloc((size_t)st.st_size + !st.st_size);
		ok = data && fread(data, 1, (size_t)st.st_size, f) == (size_t)st.st_size;
	}
	fclose(f);
	if (ok)
		LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	free(data);
	return report(ok, path);
}

static int no_dots(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static bool replay_dir(const char *dir)
{
	struct dirent **list;
	int i, n = scandir(dir, &list, no_dots, alphasort);
	bool ok = n > 0;

	if (!ok)
		return report(false, dir);
	for (i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
		ok &= replay_file(path);
		free(list[i]);
	}
	free(list);
	return ok;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	struct stat st;
	bool ok = true;
	int i;

	if (argc < 2) {
		char dir[256];

		name = name ? name + 1 : argv[0];
		snprintf(dir, sizeof(dir), "test/fuzz/corpus/%s", name + (strncmp(name, "fuzz_", 5) ? 0 : 5));
		ok = replay_dir(dir);
	}

	for (i = 1; i < argc; i++) {
		if (!stat(argv[i], &st) && S_ISDIR(st.st_mode))
			ok &= replay_dir(argv[i]);
		else
			ok &= replay_file(argv[i]);
	}
	printf("1..%u\n", count);
	return !ok;
}
