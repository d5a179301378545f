/* SPDX-License-Identifier: Apache-2.0 */
#include "store_sides.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "recorded.h"
#include "text.h"

enum { PAGE = 1000 };

/* A file of memory, written from its start; its name for who reads it later is /proc/self/fd/N. */
static int make_file(store_sides *sides, FILE **out)
{
    const int descriptor = memfd_create("topn", MFD_CLOEXEC);
    *out = descriptor < 0 ? NULL : fdopen(descriptor, "w+");
    if (!*out)
        return complain(CODE_FAILED, "cannot make a file in memory");
    sides->files[sides->count++] = *out;
    return CODE_DONE;
}

static char *file_name(FILE *file)
{
    fflush(file);
    return need_format("/proc/self/fd/%d", fileno(file));
}

void store_sides_clear(store_sides *sides)
{
    for (size_t i = 0; i < sides->count; i++)
        fclose(sides->files[i]);
    sides->count = 0;
}

static int set(struct session *session, topn_options *reader, const char *name, const char *value)
{
    return session_check(session, topn_options_set(session->context, reader, name, value));
}

/* One visit to every item or user of the store, in pages. */
struct walk {
    store_visit_entity *visit;
    void *user_data;
    char *cursor;
    size_t seen;
};

static void step(const stored_entity *entity, void *user_data)
{
    struct walk *walk = user_data;
    walk->visit(entity, walk->user_data);
    free(walk->cursor);
    walk->cursor = need_text(entity->id);
    walk->seen++;
}

static int walk_all(store *from, entity_kind kind, store_visit_entity *visit, void *user_data)
{
    struct walk walk = {.visit = visit, .user_data = user_data, .cursor = need_text("")};
    store_status status;
    do {
        char *cursor = need_text(walk.cursor);
        walk.seen = 0;
        status = store_list(from, kind, cursor, PAGE, step, &walk);
        free(cursor);
    } while (status == STORE_OK && walk.seen == PAGE);
    free(walk.cursor);
    return status == STORE_OK ? CODE_DONE : complain(CODE_FAILED, "%s", store_message(from));
}

/* ---- Titles ---------------------------------------------------------------------------------------------------- */

static void print_title(FILE *file, const char *id, const char *title)
{
    text_print_csv(file, id);
    fputc(',', file);
    text_print_csv(file, title);
    fputc('\n', file);
}

struct titles {
    FILE *file;
    size_t count;
};

static void visit_title(const stored_entity *item, void *user_data)
{
    struct titles *titles = user_data;
    if (!item->title || !*item->title)
        return;
    print_title(titles->file, item->id, item->title);
    titles->count++;
}

/* Those of the store first: of several titles the reader takes the first. */
static int add_titles(struct session *session, store *from, const topn_model *model, topn_options *reader,
                      store_sides *sides)
{
    struct titles titles = {0};
    char *name = NULL;
    int code;
    STEP(make_file(sides, &titles.file));
    fputs("item_id,title\n", titles.file);
    STEP(walk_all(from, ENTITY_ITEM, visit_title, &titles));
    for (uint32_t item = 0; item < topn_model_items(model); item++) {
        const char *title = topn_model_item_title(model, item);
        if (!title || !*title)
            continue;
        print_title(titles.file, topn_model_item_id(model, item), title);
        titles.count++;
    }
    name = file_name(titles.file);
    if (titles.count)
        STEP(set(session, reader, "titles", name));
done:
    free(name);
    return code;
}

/* ---- Features -------------------------------------------------------------------------------------------------- */

/* Two tables: a row per entity and category, and a row per entity with its numbers, whose type the reader decides by
 * their content as it does for other files. */
struct features {
    FILE *categories, *numbers;
    json_t *columns; /* names of numbers, as keys */
    json_t *known;   /* ids of which the store says something */
    bool second;     /* the numbers' names are known, now the rows are written */
    size_t count;    /* values */
    const topn_model *model;
};

static bool is_column(const char *name)
{
    return *name && !name[strcspn(name, ",:\"\r\n")] && strcmp(name, "item_id") != 0 && strcmp(name, "feature") != 0;
}

static void add_category(struct features *features, const char *id, const char *name, const char *value)
{
    char *feature = need_format("%s=%s", name, value);
    if (features->second) {
        print_title(features->categories, id, feature);
        features->count++;
    }
    free(feature);
}

static void add_value(struct features *features, const char *id, const char *name, const json_t *value)
{
    if (json_is_string(value)) {
        add_category(features, id, name, json_string_value(value));
    } else if (json_is_boolean(value)) {
        add_category(features, id, name, json_is_true(value) ? "true" : "false");
    } else if (json_is_number(value)) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
        add_category(features, id, name, text);
        free(text);
    }
}

/* Numbers of a row, in the order of the columns. */
static void add_numbers(struct features *features, const char *id, const json_t *attributes)
{
    const char *name;
    json_t *unused;
    bool some = false;
    json_object_foreach(features->columns, name, unused) some =
        some || json_is_number(json_object_get(attributes, name));
    if (!some)
        return;
    text_print_csv(features->numbers, id);
    json_object_foreach(features->columns, name, unused)
    {
        const json_t *value = json_object_get(attributes, name);
        char *text = json_is_number(value) ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) : NULL;
        fprintf(features->numbers, ",%s", text ? text : "");
        free(text);
    }
    fputc('\n', features->numbers);
    features->count++;
}

static void add_row(struct features *features, const char *id, const json_t *attributes)
{
    const char *name;
    json_t *value, *member;
    size_t place;
    json_object_foreach((json_t *)attributes, name, value)
    {
        if (json_is_number(value) && is_column(name)) {
            if (!features->second)
                json_object_set_new(features->columns, name, json_true());
            continue;
        }
        add_value(features, id, name, value);
        json_array_foreach(value, place, member) add_value(features, id, name, member);
    }
    if (features->second)
        add_numbers(features, id, attributes);
}

static void visit_attributes(const stored_entity *entity, void *user_data)
{
    struct features *features = user_data;
    json_t *attributes = entity->attributes ? json_loads(entity->attributes, 0, NULL) : NULL;
    if (json_object_size(attributes) > 0) {
        add_row(features, entity->id, attributes);
        json_object_set_new(features->known, entity->id, json_true());
    }
    json_decref(attributes);
}

/* A value of the model's attributes, a number where it is written as one. */
static json_t *attribute_value(const char *text)
{
    char *end_whole, *end;
    const long long whole = strtoll(text, &end_whole, 10);
    const double number = strtod(text, &end);
    if (text[strspn(text, "+-.0123456789eE")] || end == text || *end || !isfinite(number))
        return json_string(text);
    return *end_whole ? json_real(number) : json_integer(whole);
}

/* Attributes of the model's items of which the store says nothing. */
static int visit_model(struct session *session, struct features *features)
{
    topn_attributes *attributes = NULL;
    int code;
    STEP(session_check(session, topn_attributes_create(session->context, features->model, &attributes)));
    for (uint32_t item = 0; item < topn_model_items(features->model); item++) {
        const char *id = topn_model_item_id(features->model, item);
        if (json_object_get(features->known, id))
            continue;
        json_t *row = json_object();
        for (size_t name = 0; name < topn_attributes_count(attributes); name++) {
            const char *text;
            json_t *values = json_array();
            for (size_t at = 0; (text = topn_attributes_value(attributes, item, name, at)); at++)
                json_array_append_new(values, attribute_value(text));
            json_t *only = json_array_size(values) == 1 ? json_array_get(values, 0) : values;
            json_object_set(row, topn_attributes_name(attributes, name), only);
            json_decref(values);
        }
        add_row(features, id, row);
        json_decref(row);
    }
done:
    topn_attributes_free(attributes);
    return code;
}

/* Both rounds: which numbers there are, then the rows. */
static int write_features(struct session *session, store *from, entity_kind kind, struct features *features)
{
    const char *name;
    json_t *unused;
    int code = CODE_DONE;
    for (int round = 0; round < 2; round++) {
        features->second = round == 1;
        if (features->second) {
            fputs("item_id,feature\n", features->categories);
            fputs("item_id", features->numbers);
            json_object_foreach(features->columns, name, unused) fprintf(features->numbers, ",%s", name);
            fputc('\n', features->numbers);
        }
        STEP(walk_all(from, kind, visit_attributes, features));
        if (kind == ENTITY_ITEM)
            STEP(visit_model(session, features));
    }
done:
    return code;
}

/* "item_id:id,feature:category,year,price:number": types as the model's training declared them. */
static char *list_columns(const struct features *features, const char *declared)
{
    char *list = need_text("item_id:id,feature:category");
    const char *name;
    json_t *unused;
    json_object_foreach(features->columns, name, unused)
    {
        const size_t length = strlen(name);
        const char *type = "";
        for (const char *at = declared; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
            if (strncmp(at, name, length) == 0 && strncmp(at + length, ":number", 7) == 0)
                type = ":number";
            else if (strncmp(at, name, length) == 0 && strncmp(at + length, ":category", 9) == 0)
                type = ":category";
        char *longer = need_format("%s,%s%s", list, name, type);
        free(list);
        list = longer;
    }
    return list;
}

static int add_features(struct session *session, store *from, entity_kind kind, topn_options *reader,
                        const topn_model *model, store_sides *sides)
{
    const bool items = kind == ENTITY_ITEM;
    const char *option = items ? "item-features" : "user-features";
    const char *columns = items ? "item-feature-columns" : "user-feature-columns";
    const char *recorded = recorded_value(model, items ? "reader.item-features" : "reader.user-features");
    const char *declared = recorded_value(model, items ? "reader.item-feature-columns" : "reader.user-feature-columns");
    struct features features = {.model = model, .columns = json_object(), .known = json_object()};
    char *files[2] = {NULL, NULL}, *both = NULL, *list = NULL;
    int code = CODE_DONE;
    if (!recorded || !*recorded)
        goto done;
    STEP(make_file(sides, &features.categories));
    STEP(make_file(sides, &features.numbers));
    STEP(write_features(session, from, kind, &features));
    files[0] = file_name(features.categories);
    files[1] = file_name(features.numbers);
    both = need_format("%s%s%s", files[0], json_object_size(features.columns) ? "," : "",
                       json_object_size(features.columns) ? files[1] : "");
    list = list_columns(&features, declared);
    STEP(set(session, reader, option, features.count ? both : recorded));
    const char *types = features.count ? list : declared;
    if (types && *types)
        STEP(set(session, reader, columns, types));
done:
    json_decref(features.columns);
    json_decref(features.known);
    free(files[0]);
    free(files[1]);
    free(both);
    free(list);
    return code;
}

int store_sides_add(struct session *session, store *from, const topn_model *model, topn_options *reader,
                    store_sides *out)
{
    int code;
    STEP(add_titles(session, from, model, reader, out));
    STEP(add_features(session, from, ENTITY_ITEM, reader, model, out));
    code = add_features(session, from, ENTITY_USER, reader, model, out);
done:
    return code;
}
