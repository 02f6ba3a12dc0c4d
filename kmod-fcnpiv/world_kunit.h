/* SPDX-License-Identifier: GPL-2.0 */
/* Two machines, source and destination, in a model of the world: see world_kunit.c. */
#ifndef _KMOD_FCNPIV_WORLD_KUNIT_H
#define _KMOD_FCNPIV_WORLD_KUNIT_H

#include "fcnpiv.h"

struct kunit;

#define SOURCE		0
#define DESTINATION	1
#define HOSTS		2

/**
 * struct fcn_host - one of the hosts of the model
 * @machine: of its identity
 * @view: what it sees
 * @job: under way
 * @job_ends: when
 * @io_on: port to which its paths lead
 * @has_disks: by enum fcn_port
 */
struct fcn_host {
	struct fcn_machine machine;
	struct fcn_view view;
	struct fcn_order job;
	u64 job_ends;
	enum fcn_port io_on;
	bool has_disks[FCN_PORTS];
};

/**
 * struct fcn_world - the model
 * @host: hosts
 * @now_ms: time
 * @seed: of what goes wrong
 * @trouble: of 1000 draws so many go wrong
 * @token_given: the destination has had the token, and not given it back
 * @may_switch: the memory is copied
 * @switched: the LPAR lives at the destination
 * @guest_was_cut: the guest's disks went away at the host where it lives
 */
struct fcn_world {
	struct fcn_host host[HOSTS];
	u64 now_ms;
	u32 seed;
	unsigned int trouble;
	bool token_given;
	bool may_switch;
	bool switched;
	bool guest_was_cut;
};

void fcn_world_set_port(struct fcn_host *host, enum fcn_port port, enum fcn_port_state state);
struct fcn_world *fcn_world_new(struct kunit *test, u32 seed, unsigned int trouble);
enum fcn_port_state fcn_world_state(const struct fcn_world *world, int host, enum fcn_port port);
bool fcn_world_confirm(struct fcn_host *host, enum fcn_confirm what);
void fcn_world_run_host(struct kunit *test, struct fcn_world *world, struct fcn_host *host);
void fcn_world_run(struct kunit *test, struct fcn_world *world, unsigned int ticks);
void fcn_world_start_source(struct kunit *test, struct fcn_world *world);
bool fcn_world_run_to(struct kunit *test, struct fcn_world *world, int host, enum fcn_step step);
void fcn_world_heal(struct fcn_world *world);

#endif
