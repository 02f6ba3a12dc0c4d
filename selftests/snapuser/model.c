// SPDX-License-Identifier: GPL-2.0
/*
 * What a volume has to show; see model.h.
 */
#include "model.h"

static void put_stamp(u8 *data, u32 stamp)
{
	unsigned int i;

	for (i = 0; i < 512; i += sizeof(stamp))
		memcpy(data + i, &stamp, sizeof(stamp));
}

static void remember(struct model *model)
{
	assert(model->n_past < MODEL_PAST);
	model->past[model->n_past++] = model->now;
}

/* What is there now is all that there can be. */
static void is_durable(struct model *model)
{
	model->n_past = 0;
	model->has_pending = false;
	remember(model);
}

/**
 * model_init() - of a volume that was never written
 * @model: result
 * @sectors: its size
 */
void model_init(struct model *model, sector_t sectors)
{
	memset(model, 0, sizeof(*model));
	model->sectors = sectors;
	model->n_past = 1;
	model->has_below = true;
}

/* A running layer has begun. */
static void start_from(struct model *model, const char *name)
{
	model->below = model->now;
	snprintf(model->below_name, sizeof(model->below_name), "%s", name);
	model->has_below = true;
}

/**
 * model_write() - new stamps
 * @model: model
 * @test: volume
 * @sector: first
 * @sectors: number, at most 1024
 */
void model_write(struct model *model, struct test_volume *test, sector_t sector,
		 unsigned int sectors)
{
	static u8 data[1024 * 512];
	static u32 stamp;
	unsigned int i;

	for (i = 0; i < sectors; i++) {
		model->now.stamp[sector + i] = ++stamp;
		put_stamp(data + i * 512, stamp);
	}
	remember(model);
	assert(!volume_io(test, REQ_OP_WRITE, sector, data, sectors));
	if (model->n_past > MODEL_PAST - 4)
		model_flush(model, test);
}

/**
 * model_clear() - write zeroes, or discard, which shows what is below
 * @model: model
 * @test: volume
 * @opf: REQ_OP_WRITE_ZEROES, or REQ_OP_DISCARD: nothing is done if it is not known what that shows
 * @sector: first
 * @sectors: number
 */
void model_clear(struct model *model, struct test_volume *test, blk_opf_t opf, sector_t sector,
		 unsigned int sectors)
{
	bool discards = opf == REQ_OP_DISCARD;
	unsigned int i;

	if (discards && !model->has_below)
		return;
	for (i = sector; i < sector + sectors; i++)
		model->now.stamp[i] = discards ? model->below.stamp[i] : 0;
	remember(model);
	assert(!volume_io(test, opf, sector, NULL, sectors));
	if (model->n_past > MODEL_PAST - 4)
		model_flush(model, test);
}

/**
 * model_try_flush() - what was written is durable, unless STORE fails
 * @model: model
 * @test: volume
 *
 * Return: 0 or a negative errno: then nobody knows.
 */
int model_try_flush(struct model *model, struct test_volume *test)
{
	int err = volume_io(test, REQ_OP_WRITE | REQ_PREFLUSH, 0, NULL, 0);

	if (!err)
		is_durable(model);
	return err;
}

/**
 * model_flush() - what was written is durable
 * @model: model
 * @test: volume
 */
void model_flush(struct model *model, struct test_volume *test)
{
	assert(!model_try_flush(model, test));
}

/**
 * model_take() - a state of what is there now
 * @model: with fewer than MODEL_STATES states
 * @test: volume
 */
void model_take(struct model *model, struct test_volume *test)
{
	static unsigned int number;

	snprintf(model->pending.name, sizeof(model->pending.name), "s%u", number++);
	model->pending.content = model->now;
	model->has_pending = true;
	assert(!volume_message(test, "take %s", model->pending.name));
	model->state[model->n_states++] = model->pending;
	start_from(model, model->pending.name);
	is_durable(model);
}

/**
 * model_delete() - a state goes
 * @model: model
 * @test: volume
 * @which: of model->state
 */
void model_delete(struct model *model, struct test_volume *test, unsigned int which)
{
	model->pending = model->state[which];
	model->state[which] = model->state[--model->n_states];
	model->has_pending = true;
	/* Of what it had, that goes which is covered. */
	if (!strcmp(model->pending.name, model->below_name))
		model->has_below = false;
	assert(!volume_message(test, "delete %s", model->pending.name));
	is_durable(model);
}

/**
 * model_restore() - start from a state
 * @model: model
 * @test: volume
 * @which: of model->state
 */
void model_restore(struct model *model, struct test_volume *test, unsigned int which)
{
	model->now = model->state[which].content;
	remember(model);
	assert(!volume_message(test, "restore %s", model->state[which].name));
	start_from(model, model->state[which].name);
	is_durable(model);
}

/**
 * model_merge() - a state goes into BASE, which nobody sees
 * @model: model
 * @test: volume with writable_base
 * @which: of model->state
 *
 * Return: false if others need BASE as it is.
 */
bool model_merge(struct model *model, struct test_volume *test, unsigned int which)
{
	int err = volume_message(test, "merge %s", model->state[which].name);

	assert(!err || err == -EEXIST);
	return !err;
}

/**
 * model_grow() - a larger table, which shows zeroes of BASE, in each state
 * @model: model
 * @test: volume
 * @sectors: its size; if it is the same nothing is written down, and so no more is durable
 */
void model_grow(struct model *model, struct test_volume *test, sector_t sectors)
{
	assert(!volume_reload(test, sectors));
	if (sectors == model->sectors)
		return;
	model->sectors = sectors;
	is_durable(model);
}

static bool is_any(const struct content *content, unsigned int n, sector_t sector, u32 stamp)
{
	while (n--)
		if (content[n].stamp[sector] == stamp)
			return true;
	return false;
}

/* Is each sector that of one of the contents? */
static const char *compare(struct test_volume *test, const struct content *content, unsigned int n)
{
	static u8 data[MODEL_SECTORS * 512], expected[512];
	static char what[80];
	sector_t sector;

	if (volume_io(test, REQ_OP_READ, 0, data, MODEL_SECTORS))
		return "it cannot be read";
	for (sector = 0; sector < MODEL_SECTORS; sector++) {
		u32 stamp;

		memcpy(&stamp, data + sector * 512, sizeof(stamp));
		put_stamp(expected, stamp);
		if (!memcmp(data + sector * 512, expected, 512) &&
		    is_any(content, n, sector, stamp))
			continue;
		snprintf(what, sizeof(what), "sector %llu is %u, not %u", sector, stamp,
			 content[n - 1].stamp[sector]);
		return what;
	}
	return NULL;
}

static const struct model_state *find_state(const struct model *model, const char *name,
					    unsigned int *sure)
{
	unsigned int i;

	for (i = 0; i < model->n_states; i++) {
		if (!strcmp(model->state[i].name, name)) {
			++*sure;
			return &model->state[i];
		}
	}
	return model->has_pending && !strcmp(model->pending.name, name) ? &model->pending : NULL;
}

static const char *compare_states(const struct model *model, struct test_volume *test, char *list)
{
	const char *wrong = NULL;
	unsigned int sure = 0;
	char *line, *rest;

	strtok_r(list, "\n", &rest);
	while (!wrong && (line = strtok_r(NULL, "\n", &rest))) {
		const struct model_state *state;

		*strchr(line, ' ') = '\0';
		state = find_state(model, line, &sure);
		if (!state)
			return "there is a state that was deleted";
		if (volume_message(test, "restore %s", line))
			return "a state cannot be restored";
		wrong = compare(test, &state->content, 1);
	}
	return wrong ? wrong : sure != model->n_states ? "a state is lost" : NULL;
}

/**
 * model_compare() - does a volume show what it has to?
 * @model: model
 * @test: volume; its running content is lost
 *
 * Return: NULL, or what is wrong.
 */
const char *model_compare(const struct model *model, struct test_volume *test)
{
	char *list = volume_list(test);
	const char *wrong = compare(test, model->past, model->n_past);

	wrong = wrong ? wrong : compare_states(model, test, list);
	free(list);
	return wrong;
}
