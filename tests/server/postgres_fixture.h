/* SPDX-License-Identifier: Apache-2.0
 *
 * A PostgreSQL server of a test's own, in a folder under the temporary one, reached by a socket there. It refuses to
 * run as root, so root starts it as somebody else; it ends with the test, however that ends.
 */
#ifndef TOPN_TESTS_SERVER_POSTGRES_FIXTURE_H
#define TOPN_TESTS_SERVER_POSTGRES_FIXTURE_H

#include "store_fixture.h"

#include <glob.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

typedef struct postgres_server {
    char *folder; /* of the sockets, and in it "data" */
    char *programs;
    pid_t process;
    uid_t user;
    gid_t group;
} postgres_server;

/* NULL where it is not installed. */
static inline char *postgres_programs(void)
{
    glob_t found;
    char *folder = NULL;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0 && found.gl_pathc > 0) {
        folder = strdup(found.gl_pathv[found.gl_pathc - 1]);
        *strrchr(folder, '/') = '\0';
    }
    globfree(&found);
    return folder;
}

/* The child's side: not root, ends with the test, quiet. */
static inline void become(const postgres_server *server)
{
    const pid_t parent = getppid();
    if (server->user != geteuid() && (setgid(server->group) != 0 || setuid(server->user) != 0))
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (getppid() != parent || chdir(server->folder) != 0 || !freopen("log", "a", stdout) ||
        !freopen("log", "a", stderr))
        _exit(125);
}

static inline pid_t postgres_spawn(const postgres_server *server, const char *program, const char *const *arguments)
{
    char *path = join_path(server->programs, program);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        enum { MOST = 16 };
        const char *own[MOST] = {path}; /* it looks for its companions beside the path it was called by */
        for (size_t i = 1; arguments[i] && i + 1 < MOST; i++)
            own[i] = arguments[i];
        become(server);
        execv(path, (char *const *)own);
        _exit(127);
    }
    free(path);
    return child;
}

static inline char *postgres_address(const postgres_server *server)
{
    char *address = NULL;
    assert_true(asprintf(&address, "postgresql:///postgres?host=%s&user=topn", server->folder) > 0);
    return address;
}

/* Runs one command by a connection of its own. */
static inline void postgres_do(const postgres_server *server, const char *command)
{
    char *address = postgres_address(server);
    PGconn *connection = PQconnectdb(address);
    PQclear(PQexec(connection, "SET client_min_messages = warning"));
    PGresult *result = PQexec(connection, command);
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", command, PQerrorMessage(connection));
    PQclear(result);
    PQfinish(connection);
    free(address);
}

static inline void postgres_start(postgres_server *server)
{
    const char *const arguments[] = {"postgres", "-D", "data", "-k", server->folder, "-h", "", "-F", NULL};
    char *address = postgres_address(server);
    server->process = postgres_spawn(server, "postgres", arguments);
    for (int waited = 0; PQping(address) != PQPING_OK; waited++) {
        if (waited == 6000 || waitpid(server->process, NULL, WNOHANG) != 0)
            fail_msg("PostgreSQL does not start: %s/log", server->folder);
        nanosleep(&(struct timespec){.tv_nsec = 10000000L}, NULL);
    }
    free(address);
}

/* SIGINT: in order; SIGQUIT: at once, as after a crash. */
static inline void postgres_end(postgres_server *server, int with)
{
    if (server->process > 0) {
        kill(server->process, with);
        waitpid(server->process, NULL, 0);
    }
    server->process = 0;
}

/* false where PostgreSQL is not installed. */
static inline bool postgres_create(postgres_server *server)
{
    const char *const arguments[] = {"initdb", "-D", "data", "-A", "trust",      "-U",
                                     "topn",   "-E", "UTF8", "-N", "--locale=C", NULL};
    int status = 0;
    *server = (postgres_server){.user = geteuid(), .group = getegid(), .programs = postgres_programs()};
    if (!server->programs)
        return false;
    server->folder = make_folder();
    if (geteuid() == 0) {
        const struct passwd *other = getpwnam("postgres");
        other = other ? other : getpwnam("nobody");
        server->user = other ? other->pw_uid : 65534;
        server->group = other ? other->pw_gid : 65534;
        assert_int_equal(chown(server->folder, server->user, server->group), 0);
    }
    assert_int_equal(waitpid(postgres_spawn(server, "initdb", arguments), &status, 0) > 0, 1);
    if (status != 0)
        fail_msg("initdb failed: %s/log", server->folder);
    postgres_start(server);
    return true;
}

static inline void postgres_destroy(postgres_server *server)
{
    postgres_end(server, SIGQUIT);
    if (server->folder)
        remove_folder(server->folder);
    free(server->programs);
    *server = (postgres_server){0};
}

#endif
