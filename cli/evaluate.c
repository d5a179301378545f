/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "evaluate_print.h"
#include "new_file.h"
#include "progress.h"
#include "session.h"
#include "text.h"
#include "trec.h"

static const own_option own_options[] = {
    {"split", 0, "PREFIX", "",
     "files of \"topn split\": DIR/test stands for DIR/test-seen.tsv and DIR/test-hidden.tsv"},
    {"seen", 0, "FILE", "", "events that the model may know of each user"},
    {"hidden", 0, "FILE", "", "events it should find"},
    {"candidates", 0, "FILE", "", "per user the items ranked together with the hidden ones; metrics are then sampled"},
    {"candidates-format", 0, "FORMAT", "auto", "format of that file"},
    {"per-user", 0, "FILE", "", "write every metric of every user as CSV"},
    {"trec-run", 0, "FILE", "", "write the lists as a TREC run: lines \"user Q0 item rank score topn\"; of one model"},
    {"trec-qrels", 0, "FILE", "", "write the hidden events of the users evaluated as TREC qrels: \"user 0 item 1\""},
    {"trec-depth", 0, "N", "1000", "items of each user in --trec-run; 0 = all that were ranked"},
    {"retriever", 0, "KIND", "exact",
     "exact, or the kind of an index that the model has (`topn index`): faster, and says how close it comes"},
};

/* Events to evaluate on. */
typedef struct evaluation_data {
    topn_data *seen, *hidden, *candidates;
} evaluation_data;

static void clear_data(evaluation_data *data)
{
    topn_data_free(data->seen);
    topn_data_free(data->hidden);
    topn_data_free(data->candidates);
}

static int read_candidates(struct session *session, const char *path, topn_data **out)
{
    topn_options *reader = NULL;
    int code;
    STEP(session_check(session, topn_options_create(session->context, TOPN_KIND_READER, "reader", &reader)));
    STEP(session_check(
        session, topn_options_set(session->context, reader, "format", session_value(session, "candidates-format"))));
    STEP(session_read(session, path, reader, out));
done:
    topn_options_free(reader);
    return code;
}

static int read_data(struct session *session, evaluation_data *out)
{
    const char *split = session_value(session, "split"), *candidates = session_value(session, "candidates");
    const char *seen = session_value(session, "seen"), *hidden = session_value(session, "hidden");
    char *split_seen = NULL, *split_hidden = NULL;
    const char *slash = split && *split && split[strlen(split) - 1] == '/' ? "" : "/";
    struct stat status;
    int code = CODE_DONE;
    if (split && (seen || hidden))
        STEP(complain(CODE_USAGE, "--split and --seen or --hidden exclude each other"));
    if (split && stat(split, &status) == 0 && S_ISDIR(status.st_mode))
        STEP(complain(CODE_USAGE, "--split %s is a folder; %s%stest or %s%svalidation says which part of it", split,
                      split, slash, split, slash));
    if (split) {
        seen = split_seen = need_format("%s-seen.tsv", split);
        hidden = split_hidden = need_format("%s-hidden.tsv", split);
    }
    if (!seen || !hidden)
        STEP(complain(CODE_USAGE, "say what to evaluate on: --split DIR/test, or --seen FILE and --hidden FILE"));
    STEP(session_read(session, seen, NULL, &out->seen));
    STEP(session_read(session, hidden, NULL, &out->hidden));
    if (candidates)
        STEP(read_candidates(session, candidates, &out->candidates));
done:
    free(split_seen);
    free(split_hidden);
    return code;
}

static int evaluate_model(struct session *session, const char *path, const evaluation_data *data, topn_report **out)
{
    answerer with = {0};
    int code;
    STEP(session_open(session, path, &with));
    STEP(session_check(session, topn_evaluate(session->context, with.retriever, data->seen, data->hidden,
                                              data->candidates, session->options[TOPN_KIND_EVALUATION], out)));
    STEP(trec_write(session, with.model, data->hidden, *out));
done:
    answerer_clear(&with);
    return code;
}

static int write_per_user(const char *path, size_t count, const char *const *names, topn_report *const *reports)
{
    new_file file;
    int code = new_file_open(path, &file);
    if (code != CODE_DONE)
        return code;
    evaluation_write_users(file.stream, count, names, reports);
    return new_file_close(&file, true);
}

static int run(struct session *session)
{
    const size_t count = session->arguments.operand_count;
    const char *const *names = session->arguments.operands;
    const char *per_user = session_value(session, "per-user");
    topn_report **reports = need_memory(count, sizeof *reports);
    evaluation_data data = {0};
    int code;
    STEP(session_apply(session, NULL));
    if (per_user)
        STEP(session_output_check(per_user));
    STEP(trec_prepare(session, count));
    STEP(read_data(session, &data));
    for (size_t i = 0; i < count; i++)
        STEP(evaluate_model(session, names[i], &data, &reports[i]));
    progress_clear();
    if (per_user)
        STEP(write_per_user(per_user, count, names, reports));
    code = session_check(session, evaluation_print(session->context, session->format, count, names, reports));
done:
    for (size_t i = 0; i < count; i++)
        topn_report_free(reports[i]);
    free(reports);
    clear_data(&data);
    return code;
}

const struct command command_evaluate = {
    .name = "evaluate",
    .summary = "metrics with confidence intervals, of one model or several compared",
    .usage = "MODEL… --split DIR/test [options]\nMODEL… --seen FILE --hidden FILE [options]",
    .description =
        "Ranks all items for every user with hidden events, leaving out those seen, and prints the metrics with "
        "bootstrap intervals and their definitions. With several models it adds the paired difference of each "
        "to the first. --per-user writes the value of every user, --trec-run and --trec-qrels the lists and what is "
        "relevant for other programs to measure.",
    .example =
        "topn evaluate ease.safetensors chol.safetensors --split split/test\n"
        "topn evaluate m.safetensors --seen train.txt --hidden test.txt --metrics recall@20,ndcg@20 --format json",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .kinds = KIND_BIT(TOPN_KIND_READER) | KIND_BIT(TOPN_KIND_RETRIEVER) | KIND_BIT(TOPN_KIND_EVALUATION),
    .selector = "retriever",
    .results = true,
    .minimum_operands = 1,
    .maximum_operands = 64,
    .run = run,
};
