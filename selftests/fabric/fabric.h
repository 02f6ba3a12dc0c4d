/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A Fibre Channel fabric of one switch, for fcoe instances at the other ends of
 * its links. It is the FIP forwarder, the fabric controller and the directory
 * server, and forwards frames between N_Ports, as zones allow.
 *
 * Nothing but fcswd.c knows sockets or clocks: the fabric is told of frames and
 * of time, and sends through a function. Prototypes are grouped by the file that
 * holds them.
 */
#ifndef FABRIC_H
#define FABRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define LINKS_MAX 16
#define NPORTS_MAX 256
#define TIMERS_MAX 1024
#define ZONES_MAX 64
#define ZONE_MEMBERS_MAX 8
#define REJECTS_MAX 32
#define WRITES_MAX 256

#define FRAME_MAX 2400 /* of 2112 bytes of payload, with all headers */

#define MAC_LEN 6
#define ETH_HEADER 14
#define ETH_MIN 60
#define FC_HEADER 24
#define FCOE_HEADER 28 /* Ethernet's, version, SOF */
#define FCOE_TRAILER 8 /* CRC, EOF */

#define ETH_FIP 0x8914
#define ETH_FCOE 0x8906

/* Well known addresses. */
#define FABRIC_ID 0xfffffe
#define CONTROLLER_ID 0xfffffd
#define DIRECTORY_ID 0xfffffc
#define WELL_KNOWN 0xfffc00

enum els {
	ELS_LS_RJT = 0x01,
	ELS_LS_ACC = 0x02,
	ELS_PLOGI = 0x03,
	ELS_FLOGI = 0x04,
	ELS_LOGO = 0x05,
	ELS_FDISC = 0x51,
	ELS_RSCN = 0x61,
	ELS_SCR = 0x62,
};

/* Reasons and explanations of LS_RJT. */
#define RJT_LOGICAL 0x03
#define RJT_BUSY 0x05
#define RJT_UNABLE 0x09
#define RJT_UNSUPPORTED 0x0b
#define RJT_DUPLICATE 0x07
#define EXPL_DUPLICATE 0x0d
#define EXPL_NO_ID 0x1f
#define EXPL_RESOURCES 0x29
#define EXPL_UNSUPPORTED 0x2c

#define R_CTL_ELS_REQUEST 0x22
#define R_CTL_ELS_REPLY 0x23
#define R_CTL_CT_REQUEST 0x02
#define R_CTL_CT_REPLY 0x03
#define R_CTL_FCP_COMMAND 0x06
#define R_CTL_FCP_RESPONSE 0x07

#define TYPE_ELS 0x01
#define TYPE_FCP 0x08
#define TYPE_CT 0x20

#define F_CTL_REQUEST 0x290000 /* first, last, end of sequence, initiative transferred */
#define F_CTL_REPLY 0x990000   /* the responder's last sequence */

/* How many bytes an LS_ACC to FLOGI, FDISC and PLOGI has. */
#define LOGIN_LEN 116

/* A frame, or a part of one, that is being put together. */
struct bytes {
	uint8_t data[FRAME_MAX];
	size_t len;
};

/* A frame of Fibre Channel as it was received. */
struct fc_frame {
	uint8_t r_ctl;
	uint8_t type;
	uint32_t d_id;
	uint32_t s_id;
	bool is_answer; /* from who has not begun the exchange */
	uint16_t ox_id;
	const uint8_t *payload;
	size_t len;
};

/* A link of the switch. */
struct link {
	char name[64];
	uint8_t mac[MAC_LEN]; /* of the forwarder at it */
	bool up;
	unsigned int last_virtual; /* last byte of the last FC ID given to a virtual port */
};

/* A write whose response has not come. */
struct write {
	uint32_t target;
	uint16_t ox_id;
};

/* A port that is logged in. */
struct nport {
	bool used;
	struct link *link;
	uint32_t id;
	uint64_t wwpn;
	uint64_t wwnn;
	uint8_t enode[MAC_LEN]; /* its adapter's own */
	bool is_virtual;
	bool wants_changes; /* SCR */
	bool does_fcp;
	uint64_t frames;
	struct write write[WRITES_MAX];
	unsigned int n_writes;
	uint8_t els[0x10000 / 8]; /* a bit for each of its exchanges: the last one was of ELS */
};

/* A login that is answered later. */
struct login {
	bool used;
	struct link *link;
	uint8_t enode[MAC_LEN];
	bool is_virtual;
	uint64_t wwpn;
	uint64_t wwnn;
	uint16_t ox_id;
	uint64_t due_ms;
};

/* A frame that is sent later. */
struct later {
	bool used;
	uint64_t due_ms;
	struct link *link;
	struct bytes frame;
};

struct reject {
	uint64_t wwpn;
	uint8_t reason;
	uint8_t explanation;
};

/* A name that has left, and is not let in again for a while. */
struct held {
	uint64_t wwpn;
	uint64_t until_ms;
};

struct zone {
	uint64_t wwpn[ZONE_MEMBERS_MAX];
	unsigned int n;
};

/* What is made to go wrong. */
struct knobs {
	uint64_t flogi_delay_ms;
	uint64_t fdisc_delay_ms;
	uint64_t plogi_delay_ms;
	uint64_t hold_ms;	 /* a name is refused for so long after its logout */
	unsigned int lost_logos; /* so many more get lost */
	unsigned int loss;	 /* of 1000 forwarded frames so many get lost */
	bool second_wins;	 /* a name that is logged in elsewhere is thrown out there */
	bool no_resources;
	bool no_npiv;
	bool unkind; /* tcm_fc and libfc get what they cannot bear */
};

struct fabric {
	struct link link[LINKS_MAX];
	unsigned int n_links;
	struct nport nport[NPORTS_MAX];
	struct login login[NPORTS_MAX];
	struct later later[TIMERS_MAX];
	struct zone zone[ZONES_MAX];
	unsigned int n_zones;
	struct reject reject[REJECTS_MAX];
	unsigned int n_rejects;
	struct held held[NPORTS_MAX];
	unsigned int next_held;
	struct knobs knobs;
	uint32_t period_ms; /* of advertisements, and of the hosts' keep-alives */
	uint32_t r_a_tov_ms;
	uint32_t e_d_tov_ms;
	uint64_t advertise_ms; /* when next */
	uint64_t now_ms;
	uint16_t exchange;
	uint32_t seed;
	uint64_t clashes; /* logins under a name that was logged in at another link */
	void (*send)(struct fabric *fabric, struct link *link, const uint8_t *frame, size_t len);
	FILE *log;
};

/* bytes.c: big endian, checked */
uint32_t get_be(const uint8_t *at, unsigned int n);
uint64_t get_be64(const uint8_t *at);
void put_be(struct bytes *bytes, uint64_t value, unsigned int n);
void put_bytes(struct bytes *bytes, const void *data, size_t n);
void put_zeroes(struct bytes *bytes, size_t n);
void put_fc_header(struct bytes *bytes, uint8_t r_ctl, uint32_t d_id, uint32_t s_id, uint8_t type,
		   uint32_t f_ctl, uint16_t ox_id, uint16_t rx_id);
void put_accept(struct bytes *bytes);
void put_reject(struct bytes *bytes, uint8_t reason, uint8_t explanation);
void put_login(struct bytes *bytes, uint16_t features, uint32_t r_a_tov, uint32_t e_d_tov,
	       uint64_t wwpn, uint64_t wwnn);
void nport_mac(uint8_t *mac, uint32_t id);

/* switch.c: who is logged in */
void fabric_init(struct fabric *fabric);
struct link *fabric_add_link(struct fabric *fabric, const char *name);
void fabric_input(struct fabric *fabric, struct link *link, const uint8_t *frame, size_t len);
uint64_t fabric_run(struct fabric *fabric, uint64_t now_ms);
void fabric_send(struct fabric *fabric, struct link *link, const struct bytes *frame);
void fabric_send_later(struct fabric *fabric, struct link *link, const struct bytes *frame,
		       uint64_t ms);
struct nport *nport_find(struct fabric *fabric, uint32_t id);
struct nport *nport_add(struct fabric *fabric, const struct login *login);
void nport_leave(struct fabric *fabric, struct nport *nport, const char *why);
void link_set(struct fabric *fabric, struct link *link, bool up);
void note(struct fabric *fabric, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* fip.c: the forwarder: logins and logouts */
extern const uint64_t switch_name, fabric_name;
void fip_input(struct fabric *fabric, struct link *link, const uint8_t *frame, size_t len);
void fip_advertise(struct fabric *fabric, struct link *link, const uint8_t *to);
void fip_answer(struct fabric *fabric, struct login *login);
void fip_clear(struct fabric *fabric, const struct nport *nport);

/* forward.c: frames between ports */
void fcoe_input(struct fabric *fabric, struct link *link, const uint8_t *frame, size_t len);
void fc_send(struct fabric *fabric, const struct nport *to, uint32_t s_id, uint8_t r_ctl,
	     uint8_t type, uint32_t f_ctl, uint16_t ox_id, uint16_t rx_id,
	     const struct bytes *payload, uint64_t delay_ms);
bool zone_allows(const struct fabric *fabric, const struct nport *a, const struct nport *b);
bool has_unfinished(const struct nport *nport, uint32_t target);

/* service.c: what the fabric itself answers */
void service_input(struct fabric *fabric, struct nport *from, const struct fc_frame *frame);
void service_change(struct fabric *fabric, const struct nport *about);
void service_changes(struct fabric *fabric);

/* control.c: knobs, and the list of ports */
void fabric_command(struct fabric *fabric, const char *line, FILE *out);

#endif /* FABRIC_H */
