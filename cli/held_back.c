/* SPDX-License-Identifier: Apache-2.0 */
#include "held_back.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

static const char prefix_word[] = "prefix ", share_word[] = "share ";

static const char *given(const struct session *session, const char *name)
{
    const char *value = session_value(session, name);
    return value && *value ? value : NULL;
}

/* Reads a file of a split: its columns are known, the reader options of the training data don't apply. */
static int read_part(struct session *session, const char *prefix, const char *part, topn_data **out)
{
    topn_options *plain = NULL;
    char *path = need_format("%s-%s.tsv", prefix, part);
    int code;
    STEP(session_check(session, topn_options_create(session->context, TOPN_KIND_READER, "reader", &plain)));
    STEP(session_read(session, path, plain, out));
done:
    topn_options_free(plain);
    free(path);
    return code;
}

static int read_prefix(struct session *session, const char *prefix, held_back *out)
{
    int code;
    STEP(read_part(session, prefix, "seen", &out->owned[0]));
    STEP(read_part(session, prefix, "hidden", &out->owned[1]));
    out->seen = out->owned[0];
    out->hidden = out->owned[1];
    out->source = need_format("%s%s", prefix_word, prefix);
done:
    return code;
}

static int hold_share(struct session *session, const topn_data *data, const char *share, held_back *out)
{
    topn_options *weak = NULL;
    char *end;
    const double number = strtod(share, &end);
    int code;
    if (end == share || *end || !(number > 0 && number < 1))
        return complain(CODE_USAGE, "option --validate-share: \"%s\" is not a number above 0 and below 1", share);
    STEP(session_check(session, topn_options_create(session->context, TOPN_KIND_SPLIT, "weak", &weak)));
    STEP(session_check(session, topn_options_set(session->context, weak, "test-share", "0")));
    STEP(session_check(session, topn_options_set(session->context, weak, "validation-share", share)));
    STEP(session_check(session, topn_options_set(session->context, weak, "min-events", "2")));
    const topn_status status = topn_data_split(session->context, data, NULL, weak, &out->split);
    if (status == TOPN_ERROR_DATA)
        STEP(complain(CODE_FAILED, "option --validate-share %s: no user has so many events that a share of them is one",
                      share));
    STEP(session_check(session, status));
    out->train = topn_split_part(out->split, TOPN_PART_TRAIN);
    out->seen = topn_split_part(out->split, TOPN_PART_VALIDATION_SEEN);
    out->hidden = topn_split_part(out->split, TOPN_PART_VALIDATION_HIDDEN);
    out->source = need_format("%s%s", share_word, share);
done:
    topn_options_free(weak);
    return code;
}

int held_back_create(struct session *session, const topn_data *data, held_back *out)
{
    const char *prefix = given(session, "validate"), *share = given(session, "validate-share");
    *out = (held_back){.train = data};
    if (prefix && share)
        return complain(CODE_USAGE, "--validate and --validate-share exclude each other");
    if (session_flag(session, "refit") && !share)
        return complain(CODE_USAGE, "--refit takes --validate-share, whose events it adds to the others");
    return prefix ? read_prefix(session, prefix, out) : share ? hold_share(session, data, share, out) : CODE_DONE;
}

void held_back_clear(held_back *held)
{
    topn_data_free(held->owned[0]);
    topn_data_free(held->owned[1]);
    topn_split_free(held->split);
    free(held->source);
    *held = (held_back){0};
}

void held_back_preset(struct session *session, const char *source, const char *origin)
{
    if (session_value(session, "validate") || session_value(session, "validate-share"))
        return;
    if (strncmp(source, prefix_word, sizeof prefix_word - 1) == 0)
        arguments_preset(&session->arguments, "validate", source + sizeof prefix_word - 1, origin);
    else if (strncmp(source, share_word, sizeof share_word - 1) == 0)
        arguments_preset(&session->arguments, "validate-share", source + sizeof share_word - 1, origin);
}

int held_back_record(struct session *session, const held_back *held, topn_model *model)
{
    topn_retriever *retriever = NULL;
    topn_report *report = NULL;
    int code;
    STEP(session_check(session, topn_retriever_create(session->context, model, NULL, &retriever)));
    STEP(session_check(session, topn_evaluate(session->context, retriever, held->seen, held->hidden, NULL,
                                              session->options[TOPN_KIND_EVALUATION], &report)));
    STEP(session_check(session, topn_model_record_report(session->context, model, report)));
done:
    topn_report_free(report);
    topn_retriever_free(retriever);
    return code;
}
