/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may ask, and how often.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "http_state.h"
#include "metrics.h"

/* The sender's address as a text; of IPv6 the network of 64 bits that one site has, which stands for one sender. */
static void address_of(const exchange *one, char *out, size_t size)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(one->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    snprintf(out, size, "?");
    if (info && info->client_addr->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)info->client_addr;
        inet_ntop(AF_INET, &four->sin_addr, out, (socklen_t)size);
    } else if (info && info->client_addr->sa_family == AF_INET6) {
        struct in6_addr network = ((const struct sockaddr_in6 *)info->client_addr)->sin6_addr;
        memset(network.s6_addr + 8, 0, 8);
        inet_ntop(AF_INET6, &network, out, (socklen_t)size);
    }
}

/* The key that came with the request, NULL when none did. */
static const char *given_key(const call *request)
{
    static const char bearer[] = "Bearer ";
    const char *key = call_header(request, "X-API-Key"), *other = call_header(request, "Authorization");
    if (key || !other || strncasecmp(other, bearer, sizeof bearer - 1) != 0)
        return key;
    return other + sizeof bearer - 1;
}

/* true where requests may go on without a key, or its permission is enough; else what to answer. */
static bool check_permission(exchange *one, int *status)
{
    const call *request = &one->call;
    const permission needed = request->route->permission;
    if (!request->server->options->keys || needed == PERMIT_ALL)
        return true;
    const char *key = given_key(request);
    permission granted = PERMIT_ALL;
    if (key) {
        pthread_rwlock_rdlock(&one->http->keys_lock);
        granted = keys_check(one->http->keys, key, one->key_name);
        pthread_rwlock_unlock(&one->http->keys_lock);
    }
    *status = granted == PERMIT_ALL ? 401 : 403;
    return granted >= needed;
}

/* Whoever has no right key draws on the rate of his address, so that keys cannot be tried at will. */
static bool check_rate(exchange *one)
{
    char who[KEY_NAME + 2] = "k:";
    if (!one->http->rates || one->call.route->permission == PERMIT_ALL)
        return true;
    if (*one->key_name)
        snprintf(who + 2, sizeof who - 2, "%s", one->key_name);
    else
        address_of(one, who, sizeof who);
    const unsigned wait = rates_take(one->http->rates, who, one->began);
    if (!wait)
        return true;
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%u", wait);
    reply_header(&one->call, "Retry-After", seconds);
    reply_error(&one->call, 429, "rate", "more requests than --rate allows; try again in %u seconds", wait);
    metrics_count(one->call.server, COUNT_REFUSED_RATES);
    return false;
}

/* The name in "name:port" or "[::1]:port"; its length. */
static size_t name_length(const char *host)
{
    return host[0] == '[' ? strcspn(host, "]") + (strchr(host, ']') != NULL) : strcspn(host, ":");
}

/* "localhost", or an address in digits: names that no foreign name server can point here. */
static bool is_plain_host(const char *host)
{
    char name[INET6_ADDRSTRLEN + 2];
    struct in6_addr scratch;
    const size_t length = name_length(host);
    if (length >= sizeof name)
        return false;
    memcpy(name, host, length);
    name[length] = '\0';
    if (name[0] != '[')
        return strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, &scratch) == 1;
    if (name[length - 1] != ']')
        return false;
    name[length - 1] = '\0';
    return inet_pton(AF_INET6, name + 1, &scratch) == 1;
}

/* A server without keys trusts whoever can reach it, and a page of the web in a browser on this machine can: by its own
 * requests, which a browser marks with the page's origin, or under a name that it has pointed here, which stands in
 * Host. */
static bool check_origin(exchange *one)
{
    call *request = &one->call;
    const char *host = call_header(request, "Host"), *origin = call_header(request, "Origin");
    if (request->server->options->keys)
        return true;
    if (host && !is_plain_host(host)) {
        reply_error(request, 403, "host",
                    "without keys this server answers to localhost and to addresses in digits, not to Host \"%.60s\"",
                    host);
        return false;
    }
    const char *from = origin ? strstr(origin, "://") : NULL;
    if (origin && (!from || !host || strcasecmp(from + 3, host) != 0)) {
        reply_error(request, 403, "origin",
                    "without keys this server takes no requests from pages of other servers, such as \"%.60s\"",
                    origin);
        return false;
    }
    return true;
}

void admit_sender(exchange *one)
{
    static const char *const grants[] = {"nothing", "read", "write", "admin"};
    call *request = &one->call;
    int status = 0;
    if (!check_origin(one))
        return;
    const bool permitted = check_permission(one, &status);
    if (!check_rate(one) || permitted)
        return;
    metrics_count(request->server, COUNT_REFUSED_KEYS);
    if (status == 401) {
        reply_header(request, "WWW-Authenticate", "Bearer");
        reply_error(request, 401, "key", "%s; send it as header X-API-Key or Authorization: Bearer",
                    given_key(request) ? "this API key is not known" : "an API key is asked for");
    } else {
        reply_error(request, 403, "permission", "%s %s needs a key that grants %s", request->route->method,
                    request->route->path, grants[request->route->permission]);
    }
}
