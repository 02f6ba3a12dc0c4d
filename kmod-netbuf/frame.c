// SPDX-License-Identifier: GPL-2.0
/*
 * A frame that is to be held for minutes: a copy unless it is one already, so
 * that it pins no page of a guest or a NIC, with nothing on it that ties it to
 * a socket, route or connection. On ingress skb->data is at the network header
 * and the MAC header before it, on egress at the MAC header.
 */
#include <linux/virtio_net.h>
#include <net/dst.h>
#include <net/dst_metadata.h>
#include <net/gso.h>
#include <net/sock.h>
#include "netbuf.h"

/* Room in front for what a bridge or VLAN device may push later. */
#define HEADROOM	(NET_SKB_PAD + NET_IP_ALIGN)
/* Longer frames are copied into pages: a long piece of memory may be hard to get. */
#define LINEAR_MAX	4096
#define LINEAR_PART	256

/**
 * netbuf_frame_mac_len() - bytes of MAC header in front of skb->data
 * @skb: frame
 *
 * Return: 0 on egress.
 */
unsigned int netbuf_frame_mac_len(const struct sk_buff *skb)
{
	return skb->data - skb_mac_header(skb);
}

/**
 * netbuf_frame_alloc() - memory for a frame
 * @mac_len: bytes in front of its data
 * @len: bytes of data; skb->len on return, with content undefined
 * @gfp: how to get it
 *
 * Context: as @gfp allows.
 * Return: frame, or NULL.
 */
struct sk_buff *netbuf_frame_alloc(unsigned int mac_len, unsigned int len, gfp_t gfp)
{
	unsigned int linear = len > LINEAR_MAX ? LINEAR_PART : len;
	struct sk_buff *skb;
	int err;

	skb = alloc_skb_with_frags(HEADROOM + mac_len + linear, len - linear,
				   PAGE_ALLOC_COSTLY_ORDER, &err, gfp | __GFP_NOWARN);
	if (!skb)
		return NULL;
	skb_reserve(skb, HEADROOM + mac_len);
	skb_put(skb, linear);
	skb->data_len = len - linear;
	skb->len = len;
	return skb;
}

static int copy_data(struct sk_buff *copy, const struct sk_buff *skb, unsigned int mac_len)
{
	unsigned int offset = skb_headlen(copy);
	int i;

	if (skb_copy_bits(skb, -(int)mac_len, copy->data - mac_len, mac_len + offset))
		return -EFAULT;
	for (i = 0; i < skb_shinfo(copy)->nr_frags; i++) {
		const skb_frag_t *frag = &skb_shinfo(copy)->frags[i];

		if (skb_copy_bits(skb, offset, skb_frag_address(frag), skb_frag_size(frag)))
			return -EFAULT;
		offset += skb_frag_size(frag);
	}
	return 0;
}

static struct sk_buff *copy_frame(struct sk_buff *skb)
{
	unsigned int mac_len = netbuf_frame_mac_len(skb);
	/* What is reserved for those who cannot do without is not for copies. */
	struct sk_buff *copy = netbuf_frame_alloc(mac_len, skb->len, GFP_NOWAIT);

	if (!copy)
		return NULL;
	if (copy_data(copy, skb, mac_len)) {
		kfree_skb(copy);
		return NULL;
	}
	skb_copy_header(copy, skb);
	skb_headers_offset_update(copy, skb_headroom(copy) - skb_headroom(skb));
	return copy;
}

/*
 * Nobody else has it, and its bytes are in memory of its own, not in pages of a
 * guest, a ring of a NIC or the reserve for emergencies: it is as good as a copy.
 */
static bool is_a_copy(const struct sk_buff *skb)
{
	return !skb_shared(skb) && !skb_cloned(skb) && !skb_is_nonlinear(skb) &&
	       !skb->head_frag && !skb_pfmemalloc(skb) &&
	       skb->truesize <= 2 * SKB_TRUESIZE(skb->len);
}

/* Whose work is done when a frame comes to the hook. */
static bool has_live_extension(const struct sk_buff *skb)
{
#ifdef CONFIG_SKB_EXTENSIONS
	unsigned int spent = 0;

#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
	spent |= BIT(SKB_EXT_BRIDGE_NF);
#endif
#if IS_ENABLED(CONFIG_MPTCP)
	spent |= BIT(SKB_EXT_MPTCP);
#endif
	return skb->active_extensions & ~spent;
#else
	return false;
#endif
}

/* A socket whose bytes are to be encrypted when its frames leave. */
static bool has_secrets(const struct sk_buff *skb)
{
#ifdef CONFIG_SOCK_VALIDATE_XMIT
	if (skb->sk && sk_fullsock(skb->sk) && skb->sk->sk_validate_xmit_skb)
		return true;
#endif
	return skb_is_decrypted(skb);
}

/**
 * netbuf_frame_is_bound() - would it be another frame without what is beside it?
 * @skb: frame
 *
 * What is beside a frame may say how it is to be encrypted (IPsec, TLS, PSP,
 * MACsec), that it has been decrypted, or where a tunnel or a switch is to send
 * it. None of that can be kept for minutes, nor in a file.
 *
 * Context: any.
 * Return: true if so: it must not be held.
 */
bool netbuf_frame_is_bound(struct sk_buff *skb)
{
	return skb_metadata_dst(skb) || has_live_extension(skb) || has_secrets(skb);
}

/* Frees it from what would be wrong, or be pinned, minutes later. */
static void strip(struct sk_buff *skb)
{
	skb_orphan(skb);
	skb_dst_drop(skb);
	nf_reset_ct(skb);
	skb_ext_reset(skb);
	skb->tstamp = 0;
}

/* Segmentation that a file cannot describe, or of a frame that is too long for one. */
static bool is_to_be_segmented(const struct sk_buff *skb)
{
	return skb_is_gso(skb) &&
	       (skb_shinfo(skb)->gso_type & ~VIRTIO_NET_SKB_GSO ||
		netbuf_frame_mac_len(skb) + skb->len > NETBUF_SNAP_MAX);
}

/**
 * netbuf_frame_plan() - how is a frame to be held?
 * @skb: frame
 * @zero_copy: better as it is
 * @room: set to what that takes, about; exactly if the frame itself is kept
 *
 * Context: any.
 * Return: how.
 */
enum netbuf_way netbuf_frame_plan(const struct sk_buff *skb, bool zero_copy,
				  struct netbuf_room *room)
{
	*room = (struct netbuf_room){ .frames = 1, .bytes = skb->truesize };
	if (is_to_be_segmented(skb)) {
		room->frames = max_t(u32, skb_shinfo(skb)->gso_segs, 1);
		return NETBUF_SEGMENT;
	}
	if (zero_copy || is_a_copy(skb))
		return NETBUF_KEEP;
	room->bytes = SKB_TRUESIZE(skb->len);
	return NETBUF_COPY;
}

/* The frame itself, or another view of its data if somebody else has it too. */
static struct sk_buff *keep_frame(struct sk_buff *skb)
{
	struct sk_buff *kept = skb_shared(skb) ? skb_clone(skb, GFP_ATOMIC) : skb;

	if (!kept || !skb_orphan_frags_rx(kept, GFP_ATOMIC))
		return kept;
	if (kept != skb)
		kfree_skb(kept);
	return NULL;
}

/* Its segments. A list of frames is cut up itself, and is the first of them: so a clone is. */
static struct sk_buff *segment(struct sk_buff *skb, enum netbuf_direction direction)
{
	unsigned int mac_len = netbuf_frame_mac_len(skb);
	struct sk_buff *whole = skb_clone(skb, GFP_ATOMIC);
	struct sk_buff *segments, *one;

	if (!whole)
		return NULL;
	skb_push(whole, mac_len);
	segments = skb_gso_segment(whole, 0);
	if (IS_ERR_OR_NULL(segments)) {
		kfree_skb(whole);
		return NULL;
	}
	/* If it is the first of them, it was counted once more. */
	consume_skb(whole);
	for (one = segments; one; one = one->next) {
		strip(one);
		if (direction == NETBUF_INGRESS)
			skb_pull(one, mac_len);
	}
	return segments;
}

/**
 * netbuf_frame_take() - what a queue may keep in the place of a frame
 * @skb: frame; untouched unless it is itself what is kept
 * @direction: of the frame
 * @way: how
 *
 * Context: any but hard irq.
 * Return: @skb itself; a copy, clone or list of segments; or NULL for want of memory.
 */
struct sk_buff *netbuf_frame_take(struct sk_buff *skb, enum netbuf_direction direction,
				  enum netbuf_way way)
{
	struct sk_buff *taken;

	if (way == NETBUF_SEGMENT)
		return segment(skb, direction);
	taken = way == NETBUF_COPY ? copy_frame(skb) : keep_frame(skb);
	if (taken)
		strip(taken);
	return taken;
}
