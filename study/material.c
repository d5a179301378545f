/* SPDX-License-Identifier: Apache-2.0 */
#include "study/material.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study/space.h"

enum { KEPT = 3 };

struct materials {
    material_source from;
    material kept[KEPT]; /* the first stays: by it the others are checked */
    size_t next;
};

topn_status options_copy(study *work, topn_kind kind, const char *name, const topn_options *from, topn_options **out)
{
    topn_status status;
    topn_option_info info;
    STUDY_TRY(study_check(work, topn_options_create(work->context, kind, name, out)));
    for (size_t i = 0; from && topn_options_info(from, i, &info); i++)
        if (info.is_set)
            STUDY_TRY(
                study_check(work, topn_options_set(work->context, *out, info.name, topn_options_get(from, info.name))));
done:
    if (status != TOPN_OK) {
        topn_options_free(*out);
        *out = NULL;
    }
    return status;
}

static void material_clear(material *old)
{
    free(old->key);
    topn_options_free(old->reader);
    topn_split_free(old->shared);
    topn_split_free(old->split);
    topn_split_free(old->outer);
    for (size_t i = 0; i < 4; i++)
        topn_data_free(old->files[i]);
    topn_data_free(old->test);
    topn_data_free(old->all);
    *old = (material){0};
}

topn_status materials_create(study *work, const material_source *from, materials **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return study_memory(work);
    (*out)->from = *from;
    return TOPN_OK;
}

void materials_free(materials *old)
{
    if (!old)
        return;
    for (size_t i = 0; i < KEPT; i++)
        material_clear(&old->kept[i]);
    free(old);
}

/* The reader's settings as a text that tells them apart. */
static char *key_of(const json_t *settings)
{
    json_t *readers = json_object();
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)settings, name, value) if (strncmp(name, READER_PREFIX, sizeof READER_PREFIX - 1) ==
                                                             0) json_object_set(readers, name, value);
    char *text = json_dumps(readers, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(readers);
    return text;
}

/* Reads PREFIX-seen.tsv and PREFIX-hidden.tsv to files [2]. */
static topn_status read_prefix(study *work, const char *prefix, topn_data **files)
{
    static const char *const parts[] = {"seen", "hidden"};
    topn_status status = TOPN_OK;
    for (size_t i = 0; i < 2; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s-%s.tsv", prefix, parts[i]);
        STUDY_TRY(study_check(work, topn_data_read(work->context, path, NULL, &files[i])));
    }
done:
    return status;
}

/* Puts the test part away. */
static topn_status split_outer(study *work, const material_source *from, material *out)
{
    topn_status status = TOPN_OK;
    out->full = out->all;
    if (from->test_prefix) {
        STUDY_TRY(read_prefix(work, from->test_prefix, out->files + 2));
        out->test_seen = out->files[2];
        out->test_hidden = out->files[3];
    }
    if (!from->outer)
        goto done;
    if (from->test)
        STUDY_TRY(study_check(work, topn_data_read(work->context, from->test, out->reader, &out->test)));
    STUDY_TRY(study_check(work, topn_data_split(work->context, out->all, out->test, from->outer, &out->outer)));
    out->full = topn_split_part(out->outer, TOPN_PART_TRAIN);
    out->seen = topn_split_part(out->outer, TOPN_PART_VALIDATION_SEEN);
    out->hidden = topn_split_part(out->outer, TOPN_PART_VALIDATION_HIDDEN);
    out->test_seen = topn_split_part(out->outer, TOPN_PART_TEST_SEEN);
    out->test_hidden = topn_split_part(out->outer, TOPN_PART_TEST_HIDDEN);
done:
    return status;
}

/* What trials are trained on and judged by. */
static topn_status split_inner(study *work, const material_source *from, material *out)
{
    topn_status status = TOPN_OK;
    out->train = out->full;
    if (out->hidden)
        goto done;
    if (from->prefix) {
        STUDY_TRY(read_prefix(work, from->prefix, out->files));
        out->seen = out->files[0];
        out->hidden = out->files[1];
    } else if (from->split) {
        STUDY_TRY(study_check(work, topn_data_split(work->context, out->full, NULL, from->split, &out->split)));
        out->train = topn_split_part(out->split, TOPN_PART_TRAIN);
        out->seen = topn_split_part(out->split, TOPN_PART_VALIDATION_SEEN);
        out->hidden = topn_split_part(out->split, TOPN_PART_VALIDATION_HIDDEN);
    }
done:
    return status;
}

static topn_status fill(study *work, const material_source *from, const json_t *settings, material *out)
{
    topn_status status;
    STUDY_TRY(study_seed(work, work->seed));
    STUDY_TRY(options_copy(work, TOPN_KIND_READER, "reader", from->reader, &out->reader));
    STUDY_TRY(settings_apply(work, settings, true, out->reader));
    STUDY_TRY(study_check(work, topn_data_read(work->context, from->data, out->reader, &out->all)));
    STUDY_TRY(split_outer(work, from, out));
    STUDY_TRY(split_inner(work, from, out));
    out->share = 1;
    out->part_train = out->train;
done:
    return status;
}

/* Weights and decay may change; which events are held back may not, or trials could not be compared. */
static topn_status check_same(study *work, const material *first, const material *other)
{
    const topn_data *a = first->hidden, *b = other->hidden;
    if (topn_data_users(a) == topn_data_users(b) && topn_data_events(a) == topn_data_events(b))
        return TOPN_OK;
    return study_fail(work, TOPN_ERROR_DATA,
                      "%s changes which events are held back: %" PRIu64 " of %" PRIu32 " users in place of %" PRIu64
                      " of %" PRIu32 "; trials could not be compared",
                      other->key, topn_data_events(b), topn_data_users(b), topn_data_events(a), topn_data_users(a));
}

/* A share of the users of train, by the protocol "strong", whose held-out users are the others. */
static topn_status take_share(study *work, double share, material *of)
{
    topn_status status = TOPN_OK;
    topn_options *strong = NULL;
    char rest[32];
    if (of->share == share)
        return TOPN_OK;
    topn_split_free(of->shared);
    of->shared = NULL;
    of->share = 1;
    of->part_train = of->train;
    if (share >= 1)
        return TOPN_OK;
    snprintf(rest, sizeof rest, "%.6f", 1 - share);
    STUDY_TRY(study_seed(work, work->seed));
    STUDY_TRY(study_check(work, topn_options_create(work->context, TOPN_KIND_SPLIT, "strong", &strong)));
    STUDY_TRY(study_check(work, topn_options_set(work->context, strong, "test-users", rest)));
    STUDY_TRY(study_check(work, topn_options_set(work->context, strong, "validation-users", "0")));
    STUDY_TRY(study_check(work, topn_options_set(work->context, strong, "min-events", "1")));
    STUDY_TRY(study_check(work, topn_data_split(work->context, of->train, NULL, strong, &of->shared)));
    of->part_train = topn_split_part(of->shared, TOPN_PART_TRAIN);
    of->share = share;
done:
    topn_options_free(strong);
    return status;
}

topn_status materials_get(study *work, materials *from, const json_t *settings, double share, const material **out)
{
    topn_status status = TOPN_OK;
    char *key = key_of(settings);
    material *found = NULL;
    *out = NULL;
    if (!key)
        STUDY_TRY(study_memory(work));
    for (size_t i = 0; i < KEPT && !found; i++)
        if (from->kept[i].key && strcmp(from->kept[i].key, key) == 0)
            found = &from->kept[i];
    if (!found) {
        found = &from->kept[from->next];
        from->next = from->next + 1 < KEPT ? from->next + 1 : 1;
        material_clear(found);
        STUDY_TRY(fill(work, &from->from, settings, found));
        if (found != &from->kept[0] && found->hidden && from->kept[0].hidden)
            STUDY_TRY(check_same(work, &from->kept[0], found));
        found->key = key;
        key = NULL;
    }
    STUDY_TRY(take_share(work, share, found));
    *out = found;
done:
    free(key);
    if (status != TOPN_OK && found && !found->key)
        material_clear(found);
    return status;
}
