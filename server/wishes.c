/* SPDX-License-Identifier: Apache-2.0 */
#include "wishes.h"

#include <stdlib.h>
#include <string.h>

#include "running.h"

static bool takes(const call *request, const char *name)
{
    for (size_t at = 0; at < request->route->parameter_count; at++)
        if (strcmp(request->route->parameters[at].name, name) == 0)
            return true;
    return false;
}

static bool read_flag(call *request, const char *name, bool *out)
{
    const char *text = call_parameter(request, name);
    *out = text && strcmp(text, "true") == 0;
    if (!text || *out || strcmp(text, "false") == 0)
        return true;
    reply_error(request, 400, "parameter", "parameter %s: \"%.60s\" is neither true nor false", name, text);
    return false;
}

static bool read_diversity(call *request, wishes *out)
{
    const char *text = call_parameter(request, "diversity");
    char *end = NULL;
    out->diversity = text ? strtod(text, &end) : 0.0;
    if (text && (end == text || *end || !(out->diversity >= 0.0 && out->diversity <= 1.0))) {
        reply_error(request, 400, "parameter", "parameter diversity: \"%.60s\" is not a number from 0 to 1", text);
        return false;
    }
    if (out->diversity > 0.0 && out->n + out->offset > MOST_DIVERSE) {
        reply_error(request, 400, "parameter",
                    "parameter diversity: it takes lists of at most %d items, n + offset is %zu", (int)MOST_DIVERSE,
                    out->n + out->offset);
        return false;
    }
    return true;
}

static bool read_retriever(call *request, wishes *out)
{
    const char *text = call_parameter(request, "retriever"), *index = request->server->options->retriever;
    out->exact = text && strcmp(text, "exact") == 0;
    if (!text || out->exact)
        return true;
    if (strcmp(text, "index") != 0)
        reply_error(request, 400, "parameter", "parameter retriever: \"%.60s\" is neither exact nor index", text);
    else if (!index || strcmp(index, "exact") == 0)
        reply_error(
            request, 400, "parameter",
            "parameter retriever: this server searches exactly; an index is chosen with topn serve --retriever");
    else
        return true;
    return false;
}

bool wishes_read(call *request, wishes *out)
{
    const size_t most = request->server->options->max_n;
    uint64_t n = 0, offset = 0;
    *out = (wishes){0};
    if (takes(request, "n") && !call_number(request, "n", 1, most, &n))
        return false;
    if (takes(request, "offset") && !call_number(request, "offset", 0, most - n, &offset))
        return false;
    out->n = n;
    out->offset = offset;
    if (takes(request, "filter"))
        out->filter = call_parameter(request, "filter");
    if (out->filter && !*out->filter)
        out->filter = NULL;
    if (takes(request, "explain") && !read_flag(request, "explain", &out->explain))
        return false;
    if (takes(request, "include_seen") && !read_flag(request, "include_seen", &out->include_seen))
        return false;
    if (out->explain && n > MOST_EXPLAINED) {
        reply_error(request, 400, "parameter", "parameter explain: it takes lists of at most %d items, n is %zu",
                    (int)MOST_EXPLAINED, out->n);
        return false;
    }
    return (!takes(request, "diversity") || read_diversity(request, out)) &&
           (!takes(request, "retriever") || read_retriever(request, out));
}
