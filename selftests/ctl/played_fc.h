/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fcnpiv.ko, as far as it tells of identities, logs them in, and moves them.
 *
 * An identity is a directory "fc LPAR": names, one a line (node, original, maintenance,
 * adapter), operation, step, state, result, goes_back and away, all as numbers of the ABI, the
 * token that it has made, or was given, as 16 letters, and a file for each port: "STATE HOST
 * MATCHES", then a line "ID SECTORS DISK" for each LUN. The file "luns" has such lines, too: what
 * is expected in a move. The last token that was given to it is in "used", whether the LPAR came
 * by it in "has_come", and whether it gives the receipt in "has_receipt". A file "refuse" has the
 * number of a command that is refused.
 */
#define LOGOUT_MS 1000

static bool is_token(const struct nlattr *attr, const char *identity, const char *file)
{
	return mnl_attr_get_payload_len(attr) == FCNPIV_TOKEN_SIZE &&
	       !memcmp(mnl_attr_get_payload(attr), get(identity, file), FCNPIV_TOKEN_SIZE);
}

static void put_token(const char *identity, const char *file, const void *token)
{
	char text[FCNPIV_TOKEN_SIZE + 1] = "";

	memcpy(text, token, FCNPIV_TOKEN_SIZE);
	put(identity, file, "w", text);
}

/* One that was not there before. */
static void make_token(const char *identity, const char *file, const char *name)
{
	char text[FCNPIV_TOKEN_SIZE + 1];
	uint32_t number = 0;

	if (getrandom(&number, sizeof(number), 0) < 0)
		number = getpid();
	snprintf(text, sizeof(text), "%.8s%08" PRIx32, name, number);
	put(identity, file, "w", text);
}

static void receipt_of(const char *identity, uint8_t *receipt)
{
	size_t i;

	memcpy(receipt, get(identity, "token"), FCNPIV_TOKEN_SIZE);
	for (i = 8; i < FCNPIV_TOKEN_SIZE; i++)
		receipt[i] = ~receipt[i];
}

static bool exists_file(const char *identity, const char *file)
{
	return !access(path_of(identity, file), F_OK);
}

static void put_fc_lun(struct nlmsghdr *nlh, uint16_t type, const char *line)
{
	char id[128], disk[64];
	struct nlattr *nest;
	uint64_t sectors;

	if (sscanf(line, "%127s %" SCNu64 " %63s", id, &sectors, disk) != 3)
		return;
	nest = mnl_attr_nest_start(nlh, type);
	mnl_attr_put_strz(nlh, FCN_A_LUN_ID, id);
	mnl_attr_put_u64(nlh, FCN_A_LUN_SECTORS, sectors);
	mnl_attr_put_u32(nlh, FCN_A_LUN_BLOCK_SIZE, 512);
	mnl_attr_put_strz(nlh, FCN_A_LUN_DISK, disk);
	mnl_attr_nest_end(nlh, nest);
}

static void put_fc_view(struct nlmsghdr *nlh, const char *identity, const char *file, uint32_t port)
{
	char *text = strdup(get(identity, file)), *rest = text, *line;
	struct nlattr *nest = mnl_attr_nest_start(nlh, FCN_A_VIEW);
	unsigned int state = FCN_PORT_STATE_ABSENT, host = 0, matches = 0;

	line = strsep(&rest, "\n");
	sscanf(line, "%u %u %u", &state, &host, &matches);
	mnl_attr_put_u32(nlh, FCN_A_VIEW_PORT, port);
	mnl_attr_put_u32(nlh, FCN_A_VIEW_STATE, state);
	mnl_attr_put_u32(nlh, FCN_A_VIEW_MATCHES, matches);
	if (host)
		mnl_attr_put_u32(nlh, FCN_A_VIEW_HOST, host);
	while ((line = strsep(&rest, "\n")))
		put_fc_lun(nlh, FCN_A_VIEW_LUN, line);
	mnl_attr_nest_end(nlh, nest);
	free(text);
}

static void put_expected(struct nlmsghdr *nlh, const char *identity)
{
	char *text = strdup(get(identity, "luns")), *rest = text, *line;

	while ((line = strsep(&rest, "\n")))
		put_fc_lun(nlh, FCN_A_LUN, line);
	free(text);
}

static const struct {
	const char *file;
	uint16_t attr;
} fc_numbers[] = {
	{ "operation", FCN_A_OPERATION }, { "step", FCN_A_STEP },
	{ "state", FCN_A_STATE },	  { "result", FCN_A_RESULT },
	{ "goes_back", FCN_A_GOES_BACK }, { "away", FCN_A_AWAY },
};

/* Before the first one it is of no name, and of this identity alone. */
static void put_used(struct nlmsghdr *nlh, const char *identity)
{
	uint8_t receipt[FCNPIV_TOKEN_SIZE];

	if (!*get(identity, "used"))
		make_token(identity, "used", "!no name");
	mnl_attr_put(nlh, FCN_A_USED, FCNPIV_TOKEN_SIZE, get(identity, "used"));
	mnl_attr_put_u32(nlh, FCN_A_HAS_COME, get_number(identity, "has_come"));
	if (!get_number(identity, "has_receipt"))
		return;
	receipt_of(identity, receipt);
	mnl_attr_put(nlh, FCN_A_RECEIPT, sizeof(receipt), receipt);
}

static void describe_fc(struct request *request, const char *identity)
{
	static const uint16_t names[] = { FCN_A_WWNN, FCN_A_WWPN_ORIGINAL, FCN_A_WWPN_MAINTENANCE,
					  FCN_A_PARENT };
	struct nlmsghdr *nlh = begin_answer(request);
	const char *text = get(identity, "names");
	uint32_t number;
	char *next;
	size_t i;

	mnl_attr_put_strz(nlh, FCN_A_LPAR, identity + 3);
	for (i = 0; i < sizeof(names) / sizeof(*names); i++, text = next)
		mnl_attr_put_u64(nlh, names[i], strtoull(text, &next, 16));
	for (i = 0; i < sizeof(fc_numbers) / sizeof(*fc_numbers); i++)
		mnl_attr_put_u32(nlh, fc_numbers[i].attr, get_number(identity, fc_numbers[i].file));
	number = get_number(identity, "logout_ms");
	mnl_attr_put_u32(nlh, FCN_A_LOGOUT_MS, number ? number : LOGOUT_MS);
	number = get_number(identity, "step");
	if (number == FCN_STEP_ON_M || number == FCN_STEP_O_RETURN)
		mnl_attr_put(nlh, FCN_A_TOKEN, FCNPIV_TOKEN_SIZE, get(identity, "token"));
	put_used(nlh, identity);
	put_expected(nlh, identity);
	put_fc_view(nlh, identity, "original", FCN_PORT_ORIGINAL);
	put_fc_view(nlh, identity, "maintenance", FCN_PORT_MAINTENANCE);
	end(request, nlh);
}

static int is_fc(const struct dirent *entry)
{
	return !strncmp(entry->d_name, "fc ", 3);
}

static int describe_all_fc(struct request *request)
{
	struct dirent **entry;
	int i, n = scandir(getenv("PLAYED_KERNEL"), &entry, is_fc, alphasort);

	for (i = 0; i < n; i++) {
		describe_fc(request, entry[i]->d_name);
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	return 0;
}

static void enter_fc(const char *identity, uint32_t step, uint32_t state)
{
	put_number(identity, "step", step);
	put_number(identity, "state", state);
}

static void finish_fc(const char *identity, uint32_t result, bool away)
{
	enter_fc(identity, FCN_STEP_IDLE, FCN_STATE_IDLE);
	put_number(identity, "result", result);
	put_number(identity, "away", away);
}

/* It is logged in, and sees what it should: as other disks, if "luns PORT" has them. */
static void log_in_fc(const char *identity, const char *port, unsigned int host)
{
	char *luns, line[32];

	snprintf(line, sizeof(line), "luns %s", port);
	luns = strdup(get(identity, exists_file(identity, line) ? line : "luns"));
	snprintf(line, sizeof(line), "2 %u 1\n", host);
	put(identity, port, "w", line);
	put(identity, port, "a", luns);
	free(luns);
}

/* Until the paths have changed over, or at once if they have not yet. */
static void abort_source_fc(const char *identity, uint32_t step)
{
	if (step == FCN_STEP_ON_M) {
		enter_fc(identity, FCN_STEP_O_RETURN, FCN_STATE_WAITING);
	} else if (step == FCN_STEP_IO_TO_M) {
		enter_fc(identity, FCN_STEP_IO_TO_O, FCN_STATE_WAITING);
	} else {
		put(identity, "maintenance", "w", "0 0 0");
		finish_fc(identity, FCN_RESULT_BACK, false);
	}
}

/* A destination has logged the original out at once, unless it "hangs". */
static int abort_fc(const char *identity)
{
	uint32_t operation = get_number(identity, "operation");
	uint32_t step = get_number(identity, "step");

	note("abort", identity + 3);
	if (step == FCN_STEP_IDLE)
		return -ENOENT;
	if (get_number(identity, "goes_back"))
		return 0;
	put_number(identity, "goes_back", 1);
	if (operation == FCN_OPERATION_SOURCE) {
		abort_source_fc(identity, step);
		return 0;
	}
	if (get_number(identity, "hangs")) {
		enter_fc(identity, FCN_STEP_O_LOGOUT, FCN_STATE_STUCK);
		return 0;
	}
	put(identity, "original", "w", "0 0 0");
	put_number(identity, "has_receipt", operation == FCN_OPERATION_DESTINATION);
	finish_fc(identity, FCN_RESULT_BACK, operation != FCN_OPERATION_LOGIN);
	return 0;
}

static bool is_returned(struct request *request, const char *identity)
{
	const struct nlattr *attr = request->tb[FCN_A_RECEIPT];
	uint8_t receipt[FCNPIV_TOKEN_SIZE];

	if (!attr)
		return request->tb[FCN_A_FORCE];
	receipt_of(identity, receipt);
	return mnl_attr_get_payload_len(attr) == sizeof(receipt) &&
	       !memcmp(mnl_attr_get_payload(attr), receipt, sizeof(receipt));
}

static int confirm_io_fc(const char *identity, uint32_t step)
{
	if (step != FCN_STEP_IO_TO_M && step != FCN_STEP_IO_TO_O)
		return -EINVAL;
	note("io", identity + 3);
	if (step == FCN_STEP_IO_TO_M) {
		put(identity, "original", "w", "0 0 0");
		enter_fc(identity, FCN_STEP_ON_M, FCN_STATE_WAITING);
	} else {
		put(identity, "maintenance", "w", "0 0 0");
		finish_fc(identity, FCN_RESULT_BACK, false);
	}
	return 0;
}

static int confirm_fc(struct request *request, const char *identity)
{
	uint32_t what = mnl_attr_get_u32(request->tb[FCN_A_CONFIRM]);
	uint32_t step = get_number(identity, "step");

	if (what == FCN_CONFIRM_IO)
		return confirm_io_fc(identity, step);
	if (what == FCN_CONFIRM_SWITCHED && (step == FCN_STEP_ON_M || step == FCN_STEP_ARMED)) {
		note("switched", identity + 3);
		put(identity, "maintenance", "w", "0 0 0");
		if (step == FCN_STEP_ARMED)
			put_number(identity, "has_come", 1);
		if (step == FCN_STEP_ARMED && get_number(identity, "hangs")) {
			enter_fc(identity, FCN_STEP_O_FREE, FCN_STATE_STUCK);
			return 0;
		}
		finish_fc(identity, FCN_RESULT_DONE, step == FCN_STEP_ON_M);
		return 0;
	}
	if (what != FCN_CONFIRM_RETURNED || step != FCN_STEP_O_RETURN)
		return -EINVAL;
	if (!is_returned(request, identity))
		return -EPERM;
	note(request->tb[FCN_A_RECEIPT] ? "returned" : "forced", identity + 3);
	log_in_fc(identity, "original", 3);
	enter_fc(identity, FCN_STEP_IO_TO_O, FCN_STATE_WAITING);
	return 0;
}

/* The maintenance port sees what the original does; "slow": it does not come. */
static int start_source_fc(const char *identity)
{
	char *original = strdup(get(identity, "original")), *luns = strchr(original, '\n');

	note("source", identity + 3);
	put(identity, "luns", "w", luns ? luns + 1 : "");
	make_token(identity, "token", "original");
	free(original);
	if (get_number(identity, "slow")) {
		put(identity, "maintenance", "w", "1 4 0");
		enter_fc(identity, FCN_STEP_M_LOGIN, FCN_STATE_BUSY);
		return 0;
	}
	log_in_fc(identity, "maintenance", 4);
	enter_fc(identity, FCN_STEP_IO_TO_M, FCN_STATE_WAITING);
	return 0;
}

static void begin_fc(const char *identity, uint32_t operation)
{
	put_number(identity, "operation", operation);
	put_number(identity, "goes_back", 0);
	put_number(identity, "result", 0);
	put_number(identity, "has_receipt", 0);
}

/* What is refused changes nothing. */
static int start_destination_fc(struct request *request, const char *identity)
{
	const struct nlattr *token = request->tb[FCN_A_TOKEN];

	note("destination", identity + 3);
	if (!token || mnl_attr_get_payload_len(token) != FCNPIV_TOKEN_SIZE)
		return -EPERM;
	if (!request->tb[FCN_A_LUN] || is_token(token, identity, "used"))
		return -EINVAL;
	begin_fc(identity, FCN_OPERATION_DESTINATION);
	put_number(identity, "away", 1);
	put_number(identity, "has_come", 0);
	put_token(identity, "token", mnl_attr_get_payload(token));
	put_token(identity, "used", mnl_attr_get_payload(token));
	put(identity, "original", "w", "2 7 1");
	if (get_number(identity, "slow"))
		enter_fc(identity, FCN_STEP_O_LOGIN, FCN_STATE_BUSY);
	else
		enter_fc(identity, FCN_STEP_ARMED, FCN_STATE_WAITING);
	return 0;
}

/* Logins and logouts are over at once, unless "slow"; "busy" refuses a logout. */
static int start_fc(struct request *request, const char *identity)
{
	uint32_t operation = mnl_attr_get_u32(request->tb[FCN_A_OPERATION]);
	bool login = operation == FCN_OPERATION_LOGIN;

	if ((!login && get_number(identity, "busy")) || get_number(identity, "step"))
		return -EBUSY;
	if (operation == FCN_OPERATION_DESTINATION)
		return start_destination_fc(request, identity);
	if (login && get_number(identity, "away") && !request->tb[FCN_A_FORCE])
		return -EPERM;
	begin_fc(identity, operation);
	if (operation == FCN_OPERATION_SOURCE)
		return start_source_fc(identity);
	note(login ? "login" : "logout", identity + 3);
	if (get_number(identity, "slow")) {
		enter_fc(identity, login ? FCN_STEP_O_LOGIN : FCN_STEP_O_LOGOUT, FCN_STATE_BUSY);
		return 0;
	}
	put(identity, "original", "w", login ? "2 3 1\nnaa.1 8 sdb\n" : "0 0 0");
	finish_fc(identity, FCN_RESULT_DONE, false);
	return 0;
}

/* One stands for all. */
static void set_deadlines_fc(struct request *request, const char *identity)
{
	if (request->tb[FCN_A_LOGOUT_MS])
		put_number(identity, "logout_ms", mnl_attr_get_u32(request->tb[FCN_A_LOGOUT_MS]));
}

static int define_fc(struct request *request, const char *identity)
{
	static const uint16_t names[] = { FCN_A_WWNN, FCN_A_WWPN_ORIGINAL, FCN_A_WWPN_MAINTENANCE,
					  FCN_A_PARENT };
	char line[32];
	size_t i;

	if (mkdir(path_of(identity, ""), 0755))
		return -errno;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(line, sizeof(line), "%016" PRIx64 "\n",
			 mnl_attr_get_u64(request->tb[names[i]]));
		put(identity, "names", "a", line);
	}
	put(identity, "original", "w", "0 0 0");
	put(identity, "maintenance", "w", "0 0 0");
	put_number(identity, "away", request->tb[FCN_A_AWAY] ? 1 : 0);
	return 0;
}

/* Another adapter, which is the last of the names. */
static int set_fc(struct request *request, const char *identity)
{
	uint64_t name[4];
	char line[32], *next;
	const char *text = get(identity, "names");
	size_t i;

	set_deadlines_fc(request, identity);
	if (!request->tb[FCN_A_PARENT])
		return request->tb[FCN_A_LOGOUT_MS] ? 0 : -EOPNOTSUPP;
	for (i = 0; i < 4; i++, text = next)
		name[i] = strtoull(text, &next, 16);
	name[3] = mnl_attr_get_u64(request->tb[FCN_A_PARENT]);
	for (i = 0; i < 4; i++) {
		snprintf(line, sizeof(line), "%016" PRIx64 "\n", name[i]);
		put(identity, "names", i ? "a" : "w", line);
	}
	return 0;
}

/* Refused while it is "busy". */
static int delete_fc(const char *identity)
{
	static const char *const files[] = { "names",	    "operation", "step",     "state",
					     "result",	    "goes_back", "away",     "original",
					     "maintenance", "token",	 "busy",     "slow",
					     "luns",	    "refuse",	 "used",     "has_come",
					     "has_receipt", "hangs",	 "logout_ms" };
	size_t i;

	if (get_number(identity, "busy"))
		return -EBUSY;
	for (i = 0; i < sizeof(files) / sizeof(*files); i++)
		unlink(path_of(identity, files[i]));
	return rmdir(path_of(identity, "")) ? -errno : 0;
}

static int revoke_fc(struct request *request, const char *identity)
{
	const struct nlattr *token = request->tb[FCN_A_TOKEN], *used = request->tb[FCN_A_USED];

	note("revoke", identity + 3);
	if (get_number(identity, "step"))
		return -EBUSY;
	if (*get(identity, "original") != '0')
		return -EEXIST;
	if (is_token(token, identity, "used")) {
		if (get_number(identity, "has_come"))
			return -EEXIST;
	} else if (!is_token(used, identity, "used")) {
		return -ESTALE;
	}
	put_token(identity, "used", mnl_attr_get_payload(token));
	put_token(identity, "token", mnl_attr_get_payload(token));
	put_number(identity, "has_come", 0);
	put_number(identity, "has_receipt", 1);
	put_number(identity, "away", 1);
	return 0;
}

static int fc_command(struct request *request, uint8_t cmd)
{
	char identity[FCNPIV_LPAR_MAX + 4] = "";

	if (cmd == FCN_CMD_GET && request->nlh->nlmsg_flags & NLM_F_DUMP)
		return describe_all_fc(request);
	if (request->tb[FCN_A_LPAR])
		snprintf(identity, sizeof(identity), "fc %s",
			 mnl_attr_get_str(request->tb[FCN_A_LPAR]));
	if (cmd == FCN_CMD_DEFINE)
		return define_fc(request, identity);
	if (!exists(identity))
		return -ENOENT;
	if (get_number(identity, "refuse") == cmd)
		return -EBUSY;
	switch (cmd) {
	case FCN_CMD_START:
		return start_fc(request, identity);
	case FCN_CMD_SET:
		return set_fc(request, identity);
	case FCN_CMD_DELETE:
		return delete_fc(identity);
	case FCN_CMD_GET:
		describe_fc(request, identity);
		return 0;
	case FCN_CMD_ABORT:
		return abort_fc(identity);
	case FCN_CMD_REVOKE:
		return revoke_fc(request, identity);
	case FCN_CMD_CONFIRM:
		return confirm_fc(request, identity);
	default:
		return -EOPNOTSUPP;
	}
}
