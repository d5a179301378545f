/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ids.h"
#include "item_text.h"
#include "progress.h"
#include "text.h"

static const own_option own_options[] = {
    PERSON_OPTIONS,
    {"items", 0, "ID,ID", "", "items to score for this user or history"},
    {"pairs", 0, "FILE", "", "user and item per line, by tab or comma; scored in the order of the file"},
};

static int score_items(struct session *session, const answerer *with)
{
    static const char *const titled_headings[] = {"item", "title", "score"};
    static const char *const headings[] = {"item", "score"};
    const bool titled = items_titled(with->model);
    struct person person = {0};
    item_list items = {0};
    text_list ids;
    float *scores = NULL;
    char number[32];
    int code;
    ids_split(session_value(session, "items"), &ids);
    STEP(person_find(session, with->model, &person));
    STEP(ids_find_items(with->model, &ids, "--items", &items));
    scores = need_memory(items.count, sizeof *scores);
    const topn_request request = person_request(&person);
    STEP(session_check(session, topn_score(with->query, &request, items.items, items.count, scores)));
    if (session->format == OUTPUT_JSON) {
        json_t *object = json_object(), *list = json_array();
        for (size_t i = 0; i < items.count; i++)
            json_array_append_new(list, item_json(with->model, items.items[i], "score", (double)scores[i]));
        json_object_set_new(object, "user", text_json(person.user));
        json_object_set_new(object, "items", list);
        json_print(object, true);
        goto done;
    }
    table *grid = table_create(titled ? titled_headings : headings, titled ? "llr" : "lr");
    for (size_t i = 0; i < items.count; i++) {
        table_text(grid, topn_model_item_id(with->model, items.items[i]));
        if (titled)
            table_text(grid, item_title(with->model, items.items[i]));
        table_text(grid, score_text(scores[i], session->format, number));
    }
    table_finish(grid, session->format);
done:
    free(scores);
    item_list_clear(&items);
    text_list_clear(&ids);
    person_clear(&person);
    return code;
}

/* One field up to `separator` or the end; quotes are taken off. Moves *at behind it. */
static char *take_field(const char **at, char separator)
{
    const char *from = *at;
    char *field = need_memory(strlen(from) + 1, 1);
    size_t length = 0;
    const bool quoted = *from == '"' && separator == ',';
    for (from += quoted; *from && (quoted ? *from != '"' || from[1] == '"' : *from != separator); from++) {
        from += quoted && *from == '"';
        field[length++] = *from;
    }
    from += quoted && *from == '"';
    *at = *from == separator ? from + 1 : from;
    field[length] = '\0';
    return field;
}

/* What scoring a file of pairs carries from line to line. */
typedef struct pair_state {
    const topn_model *model;
    const topn_data *histories; /* NULL: the model's */
    topn_query *query;
    output_format format;
    size_t unknown, scored, printed;
    char *user;      /* whose history is held */
    bool known;      /* whether that user was found */
    uint32_t *items; /* history, owned */
    float *weights;  /* owned or NULL */
    topn_request request;
} pair_state;

static void hold_user(pair_state *state, const char *user)
{
    if (state->user && strcmp(state->user, user) == 0)
        return;
    uint32_t index;
    const uint32_t *items;
    const float *weights;
    free(state->user);
    free(state->items);
    free(state->weights);
    state->items = NULL;
    state->weights = NULL;
    state->user = need_text(user);
    state->request = (topn_request){0};
    if (!state->histories) {
        state->known = topn_model_find_user(state->model, user, &index);
        if (state->known)
            state->request.history_length =
                topn_model_history(state->model, index, &state->request.history, &state->request.weights);
        return;
    }
    state->known = topn_data_find_user(state->histories, user, &index);
    if (!state->known)
        return;
    const size_t length = topn_data_history(state->histories, index, &items, &weights);
    size_t count = 0;
    state->items = need_memory(length, sizeof *state->items);
    state->weights = need_memory(length, sizeof *state->weights);
    for (size_t i = 0; i < length; i++)
        if (topn_model_find_item(state->model, topn_data_item_id(state->histories, items[i]), &state->items[count]))
            state->weights[count++] = weights ? weights[i] : 1;
    state->request = (topn_request){.history = state->items, .weights = state->weights, .history_length = count};
}

static void print_pair(pair_state *state, const char *user, const char *item, float score)
{
    char number[32];
    if (state->format == OUTPUT_JSON) {
        json_t *object = json_object();
        json_object_set_new(object, "user", text_json(user));
        json_object_set_new(object, "item", text_json(item));
        json_object_set_new(object, "score", score_json(score));
        json_print(object, false);
        return;
    }
    const bool csv = state->format == OUTPUT_CSV;
    if (state->printed++ == 0)
        puts(csv ? "user,item,score" : "user\titem\tscore");
    for (int field = 0; field < 2; field++) {
        if (csv)
            text_print_csv(stdout, field ? item : user);
        else
            text_print(stdout, field ? item : user);
        putchar(csv ? ',' : '\t');
    }
    puts(isnan(score) ? "" : score_text(score, OUTPUT_CSV, number));
}

static int score_line(struct session *session, pair_state *state, const char *path, size_t number, const char *line)
{
    const char separator = strchr(line, '\t') ? '\t' : ',';
    const char *at = line;
    char *user = take_field(&at, separator);
    const bool ragged = !*at;
    char *item = take_field(&at, separator);
    uint32_t index;
    float score = NAN;
    int code = CODE_DONE;
    if (ragged)
        STEP(complain(CODE_FAILED, "%s:%zu: \"%s\" is not a user and an item, separated by a tab or comma", path,
                      number, line));
    hold_user(state, user);
    const bool found = topn_model_find_item(state->model, item, &index);
    if (number == 1 && !state->known && !found && strcasestr(user, "user") && strcasestr(item, "item"))
        goto done; /* a header */
    if (state->known && found) {
        STEP(session_check(session, topn_score(state->query, &state->request, &index, 1, &score)));
        state->scored++;
    } else {
        state->unknown++;
    }
    print_pair(state, user, item, score);
done:
    free(user);
    free(item);
    return code;
}

static int score_pairs(struct session *session, const answerer *with)
{
    const char *path = session_value(session, "pairs"), *histories_path = session_value(session, "histories");
    topn_data *histories = NULL;
    text_list lines = {0};
    pair_state state = {.model = with->model, .query = with->query, .format = session->format};
    int code;
    if (histories_path)
        STEP(session_read(session, histories_path, NULL, &histories));
    state.histories = histories;
    STEP(ids_read(path, &lines));
    if (lines.count == 0)
        STEP(complain(CODE_FAILED, "%s: there are no pairs", path));
    for (size_t i = 0; i < lines.count && !ferror(stdout); i++) {
        if (interrupted())
            STEP(complain(CODE_CANCELLED, "cancelled"));
        STEP(score_line(session, &state, path, i + 1, lines.texts[i]));
    }
    if (state.unknown && !state.scored)
        STEP(complain(CODE_FAILED, "%s: no pair has a user and an item that are known", path));
    if (state.unknown)
        complain(CODE_DONE, "warning: %s: %zu pairs have an unknown user or item and no score", path, state.unknown);
done:
    free(state.user);
    free(state.items);
    free(state.weights);
    text_list_clear(&lines);
    topn_data_free(histories);
    return code;
}

static int run(struct session *session)
{
    answerer with = {0};
    const bool pairs = session_value(session, "pairs") != NULL;
    int code;
    STEP(session_apply(session, NULL));
    if (pairs == (session_value(session, "items") != NULL))
        STEP(complain(CODE_USAGE, "say what to score: either --items \"ID,ID\" or --pairs FILE"));
    if (pairs && (session_value(session, "user") || session_value(session, "history")))
        STEP(complain(CODE_USAGE, "--pairs names users itself: leave --user and --history out"));
    STEP(session_open(session, session_operand(session, 0), &with));
    code = pairs ? score_pairs(session, &with) : score_items(session, &with);
done:
    answerer_clear(&with);
    return code;
}

const struct command command_score = {
    .name = "score",
    .summary = "scores of any items for a user or history, or of any user-item pairs",
    .usage = "MODEL --user ID --items \"ID,ID\"\nMODEL --history \"ID,ID\" --items \"ID,ID\"\nMODEL --pairs FILE",
    .description = "Prints the score of the items asked for, seen ones included. With --pairs it prints user, item and "
                   "score per line of the file, tab-separated, or as CSV or JSON lines by --format; the score is empty "
                   "where the user or the item is unknown.",
    .example = "topn score films.safetensors --user 42 --items \"1074638,1853728\"\n"
               "topn score films.safetensors --pairs pairs.tsv --format csv",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .kinds = KIND_BIT(TOPN_KIND_READER) | KIND_BIT(TOPN_KIND_RETRIEVER),
    .results = true,
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = run,
};
