/* SPDX-License-Identifier: Apache-2.0 */
#include "trec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "new_file.h"

static const char *given(const struct session *session, const char *name)
{
    const char *value = session_value(session, name);
    return value && *value ? value : NULL;
}

int trec_prepare(struct session *session, size_t models)
{
    topn_options *options = session->options[TOPN_KIND_EVALUATION];
    const char *run = given(session, "trec-run"), *qrels = given(session, "trec-qrels");
    size_t depth;
    char text[24];
    int code;
    STEP(session_count(session, "trec-depth", 0, UINT32_MAX, &depth));
    if (!run && !qrels)
        return CODE_DONE;
    if (run && models > 1)
        STEP(complain(CODE_USAGE, "option --trec-run: a run file is of one model, here are %zu", models));
    if (strcmp(topn_options_get(options, "per-context"), "yes") == 0)
        STEP(complain(CODE_USAGE, "TREC files have a list a user: take --per-context no"));
    STEP(session_check(session, topn_options_set(session->context, options, "per-context", "no")));
    if (run)
        STEP(session_output_check(run));
    if (qrels)
        STEP(session_output_check(qrels));
    snprintf(text, sizeof text, "%zu", depth ? depth : (size_t)UINT32_MAX);
    if (run)
        STEP(session_check(session, topn_options_set(session->context, options, "keep-lists", text)));
done:
    return code;
}

/* The columns of these files are parted by blanks. */
static void write_id(FILE *file, const char *id)
{
    for (; *id; id++) {
        const unsigned char byte = (unsigned char)*id;
        if (byte <= ' ' || byte == '%' || byte == 127)
            fprintf(file, "%%%02X", byte);
        else
            fputc(byte, file);
    }
}

static void write_lists(FILE *file, const topn_model *model, const topn_report *report)
{
    for (size_t user = 0; user < topn_report_users(report); user++) {
        const uint32_t *items;
        const float *scores;
        const size_t length = topn_report_list(report, user, &items, &scores);
        for (size_t rank = 0; rank < length; rank++) {
            write_id(file, topn_report_user_id(report, user));
            fputs(" Q0 ", file);
            write_id(file, topn_model_item_id(model, items[rank]));
            fprintf(file, " %zu %.9g topn\n", rank + 1, (double)scores[rank]);
        }
    }
}

static void write_hidden(FILE *file, const topn_model *model, const topn_data *hidden, const topn_report *report,
                         bool known_only)
{
    for (size_t user = 0; user < topn_report_users(report); user++) {
        const char *id = topn_report_user_id(report, user);
        const uint32_t *items;
        uint32_t row, known;
        if (!topn_data_find_user(hidden, id, &row))
            continue;
        const size_t length = topn_data_history(hidden, row, &items, NULL);
        for (size_t at = 0; at < length; at++) {
            const char *item = topn_data_item_id(hidden, items[at]);
            if (known_only && !topn_model_find_item(model, item, &known))
                continue;
            write_id(file, id);
            fputs(" 0 ", file);
            write_id(file, item);
            fputs(" 1\n", file);
        }
    }
}

int trec_write(struct session *session, const topn_model *model, const topn_data *hidden, const topn_report *report)
{
    const char *run = given(session, "trec-run"), *qrels = given(session, "trec-qrels");
    const topn_options *options = session->options[TOPN_KIND_EVALUATION];
    new_file file;
    int code = CODE_DONE;
    if (run) {
        STEP(new_file_open(run, &file));
        write_lists(file.stream, model, report);
        STEP(new_file_close(&file, !ferror(file.stream)));
    }
    if (qrels) {
        STEP(new_file_open(qrels, &file));
        write_hidden(file.stream, model, hidden, report,
                     strcmp(topn_options_get(options, "unknown-items"), "drop") == 0);
        STEP(new_file_close(&file, !ferror(file.stream)));
    }
done:
    return code;
}
