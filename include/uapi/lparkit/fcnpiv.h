/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Generic netlink interface of fcnpiv.ko: the Fibre Channel identity of an LPAR
 * moves between hosts, and only one of them has its disks.
 *
 * The machine-readable description is Documentation/netlink/specs/fcnpiv.yaml;
 * "make lint" compares the two. World wide names are numbers: 0x2001000000000001
 * is written as 20:01:00:00:00:00:00:01.
 */
#ifndef _UAPI_LPARKIT_FCNPIV_H
#define _UAPI_LPARKIT_FCNPIV_H

#define FCN_FAMILY_NAME		"fcnpiv"
#define FCN_FAMILY_VERSION	1
#define FCN_MCGRP_EVENTS	"events"

#define FCNPIV_LPAR_MAX		31
#define FCNPIV_REASON_MAX	127

/* How long the name of a LUN (VPD page 0x83) is at most. */
#define FCNPIV_LUN_ID_MAX	95

/* Disks that a port may see at most, each path counts. */
#define FCNPIV_PATHS_MAX	128

/* The original's WWPN, big endian, and 8 random bytes; a receipt has these inverted. */
#define FCNPIV_TOKEN_SIZE	16

/* Deadlines are milliseconds. */
#define FCNPIV_DEADLINE_MIN_MS	100
#define FCNPIV_DEADLINE_MAX_MS	3600000

enum fcn_port {
	FCN_PORT_ORIGINAL,
	FCN_PORT_MAINTENANCE,
};

enum fcn_operation {
	FCN_OPERATION_NONE,
	FCN_OPERATION_LOGIN,		/* of PORT */
	FCN_OPERATION_LOGOUT,		/* of PORT */
	FCN_OPERATION_SOURCE,		/* the LPAR leaves this host */
	FCN_OPERATION_DESTINATION,	/* the LPAR comes to this host */
};

enum fcn_step {
	FCN_STEP_IDLE,
	FCN_STEP_M_LOGIN,	/* the maintenance port logs in */
	FCN_STEP_M_VERIFY,	/* it has to see the same LUNs as the original */
	FCN_STEP_IO_TO_M,	/* the host's paths change over to it: confirm io */
	FCN_STEP_O_LOGOUT,	/* the original logs out */
	FCN_STEP_O_GONE,	/* until the fabric knows: confirm gone, or the grace time */
	FCN_STEP_ON_M,		/* of the source: the token is there; until the switch-over */
	FCN_STEP_M_LOGOUT,	/* the maintenance port logs out */
	FCN_STEP_O_LOGIN,	/* the original logs in */
	FCN_STEP_O_VERIFY,	/* it has to see the LUNs that are expected */
	FCN_STEP_O_HOLD,	/* its disks are claimed and made read-only */
	FCN_STEP_ARMED,		/* of the destination: until the switch-over */
	FCN_STEP_O_FREE,	/* its disks are let go */
	FCN_STEP_O_RETURN,	/* going back: until the destination gave the token back */
	FCN_STEP_IO_TO_O,	/* going back: the host's paths change over: confirm io */
};

enum fcn_state {
	FCN_STATE_IDLE,
	FCN_STATE_BUSY,		/* the step is under way */
	FCN_STATE_WAITING,	/* for a confirmation or the switch-over */
	FCN_STATE_STUCK,	/* its deadline is over and there is no way back: tried again */
};

enum fcn_result {
	FCN_RESULT_NONE,
	FCN_RESULT_DONE,
	FCN_RESULT_BACK,	/* the last operation went back: see the reason */
};

enum fcn_port_state {
	FCN_PORT_STATE_ABSENT,	/* there is no such port on this host */
	FCN_PORT_STATE_COMING,	/* it logs in, or its link is down */
	FCN_PORT_STATE_ACTIVE,
	FCN_PORT_STATE_REFUSED,	/* by the fabric */
	FCN_PORT_STATE_NO_NPIV,	/* the fabric does not know virtual ports */
	FCN_PORT_STATE_LEAVING,	/* it is being made or deleted */
	FCN_PORT_STATE_ELSEWHERE, /* another adapter of this host has the name */
};

enum fcn_confirm {
	FCN_CONFIRM_IO,		/* the host's paths have changed over */
	FCN_CONFIRM_GONE,	/* the fabric's name server does not know the original */
	FCN_CONFIRM_SWITCHED,	/* the LPAR lives at the destination from now on */
	FCN_CONFIRM_RETURNED,	/* RECEIPT, or FORCE: the destination is fenced */
};

enum fcn_gone_by {
	FCN_GONE_BY_NOBODY,
	FCN_GONE_BY_FABRIC,	/* confirmed by the name server */
	FCN_GONE_BY_GRACE,	/* the grace time has passed */
};

enum fcn_event {
	FCN_EVENT_DEFINED,
	FCN_EVENT_DELETED,
	FCN_EVENT_STEP,		/* step, state, result or reason */
};

enum fcn_attr {
	FCN_A_UNSPEC,
	FCN_A_LPAR,		/* string */
	FCN_A_WWNN,		/* u64 */
	FCN_A_WWPN_ORIGINAL,	/* u64 */
	FCN_A_WWPN_MAINTENANCE,	/* u64 */
	FCN_A_PARENT,		/* u64, WWPN of the fc_host */
	FCN_A_OPERATION,	/* u32, enum fcn_operation; the last one if idle */
	FCN_A_PORT,		/* u32, enum fcn_port */
	FCN_A_STEP,		/* u32, enum fcn_step */
	FCN_A_STATE,		/* u32, enum fcn_state */
	FCN_A_RESULT,		/* u32, enum fcn_result */
	FCN_A_REASON,		/* string */
	FCN_A_GOES_BACK,	/* u32, 1 = the operation is being undone */
	FCN_A_AWAY,		/* u32, 1 = it lives on another host, and has not come from there */
	FCN_A_REMAINING_MS,	/* u64, until the step's deadline; absent without one */
	FCN_A_LOGIN_MS,		/* u32, deadline of a login */
	FCN_A_STORAGE_MS,	/* u32, until the LUNs are there */
	FCN_A_MOVE_MS,		/* u32, until the paths have changed over */
	FCN_A_LOGOUT_MS,	/* u32 */
	FCN_A_GRACE_MS,		/* u32, after a logout nobody confirms */
	FCN_A_LUN,		/* nest, enum fcn_lun_attr: an expected LUN; repeated */
	FCN_A_VIEW,		/* nest, enum fcn_view_attr: a port as it is now; repeated */
	FCN_A_TOKEN,		/* binary: the original has left the source */
	FCN_A_RECEIPT,		/* binary: it has left the destination, too */
	FCN_A_GONE_BY,		/* u32, enum fcn_gone_by */
	FCN_A_FORCE,		/* u32, 1 = the other host is dead or fenced */
	FCN_A_CONFIRM,		/* u32, enum fcn_confirm */
	FCN_A_EVENT,		/* u32, enum fcn_event */
	FCN_A_EVENT_SEQ,	/* u64, counts up by one for each event */
	FCN_A_EVENT_TIME_NS,	/* u64, CLOCK_REALTIME */
	FCN_A_PAD,
	FCN_A_USED,		/* binary: the last token of a destination; at first of no name */
	FCN_A_HAS_COME,		/* u32, 1 = the LPAR has come to this host by that */

	__FCN_A_MAX,
	FCN_A_MAX = __FCN_A_MAX - 1,
};

enum fcn_lun_attr {
	FCN_A_LUN_UNSPEC,
	FCN_A_LUN_ID,		/* string, as in VPD page 0x83: naa.600... */
	FCN_A_LUN_SECTORS,	/* u64, of 512 bytes */
	FCN_A_LUN_BLOCK_SIZE,	/* u32, logical, in bytes */
	FCN_A_LUN_NUMBER,	/* u64, under which the port sees it */
	FCN_A_LUN_DISK,		/* string, sdb */
	FCN_A_LUN_PAD,

	__FCN_A_LUN_MAX,
	FCN_A_LUN_MAX = __FCN_A_LUN_MAX - 1,
};

enum fcn_view_attr {
	FCN_A_VIEW_UNSPEC,
	FCN_A_VIEW_PORT,	/* u32, enum fcn_port */
	FCN_A_VIEW_STATE,	/* u32, enum fcn_port_state */
	FCN_A_VIEW_HOST,	/* u32, number of its SCSI host; absent if there is none */
	FCN_A_VIEW_TARGETS,	/* u32, remote ports that are online */
	FCN_A_VIEW_BUSY,	/* u32, commands that are under way */
	FCN_A_VIEW_MATCHES,	/* u32, 1 = just the expected LUNs are there and run */
	FCN_A_VIEW_HELD,	/* u32, 1 = all of its disks are claimed by this module */
	FCN_A_VIEW_LUN,		/* nest, enum fcn_lun_attr, one for each path; repeated */

	__FCN_A_VIEW_MAX,
	FCN_A_VIEW_MAX = __FCN_A_VIEW_MAX - 1,
};

enum fcn_cmd {
	FCN_CMD_UNSPEC,
	FCN_CMD_GET,		/* do: LPAR -> one identity; dump: all, without their LUNs */
	FCN_CMD_DEFINE,		/* LPAR WWNN WWPN_... PARENT [AWAY] [deadlines] [LUN ...] */
	FCN_CMD_SET,		/* LPAR [PARENT] [deadlines] [LUN ...: all that are expected] */
	FCN_CMD_DELETE,		/* LPAR */
	FCN_CMD_START,		/* LPAR OPERATION [PORT] [TOKEN | FORCE] [LUN ...] */
	FCN_CMD_CONFIRM,	/* LPAR CONFIRM [RECEIPT | FORCE] */
	FCN_CMD_ABORT,		/* LPAR: go back */
	FCN_CMD_EVENT,		/* multicast only */
	FCN_CMD_REVOKE,		/* LPAR TOKEN USED: nobody comes by it; gives its receipt */

	__FCN_CMD_MAX,
	FCN_CMD_MAX = __FCN_CMD_MAX - 1,
};

#endif /* _UAPI_LPARKIT_FCNPIV_H */
