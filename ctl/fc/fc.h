/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fibre Channel identities of LPARs.
 */
#ifndef FC_H
#define FC_H

#include "../../include/uapi/lparkit/fcnpiv.h"
#include "lib/lib.h"

_Static_assert((int)FCN_A_MAX <= NL_ATTRS_MAX, "nl_attrs() has room");
extern struct nl_family nl_fcnpiv;
extern const struct event_source fc_events;

struct lpar_config;

/* fc.c: what the kernel says about an identity */
int fc_show_verb(struct args *args);
int fc_monitor_verb(struct args *args);
struct nlmsghdr *fc_request(enum fcn_cmd cmd, const char *lpar);
int fc_get(const char *lpar, struct json_object **identity);
int fc_fail(const char *lpar, int error); /* exit code */
struct json_object *fc_decode(const struct nlmsghdr *nlh);

/* fc_name.c: tokens, the hosts that have ports */
int token_parse(const char *text, uint8_t *token);
const char *token_format(char *buf, size_t size, const uint8_t *token, size_t len);
int fc_parent(const char *word, uint64_t *wwpn);
struct json_object *fc_hosts(bool all);
int64_t fc_room(struct json_object *host);
struct json_object *fc_best_host(struct json_object *hosts);
int fc_find_parent(uint64_t *wwpn);
int fc_list_verb(struct args *args);
int fc_generate_verb(struct args *args);

/* fc_change.c: define, set, delete, login, logout, start, confirm, revoke, abort, wait */
int fc_define_verb(struct args *args);
int fc_set_verb(struct args *args);
int fc_delete_verb(struct args *args);
int fc_login_verb(struct args *args);
int fc_logout_verb(struct args *args);
int fc_start_verb(struct args *args);
int fc_confirm_verb(struct args *args);
int fc_revoke_verb(struct args *args);
int fc_abort_verb(struct args *args);
int fc_wait_verb(struct args *args);
int fc_wait(const char *lpar, const char *step); /* exit code */
int fc_wait_until(const char *lpar, const char *step, uint64_t end_ns); /* exit code */

/* fc_peer.c: the other host of a move */
struct fc_peer {
	const char *host; /* NULL: there is none */
	const char *via; /* NULL: ssh */
};

bool fc_peer_option(struct fc_peer *peer, const char *option, struct args *args, int *ret);
int fc_peer_run(const struct fc_peer *peer, const char *const *words, const char *input);
int fc_peer_configure(const struct fc_peer *peer, const char *const *words,
		      struct json_object *identity);
struct json_object *fc_peer_ask(const struct fc_peer *peer, const char *verb, const char *word);

/* fc_check.c */
int fc_check_verb(struct args *args);
int fc_check_move(const char *lpar, const struct fc_peer *peer); /* exit code */

#define FC_TOKEN_CHARS (2 * FCNPIV_TOKEN_SIZE + 1)

/* A move to another host, as lparctl at its source knows it. */
struct fc_move {
	const char *lpar;
	struct fc_peer peer;
	bool force; /* who has no receipt never had the token, or is fenced */
	struct json_object *journal; /* NULL: it is not by fc swap */
	char token[FC_TOKEN_CHARS]; /* of the source; "" = the journal knows it, if it was made */
	unsigned int interruptions; /* so often we had been told to end before it went back */
};

/* fc_journal.c: what is on disk of a move by fc swap */
int fc_journal_load(struct fc_move *move);
bool fc_journal_has_peer(const struct fc_move *move);
int fc_journal_refuse(const char *lpar); /* exit code */
int fc_away_note(const struct fc_move *move);
void fc_away_forget(const char *lpar);
int fc_away_refuse(const char *lpar); /* exit code */
int fc_journal_store(const struct fc_move *move);
int fc_journal_note(const struct fc_move *move, const char *key);
int fc_journal_forget(struct fc_move *move);

/* fc_map.c: maps of device mapper over the disks of a port */
int fc_maps_move(struct json_object *identity, const char *from, const char *to);
struct json_object *fc_maps_of(struct json_object *identity, const char *port);
int fc_maps_suspend(struct json_object *names);
bool fc_maps_stand(struct json_object *names);
int fc_maps_resume(struct json_object *names);
void fc_maps_drop(struct json_object *names);

/* fc_back.c: a move ends as its destination says */

/* What the other host makes of it. */
enum fc_theirs {
	FC_SILENT, /* it could not be asked */
	FC_LIVES, /* it was told of the switch-over */
	FC_UNDECIDED, /* it could still be told */
	FC_LEAVES, /* on its way back */
	FC_STUCK, /* on its way back, which does not end */
	FC_NOTHING, /* is under way there */
};

/* What the other host says of the identity. */
struct fc_there {
	enum fc_theirs is;
	bool stuck;
	char step[32];
	char reason[FCNPIV_REASON_MAX + 1];
	char used[FC_TOKEN_CHARS]; /* the last token there; "" = it does not say */
	char receipt[FC_TOKEN_CHARS]; /* for our token, or "" */
};

bool fc_is(struct json_object *json, const char *key, const char *value);
struct json_object *fc_find(struct json_object *identities, const char *lpar);
enum fc_theirs fc_look_there(const struct fc_move *move, struct fc_there *there);
int fc_settle(struct fc_move *move, struct json_object *identity); /* exit code */
int fc_go_on(struct fc_move *move, struct json_object *identity); /* exit code */
int fc_go_back(struct fc_move *move); /* exit code */

/* fc_recover.c, fc_swap.c */
int fc_recover_verb(struct args *args);
int fc_swap_verb(struct args *args);

/* fc_guest.c: the port of an LPAR whose guest starts or has ended */

/* What start has done, and a failure has to undo. */
struct fc_launch {
	bool defined;
	bool noted;
	bool logged_in;
	uint64_t parent; /* from which the identity was taken; 0 = it was not */
};

int fc_guest_login(const struct lpar_config *config, struct fc_launch *launch); /* exit code */
int fc_guest_undo(const char *lpar, const struct fc_launch *launch);
int fc_guest_logout(const char *lpar); /* exit code */
bool fc_guest_is_noted(const char *lpar);

#endif /* FC_H */
