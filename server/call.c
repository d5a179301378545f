/* SPDX-License-Identifier: Apache-2.0 */
#include "call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exchange.h"
#include "text.h"

static const char *find_given(const exchange *one, const char *name)
{
    for (size_t i = 0; i < one->target.parameter_count; i++)
        if (strcmp(one->target.parameters[i].name, name) == 0)
            return one->target.parameters[i].value;
    return NULL;
}

const char *call_parameter(const call *request, const char *name)
{
    const char *given = find_given(request->transport, name);
    const route_parameter *row = route_find_parameter(request->route, name);
    return given ? given : row ? row->standard : NULL;
}

bool call_parameter_under(const call *request, const char *prefix, size_t index, const char **name, const char **value)
{
    const exchange *one = request->transport;
    const size_t length = strlen(prefix);
    for (size_t i = 0; i < one->target.parameter_count; i++) {
        const target_parameter *given = &one->target.parameters[i];
        if (strncmp(given->name, prefix, length) != 0 || index-- > 0)
            continue;
        *name = given->name + length;
        *value = given->value;
        return true;
    }
    return false;
}

bool call_number(call *request, const char *name, uint64_t minimum, uint64_t maximum, uint64_t *out)
{
    const char *text = call_parameter(request, name);
    unsigned long long value;
    if (text && text_number(text, &value) && value >= minimum && value <= maximum) {
        *out = value;
        return true;
    }
    reply_error(request, 400, "parameter", "parameter %s: \"%.60s\" is not a whole number from %llu to %llu", name,
                text ? text : "", (unsigned long long)minimum, (unsigned long long)maximum);
    return false;
}

const char *call_header(const call *request, const char *name)
{
    const exchange *one = request->transport;
    return MHD_lookup_connection_value(one->connection, MHD_HEADER_KIND, name);
}

void reply_header(call *request, const char *name, const char *value)
{
    exchange *one = request->transport;
    if (one->header_count == EXCHANGE_HEADERS)
        return;
    exchange_header *header = &one->headers[one->header_count++];
    header->name = name;
    snprintf(header->value, sizeof header->value, "%s", value);
}

static void settle(exchange *one)
{
    if (one->settled)
        *one->settled = true;
    one->settled = NULL;
}

/* The exchange may be gone once a deferred one has been resumed. */
static void reply(call *request, int status, const char *type, void *bytes, size_t size,
                  enum MHD_ResponseMemoryMode mode)
{
    exchange *one = request->transport;
    struct MHD_Response *response =
        one->response ? NULL : MHD_create_response_from_buffer(size, bytes ? bytes : "", mode);
    if (!response) { /* a second reply, or no memory: the connection is closed when there is no first */
        if (mode == MHD_RESPMEM_MUST_FREE)
            free(bytes);
    } else {
        char number[24];
        snprintf(number, sizeof number, "%llu", (unsigned long long)request->number);
        MHD_add_response_header(response, "X-Request-Id", number);
        MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
        if (type)
            MHD_add_response_header(response, "Content-Type", type);
        for (size_t i = 0; i < one->header_count; i++)
            MHD_add_response_header(response, one->headers[i].name, one->headers[i].value);
        one->answer_size = size;
        one->status = status;
        one->response = response;
    }
    one->replied = exchange_clock();
    settle(one);
    if (one->deferred)
        MHD_resume_connection(one->connection);
}

void reply_json(call *request, int status, json_t *answer)
{
    char *text = answer ? json_dumps(answer, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(answer);
    if (text)
        reply(request, status, "application/json", text, strlen(text), MHD_RESPMEM_MUST_FREE);
    else {
        static char failed[] = "{\"error\":{\"status\":500,\"code\":\"memory\",\"message\":\"out of memory\"}}";
        reply(request, 500, "application/json", failed, strlen(failed), MHD_RESPMEM_PERSISTENT);
    }
}

void reply_error(call *request, int status, const char *code, const char *format, ...)
{
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    /* What was cut or came from outside may not be UTF-8; json_string refuses that. */
    for (size_t length = strlen(message); !text_is_utf8(message, length);)
        message[--length] = '\0';
    reply_json(request, status,
               json_pack("{s:{s:i,s:s,s:s}}", "error", "status", status, "code", code, "message", message));
}

void reply_text(call *request, const char *type, char *bytes, size_t size)
{
    reply(request, 200, type, bytes, size, MHD_RESPMEM_MUST_FREE);
}

void reply_static(call *request, const char *type, const void *bytes, size_t size)
{
    reply(request, 200, type, (void *)bytes, size, MHD_RESPMEM_PERSISTENT);
}

void call_defer(call *request)
{
    exchange *one = request->transport;
    settle(one);
    if (one->deferred)
        return;
    one->deferred = true;
    MHD_suspend_connection(one->connection);
}
