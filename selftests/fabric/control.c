// SPDX-License-Identifier: GPL-2.0
/*
 * The control socket's commands: one line each, an answer of some lines.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fabric.h"

#define WORDS_MAX 16

/* A line, in words. */
struct words {
	char text[512];
	char *word[WORDS_MAX];
	unsigned int n;
};

static void split(struct words *words, const char *line)
{
	char *save, *word;

	snprintf(words->text, sizeof(words->text), "%s", line);
	words->n = 0;
	for (word = strtok_r(words->text, " \t\r\n", &save); word && words->n < WORDS_MAX;
	     word = strtok_r(NULL, " \t\r\n", &save))
		words->word[words->n++] = word;
}

/* With or without colons. */
static bool to_wwpn(const char *text, uint64_t *wwpn)
{
	unsigned int digits = 0;
	char digit[2] = { 0 }, *end;

	for (*wwpn = 0; *text; text++) {
		if (*text == ':')
			continue;
		digit[0] = *text;
		*wwpn = *wwpn << 4 | strtoul(digit, &end, 16);
		if (*end || ++digits > 16)
			return false;
	}
	return digits == 16;
}

static bool to_number(const char *text, int base, uint64_t *number)
{
	char *end;

	*number = strtoull(text, &end, base);
	return *text && !*end;
}

static bool to_switch(const char *text, bool *on)
{
	*on = !strcmp(text, "on");
	return *on || !strcmp(text, "off");
}

static struct nport *find_name(struct fabric *fabric, uint64_t wwpn)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fabric->nport); i++)
		if (fabric->nport[i].used && fabric->nport[i].wwpn == wwpn)
			return &fabric->nport[i];
	return NULL;
}

/* list: the ports that are logged in: the witness of who is where */
static bool list(struct fabric *fabric, const struct words *words, FILE *out)
{
	size_t i;

	(void)words;
	for (i = 0; i < ARRAY_SIZE(fabric->nport); i++) {
		const struct nport *nport = &fabric->nport[i];

		if (nport->used)
			fprintf(out, "%06x %s %016" PRIx64 " %s frames=%" PRIu64 " writes=%u\n",
				nport->id, nport->link->name, nport->wwpn,
				nport->is_virtual ? "virtual" : "physical", nport->frames,
				nport->n_writes);
	}
	return true;
}

/* clashes: how often a name logged in that was logged in elsewhere */
static bool clashes(struct fabric *fabric, const struct words *words, FILE *out)
{
	(void)words;
	fprintf(out, "%" PRIu64 "\n", fabric->clashes);
	return true;
}

/* delay flogi|fdisc|plogi MS */
static bool set_delay(struct fabric *fabric, const struct words *words, FILE *out)
{
	const struct {
		const char *name;
		uint64_t *ms;
	} delays[] = {
		{ "flogi", &fabric->knobs.flogi_delay_ms },
		{ "fdisc", &fabric->knobs.fdisc_delay_ms },
		{ "plogi", &fabric->knobs.plogi_delay_ms },
	};
	size_t i;

	(void)out;
	for (i = 0; words->n == 3 && i < ARRAY_SIZE(delays); i++)
		if (!strcmp(words->word[1], delays[i].name))
			return to_number(words->word[2], 10, delays[i].ms);
	return false;
}

/* reject WWPN [REASON EXPLANATION], in hex */
static bool add_reject(struct fabric *fabric, const struct words *words, FILE *out)
{
	struct reject *reject = &fabric->reject[fabric->n_rejects];
	uint64_t reason = RJT_DUPLICATE, explanation = EXPL_DUPLICATE;

	(void)out;
	if (fabric->n_rejects == REJECTS_MAX || words->n < 2 ||
	    !to_wwpn(words->word[1], &reject->wwpn))
		return false;
	if (words->n == 4 && (!to_number(words->word[2], 16, &reason) ||
			      !to_number(words->word[3], 16, &explanation)))
		return false;
	reject->reason = reason;
	reject->explanation = explanation;
	fabric->n_rejects++;
	return true;
}

/* accept: all are let in again */
static bool clear_rejects(struct fabric *fabric, const struct words *words, FILE *out)
{
	(void)words;
	(void)out;
	fabric->n_rejects = 0;
	return true;
}

/* lose-logo COUNT */
static bool lose_logo(struct fabric *fabric, const struct words *words, FILE *out)
{
	uint64_t count;

	(void)out;
	if (words->n != 2 || !to_number(words->word[1], 10, &count))
		return false;
	fabric->knobs.lost_logos = count;
	return true;
}

/* hold MS: a name is refused for so long after its logout */
static bool hold(struct fabric *fabric, const struct words *words, FILE *out)
{
	(void)out;
	return words->n == 2 && to_number(words->word[1], 10, &fabric->knobs.hold_ms);
}

/* duplicate first|second: who wins */
static bool duplicate(struct fabric *fabric, const struct words *words, FILE *out)
{
	(void)out;
	if (words->n != 2)
		return false;
	fabric->knobs.second_wins = !strcmp(words->word[1], "second");
	return fabric->knobs.second_wins || !strcmp(words->word[1], "first");
}

/* resources|npiv|kind on|off */
static bool set_switch(struct fabric *fabric, const struct words *words, FILE *out)
{
	bool on;

	(void)out;
	if (words->n != 2 || !to_switch(words->word[1], &on))
		return false;
	if (!strcmp(words->word[0], "resources"))
		fabric->knobs.no_resources = !on;
	else if (!strcmp(words->word[0], "npiv"))
		fabric->knobs.no_npiv = !on;
	else
		fabric->knobs.unkind = !on;
	return true;
}

/* clear WWPN: the fabric throws it out */
static bool clear(struct fabric *fabric, const struct words *words, FILE *out)
{
	struct nport *nport;
	uint64_t wwpn;

	(void)out;
	if (words->n != 2 || !to_wwpn(words->word[1], &wwpn))
		return false;
	nport = find_name(fabric, wwpn);
	if (!nport)
		return false;
	fip_clear(fabric, nport);
	nport_leave(fabric, nport, "thrown out");
	return true;
}

/* link NAME up|down: frames are lost */
static bool set_link(struct fabric *fabric, const struct words *words, FILE *out)
{
	unsigned int i;

	(void)out;
	for (i = 0; words->n == 3 && i < fabric->n_links; i++) {
		if (strcmp(fabric->link[i].name, words->word[1]))
			continue;
		link_set(fabric, &fabric->link[i], !strcmp(words->word[2], "up"));
		return true;
	}
	return false;
}

/* zone WWPN...; unzone: everybody sees everybody */
static bool add_zone(struct fabric *fabric, const struct words *words, FILE *out)
{
	struct zone *zone = &fabric->zone[fabric->n_zones];
	unsigned int i;

	(void)out;
	if (fabric->n_zones == ZONES_MAX || words->n < 2 || words->n > ZONE_MEMBERS_MAX + 1)
		return false;
	zone->n = words->n - 1;
	for (i = 0; i < zone->n; i++)
		if (!to_wwpn(words->word[i + 1], &zone->wwpn[i]))
			return false;
	fabric->n_zones++;
	service_changes(fabric);
	return true;
}

static bool clear_zones(struct fabric *fabric, const struct words *words, FILE *out)
{
	(void)words;
	(void)out;
	fabric->n_zones = 0;
	service_changes(fabric);
	return true;
}

/* storm COUNT: so many notices of changes that are none */
static bool storm(struct fabric *fabric, const struct words *words, FILE *out)
{
	uint64_t count;

	(void)out;
	if (words->n != 2 || !to_number(words->word[1], 10, &count))
		return false;
	while (count--)
		service_changes(fabric);
	return true;
}

/* lose N: of 1000 frames */
static bool lose(struct fabric *fabric, const struct words *words, FILE *out)
{
	uint64_t loss;

	(void)out;
	if (words->n != 2 || !to_number(words->word[1], 10, &loss) || loss > 1000)
		return false;
	fabric->knobs.loss = loss;
	return true;
}

/* clang-format off */
static const struct {
	const char *name;
	bool (*run)(struct fabric *fabric, const struct words *words, FILE *out);
} commands[] = {
	{ "list", list },
	{ "clashes", clashes },
	{ "delay", set_delay },
	{ "reject", add_reject },
	{ "accept", clear_rejects },
	{ "lose-logo", lose_logo },
	{ "hold", hold },
	{ "duplicate", duplicate },
	{ "resources", set_switch },
	{ "npiv", set_switch },
	{ "kind", set_switch },
	{ "clear", clear },
	{ "link", set_link },
	{ "zone", add_zone },
	{ "unzone", clear_zones },
	{ "storm", storm },
	{ "lose", lose },
};
/* clang-format on */

void fabric_command(struct fabric *fabric, const char *line, FILE *out)
{
	struct words words;
	size_t i;

	split(&words, line);
	for (i = 0; words.n && i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, words.word[0]))
			continue;
		if (commands[i].run(fabric, &words, out))
			note(fabric, "control: %s", line);
		else
			fprintf(out, "error: %s\n", line);
		return;
	}
	fprintf(out, "error: unknown: %s\n", line);
}
