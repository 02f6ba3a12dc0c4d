// SPDX-License-Identifier: GPL-2.0
/*
 * Tokens: the source makes one when the original has left it, the destination
 * logs the original in for one, and gives it back as a receipt when the original
 * has left there, too. They keep scripts from mistakes, and from giving that of
 * another LPAR; they are no secret, and whoever may read them may do all the
 * rest as well.
 */
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
