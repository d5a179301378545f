/* SPDX-License-Identifier: Apache-2.0 */
#include "listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 511 };

/* Numeric only: a name server has no say in where this listens. The caller frees. */
static struct addrinfo *resolve(const char *address, uint16_t port)
{
    char service[8];
    snprintf(service, sizeof service, "%u", (unsigned)port);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found = NULL;
    return getaddrinfo(strcmp(address, "localhost") == 0 ? "127.0.0.1" : address, service, &hints, &found) == 0 ? found
                                                                                                                : NULL;
}

bool listen_is_loopback(const char *address)
{
    struct addrinfo *found = resolve(address, 0);
    bool loopback = false;
    if (found && found->ai_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)found->ai_addr;
        loopback = ntohl(four->sin_addr.s_addr) >> 24 == 127;
    } else if (found && found->ai_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)found->ai_addr;
        loopback = IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
    }
    if (found)
        freeaddrinfo(found);
    return loopback;
}

static uint16_t port_of(int socket)
{
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    if (getsockname(socket, (struct sockaddr *)&bound, &size) != 0)
        return 0;
    return ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                             : ((struct sockaddr_in *)&bound)->sin_port);
}

int listen_at(const char *address, uint16_t port, uint16_t *port_out, char *why, size_t why_size)
{
    struct addrinfo *found = resolve(address, port);
    if (!found) {
        snprintf(why, why_size, "--address %s is no numeric address such as 127.0.0.1, 0.0.0.0 or ::1", address);
        return -1;
    }
    const int yes = 1;
    const int made = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool listens = made >= 0 && setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0;
    listens = listens && bind(made, found->ai_addr, found->ai_addrlen) == 0 && listen(made, BACKLOG) == 0;
    freeaddrinfo(found);
    if (listens) {
        *port_out = port_of(made);
        return made;
    }
    const int reason = errno;
    snprintf(why, why_size, "cannot listen at %s port %u: %s%s", address, (unsigned)port, strerror(reason),
             reason == EADDRINUSE ? "; choose another with --port (0 takes any free one)" : "");
    if (made >= 0)
        close(made);
    return -1;
}
