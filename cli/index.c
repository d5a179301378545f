/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "progress.h"
#include "session.h"
#include "text.h"

static const own_option own_options[] = {
    {"retriever", 0, "KIND", "", "kind of the index to build; `topn methods --kind retriever` lists them"},
    {"output", 'o', "FILE", "", "model file to write; without it MODEL itself is replaced, at once or not at all"},
    {"list", 0, NULL, "", "show the indexes that the model has, and build none"},
    {"remove", 0, "KIND", "", "take an index out of the model, and build none"},
};

/* What the model says of an index: "overlap@100" of "index.hnsw.overlap@100"; "" when it does not. */
static const char *known(const topn_model *model, const char *kind, const char *what)
{
    const char *key, *value, *found = "";
    char *wanted = need_format("index.%s.%s", kind, what);
    for (size_t i = 0; topn_model_metadata(model, i, &key, &value); i++)
        if (strcmp(key, wanted) == 0)
            found = value;
    free(wanted);
    return found;
}

/* The indexes of the model, one a line. */
static void print_list(const struct session *session, const topn_model *model)
{
    static const char *const columns[] = {"retriever", "overlap@100", "overlap@10", "histories", "bytes"};
    enum { COLUMNS = sizeof columns / sizeof *columns };
    const char *kind;
    if (session->format == OUTPUT_JSON) {
        json_t *list = json_array();
        for (size_t i = 0; (kind = topn_model_index(model, i)); i++) {
            json_t *entry = json_object();
            json_object_set_new(entry, columns[0], text_json(kind));
            for (size_t column = 1; column < COLUMNS; column++)
                json_object_set_new(entry, columns[column], value_json(known(model, kind, columns[column])));
            json_array_append_new(list, entry);
        }
        json_print(list, true);
        return;
    }
    table *grid = table_create(columns, "lrrlr");
    for (size_t i = 0; (kind = topn_model_index(model, i)); i++) {
        table_text(grid, kind);
        for (size_t column = 1; column < COLUMNS; column++)
            table_text(grid, known(model, kind, columns[column]));
    }
    table_finish(grid, session->format);
}

/* All that was measured and recorded of the index that was just built. */
static void print_built(const struct session *session, const topn_model *model, const char *kind)
{
    static const char *const headings[] = {"what", "value"};
    char *prefixes[] = {need_format("index.%s.", kind), need_format("run.index.%s.", kind)};
    const char *key, *value;
    table *grid = session->format == OUTPUT_JSON ? NULL : table_create(headings, "ll");
    json_t *object = grid ? NULL : json_object();
    for (size_t i = 0; topn_model_metadata(model, i, &key, &value); i++)
        for (size_t p = 0; p < 2; p++) {
            const size_t length = strlen(prefixes[p]);
            if (strncmp(key, prefixes[p], length) != 0)
                continue;
            if (grid) {
                table_text(grid, key + length);
                table_text(grid, value);
            } else {
                json_object_set_new(object, key + length, value_json(value));
            }
        }
    if (grid)
        table_finish(grid, session->format);
    else
        json_print(object, true);
    free(prefixes[0]);
    free(prefixes[1]);
}

static int build(struct session *session, topn_model *model, const char *output)
{
    const char *kind = session_value(session, "retriever");
    int code;
    STEP(session_check(session, topn_model_add_index(session->context, model, session->options[TOPN_KIND_RETRIEVER])));
    if (interrupted())
        STEP(complain(CODE_CANCELLED, "cancelled before %s was written", output));
    STEP(session_check(session, topn_model_save(session->context, model, output)));
    print_built(session, model, kind);
    inform("%s: with an index; `topn recommend %s --retriever %s` uses it", output, output, kind);
done:
    return code;
}

static int drop(struct session *session, topn_model *model, const char *kind, const char *output)
{
    int code;
    STEP(session_check(session, topn_model_remove_index(session->context, model, kind)));
    STEP(session_check(session, topn_model_save(session->context, model, output)));
    inform("%s: without the index of kind %s", output, kind);
done:
    return code;
}

static int run(struct session *session)
{
    topn_model *model = NULL;
    const char *path = session_operand(session, 0), *removed = session_value(session, "remove");
    const char *output = session_value(session, "output") ? session_value(session, "output") : path;
    const bool list = session_flag(session, "list");
    int code;
    if (list + (removed != NULL) + (session_value(session, "retriever") != NULL) != 1)
        STEP(complain(CODE_USAGE, "give one of --retriever KIND, --list and --remove KIND; \"topn index --help\" "
                                  "explains them"));
    STEP(session_apply(session, NULL));
    if (!list)
        STEP(session_output_check(output));
    STEP(session_load(session, path, &model));
    if (list)
        print_list(session, model);
    else
        STEP(removed ? drop(session, model, removed, output) : build(session, model, output));
done:
    topn_model_free(model);
    return code;
}

const struct command command_index = {
    .name = "index",
    .summary = "an index for approximate retrieval, kept in the model file",
    .usage = "MODEL --retriever KIND [-o FILE] [options]\nMODEL --list\nMODEL --remove KIND [-o FILE]",
    .description =
        "Builds an index of the model's items, with which the best items are found without scoring all of them, and "
        "writes it into the model file. What it reaches is measured on up to 200 of the model's own histories: "
        "overlap@100 and overlap@10 are the shares of the exact best items that it finds, bytes what the file grows "
        "by, seconds how long it took to build, microseconds and exact-microseconds how long a list of 100 takes with "
        "the index and without.\n\n"
        "An index is used only where it is asked for: `--retriever KIND` of recommend, similar and evaluate. Scores "
        "stay those of the model; it is the choice of items that is approximate. A model that is changed (prune, "
        "add-items) comes without indexes; build them anew.",
    .example = "topn index films.safetensors --retriever hnsw\n"
               "topn recommend films.safetensors --user 42 --retriever hnsw\n"
               "topn index films.safetensors --list",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .kinds = KIND_BIT(TOPN_KIND_RETRIEVER),
    .selector = "retriever",
    .results = true,
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = run,
};
