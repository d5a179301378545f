/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"
#include "text.h"

typedef struct findings {
    table *grid;
    json_t *list;
} findings;

static void take_finding(const char *what, const char *value, const char *advice, void *user_data)
{
    findings *out = user_data;
    if (out->list) {
        json_t *object = json_object();
        json_object_set_new(object, "what", text_json(what));
        json_object_set_new(object, "value", text_json(value));
        json_object_set_new(object, "advice", text_json(advice && *advice ? advice : NULL));
        json_array_append_new(out->list, object);
        return;
    }
    table_text(out->grid, what);
    table_text(out->grid, value);
    table_text(out->grid, advice);
}

static int run(struct session *session)
{
    static const char *const headings[] = {"what", "value", "advice"};
    int code = session_apply(session, NULL);
    if (code != CODE_DONE)
        return code;
    const bool as_json = session->format == OUTPUT_JSON;
    findings found = {.grid = as_json ? NULL : table_create(headings, "lll"), .list = as_json ? json_array() : NULL};
    code = session_check(session, topn_doctor(session->context, take_finding, &found));
    if (as_json)
        json_print(found.list, true);
    else
        table_finish(found.grid, session->format);
    return code;
}

const struct command command_doctor = {
    .name = "doctor",
    .summary = "check processor, BLAS, threads, memory and speed, with advice",
    .usage = "[options]",
    .description =
        "Says what topn runs on: processor, instruction sets, which BLAS was loaded and its kernel, threads, "
        "memory, and the measured speed and accuracy of a small factorisation; with advice where something "
        "should change. Takes about a second.",
    .example = "topn doctor",
    .results = true,
    .run = run,
};
