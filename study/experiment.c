/* SPDX-License-Identifier: Apache-2.0 */
#include "study/experiment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study/outline.h"
#include "study/search.h"

typedef struct reader {
    study *work;
    const char *path;
    json_t *plan;
} reader;

static topn_status fault(const reader *from, const outline *at, const char *wanted)
{
    return study_fail(from->work, TOPN_ERROR_OPTION, "%s:%zu: %s%s%s", from->path, at->line, at->key ? at->key : "",
                      at->key ? ": " : "", wanted);
}

static topn_status scalar_of(const reader *from, const outline *at, const char **out)
{
    *out = at->text;
    return at->kind == OUTLINE_SCALAR && *at->text ? TOPN_OK : fault(from, at, "one value belongs here");
}

/* The library's line with the place before it. */
static topn_status placed(const reader *from, const outline *at, topn_status status)
{
    if (status == TOPN_OK)
        return TOPN_OK;
    char message[sizeof from->work->message];
    snprintf(message, sizeof message, "%s", from->work->message);
    return study_fail(from->work, TOPN_ERROR_OPTION, "%s:%zu: %.900s", from->path, at->line, message);
}

/* A map of scalars as settings, each checked against the options of an entry. */
static topn_status read_settings(const reader *from, const outline *at, topn_kind kind, const char *entry, json_t *out)
{
    topn_status status;
    topn_options *options = NULL;
    const char *text;
    if (at->kind != OUTLINE_MAP)
        return fault(from, at, "options with their values belong here, such as {l2: 500}");
    STUDY_TRY(
        placed(from, at, study_check(from->work, topn_options_create(from->work->context, kind, entry, &options))));
    for (size_t i = 0; i < at->count; i++) {
        const outline *one = &at->children[i];
        STUDY_TRY(scalar_of(from, one, &text));
        STUDY_TRY(
            placed(from, one, study_check(from->work, topn_options_set(from->work->context, options, one->key, text))));
        json_object_set_new(out, one->key, json_string(text));
    }
done:
    topn_options_free(options);
    return status;
}

/* Relative to the folder of the experiment. */
static char *resolve(const reader *from, const char *path)
{
    const char *slash = strrchr(from->path, '/');
    char *out = malloc(strlen(from->path) + strlen(path) + 2);
    if (out && *path != '/' && slash)
        sprintf(out, "%.*s/%s", (int)(slash - from->path), from->path, path);
    else if (out)
        strcpy(out, path);
    return out;
}

static topn_status read_text(reader *from, const outline *at)
{
    const char *text;
    const topn_status status = scalar_of(from, at, &text);
    if (status == TOPN_OK)
        json_object_set_new(from->plan, at->key, json_string(text));
    return status;
}

static topn_status read_path(reader *from, const outline *at)
{
    const char *text;
    const topn_status status = scalar_of(from, at, &text);
    char *path = status == TOPN_OK ? resolve(from, text) : NULL;
    if (status == TOPN_OK)
        json_object_set_new(from->plan, at->key, json_string(path));
    free(path);
    return status;
}

static topn_status read_reader(reader *from, const outline *at)
{
    return read_settings(from, at, TOPN_KIND_READER, "reader", json_object_get(from->plan, "reader"));
}

/* "strong", or {name: strong, test-users: 1000}. */
static topn_status read_protocol(reader *from, const outline *at)
{
    topn_status status;
    const char *name = at->text;
    char key[64];
    outline rest = *at;
    json_t *options = json_object();
    rest.count = 0;
    rest.kind = OUTLINE_MAP;
    rest.children = calloc(at->count + 1, sizeof *rest.children); /* shallow: without the name */
    if (!rest.children)
        STUDY_TRY(study_memory(from->work));
    for (size_t i = 0; at->kind == OUTLINE_MAP && i < at->count; i++) {
        if (strcmp(at->children[i].key, "name") == 0)
            name = at->children[i].text;
        else
            rest.children[rest.count++] = at->children[i];
    }
    if (at->kind == OUTLINE_LIST || !name)
        STUDY_TRY(fault(from, at, "a protocol belongs here, such as strong or {name: strong, test-users: 1000}"));
    STUDY_TRY(read_settings(from, &rest, TOPN_KIND_SPLIT, name, options));
    snprintf(key, sizeof key, "%s_options", at->key);
    json_object_set_new(from->plan, at->key, json_string(name));
    json_object_set(from->plan, key, options);
done:
    free(rest.children);
    json_decref(options);
    return status;
}

static topn_status read_metrics(reader *from, const outline *at)
{
    topn_status status = TOPN_OK;
    const char *text;
    json_t *list = json_array();
    if (at->kind != OUTLINE_LIST || !at->count)
        STUDY_TRY(fault(from, at, "a list of metrics belongs here, such as [ndcg@100, recall@20]; the first decides"));
    for (size_t i = 0; i < at->count; i++) {
        STUDY_TRY(scalar_of(from, &at->children[i], &text));
        STUDY_TRY(placed(from, &at->children[i],
                         study_check(from->work, topn_metrics_check(from->work->context, text, 0, NULL, NULL))));
        json_array_append_new(list, json_string(text));
    }
    json_object_set(from->plan, "metrics", list);
done:
    json_decref(list);
    return status;
}

static topn_status whole_number(const reader *from, const outline *at, long long least, long long most, json_t **out)
{
    const char *text;
    char *end = NULL;
    char wanted[96];
    const topn_status status = scalar_of(from, at, &text);
    *out = NULL;
    if (status != TOPN_OK)
        return status;
    const long long value = strtoll(text, &end, 10);
    snprintf(wanted, sizeof wanted, "a whole number from %lld to %lld belongs here", least, most);
    if (end == text || *end || value < least || value > most)
        return fault(from, at, wanted);
    *out = json_integer(value);
    return TOPN_OK;
}

static topn_status read_seed(reader *from, const outline *at)
{
    json_t *value;
    const topn_status status = whole_number(from, at, 0, INT64_MAX, &value);
    json_object_set_new(from->plan, at->key, value);
    return status;
}

static topn_status read_seeds(reader *from, const outline *at, json_t *to)
{
    topn_status status = TOPN_OK;
    json_t *list = json_array(), *value;
    if (at->kind != OUTLINE_LIST || !at->count)
        STUDY_TRY(fault(from, at, "a list of seeds belongs here, such as [1, 2, 3]"));
    for (size_t i = 0; i < at->count; i++) {
        STUDY_TRY(whole_number(from, &at->children[i], 0, INT64_MAX, &value));
        for (size_t other = 0; other < i; other++)
            if (json_equal(json_array_get(list, other), value)) {
                json_decref(value);
                STUDY_TRY(fault(from, &at->children[i], "this seed is there twice"));
            }
        json_array_append_new(list, value);
    }
    json_object_set(to, "seeds", list);
done:
    json_decref(list);
    return status;
}

static topn_status read_common_seeds(reader *from, const outline *at)
{
    return read_seeds(from, at, from->plan);
}

static topn_status read_bootstrap(reader *from, const outline *at)
{
    json_t *value;
    const topn_status status = whole_number(from, at, 100, 1000000, &value);
    json_object_set_new(from->plan, at->key, value);
    return status;
}

static topn_status read_tune(reader *from, const outline *at)
{
    topn_status status = TOPN_OK;
    json_t *tune = json_object_get(from->plan, "tune"), *value;
    const search *found;
    if (at->kind != OUTLINE_MAP)
        return fault(from, at, "how to tune belongs here, such as {trials: 20, search: parzen}");
    for (size_t i = 0; i < at->count; i++) {
        const outline *one = &at->children[i];
        const char *text;
        STUDY_TRY(scalar_of(from, one, &text));
        if (strcmp(one->key, "trials") == 0) {
            STUDY_TRY(whole_number(from, one, 1, 100000, &value));
            json_object_set_new(tune, "trials", value);
        } else if (strcmp(one->key, "search") == 0) {
            STUDY_TRY(placed(from, one, search_find(from->work, text, &found)));
            json_object_set_new(tune, "search", json_string(text));
        } else if (strcmp(one->key, "share-of") == 0 && (strcmp(text, "sweeps") == 0 || strcmp(text, "users") == 0)) {
            json_object_set_new(tune, "share_of", json_string(text));
        } else {
            STUDY_TRY(fault(from, one, "tune takes trials, search, and share-of (sweeps or users)"));
        }
    }
done:
    return status;
}

/* true, or {l2: 1..1000 log}, or {declared: false, l2: …}. */
static topn_status read_search(const reader *from, const outline *at, const char *method, json_t *entry)
{
    topn_status status = TOPN_OK;
    space checked = {0};
    json_t *ranges = json_object();
    bool declared = true;
    const char *text;
    if (at->kind == OUTLINE_SCALAR && strcmp(at->text, "false") == 0)
        goto done;
    if (at->kind == OUTLINE_LIST || (at->kind == OUTLINE_SCALAR && strcmp(at->text, "true") != 0))
        STUDY_TRY(fault(from, at, "true belongs here, or ranges such as {l2: 1..1000 log}"));
    for (size_t i = 0; i < at->count; i++) {
        const outline *one = &at->children[i];
        STUDY_TRY(scalar_of(from, one, &text));
        if (strcmp(one->key, "declared") == 0) {
            declared = strcmp(text, "false") != 0;
            continue;
        }
        STUDY_TRY(placed(from, one, space_add(from->work, &checked, method, one->key, text)));
        json_object_set_new(ranges, one->key, json_string(text));
    }
    json_object_set_new(entry, "search", json_pack("{s:b, s:O}", "declared", declared, "ranges", ranges));
done:
    json_decref(ranges);
    space_clear(&checked);
    return status;
}

static topn_status check_name(const reader *from, const outline *at, const char *name, const json_t *entries)
{
    size_t index;
    json_t *other;
    if (strchr(name, '/') || strlen(name) > 60)
        return fault(from, at, "a name of at most 60 characters without '/' belongs here");
    json_array_foreach((json_t *)entries, index,
                       other) if (strcmp(json_string_value(json_object_get(other, "name")), name) == 0)
    {
        char what[128];
        snprintf(what, sizeof what, "there are two entries \"%s\"; name one of them otherwise (name: …)", name);
        return fault(from, at, what);
    }
    return TOPN_OK;
}

static const outline *member(const outline *of, const char *key)
{
    for (size_t i = 0; of->kind == OUTLINE_MAP && i < of->count; i++)
        if (strcmp(of->children[i].key, key) == 0)
            return &of->children[i];
    return NULL;
}

static topn_status check_keys(const reader *from, const outline *at, const char *const *known, const char *wanted)
{
    for (size_t i = 0; i < at->count; i++) {
        bool found = false;
        for (size_t k = 0; known[k]; k++)
            found = found || strcmp(known[k], at->children[i].key) == 0;
        if (!found)
            return fault(from, &at->children[i], wanted);
    }
    return TOPN_OK;
}

/* "ease", or {method: ease, name: EASE, options: {…}, search: …}. */
static topn_status read_entry(reader *from, const outline *at, json_t *entries)
{
    static const char *const known[] = {"method", "name", "options", "search", "seeds", NULL};
    topn_status status;
    topn_options *options = NULL;
    const outline *method_at = at->kind == OUTLINE_MAP ? member(at, "method") : at, *name_at = member(at, "name");
    const char *method, *name;
    json_t *entry = json_pack("{s:n, s:n, s:{}, s:n, s:n}", "name", "method", "options", "search", "seeds");
    STUDY_TRY(check_keys(from, at, known, "an entry takes method, name, options, search and seeds"));
    if (!method_at || at->kind == OUTLINE_LIST)
        STUDY_TRY(fault(from, at, "a method belongs here, such as ease or {method: ease, options: {l2: 500}}"));
    STUDY_TRY(scalar_of(from, method_at, &method));
    STUDY_TRY(
        placed(from, method_at,
               study_check(from->work, topn_options_create(from->work->context, TOPN_KIND_METHOD, method, &options))));
    name = method;
    if (name_at)
        STUDY_TRY(scalar_of(from, name_at, &name));
    STUDY_TRY(check_name(from, name_at ? name_at : at, name, entries));
    json_object_set_new(entry, "name", json_string(name));
    json_object_set_new(entry, "method", json_string(method));
    if (member(at, "options"))
        STUDY_TRY(
            read_settings(from, member(at, "options"), TOPN_KIND_METHOD, method, json_object_get(entry, "options")));
    if (member(at, "search"))
        STUDY_TRY(read_search(from, member(at, "search"), method, entry));
    if (member(at, "seeds"))
        STUDY_TRY(read_seeds(from, member(at, "seeds"), entry));
    json_array_append(entries, entry);
done:
    topn_options_free(options);
    json_decref(entry);
    return status;
}

static topn_status read_entries(reader *from, const outline *at)
{
    topn_status status = TOPN_OK;
    if (at->kind != OUTLINE_LIST || !at->count)
        return fault(from, at, "a list of methods belongs here");
    for (size_t i = 0; i < at->count; i++)
        STUDY_TRY(read_entry(from, &at->children[i], json_object_get(from->plan, "entries")));
done:
    return status;
}

static const struct {
    const char *key;
    topn_status (*read)(reader *, const outline *);
} members[] = {{"title", read_text},          {"data", read_path},           {"test", read_path},
               {"split", read_path},          {"reader", read_reader},       {"protocol", read_protocol},
               {"validation", read_protocol}, {"metrics", read_metrics},     {"seed", read_seed},
               {"seeds", read_common_seeds},  {"bootstrap", read_bootstrap}, {"tune", read_tune},
               {"methods", read_entries}};

static topn_status read_member(reader *from, const outline *at)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (strcmp(members[i].key, at->key) == 0)
            return members[i].read(from, at);
    return fault(from, at,
                 "this is none of title, data, test, split, reader, protocol, validation, metrics, seed, seeds, "
                 "bootstrap, tune and methods");
}

static bool given(const reader *from, const char *key)
{
    return json_is_string(json_object_get(from->plan, key));
}

static topn_status check_whole(const reader *from)
{
    const outline file = {.line = 1};
    const char *protocol = json_string_value(json_object_get(from->plan, "protocol"));
    const bool fixed = protocol && strcmp(protocol, "fixed") == 0;
    if (given(from, "data") == given(from, "split"))
        return fault(from, &file,
                     "data: FILE says which events to split, or split: FOLDER which split to take; one of them");
    if (given(from, "split") && given(from, "protocol"))
        return fault(from, &file, "a split that is there takes no protocol");
    if (fixed != given(from, "test"))
        return fault(from, &file, "protocol fixed and test: FILE belong together");
    if (!json_array_size(json_object_get(from->plan, "entries")))
        return fault(from, &file, "methods: is missing, the list of what is compared");
    return TOPN_OK;
}

/* Coverage and bias towards what is popular stand in every report. */
static void add_standard_metrics(json_t *metrics)
{
    static const char *const always[] = {"coverage", "catalogue-coverage@20", "gini@20", "novelty@20"};
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        size_t index;
        json_t *one;
        bool there = false;
        json_array_foreach(metrics, index, one) there = there || strcmp(json_string_value(one), always[i]) == 0;
        if (!there)
            json_array_append_new(metrics, json_string(always[i]));
    }
}

topn_status experiment_read(study *work, const char *path, json_t **plan)
{
    topn_status status;
    outline *root = NULL;
    reader from = {.work = work, .path = path};
    *plan = NULL;
    from.plan = json_pack(
        "{s:s, s:n, s:n, s:n, s:{}, s:n, s:{}, s:s, s:{}, s:[s,s], s:i, s:[i], s:i, s:f, s:{s:i, s:s, s:s}, s:[]}",
        "title", "", "data", "test", "split", "reader", "protocol", "protocol_options", "validation", "weak",
        "validation_options", "metrics", "ndcg@100", "recall@20", "seed", 1, "seeds", 1, "bootstrap", 1000,
        "confidence", 0.95, "tune", "trials", 20, "search", "parzen", "share_of", "sweeps", "entries");
    if (!from.plan)
        STUDY_TRY(study_memory(work));
    STUDY_TRY(outline_read(work, path, &root));
    if (root->kind != OUTLINE_MAP)
        STUDY_TRY(fault(&from, root, "an experiment is a map: data, protocol, metrics, methods, …"));
    for (size_t i = 0; i < root->count; i++)
        STUDY_TRY(read_member(&from, &root->children[i]));
    if (json_is_null(json_object_get(from.plan, "protocol")) && !given(&from, "split"))
        json_object_set_new(from.plan, "protocol", json_string("strong"));
    STUDY_TRY(check_whole(&from));
    add_standard_metrics(json_object_get(from.plan, "metrics"));
    *plan = json_incref(from.plan);
done:
    outline_free(root);
    json_decref(from.plan);
    return status;
}
