/* SPDX-License-Identifier: Apache-2.0
 *
 * A method of two small arrays whose sweeps depend on everything before them, for the tests of iterative training.
 * After sweep s the first bias is near s, and the metric is highest where it is near 4. Include it before <cmocka.h>,
 * after file_fixture.h.
 */
#ifndef TOPN_TESTS_ITERATED_FIXTURE_H
#define TOPN_TESTS_ITERATED_FIXTURE_H

#include "made_data.h"
#include "model/model_file.h"
#include "train/iteration.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>

enum { FAKE_USERS = 3, FAKE_ITEMS = 4, FAKE_WIDTH = 2 };

typedef struct fake {
    float users[FAKE_USERS * FAKE_WIDTH], items[FAKE_ITEMS];
    double sum;        /* follows from the arrays: made again by `restored` */
    int64_t kill_at;   /* sweep in which the process is killed; 0 = none */
    int64_t spoil_at;  /* sweep that leaves something not finite; 0 = none */
    bool spoil_loss;   /* the loss, not the state */
    int64_t fail_at;   /* sweep that is cancelled */
    int64_t judge_bad; /* judgement that fails */
    int64_t judged;
    bool rise; /* the metric rises for ever */
} fake;

static inline topn_status fake_restored(topn_context *unused, void *state)
{
    fake *own = state;
    (void)unused;
    own->sum = 0;
    for (size_t i = 0; i < FAKE_USERS * FAKE_WIDTH; i++)
        own->sum += own->users[i];
    for (size_t i = 0; i < FAKE_ITEMS; i++)
        own->sum += own->items[i];
    return TOPN_OK;
}

static inline topn_status fake_sweep(topn_context *with, void *state, int64_t sweep, double *loss)
{
    fake *own = state;
    if (own->kill_at == sweep + 1)
        raise(SIGKILL);
    if (own->fail_at == sweep + 1)
        return fail(with, TOPN_ERROR_CANCELLED, "cancelled in a sweep");
    for (size_t i = 0; i < FAKE_USERS * FAKE_WIDTH; i++)
        own->users[i] = 0.5f * own->users[i] + (float)sin(own->sum + (double)i + (double)sweep);
    for (size_t i = 0; i < FAKE_ITEMS; i++)
        own->items[i] += 1 + 0.02f * own->users[i] - (float)i;
    fake_restored(with, own);
    *loss = 100.0 / (double)(sweep + 1) + 1e-3 * sin(own->sum);
    if (own->spoil_at == sweep + 1 && own->spoil_loss)
        *loss = NAN;
    else if (own->spoil_at == sweep + 1)
        own->users[3] = INFINITY;
    return TOPN_OK;
}

static inline topn_status fake_export(topn_context *with, void *state, topn_model *model)
{
    const fake *own = state;
    const topn_status status = ALLOCATE(with, FAKE_ITEMS, &model->table.biases);
    if (status == TOPN_OK)
        memcpy(model->table.biases, own->items, sizeof own->items);
    return status;
}

static inline topn_status fake_judge(topn_context *with, const topn_model *model, void *data, double *value)
{
    fake *own = data;
    if (++own->judged == own->judge_bad)
        return fail(with, TOPN_ERROR_UNSUPPORTED, "judging failed");
    const double at = model->table.biases[0];
    *value = own->rise ? at : 10 - fabs(at - 4);
    return TOPN_OK;
}

/* A training of the fake, as api calls it. */
typedef struct fake_training {
    fake method;
    iteration_params params;
    bool validated;
    const char *metric, *option, *seed, *name; /* recorded; NULL = a default */
    uint32_t events;                           /* of the data, 0 = 5 */
    const topn_data *data;                     /* NULL = made */
} fake_training;

static inline topn_data *fake_data(uint32_t events)
{
    static const uint32_t pairs[][2] = {{0, 0}, {0, 1}, {1, 1}, {1, 2}, {2, 3}, {2, 0}};
    return made_data(FAKE_USERS, FAKE_ITEMS, pairs, NULL, events ? events : 5);
}

static inline topn_status fake_train(topn_context *with, fake_training training, topn_model **out)
{
    topn_status status;
    topn_model *model = NULL;
    topn_data *standby = training.data ? NULL : fake_data(training.events);
    const topn_data *data = training.data ? training.data : standby;
    fake *own = &training.method;
    state_array arrays[] = {{"users", own->users, FAKE_USERS, FAKE_WIDTH}, {"items", own->items, FAKE_ITEMS, 1}};
    const iterated trained = {.state = own,
                              .arrays = arrays,
                              .array_count = 2,
                              .sweep = fake_sweep,
                              .export = fake_export,
                              .restored = fake_restored};
    const validator by = {.metric = training.metric ? training.metric : "fit", .judge = fake_judge, .data = own};
    const training_run run = {.validator = training.validated ? &by : NULL};
    *out = NULL;
    TRY(model_create(with, data, false, &model));
    TRY(record_set(with, &model->metadata, "method", "%s", training.name ? training.name : "fake"));
    TRY(record_set(with, &model->metadata, "seed", "%s", training.seed ? training.seed : "1"));
    TRY(record_set(with, &model->metadata, "option.l2", "%s", training.option ? training.option : "3"));
    TRY(iteration_run(with, data, &training.params, &run, &trained, model));
    TRY(model_check(with, model));
    *out = model;
    model = NULL;
done:
    topn_data_free(standby);
    topn_model_free(model);
    return status;
}

static inline fake_training fake_of(int64_t sweeps, bool validated)
{
    return (fake_training){
        .params = {.sweeps = sweeps, .validate_every = 1, .patience = 3, .checkpoint_every = 1},
        .validated = validated,
    };
}

/* The file of the model that the training gives; freed by the caller. */
static inline unsigned char *fake_file(topn_context *with, fake_training training, const char *place, size_t *size)
{
    topn_model *model;
    made(fake_train(with, training, &model));
    made(model_save(with, model, place));
    topn_model_free(model);
    FILE *file = fopen(place, "rb");
    unsigned char *bytes = malloc(1 << 16);
    if (!file || !bytes)
        abort();
    *size = fread(bytes, 1, 1 << 16, file);
    fclose(file);
    unlink(place);
    return bytes;
}

#endif
