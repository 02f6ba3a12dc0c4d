// SPDX-License-Identifier: GPL-2.0
/*
 * Tokens: the source makes one when the original has left it, the destination
 * logs the original in for one, and gives it back as a receipt when the original
 * has left there, too. They keep scripts from mistakes, and from giving that of
 * another LPAR; they are no secret, and whoever may read them may do all the
 * rest as well.
 */
#include <linux/errno.h>
#include <linux/random.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include "fcnpiv.h"

#define RANDOM_AT	sizeof(u64)

/**
 * fcn_token_make() - a new one
 * @token: to be filled
 * @wwpn: name that has left
 *
 * Context: may sleep.
 */
void fcn_token_make(struct fcn_token *token, u64 wwpn)
{
	put_unaligned_be64(wwpn, token->byte);
	get_random_bytes(token->byte + RANDOM_AT, sizeof(token->byte) - RANDOM_AT);
}

/**
 * fcn_token_is_for() - does it speak of this name?
 * @token: token or receipt
 * @wwpn: name
 *
 * Return: true if so.
 */
bool fcn_token_is_for(const struct fcn_token *token, u64 wwpn)
{
	return get_unaligned_be64(token->byte) == wwpn;
}

/**
 * fcn_token_is_same() - are they one?
 * @token: token
 * @other: another, or the same
 *
 * Return: true if so.
 */
bool fcn_token_is_same(const struct fcn_token *token, const struct fcn_token *other)
{
	return !memcmp(token, other, sizeof(*token));
}

/**
 * fcn_token_receipt() - what is given back for a token
 * @token: token
 * @receipt: to be filled
 */
void fcn_token_receipt(const struct fcn_token *token, struct fcn_token *receipt)
{
	unsigned int i;

	*receipt = *token;
	for (i = RANDOM_AT; i < sizeof(receipt->byte); i++)
		receipt->byte[i] = ~receipt->byte[i];
}

/**
 * fcn_used_init() - of a new identity, to which none was given
 * @used: to be filled
 *
 * Whoever has seen that token, and sees it again, knows that the identity is still the
 * same, and that no token was given to it since.
 *
 * Context: may sleep.
 */
void fcn_used_init(struct fcn_used *used)
{
	fcn_token_make(&used->token, 0);
	used->has_come = false;
}

/**
 * fcn_used_take() - a token is given to this host
 * @used: the last one
 * @token: the new one
 */
void fcn_used_take(struct fcn_used *used, const struct fcn_token *token)
{
	used->token = *token;
	used->has_come = false;
}

/**
 * fcn_used_revoke() - nobody may come by a token any more
 * @used: the last one that was given to this host
 * @token: which is to be worth nothing
 * @last: what @used was before that could have been given
 * @why: FCNPIV_REASON_MAX + 1 bytes for the refusal
 *
 * Return: 0, -EEXIST when the LPAR has come by it, -ESTALE when that is not known, as
 * another token was given meanwhile, or the identity is another one.
 */
int fcn_used_revoke(struct fcn_used *used, const struct fcn_token *token,
		    const struct fcn_token *last, char *why)
{
	if (fcn_token_is_same(token, &used->token)) {
		if (!used->has_come)
			return 0;
		return fcn_fail(why, -EEXIST, "the LPAR has come to this host by that token");
	}
	if (!fcn_token_is_same(last, &used->token))
		return fcn_fail(why, -ESTALE,
				"the identity is a new one, or had another token: what became of that one is not known");
	fcn_used_take(used, token);
	return 0;
}
