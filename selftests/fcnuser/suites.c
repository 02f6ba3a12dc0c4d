// SPDX-License-Identifier: GPL-2.0
/* Runs the KUnit suites that are linked in, and prints TAP. */
#include "kernel.h"

#define SUITES_MAX 8

static struct kunit_suite *suites[SUITES_MAX];
static size_t nr_suites;

void suite_add(struct kunit_suite *suite)
{
	if (nr_suites == SUITES_MAX)
		abort();
	suites[nr_suites++] = suite;
}

/* @ends: what follows relies on it. */
void suite_fail(struct kunit *test, const char *file, int line, bool ends, const char *fmt, ...)
{
	va_list args;

	printf("# %s:%d: ", file, line);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	test->failed = true;
	if (!ends)
		return;
	puts("Bail out! an assertion failed");
	exit(1);
}

struct memory {
	struct memory *next;
	max_align_t data[];
};

void *suite_alloc(struct kunit *test, size_t size)
{
	struct memory *memory = calloc(1, sizeof(*memory) + size);

	if (!memory)
		abort();
	memory->next = test->memory;
	test->memory = memory;
	return memory->data;
}

void suite_free(struct kunit *test, void *data)
{
	struct memory **at = &test->memory, *memory;

	while ((*at)->data != data)
		at = &(*at)->next;
	memory = *at;
	*at = memory->next;
	free(memory);
}

static unsigned int count(void)
{
	const struct kunit_case *one;
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < nr_suites; i++)
		for (one = suites[i]->test_cases; one->run; one++)
			n++;
	return n;
}

int main(void)
{
	const struct kunit_case *one;
	unsigned int number = 0;
	bool failed = false;
	size_t i;

	setlinebuf(stdout);
	printf("1..%u\n", count());
	for (i = 0; i < nr_suites; i++)
		for (one = suites[i]->test_cases; one->run; one++) {
			struct kunit test = { .failed = false };

			one->run(&test);
			while (test.memory)
				suite_free(&test, test.memory->data);
			printf("%sok %u - %s: %s\n", test.failed ? "not " : "", ++number,
			       suites[i]->name, one->name);
			failed |= test.failed;
		}
	return failed;
}
