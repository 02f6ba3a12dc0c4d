// SPDX-License-Identifier: GPL-2.0
/*
 * What an XFS has free, by the tools of its own: there is no library.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "relocate/relocate.h"

#define SECTOR 512

struct geometry {
	uint64_t blocksize;
	uint64_t agblocks;
	uint64_t agcount;
	uint64_t dblocks;
};

/* What it says, complaints as well, in words that are looked for: not in the user's language. */
static FILE *run_tool(const char *const *words, pid_t *pid)
{
	FILE *output;
	int fd[2];

	if (pipe(fd))
		return NULL;
	*pid = fork();
	if (!*pid) {
		dup2(fd[1], STDOUT_FILENO);
		dup2(fd[1], STDERR_FILENO);
		close(fd[0]);
		close(fd[1]);
		setenv("LC_ALL", "C", 1);
		execvp(words[0], (char *const *)words);
		_exit(EXIT_FAILED);
	}
	close(fd[1]);
	output = *pid < 0 ? NULL : fdopen(fd[0], "r");
	if (!output)
		close(fd[0]);
	return output;
}

/* Returns true if it has come to its end, and has not failed. */
static bool end_tool(FILE *output, pid_t pid)
{
	int status;

	fclose(output);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

/* Otherwise there may be more in use than is told, in its log. */
static bool is_clean(const char *path)
{
	const char *const words[] = { "xfs_logprint", "-t", path, NULL };
	bool clean = false, ended;
	char line[256];
	FILE *output;
	pid_t pid;

	output = run_tool(words, &pid);
	if (!output)
		return false;
	while (fgets(line, sizeof(line), output))
		clean |= !!strstr(line, "state: <CLEAN>");
	ended = end_tool(output, pid);
	return clean && ended;
}

static void read_geometry(const char *line, struct geometry *geometry)
{
	sscanf(line, "blocksize = %" SCNu64, &geometry->blocksize);
	sscanf(line, "agblocks = %" SCNu64, &geometry->agblocks);
	sscanf(line, "agcount = %" SCNu64, &geometry->agcount);
	sscanf(line, "dblocks = %" SCNu64, &geometry->dblocks);
}

static bool is_sane(const struct geometry *geometry, uint64_t sectors)
{
	return geometry->blocksize >= SECTOR && geometry->blocksize <= 65536 &&
	       geometry->blocksize % SECTOR == 0 && geometry->agblocks && geometry->dblocks &&
	       geometry->dblocks <= sectors / (geometry->blocksize / SECTOR) &&
	       geometry->agblocks <= geometry->dblocks && geometry->agcount <= geometry->dblocks;
}

/* A line "AG BLOCK COUNT". Returns false if that is not on the disk. */
static bool add_line(const char *line, const struct geometry *geometry, struct ranges *free_ranges)
{
	uint64_t per = geometry->blocksize / SECTOR, ag, block, count;

	if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64, &ag, &block, &count) != 3)
		return true;
	if (ag >= geometry->agcount || block >= geometry->agblocks ||
	    count > geometry->agblocks - block ||
	    ag * geometry->agblocks + block + count > geometry->dblocks)
		return false;
	add_range(free_ranges, (ag * geometry->agblocks + block) * per, count * per, 0);
	return true;
}

/*
 * What the XFS on the disk @path, which has so many @sectors, does not use, in ascending order;
 * @clean if it was unmounted cleanly. Sets the end of the file system. False if its tools are
 * not there, or do not understand it.
 */
bool xfs_find_free(const char *path, uint64_t sectors, struct ranges *free_ranges, uint64_t *end,
		   bool *clean)
{
	const char *const words[] = { "xfs_db", "-r",
				      "-c",	"sb 0",
				      "-c",	"print blocksize agblocks agcount dblocks",
				      "-c",	"freesp -d",
				      path,	NULL };
	struct geometry geometry = {};
	bool sane = true, listing = false, listed = false;
	char line[256];
	FILE *output;
	pid_t pid;

	output = run_tool(words, &pid);
	if (!output)
		return false;
	while (fgets(line, sizeof(line), output)) {
		/* It goes on with what is damaged, and lists what it takes for free. */
		if (strstr(line, "rror") || strstr(line, "xfs_db:")) {
			sane = false;
		} else if (strstr(line, "agno")) {
			listing = true;
			sane &= is_sane(&geometry, sectors);
		} else if (strstr(line, "extents")) {
			/* The sums come behind the list. */
			listed = listing;
			listing = false;
		} else if (!listing) {
			read_geometry(line, &geometry);
		} else if (sane) {
			sane = add_line(line, &geometry, free_ranges);
		}
	}
	if (!end_tool(output, pid) || !sane || !listed)
		return false;
	*end = geometry.dblocks * (geometry.blocksize / SECTOR);
	*clean = is_clean(path);
	return true;
}
