// SPDX-License-Identifier: GPL-2.0
/*
 * What "lparctl help" says, of all objects, of one, or of a verb; and the words for the
 * shell's completion. All of it is in the table of verbs.
 */
#include <string.h>

#include "verbs.h"

static const char words_text[] =
	"Words may be abbreviated, but for verbs that take something away.\n"
	"SIZE is 512M or 1G, TIME is 500ms, 30s or 2m.\n";

static const char options_text[] =
	"Options\n"
	"  -j, --json      JSON output of everything that reads\n"
	"  -p, --pretty    indented JSON\n"
	"      --root DIR  look for /dev/lpar, /etc, /proc, /run, /sys and /var below DIR\n"
	"  -h, --help      this text; behind a verb, what it does\n"
	"  -V, --version   the version\n"
	"\n"
	"Exit code: 0 ok, 1 failed, 2 usage, 3 check failed, 4 time-out, 5 rolled back\n";

/* Each line of the text that far from the margin, but for the first. */
static void print_lines(FILE *to, const char *text, int margin)
{
	for (; *text; text++) {
		fputc(*text, to);
		if (*text == '\n' && text[1])
			fprintf(to, "%*s", margin, "");
	}
}

/* How it is written; the object lpar may be left out. */
static void print_usage(FILE *to, const struct object *object, const struct verb *verb, int margin)
{
	bool named = object->verbs && object != objects;
	bool left_out = object->left_out && !strcmp(object->left_out, verb->name);
	int width = fprintf(to, left_out ? "%s%s[%s]" : "%s%s%s", named ? object->name : "",
			    named ? " " : "", verb->name);

	if (*verb->usage)
		width += fprintf(to, " ");
	print_lines(to, verb->usage, margin + width);
	fputc('\n', to);
}

static void print_object(FILE *to, const struct object *object)
{
	const struct verb *verb;

	fprintf(to, "%s\n", object->title);
	for (verb = object->verbs; verb && verb->name; verb++) {
		if (!verb->usage)
			continue;
		fputs("  ", to);
		print_usage(to, object, verb, 2);
	}
	if (!object->verbs) {
		fputs("  ", to);
		print_usage(to, object, &object->only, 2);
	}
	if (object->notes) {
		fputs("    ", to);
		print_lines(to, object->notes, 4);
	}
}

void help_print(FILE *to)
{
	const struct object *object;

	fputs("Usage: lparctl [OPTIONS] [lpar] VERB ...\n", to);
	for (object = objects + 1; object->name; object++)
		if (object->title)
			fprintf(to, "       lparctl [OPTIONS] %s ...\n", object->name);
	fputs("       lparctl help [OBJECT [VERB]]\n", to);
	for (object = objects; object->name; object++) {
		if (!object->title)
			continue;
		fputc('\n', to);
		print_object(to, object);
	}
	fprintf(to, "\n%s\n%s", words_text, options_text);
}

/* Everything, for an object that has no part of its own. */
void help_print_object(const struct object *object)
{
	if (!object->title) {
		help_print(stdout);
		return;
	}
	print_object(stdout, object);
	printf("\n%s", words_text);
}

static void print_verb(const struct object *object, const struct verb *verb)
{
	static const char head[] = "Usage: lparctl ";

	fputs(head, stdout);
	print_usage(stdout, object, verb, strlen(head));
	printf("\n%s\n", verb->help);
	if (verb->whole)
		puts("It must be written in full.");
	if (object->notes && (strstr(verb->usage, "SETTING") || strstr(verb->usage, "KEY") ||
			      strstr(verb->usage, "INSTANT")))
		printf("\n%s", object->notes);
}

/* Of the words of a command line: a verb, an object or everything. False: they are none. */
static bool print_words(struct args *args)
{
	const struct object *object = args->argc ? find_object(args->argv[0]) : NULL;
	const struct verb *verb = NULL;
	bool cut_short;

	if (!args->argc) {
		help_print(stdout);
		return true;
	}
	if (object)
		next_arg(args);
	else
		object = objects;
	if (args->argc && object->verbs)
		verb = find_verb(object, args->argv[0], &cut_short);
	if (verb && verb->usage)
		print_verb(object, verb);
	else if (!object->verbs && object->only.usage)
		print_verb(object, &object->only);
	else if (verb || !args->argc)
		help_print_object(object);
	else
		return false;
	return true;
}

/* help [OBJECT [VERB]] */
int help_verb(struct args *args)
{
	const char *word = args->argc ? args->argv[args->argc - 1] : "";

	return print_words(args) ? EXIT_OK : usage("object or verb '%s' is unknown", word);
}

/* "lparctl snap --help": prints it, and says whether it was asked for. */
bool help_asked(struct args *args)
{
	const char *last = args->argv[args->argc - 1];

	if (args->argc < 2 || (strcmp(last, "--help") && strcmp(last, "-h")))
		return false;
	args->argc--;
	if (!print_words(args))
		help_print(stdout);
	return true;
}

/* --- completion --- */

/* The options in a text, each in a line. */
static void print_options(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz-";

	while (text && (text = strstr(text, "--"))) {
		size_t len = strspn(text, letters);

		printf("%.*s\n", (int)len, text);
		text += len;
	}
}

static void print_names(const struct verb *verb)
{
	for (; verb && verb->name; verb++)
		if (verb->usage)
			puts(verb->name);
}

static void print_objects(void)
{
	const struct object *object;

	for (object = objects; object->name; object++)
		if (object->title)
			puts(object->name);
}

/*
 * __complete [OBJECT [VERB]]: words that may come next: objects, verbs, options. What
 * exists on this host is the shell's to find.
 */
int complete_verb(struct args *args)
{
	const char *word = next_arg(args), *verb_word = next_arg(args);
	const struct object *object = word ? find_object(word) : NULL;
	const struct verb *verb;
	bool cut_short;

	if (!word)
		print_objects();
	if (!object)
		return word ? EXIT_FAILED : EXIT_OK;
	if (object->verbs && !verb_word) {
		print_names(object->verbs);
		return EXIT_OK;
	}
	verb = object->verbs ? find_verb(object, verb_word, &cut_short) : &object->only;
	if (verb && verb->usage)
		print_options(verb->usage);
	if (verb && verb->usage && strstr(verb->usage, "SETTING"))
		print_options(object->notes);
	return EXIT_OK;
}
