/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All that lparctl can be told, in one table: what runs, the help, the completion and the
 * check of the manual come from it.
 */
#ifndef VERBS_H
#define VERBS_H

#include "lib/lib.h"

struct verb {
	const char *name;
	int (*run)(struct args *args); /* exit code */
	const char *usage; /* words behind it, lines are parted; NULL: it is not shown */
	const char *help;
	bool whole; /* it takes something away: no abbreviation is taken for it */
};

struct object {
	const char *name;
	const char *title; /* NULL: it is not shown */
	const struct verb *verbs; /* ends with a NULL name; without: the only one is run */
	struct verb only;
	const char *bare; /* the verb that is meant when there are no more words, or NULL */
	const char *left_out; /* the verb that is meant when an option comes next, or NULL */
	bool named; /* that verb may begin with a name */
	const char *notes; /* behind the verbs: what some words stand for */
};

extern const struct object objects[];

const struct object *find_object(const char *word);
const struct verb *find_verb(const struct object *object, const char *word, bool *cut_short);
int run_words(struct args *args); /* exit code */

/* help.c */
void help_print(FILE *to);
void help_print_object(const struct object *object);
int help_verb(struct args *args);
int complete_verb(struct args *args);
bool help_asked(struct args *args);

#endif /* VERBS_H */
