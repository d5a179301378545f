/* SPDX-License-Identifier: Apache-2.0 */
#include "route.h"

#include <stdio.h>
#include <string.h>

#include "call.h"
#include "target.h"

#define ROUTE(identifier) extern const route route_##identifier;
#include "routes.def"
#undef ROUTE

static const route *const routes[] = {
#define ROUTE(identifier) &route_##identifier,
#include "routes.def"
#undef ROUTE
};

const route *route_at(size_t index)
{
    return index < sizeof routes / sizeof *routes ? routes[index] : NULL;
}

/* How many segments of the pattern are the target's word for word, −1 when it does not fit; parts [CALL_PATH_PARTS]. */
static int fit(const char *pattern, const target *wanted, const char **parts)
{
    int literal = 0;
    size_t part = 0, segment = 0;
    for (const char *at = pattern; at && at[1]; segment++) {
        const char *word = at + 1, *end = strchr(word, '/');
        const size_t length = end ? (size_t)(end - word) : strlen(word);
        if (segment == wanted->segment_count)
            return -1;
        const char *given = wanted->segments[segment];
        if (word[0] == '{' && part < CALL_PATH_PARTS)
            parts[part++] = given;
        else if (strlen(given) == length && memcmp(given, word, length) == 0)
            literal++;
        else
            return -1;
        at = end;
    }
    return segment == wanted->segment_count ? literal : -1;
}

static void add_method(char *allow, const char *method)
{
    const size_t length = strlen(allow);
    snprintf(allow + length, ROUTE_ALLOW - length, "%s%s", length ? ", " : "", method);
}

route_match route_find(const target *wanted, const char *method, const route **out, const char **path_out, char *allow)
{
    const char *pattern = NULL, *parts[CALL_PATH_PARTS] = {NULL};
    int best = -1;
    for (size_t i = 0; route_at(i); i++) {
        const int literal = fit(route_at(i)->path, wanted, parts);
        if (literal > best) {
            best = literal;
            pattern = route_at(i)->path;
        }
    }
    *out = NULL;
    *allow = '\0';
    if (!pattern)
        return ROUTE_NO_PATH;
    fit(pattern, wanted, path_out);
    const char *sought = strcmp(method, "HEAD") == 0 ? "GET" : method;
    for (size_t i = 0; route_at(i); i++) {
        const route *row = route_at(i);
        if (strcmp(row->path, pattern) != 0)
            continue;
        if (strcmp(row->method, sought) == 0) {
            *out = row;
            return ROUTE_FOUND;
        }
        add_method(allow, row->method);
        if (strcmp(row->method, "GET") == 0)
            add_method(allow, "HEAD");
    }
    return ROUTE_NO_METHOD;
}

const route_parameter *route_find_parameter(const route *of, const char *name)
{
    for (size_t i = 0; i < of->parameter_count; i++) {
        const route_parameter *row = &of->parameters[i];
        if (row->prefix ? strncmp(row->name, name, strlen(row->name)) == 0 : strcmp(row->name, name) == 0)
            return row;
    }
    return NULL;
}
