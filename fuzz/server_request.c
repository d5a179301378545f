/* SPDX-License-Identifier: Apache-2.0
 *
 * A request as the server sees it: "METHOD TARGET" on the first line, a JSON body after it. Segments and parameters
 * that are taken are text without control bytes; a body that its route's schema takes is one that it takes again from
 * its own dump.
 */
#include "check.h"

#include "server/call.h"
#include "server/route.h"
#include "server/schema.h"
#include "server/target.h"

#include <stdint.h>
#include <string.h>

static void check_text(const char *text)
{
    for (; *text; text++)
        FUZZ_CHECK((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void check_body(const route *found, const char *body, size_t size)
{
    char why[256] = "";
    json_t *schema = json_loads(found->body, 0, NULL), *value = json_loadb(body, size, JSON_REJECT_DUPLICATES, NULL);
    FUZZ_CHECK(schema != NULL);
    if (value) {
        const bool taken = schema_check(schema, value, why, sizeof why);
        FUZZ_CHECK(taken || *why);
        char *dump = json_dumps(value, JSON_ENCODE_ANY);
        json_t *again = dump ? json_loads(dump, JSON_REJECT_DUPLICATES, NULL) : NULL;
        if (again)
            FUZZ_CHECK(schema_check(schema, again, why, sizeof why) == taken);
        json_decref(again);
        free(dump);
    }
    json_decref(value);
    json_decref(schema);
}

static void check_request(const char *method, const char *raw, const char *body, size_t size)
{
    target parsed = {0};
    const char *why = NULL, *path[CALL_PATH_PARTS] = {NULL};
    char allow[ROUTE_ALLOW] = "";
    const route *found = NULL;
    if (!target_parse(raw, &parsed, &why)) {
        FUZZ_CHECK(why && *why);
        target_clear(&parsed);
        return;
    }
    for (size_t i = 0; i < parsed.segment_count; i++) {
        FUZZ_CHECK(*parsed.segments[i] && strcmp(parsed.segments[i], ".") != 0 &&
                   strcmp(parsed.segments[i], "..") != 0);
        check_text(parsed.segments[i]);
    }
    for (size_t i = 0; i < parsed.parameter_count; i++)
        check_text(parsed.parameters[i].name);
    const route_match match = route_find(&parsed, method, &found, path, allow);
    FUZZ_CHECK((match == ROUTE_FOUND) == (found != NULL) || match != ROUTE_FOUND);
    FUZZ_CHECK(match != ROUTE_NO_METHOD || *allow);
    if (match == ROUTE_FOUND)
        for (size_t i = 0; i < parsed.parameter_count; i++)
            (void)route_find_parameter(found, parsed.parameters[i].name);
    if (match == ROUTE_FOUND && found->body)
        check_body(found, body, size);
    target_clear(&parsed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *text = malloc(size + 1);
    FUZZ_CHECK(text != NULL);
    memcpy(text, bytes, size);
    text[size] = '\0';
    char *end = memchr(text, '\n', size), *space = memchr(text, ' ', size);
    if (end && space && space < end) {
        *end = *space = '\0';
        check_request(text, space + 1, end + 1, size - (size_t)(end + 1 - text));
    }
    free(text);
    return 0;
}
