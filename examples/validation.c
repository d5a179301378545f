/* SPDX-License-Identifier: Apache-2.0
 *
 * Training sweep by sweep: matrix factorisation judged by held-back events after each sweep, the best state kept; the
 * progress callback shows the loss and the metric. Then new events: the model goes on from where it was.
 */
#include <topn/topn.h>

#include <stdio.h>
#include <string.h>

#define MODEL "factors.safetensors"
enum { USERS = 400, ITEMS = 120, MOST_EVENTS = USERS * ITEMS };

/* Leaves the function at its end, with the status, when a call fails. */
#define CHECK(call)                                                                                                    \
    if ((status = (call)) != TOPN_OK)                                                                                  \
    goto done

/* Three tastes, popular low items; the first `users` users. */
static topn_status make_events(topn_context *context, uint32_t users, topn_data **out)
{
    static uint64_t indptr[USERS + 1];
    static uint32_t items[MOST_EVENTS];
    uint64_t count = 0, state = 5;
    for (uint32_t user = 0; user < users; user++) {
        for (uint32_t item = 0; item < ITEMS; item++) {
            state = (state * 1103515245 + 12345) % (UINT64_C(1) << 31);
            if ((uint32_t)(state >> 16) % 100 < (user % 3 == item % 3 ? 45u : 3u) - (item < 60 ? 0 : 2))
                items[count++] = item;
        }
        indptr[user + 1] = count;
    }
    return topn_data_copy_csr(context, users, ITEMS, indptr, items, NULL, out);
}

/* The loss of a sweep comes first, the metric behind it. */
static bool show(const topn_progress *progress, void *user_data)
{
    (void)user_data;
    if (progress->done == 0 || strcmp(progress->unit, "sweeps") != 0)
        return true;
    if (strcmp(progress->stage, "sweep") == 0)
        printf("sweep %2u: loss %.1f", (unsigned)progress->done, progress->value);
    else
        printf(", %s %.4f\n", progress->stage, progress->value);
    return true; /* false would cancel */
}

static const char *metadata(const topn_model *model, const char *wanted)
{
    const char *key, *value;
    for (size_t index = 0; topn_model_metadata(model, index, &key, &value); index++)
        if (strcmp(key, wanted) == 0)
            return value;
    return "";
}

/* Holds back a tenth of each user's events. */
static topn_status hold_back(topn_context *context, const topn_data *data, topn_split **out)
{
    topn_status status;
    topn_options *weak = NULL;
    CHECK(topn_options_create(context, TOPN_KIND_SPLIT, "weak", &weak));
    CHECK(topn_options_set(context, weak, "validation-share", "0.1"));
    CHECK(topn_options_set(context, weak, "test-share", "0"));
    CHECK(topn_data_split(context, data, NULL, weak, out));
done:
    topn_options_free(weak);
    return status;
}

static topn_status train_validated(topn_context *context, const topn_data *data, topn_options *options)
{
    topn_status status;
    topn_split *split = NULL;
    topn_model *model = NULL;
    CHECK(hold_back(context, data, &split));
    const topn_training training = {
        .validation_seen = topn_split_part(split, TOPN_PART_VALIDATION_SEEN),
        .validation_hidden = topn_split_part(split, TOPN_PART_VALIDATION_HIDDEN),
        .metric = "ndcg@10",
    };
    CHECK(topn_train_validated(context, topn_split_part(split, TOPN_PART_TRAIN), options, &training, &model));
    printf("kept the state after sweep %s of %s: %s\n", metadata(model, "train.best-sweep"),
           metadata(model, "train.sweeps"), metadata(model, "train.metric"));
    CHECK(topn_model_save(context, model, MODEL));
done:
    topn_model_free(model);
    topn_split_free(split);
    return status;
}

/* All events, those of new users among them: a few sweeps from the saved model. */
static topn_status train_further(topn_context *context, const topn_data *data, topn_options *options)
{
    topn_status status;
    topn_model *model = NULL;
    CHECK(topn_options_set(context, options, "start-from", MODEL));
    CHECK(topn_options_set(context, options, "sweeps", "3"));
    CHECK(topn_train(context, data, options, NULL, &model));
    printf("with %u users, losses from the saved model on: %s\n", (unsigned)topn_data_users(data),
           metadata(model, "train.losses"));
done:
    topn_model_free(model);
    return status;
}

int main(void)
{
    topn_context *context = NULL;
    topn_data *before = NULL, *after = NULL;
    topn_options *options = NULL;
    topn_status status = topn_context_create(&context);
    if (status != TOPN_OK)
        return 1;
    topn_context_set_progress(context, show, NULL);
    CHECK(make_events(context, USERS - 40, &before));
    CHECK(make_events(context, USERS, &after));
    CHECK(topn_options_create(context, TOPN_KIND_METHOD, "ials", &options));
    CHECK(topn_options_set(context, options, "factors", "8"));
    CHECK(topn_options_set(context, options, "sweeps", "30"));
    CHECK(topn_options_set(context, options, "patience", "3"));
    CHECK(train_validated(context, before, options));
    topn_context_set_progress(context, NULL, NULL);
    CHECK(train_further(context, after, options));
done:
    if (status != TOPN_OK)
        fprintf(stderr, "%s\n", topn_context_message(context));
    remove(MODEL);
    topn_options_free(options);
    topn_data_free(after);
    topn_data_free(before);
    topn_context_free(context);
    return status != TOPN_OK;
}
