/* SPDX-License-Identifier: Apache-2.0 */
#include <topn/topn.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model/pruned.h"
#include "train/method.h"

/* Whether the method, told k and the mode by its options, would have trained the pruned model. */
static bool is_trainable(const topn_model *model, uint32_t k, topn_prune_mode mode)
{
    const char *name = record_get(&model->metadata, "method"), *before = record_get(&model->metadata, "option.prune");
    const char *pattern = record_get(&model->metadata, "option.pattern-from");
    const method *trained = name ? method_find(name) : NULL;
    if (!trained || (pattern && *pattern) || !(trained->prune_modes & 1u << mode) ||
        !record_get(&model->metadata, "option.k") || record_get(&model->metadata, "prune.mode"))
        return false;
    /* A sparse table holds no more than it was trained with. */
    const uint64_t kept = strtoull(record_get(&model->metadata, "option.k"), NULL, 10);
    if (model->encoder.rows.form != TABLE_DENSE && kept != 0 && k > kept)
        return false;
    /* A table that another mode has pruned before lacks entries that this one would have kept. */
    return model->encoder.rows.form == TABLE_DENSE || !before || strcmp(before, model_prune_mode_name(mode)) == 0;
}

/* The original's record without what was measured on it. */
static topn_status describe_pruned(topn_context *context, const topn_model *model, uint32_t k, topn_prune_mode mode,
                                   record *out)
{
    topn_status status = TOPN_OK;
    record fields = {0};
    const bool trainable = is_trainable(model, k, mode);
    for (size_t index = 0; index < model->metadata.count; index++) {
        const record_entry *entry = &model->metadata.entries[index];
        if (strncmp(entry->key, "metric.", 7) != 0 && strncmp(entry->key, "run.", 4) != 0 &&
            strncmp(entry->key, MODEL_INDEX_PREFIX, strlen(MODEL_INDEX_PREFIX)) != 0)
            TRY(record_set(context, &fields, entry->key, "%s", entry->value));
    }
    if (trainable && record_get(&fields, "option.prune"))
        TRY(record_set(context, &fields, "option.prune", "%s", model_prune_mode_name(mode)));
    if (!trainable)
        TRY(record_set(context, &fields, "prune.mode", "%s", model_prune_mode_name(mode)));
    TRY(record_set(context, &fields, trainable ? "option.k" : "prune.k", "%" PRIu32, k));
    record_clear(out);
    *out = fields;
    return TOPN_OK;
done:
    record_clear(&fields);
    return status;
}

topn_status topn_model_prune(topn_context *context, const topn_model *model, uint32_t k, topn_prune_mode mode,
                             topn_model **out)
{
    topn_status status;
    topn_model *pruned = NULL;
    if (!out)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_model_prune takes where to put the model");
    *out = NULL;
    if (!model || !model_prune_mode_name(mode))
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_model_prune takes a model and one of the modes");
    if (k == 0)
        return fail(context, TOPN_ERROR_ARGUMENT, "a model cannot be pruned to 0 numbers an item; 1 at least");
    TRY(model_copy_pruned(context, model, k, mode, &pruned));
    TRY(describe_pruned(context, model, k, mode, &pruned->metadata));
    *out = pruned;
    return TOPN_OK;
done:
    topn_model_free(pruned);
    return status;
}
