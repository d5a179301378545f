/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "ids.h"
#include "item_filter.h"
#include "item_text.h"
#include "progress.h"
#include "text.h"

enum {
    REASONS = 3,    /* history items that --explain names */
    CANDIDATES = 10 /* for each item of a diverse list, unless --candidates says how many in all */
};

static const own_option own_options[] = {
    PERSON_OPTIONS,
    {"users", 0, "FILE|all", "", "many users at once: a file with one id a line, or all"},
    {"number", 'n', "N", "10", "items per user"},
    {"allow", 0, "FILE", "", "only items named in this file, one id a line, may appear"},
    {"deny", 0, "FILE", "", "items named in this file may not appear"},
    ITEM_FILTER_OPTIONS,
    {"include-seen", 0, NULL, "", "items of the history may appear too"},
    {"diversity", 0, "D", "0",
     "0 … 1: how much likeness to the items above counts against an item (maximal marginal relevance)"},
    {"candidates", 0, "N", "", "items that --diversity picks from; not given: ten times as many as are shown"},
    {"explain", 0, NULL, "", "add the items of the history that speak most for each item"},
    {"retriever", 0, "KIND", "exact",
     "exact, or the kind of an index that the model has (`topn index`): faster, and says how close it comes"},
};

/* Everything that printing one list needs. */
typedef struct printer {
    const topn_model *model;
    topn_query *query; /* for explanations; NULL without --explain */
    double diversity;
    size_t shown;        /* items of a list; as many candidates with diversity as are asked for */
    topn_query *diverse; /* what candidates are compared with */
    output_format format;
    bool many, titled;
    const topn_data *histories; /* of users in `show_many`; NULL: the model's */
    const topn_request *asked;  /* in `show_many`: the context and features of all */
    size_t lists;               /* printed so far */
    struct session *session;
    int code; /* of `show_many` */
} printer;

typedef struct reason {
    uint32_t item;
    float contribution;
} reason;

/* The history items that add most to the score of `item`, at most REASONS, positive ones only. */
static size_t find_reasons(const printer *out, const topn_request *request, uint32_t item, reason *reasons)
{
    float bias, *shares = need_memory(request->history_length, sizeof *shares);
    size_t count = 0;
    if (topn_explain(out->query, request, item, shares, &bias) == TOPN_OK)
        for (size_t h = 0; h < request->history_length; h++) {
            if (!(shares[h] > 0))
                continue;
            size_t at = count < REASONS ? count++ : REASONS;
            for (; at > 0 && reasons[at - 1].contribution < shares[h]; at--)
                if (at < REASONS)
                    reasons[at] = reasons[at - 1];
            if (at < REASONS)
                reasons[at] = (reason){request->history[h], shares[h]};
        }
    free(shares);
    return count;
}

static json_t *list_json(const printer *out, const char *user, const topn_request *request, const uint32_t *items,
                         const float *scores, size_t count)
{
    json_t *object = json_object(), *list = json_array();
    json_object_set_new(object, "user", text_json(user));
    for (size_t r = 0; r < count; r++) {
        json_t *entry = item_json(out->model, items[r], "score", (double)scores[r]);
        json_object_set_new(entry, "rank", json_integer((json_int_t)r + 1));
        if (out->query) {
            reason reasons[REASONS];
            const size_t found = find_reasons(out, request, items[r], reasons);
            json_t *because = json_array();
            for (size_t i = 0; i < found; i++)
                json_array_append_new(
                    because, item_json(out->model, reasons[i].item, "contribution", (double)reasons[i].contribution));
            json_object_set_new(entry, "because", because);
        }
        json_array_append_new(list, entry);
    }
    json_object_set_new(object, "items", list);
    return object;
}

static char *reasons_text(const printer *out, const topn_request *request, uint32_t item)
{
    reason reasons[REASONS];
    const size_t found = find_reasons(out, request, item, reasons);
    char *text = need_text("");
    for (size_t i = 0; i < found; i++) {
        char *longer = need_format("%s%s%s", text,
                                   i                             ? "; "
                                   : out->format == OUTPUT_TABLE ? "because of "
                                                                 : "",
                                   item_label(out->model, reasons[i].item));
        free(text);
        text = longer;
    }
    return text;
}

/* Columns: user (csv), rank, item, title (when there are any), score, because (when asked). */
static void print_list(printer *out, const char *user, const topn_request *request, const uint32_t *items,
                       const float *scores, size_t count)
{
    char number[32], alignment[8] = "";
    const char *headings[6];
    size_t columns = 0;
    const bool csv = out->format == OUTPUT_CSV;
    const struct {
        const char *heading;
        char align;
        bool shown;
    } all[] = {{"user", 'l', csv},          {"rank", 'r', true},  {"item", 'l', true},
               {"title", 'l', out->titled}, {"score", 'r', true}, {"because", 'l', out->query != NULL}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].shown) {
            headings[columns] = all[i].heading;
            alignment[columns++] = all[i].align;
        }
    if (!csv && out->many) {
        fputs(out->lists ? "\nuser " : "user ", stdout);
        text_print(stdout, user);
        putchar('\n');
    }
    table *grid = table_create(csv && out->lists ? NULL : headings, alignment);
    for (size_t r = 0; r < count; r++) {
        if (csv)
            table_text(grid, user);
        table_cell(grid, "%zu", r + 1);
        table_text(grid, topn_model_item_id(out->model, items[r]));
        if (out->titled)
            table_text(grid, item_title(out->model, items[r]));
        table_text(grid, score_text(scores[r], out->format, number));
        if (out->query) {
            char *because = reasons_text(out, request, items[r]);
            table_text(grid, because);
            free(because);
        }
    }
    table_finish(grid, out->format);
}

/* Candidates become the list that is shown. */
static topn_status pick(const printer *out, uint32_t *items, float *scores, size_t *count)
{
    const topn_status status = topn_diversify(out->diverse, out->diversity, out->shown, items, scores, *count);
    *count = *count < out->shown ? *count : out->shown;
    return status;
}

static void show(printer *out, const char *user, const topn_request *request, const uint32_t *items,
                 const float *scores, size_t count)
{
    if (out->format == OUTPUT_JSON)
        json_print(list_json(out, user, request, items, scores, count), !out->many);
    else
        print_list(out, user, request, items, scores, count);
    out->lists++;
}

/* Callback of topn_recommend_many. */
static bool show_many(uint32_t user, const uint32_t *items, const float *scores, size_t found, void *user_data)
{
    printer *out = user_data;
    const topn_data *data = out->histories;
    topn_request request = *out->asked;
    uint32_t *known = NULL, *picked = NULL;
    float *picked_scores = NULL;
    bool done = true;
    progress_clear();
    if (out->diversity > 0) {
        picked = need_memory(found, sizeof *picked);
        picked_scores = need_memory(found, sizeof *picked_scores);
        memcpy(picked, items, found * sizeof *picked);
        memcpy(picked_scores, scores, found * sizeof *picked_scores);
        out->code = session_check(out->session, pick(out, picked, picked_scores, &found));
        done = out->code == CODE_DONE;
        items = picked;
        scores = picked_scores;
    }
    if (data) {
        const uint32_t *own;
        const size_t length = topn_data_history(data, user, &own, NULL);
        known = need_memory(length, sizeof *known);
        for (size_t i = 0; i < length && out->query; i++)
            if (topn_model_find_item(out->model, topn_data_item_id(data, own[i]), &known[request.history_length]))
                request.history_length++;
        request.history = known;
    } else {
        request.history_length = topn_model_history(out->model, user, &request.history, &request.weights);
    }
    if (done)
        show(out, data ? topn_data_user_id(data, user) : topn_model_user_id(out->model, user), &request, items, scores,
             found);
    free(known);
    free(picked);
    free(picked_scores);
    return done && !ferror(stdout) && !interrupted();
}

static int read_filter(struct session *session, const topn_model *model, const char *name, item_list *out)
{
    const char *path = session_value(session, name);
    text_list ids = {0};
    int code = CODE_DONE;
    if (!path)
        return code;
    STEP(ids_read(path, &ids));
    char *what = need_format("--%s %s", name, path);
    code = ids_find_items(model, &ids, what, out);
    free(what);
done:
    text_list_clear(&ids);
    return code;
}

/* The users of --users FILE as indices; *users stays NULL for all. */
static int find_users(const char *path, const topn_model *model, const topn_data *histories, uint32_t **users,
                      size_t *count)
{
    text_list ids = {0};
    int code = CODE_DONE;
    size_t unknown = 0;
    const char *first_unknown = "";
    *count = histories ? topn_data_users(histories) : topn_model_users(model);
    if (strcmp(path, "all") == 0)
        return *count ? CODE_DONE : complain(CODE_FAILED, "the model keeps no users; give --histories DATA");
    STEP(ids_read(path, &ids));
    *users = need_memory(ids.count, sizeof **users);
    *count = 0;
    for (size_t i = 0; i < ids.count; i++) {
        uint32_t *next = &(*users)[*count];
        if (histories ? topn_data_find_user(histories, ids.texts[i], next)
                      : topn_model_find_user(model, ids.texts[i], next)) {
            ++*count;
        } else if (unknown++ == 0) {
            first_unknown = ids.texts[i];
        }
    }
    if (*count == 0)
        code = complain(CODE_FAILED, "%s: none of %zu users is in the %s", path, ids.count,
                        histories ? "histories" : "model");
    else if (unknown)
        complain(CODE_DONE, "warning: %s: %zu of %zu users are not in the %s and left out, such as \"%s\"", path,
                 unknown, ids.count, histories ? "histories" : "model", first_unknown);
done:
    text_list_clear(&ids);
    return code;
}

static int recommend_many(struct session *session, const answerer *with, const topn_request *filters, size_t n,
                          printer *out)
{
    const char *path = session_value(session, "histories");
    topn_data *histories = NULL;
    uint32_t *users = NULL;
    struct circumstances circumstances = {0};
    topn_request asked = *filters;
    size_t count;
    int code;
    STEP(circumstances_find(session, with->model, &circumstances));
    circumstances_apply(&circumstances, &asked);
    out->asked = &asked;
    if (path)
        STEP(session_read(session, path, NULL, &histories));
    STEP(find_users(session_value(session, "users"), with->model, histories, &users, &count));
    out->histories = histories;
    out->many = true;
    const topn_status status =
        topn_recommend_many(session->context, with->retriever, histories, users, count, n, &asked, show_many, out);
    if (out->code != CODE_DONE)
        code = out->code; /* said */
    else if (status == TOPN_ERROR_CANCELLED && ferror(stdout))
        code = CODE_FAILED; /* said at the end, or not at all when the reader went away */
    else
        code = session_check(session, status);
done:
    free(users);
    circumstances_clear(&circumstances);
    topn_data_free(histories);
    return code;
}

static int recommend_one(struct session *session, const answerer *with, const topn_request *filters, size_t n,
                         printer *out)
{
    struct person person = {0};
    uint32_t *items = need_memory(n, sizeof *items);
    float *scores = need_memory(n, sizeof *scores);
    size_t found;
    int code;
    STEP(person_find(session, with->model, &person));
    topn_request request = person_request(&person);
    request.allow = filters->allow;
    request.allow_count = filters->allow_count;
    request.deny = filters->deny;
    request.deny_count = filters->deny_count;
    request.include_seen = filters->include_seen;
    request.filters = filters->filters;
    request.filter_count = filters->filter_count;
    STEP(session_check(session, topn_recommend(with->query, &request, n, items, scores, &found)));
    STEP(session_check(session, pick(out, items, scores, &found)));
    show(out, person.user, &request, items, scores, found);
done:
    person_clear(&person);
    free(scores);
    free(items);
    return code;
}

/* How many items are asked for, and how the list is picked from them. */
static int find_diversity(struct session *session, size_t n, double *diversity, size_t *candidates)
{
    const char *text = session_value(session, "diversity");
    char *end;
    int code = CODE_DONE;
    *candidates = n;
    *diversity = strtod(text, &end);
    if (end == text || *end || !(*diversity >= 0 && *diversity <= 1))
        return complain(CODE_USAGE, "--diversity: \"%s\" is not a number of 0 … 1", text);
    if (*diversity == 0)
        return session_value(session, "candidates") ? complain(CODE_USAGE, "--candidates needs --diversity") : code;
    *candidates = CANDIDATES * n;
    if (session_value(session, "candidates"))
        STEP(session_count(session, "candidates", n, 10000000, candidates));
done:
    return code;
}

static int run(struct session *session)
{
    answerer with = {0};
    item_list allow = {0}, deny = {0};
    struct item_filter filter = {0};
    size_t n, candidates;
    double diversity;
    int code;
    STEP(session_apply(session, NULL));
    STEP(session_count(session, "number", 1, 10000000, &n));
    STEP(find_diversity(session, n, &diversity, &candidates));
    if (session_value(session, "users") && (session_value(session, "user") || session_value(session, "history")))
        STEP(complain(CODE_USAGE, "--users and --user or --history exclude each other"));
    STEP(session_open(session, session_operand(session, 0), &with));
    STEP(read_filter(session, with.model, "allow", &allow));
    STEP(read_filter(session, with.model, "deny", &deny));
    STEP(item_filter_find(session, with.model, &filter));
    candidates = candidates < topn_model_items(with.model) ? candidates : topn_model_items(with.model);
    topn_request filters = {.allow = allow.items,
                            .allow_count = allow.count,
                            .deny = deny.items,
                            .deny_count = deny.count,
                            .include_seen = session_flag(session, "include-seen")};
    item_filter_apply(&filter, &filters);
    printer out = {.model = with.model,
                   .query = session_flag(session, "explain") ? with.query : NULL,
                   .format = session->format,
                   .diversity = diversity,
                   .shown = n,
                   .session = session,
                   .diverse = with.query,
                   .titled = items_titled(with.model)};
    code = session_value(session, "users") ? recommend_many(session, &with, &filters, candidates, &out)
                                           : recommend_one(session, &with, &filters, candidates, &out);
done:
    item_filter_clear(&filter);
    item_list_clear(&allow);
    item_list_clear(&deny);
    answerer_clear(&with);
    return code;
}

const struct command command_recommend = {
    .name = "recommend",
    .summary = "the best items for a user, a history or many users",
    .usage = "MODEL --user ID [options]\nMODEL --history \"ID,ID\" [options]\nMODEL --users FILE|all [options]",
    .description =
        "Prints the n items with the highest score, best first, without those of the history. A user the model "
        "does not know is answered from --history or --histories. With --users and --format json it prints one "
        "JSON object a line, with --format csv one line per user and item.\n\n"
        "What --allow, --deny and --filter refuse is left out before the cut: the n items are the best of those that "
        "may appear.",
    .example = "topn recommend films.safetensors --user 42 -n 10 --explain\n"
               "topn recommend films.safetensors --history \"1074638,1853728\" -n 10\n"
               "topn recommend apps.safetensors --user 7 --context daytime=evening --context weekday=sunday\n"
               "topn recommend films.safetensors --user 42 --filter 'genre=Drama AND year>=1990' --diversity 0.3\n"
               "topn recommend films.safetensors --users all --format csv > lists.csv",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .kinds = KIND_BIT(TOPN_KIND_READER) | KIND_BIT(TOPN_KIND_RETRIEVER),
    .selector = "retriever",
    .results = true,
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = run,
};
