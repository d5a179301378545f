/* SPDX-License-Identifier: Apache-2.0
 *
 * What is asked of a request before its body is read: a target of one meaning, a route, a key, its share of the
 * rate, parameters that the route has, a body that fits.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http_state.h"
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
        admit_sender(one);
    if (!one->response)
        check_parameters(one);
    if (!one->response)
        check_body(one);
}
