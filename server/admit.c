/* SPDX-License-Identifier: Apache-2.0
 *
 * What is asked of a request before its body is read: a target of one meaning, a route, a key, its share of the
 * rate, parameters that the route has, a body that fits.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "http_state.h"
#include "metrics.h"
#include "text.h"

typedef struct framing {
    unsigned lengths, encodings, hosts;
} framing;

static enum MHD_Result count_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    (void)value;
    framing *found = cls;
    found->lengths += strcasecmp(name, "Content-Length") == 0;
    found->encodings += strcasecmp(name, "Transfer-Encoding") == 0;
    found->hosts += strcasecmp(name, "Host") == 0;
    return MHD_YES;
}

/* Two lengths, or a length and an encoding, end a request at one place for one reader and elsewhere for another
 * (RFC 9112, 6.3): the way in for a request within a request. */
static void check_framing(exchange *one)
{
    call *request = &one->call;
    framing found = {0};
    MHD_get_connection_values(one->connection, MHD_HEADER_KIND, count_header, &found);
    const char *encoding = call_header(request, "Transfer-Encoding"), *length = call_header(request, "Content-Length");
    unsigned long long bytes;
    if (found.lengths + found.encodings > 1 || found.hosts > 1)
        reply_error(request, 400, "framing",
                    "headers Content-Length, Transfer-Encoding and Host may be given once, and "
                    "only one of the first two");
    else if (encoding && strcasecmp(encoding, "chunked") != 0)
        reply_error(request, 501, "encoding", "Transfer-Encoding \"%.60s\" is not known here; \"chunked\" is",
                    encoding);
    else if (length && !text_number(length, &bytes))
        reply_error(request, 400, "framing", "Content-Length \"%.60s\" is no whole number", length);
}

static void check_target(exchange *one)
{
    call *request = &one->call;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(one->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const size_t limit = request->server->options->max_header;
    if (one->fault)
        reply_error(request, 400, "target", "request target: %s", one->fault);
    else if (info && info->header_size > limit)
        reply_error(request, 431, "header", "the header of this request has %zu bytes; --max-header allows %zu",
                    info->header_size, limit);
}

static void check_route(exchange *one, const char *method)
{
    call *request = &one->call;
    char allow[ROUTE_ALLOW];
    switch (route_find(&one->target, method, &request->route, request->path, allow)) {
    case ROUTE_FOUND:
        break;
    case ROUTE_NO_METHOD:
        reply_header(request, "Allow", allow);
        reply_error(request, 405, "method", "method %.20s is not for this path; it takes %s", method, allow);
        break;
    default:
        reply_error(request, 404, "path", "there is no such path; GET /openapi.json lists all");
    }
}

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
    if (!one->http->limits || one->call.route->permission == PERMIT_ALL)
        return true;
    if (*one->key_name)
        snprintf(who + 2, sizeof who - 2, "%s", one->key_name);
    else
        address_of(one, who, sizeof who);
    const unsigned wait = limits_take(one->http->limits, who, one->began);
    if (!wait)
        return true;
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%u", wait);
    reply_header(&one->call, "Retry-After", seconds);
    reply_error(&one->call, 429, "rate", "more requests than --rate allows; try again in %u seconds", wait);
    metrics_count(one->call.server, COUNT_REFUSED_RATES);
    return false;
}

static void check_key(exchange *one)
{
    static const char *const grants[] = {"nothing", "read", "write", "admin"};
    call *request = &one->call;
    int status = 0;
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

static void check_parameters(exchange *one)
{
    call *request = &one->call;
    for (size_t i = 0; i < one->target.parameter_count; i++) {
        const char *name = one->target.parameters[i].name;
        if (route_find_parameter(request->route, name))
            continue;
        char known[512] = "none";
        for (size_t p = 0, length = 0; p < request->route->parameter_count && length < sizeof known; p++)
            length += (size_t)snprintf(known + length, sizeof known - length, "%s%s", p ? ", " : "",
                                       request->route->parameters[p].name);
        reply_error(request, 400, "parameter", "there is no parameter \"%.60s\" for %s %s; there is: %s", name,
                    request->route->method, request->route->path, known);
        return;
    }
}

static void check_body(exchange *one)
{
    call *request = &one->call;
    const char *given = call_header(request, "Content-Length"), *type = call_header(request, "Content-Type");
    const size_t limit = request->server->options->max_body;
    unsigned long long bytes = 0;
    if (given)
        text_number(given, &bytes);
    if (bytes > limit)
        reply_error(request, 413, "body", "the body has %llu bytes; --max-body allows %zu", bytes, limit);
    else if (!request->route->body && (bytes || call_header(request, "Transfer-Encoding")))
        reply_error(request, 400, "body", "%s %s takes no body", request->route->method, request->route->path);
    else if (request->route->body && type && strncasecmp(type, "application/json", 16) != 0)
        reply_error(request, 415, "type", "Content-Type \"%.60s\" is not taken; send application/json", type);
}

void admit(exchange *one, const char *method)
{
    check_framing(one);
    if (!one->response)
        check_target(one);
    if (!one->response)
        check_route(one, method);
    if (!one->response)
        check_key(one);
    if (!one->response)
        check_parameters(one);
    if (!one->response)
        check_body(one);
}
