/* SPDX-License-Identifier: Apache-2.0 */
#include "ids.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { NAMED_UNKNOWN = 5 }; /* ids that a warning names before it only counts */

static void add_text(text_list *list, char *text)
{
    if ((list->count & (list->count - 1)) == 0) /* grow at powers of two */
        list->texts = need_more(list->texts, list->count ? 2 * list->count : 1, sizeof *list->texts);
    list->texts[list->count++] = text;
}

void ids_split(const char *text, text_list *out)
{
    *out = (text_list){0};
    while (*text) {
        while (isspace((unsigned char)*text))
            text++;
        const bool quoted = *text == '"';
        char *id = need_memory(strlen(text) + 1, 1);
        size_t length = 0;
        if (quoted) {
            for (text++; *text && (*text != '"' || text[1] == '"'); text++) {
                text += *text == '"'; /* "" stands for one quote */
                id[length++] = *text;
            }
            text += strcspn(text, ",");
        } else {
            while (*text && *text != ',')
                id[length++] = *text++;
            while (length && isspace((unsigned char)id[length - 1]))
                length--;
        }
        id[length] = '\0';
        text += *text == ',';
        if (length)
            add_text(out, id);
        else
            free(id);
    }
}

int ids_read(const char *path, text_list *out)
{
    *out = (text_list){0};
    struct stat facts;
    const bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "re");
    if (!file || (!standard && fstat(fileno(file), &facts) == 0 && S_ISDIR(facts.st_mode))) {
        const int code = complain(CODE_FAILED, "cannot open %s: %s", path, file ? "it is a folder" : strerror(errno));
        if (file)
            fclose(file);
        return code;
    }
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, file)) >= 0) {
        while (length && (line[length - 1] == '\n' || line[length - 1] == '\r'))
            line[--length] = '\0';
        if (length)
            add_text(out, need_text(line));
    }
    const bool failed = ferror(file);
    free(line);
    if (!standard)
        fclose(file);
    return failed ? complain(CODE_FAILED, "cannot read %s", path) : CODE_DONE;
}

void text_list_clear(text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->texts[i]);
    free(list->texts);
    *list = (text_list){0};
}

static void warn_unknown(const text_list *ids, const size_t *unknown, size_t count, const char *what)
{
    char *named = need_text("");
    for (size_t i = 0; i < count && i < NAMED_UNKNOWN; i++) {
        char *longer = need_format("%s%s\"%s\"", named, i ? ", " : "", ids->texts[unknown[i]]);
        free(named);
        named = longer;
    }
    complain(CODE_DONE, "warning: %s: not in the model and left out: %s%s (%zu of %zu)", what, named,
             count > NAMED_UNKNOWN ? ", …" : "", count, ids->count);
    free(named);
}

int ids_find_items(const topn_model *model, const text_list *ids, const char *what, item_list *out)
{
    *out = (item_list){.items = need_memory(ids->count, sizeof *out->items)};
    size_t *unknown = need_memory(ids->count, sizeof *unknown);
    bool *taken = need_memory(topn_model_items(model), sizeof *taken);
    size_t unknown_count = 0;
    for (size_t i = 0; i < ids->count; i++) {
        uint32_t item;
        if (!topn_model_find_item(model, ids->texts[i], &item)) {
            unknown[unknown_count++] = i;
        } else if (!taken[item]) {
            taken[item] = true;
            out->items[out->count++] = item;
        }
    }
    free(taken);
    int code = CODE_DONE;
    if (ids->count == 0)
        code = complain(CODE_FAILED, "%s: there are no ids", what);
    else if (unknown_count == ids->count)
        code = complain(CODE_FAILED, "%s: none of %zu items is in the model, such as \"%s\"", what, ids->count,
                        ids->texts[0]);
    else if (unknown_count)
        warn_unknown(ids, unknown, unknown_count, what);
    free(unknown);
    if (code != CODE_DONE)
        item_list_clear(out);
    return code;
}

void item_list_clear(item_list *list)
{
    free(list->items);
    *list = (item_list){0};
}

static int find_title(const topn_model *model, const char *text, uint32_t *out)
{
    size_t found = 0;
    uint32_t first = 0, second = 0;
    const uint32_t items = topn_model_items(model);
    for (uint32_t i = 0; i < items; i++) {
        const char *title = topn_model_item_title(model, i);
        if (title && strcasecmp(title, text) == 0) {
            *out = i;
            return CODE_DONE;
        }
        if (title && strcasestr(title, text)) {
            if (found < 2)
                *(found ? &second : &first) = i;
            found++;
        }
    }
    *out = first;
    if (found == 1)
        return CODE_DONE;
    if (found == 0)
        return complain(CODE_FAILED, "--title: no item's title contains \"%s\"", text);
    return complain(CODE_FAILED, "--title: %zu titles contain \"%s\", such as \"%s\" and \"%s\"; write more of it",
                    found, text, topn_model_item_title(model, first), topn_model_item_title(model, second));
}

int ids_find_item(const topn_model *model, const char *id, const char *title, uint32_t *out)
{
    if (!id && !title)
        return complain(CODE_USAGE, "option --item is missing: the id of an item");
    if (!id)
        return find_title(model, title, out);
    if (topn_model_find_item(model, id, out))
        return CODE_DONE;
    return complain(CODE_FAILED, "--item: item \"%s\" is not in the model", id);
}

static void keep_history(const uint32_t *items, const float *weights, size_t length, struct person *out)
{
    out->history.items = need_memory(length, sizeof *items);
    memcpy(out->history.items, items, length * sizeof *items);
    out->history.count = length;
    if (weights) {
        out->weights = need_memory(length, sizeof *weights);
        memcpy(out->weights, weights, length * sizeof *weights);
    }
}

/* The history of a user of `data`, whose item indices are not the model's. */
static int history_from_data(const topn_model *model, const topn_data *data, uint32_t user, struct person *out)
{
    const uint32_t *items;
    const float *weights;
    const size_t length = topn_data_history(data, user, &items, &weights);
    out->history.items = need_memory(length, sizeof *items);
    out->weights = need_memory(length, sizeof *weights);
    for (size_t i = 0; i < length; i++) {
        uint32_t item;
        if (!topn_model_find_item(model, topn_data_item_id(data, items[i]), &item))
            continue;
        out->weights[out->history.count] = weights ? weights[i] : 1;
        out->history.items[out->history.count++] = item;
    }
    if (out->history.count < length)
        complain(CODE_DONE, "warning: %zu of %zu items of user \"%s\" are not in the model and left out",
                 length - out->history.count, length, out->user);
    if (out->history.count == 0)
        return complain(CODE_FAILED, "no item of user \"%s\" is in the model", out->user);
    return CODE_DONE;
}

static int history_of_user(struct session *session, const topn_model *model, struct person *out, bool *found)
{
    const char *path = session_value(session, "histories");
    topn_data *data = NULL;
    uint32_t user;
    int code = CODE_DONE;
    *found = false;
    if (path) {
        STEP(session_read(session, path, NULL, &data));
        *found = topn_data_find_user(data, out->user, &user);
        if (*found)
            STEP(history_from_data(model, data, user, out));
    } else if (topn_model_find_user(model, out->user, &user)) {
        const uint32_t *items;
        const float *weights;
        const size_t length = topn_model_history(model, user, &items, &weights);
        *found = true;
        keep_history(items, weights, length, out);
        out->lent = items;
        out->lent_weights = weights;
    }
done:
    topn_data_free(data);
    return code;
}

int person_find(struct session *session, const topn_model *model, struct person *out)
{
    *out = (struct person){.user = session_value(session, "user")};
    const char *history = session_value(session, "history");
    bool found = false;
    int code = CODE_DONE;
    STEP(circumstances_find(session, model, &out->circumstances));
    if (out->user)
        STEP(history_of_user(session, model, out, &found));
    if (!found && history) {
        text_list ids;
        ids_split(history, &ids);
        code = ids_find_items(model, &ids, "--history", &out->history);
        text_list_clear(&ids);
    } else if (!found && out->user) {
        const char *histories = session_value(session, "histories");
        code = complain(CODE_FAILED, "user \"%s\" is not in %s; give the items with --history \"ID,ID\"%s", out->user,
                        histories ? histories : "the model", histories ? "" : " or events with --histories DATA");
    } else if (!found) {
        const char *many = catalog_find(&session->arguments.catalog, "users") ? ", or --users FILE or all" : "";
        code = complain(CODE_USAGE, "say whom it is about: --user ID or --history \"ID,ID\"%s", many);
    }
done:
    if (code != CODE_DONE)
        person_clear(out);
    return code;
}

void person_clear(struct person *person)
{
    item_list_clear(&person->history);
    free(person->weights);
    person->weights = NULL;
    circumstances_clear(&person->circumstances);
}

topn_request person_request(const struct person *person)
{
    topn_request request = {.history = person->lent ? person->lent : person->history.items,
                            .weights = person->lent ? person->lent_weights : person->weights,
                            .history_length = person->history.count};
    circumstances_apply(&person->circumstances, &request);
    return request;
}
