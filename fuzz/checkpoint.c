/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints of a training of two arrays. What is read is finite, of the right size, and can be written and read
 * again. Checksums are optional, so a corpus without them lets the fuzzer reach what lies behind.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "memory_file.h"
#include "train/checkpoint.h"

enum { SWEEPS = 6, USERS = 3, ITEMS = 4, WIDTH = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

typedef struct training {
    float users[USERS * WIDTH], items[ITEMS], best_users[USERS * WIDTH], best_items[ITEMS];
} training;

static void need(bool holds)
{
    if (!holds)
        abort();
}

static void need_finite(const float *values, size_t count)
{
    for (size_t index = 0; index < count; index++)
        need(isfinite(values[index]));
}

static topn_status read_into(topn_context *context, const char *path, const record *identity, training *state,
                             iteration_history *history)
{
    const iteration_params params = {.sweeps = SWEEPS, .validate_every = 2};
    float *best[] = {state->best_users, state->best_items};
    state_array arrays[] = {{"users", state->users, USERS, WIDTH}, {"items", state->items, ITEMS, 1}};
    const iterated trained = {.state = state, .arrays = arrays, .array_count = 2};
    *history = (iteration_history){.best_values = best};
    const topn_status status = checkpoint_read(context, path, identity, &trained, &params, history);
    if (status == TOPN_OK) {
        char folder[] = "/tmp/topn-fuzz-XXXXXX", again[64];
        need(mkdtemp(folder) != NULL);
        snprintf(again, sizeof again, "%s/again", folder);
        need(checkpoint_write(context, again, identity, &trained, history, false) == TOPN_OK);
        iteration_history second = {.best_values = best};
        need(checkpoint_read(context, again, identity, &trained, &params, &second) == TOPN_OK);
        need(second.sweeps == history->sweeps && second.judged == history->judged);
        free(second.losses);
        free(second.metrics);
        unlink(again);
        rmdir(folder);
    }
    history->best_values = NULL;
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const entries[][2] = {
        {"data.fingerprint", "00"}, {"method", "fake"},         {"seed", "1"},
        {"option.l2", "3"},         {"validation.metric", "m"}, {"validation.fingerprint", "f"}};
    topn_context *context;
    char path[MEMORY_PATH];
    if (topn_context_create(&context) != TOPN_OK)
        return 0;
    const int descriptor = memory_file(bytes, size, path);
    for (size_t validated = 0; validated < 2; validated++) {
        record identity = {0};
        training state = {0};
        iteration_history history;
        for (size_t index = 0; index < (validated ? 6 : 4); index++)
            need(record_set(context, &identity, entries[index][0], "%s", entries[index][1]) == TOPN_OK);
        if (read_into(context, path, &identity, &state, &history) == TOPN_OK) {
            need(history.sweeps <= SWEEPS && history.judged == (validated ? history.sweeps / 2 : 0));
            need_finite(state.users, USERS * WIDTH);
            need_finite(state.items, ITEMS);
            need_finite(state.best_users, USERS * WIDTH);
            need_finite(state.best_items, ITEMS);
        }
        free(history.losses);
        free(history.metrics);
        record_clear(&identity);
    }
    topn_context_free(context);
    close(descriptor);
    return 0;
}
