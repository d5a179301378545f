/* SPDX-License-Identifier: Apache-2.0
 *
 * The connections of a server, and the time that each may take.
 */
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "http_state.h"

enum { MICROSECONDS = 1000000, TICK = MICROSECONDS / 5 };

uint64_t exchange_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * MICROSECONDS + (uint64_t)now.tv_nsec / 1000;
}

static connection *connection_of(struct MHD_Connection *from)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(from, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

void connection_changed(void *cls, struct MHD_Connection *from, void **socket_context,
                        enum MHD_ConnectionNotificationCode event)
{
    http *host = cls;
    connection *own = *socket_context;
    if (event == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(from, MHD_CONNECTION_INFO_CONNECTION_FD);
        own = info ? calloc(1, sizeof *own) : NULL;
        *socket_context = own;
        if (!own)
            return;
        atomic_fetch_add(&host->connected, 1);
        own->socket = (int)info->connect_fd;
        atomic_init(&own->since, exchange_clock());
        pthread_mutex_lock(&host->lock);
        own->after = host->connections;
        if (own->after)
            own->after->before = own;
        host->connections = own;
        pthread_mutex_unlock(&host->lock);
    } else if (own) {
        pthread_mutex_lock(&host->lock);
        *(own->before ? &own->before->after : &host->connections) = own->after;
        if (own->after)
            own->after->before = own->before;
        pthread_mutex_unlock(&host->lock);
        free(own);
        *socket_context = NULL;
        atomic_fetch_sub(&host->connected, 1);
    }
}

/* Whether the client has closed its side, and all it sent was read. libmicrohttpd does not see this where the end comes
 * together with the last bytes of a half request: it waits for an event that has been. */
static bool has_hung_up(const connection *own)
{
    struct pollfd end = {.fd = own->socket, .events = POLLRDHUP};
    int unread = 0;
    return poll(&end, 1, 0) == 1 && ioctl(own->socket, FIONREAD, &unread) == 0 && !unread;
}

/* libmicrohttpd closes connections on which nothing moves; one byte a second moves, and would hold a connection for
 * ever. Idle between two requests plus one request may take twice the limit. */
static bool is_overdue(connection *own, uint64_t now, uint64_t limit)
{
    const int state = atomic_load(&own->state);
    const bool hung_up = state == CONNECTION_READS && has_hung_up(own), before = own->hung_up;
    own->hung_up = hung_up;
    const uint64_t since = atomic_load(&own->since);
    return (hung_up && before) || (state != CONNECTION_WORKS && now > since && now - since > limit);
}

void http_tick(http *host)
{
    const uint64_t now = exchange_clock();
    const uint64_t limit = (uint64_t)host->server->options->connection_seconds * 2 * MICROSECONDS;
    if (now - host->ticked < TICK)
        return;
    host->ticked = now;
    pthread_mutex_lock(&host->lock);
    for (connection *own = host->connections; own; own = own->after)
        if (is_overdue(own, now, limit))
            shutdown(own->socket, SHUT_RDWR); /* its thread sees the end and closes it */
    pthread_mutex_unlock(&host->lock);
}

void connection_turn(struct MHD_Connection *from, connection_state state)
{
    connection *own = connection_of(from);
    if (!own)
        return;
    atomic_store(&own->since, exchange_clock());
    atomic_store(&own->state, state);
}
