/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints: a training that was killed and resumed gives the same file as one that was not; files of other trainings
 * and damaged ones are refused; a full disk leaves the last whole one.
 */
#include "file_fixture.h"

#include "iterated_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

enum { SWEEPS = 11 };

static char checkpoint[80];

/* Kills a training in sweep `at` from without the library's knowing. */
static void killed_at(fake_training training, int64_t at)
{
    training.method.kill_at = at;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        topn_model *model;
        fake_train(context, training, &model);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void same_file(const unsigned char *expected, size_t size, fake_training training)
{
    size_t found_size;
    unsigned char *found = fake_file(context, training, again, &found_size);
    assert_int_equal(found_size, size);
    assert_memory_equal(found, expected, size);
    free(found);
}

static void killed_and_resumed(bool validated, int64_t validate_every, int64_t checkpoint_every, int64_t patience)
{
    fake_training training = fake_of(SWEEPS, validated);
    training.params.validate_every = validate_every;
    training.params.checkpoint_every = checkpoint_every;
    training.params.patience = patience;
    size_t size;
    unsigned char *expected = fake_file(context, training, again, &size);
    training.params.checkpoint = checkpoint;
    const int64_t last = validated && patience ? 5 : SWEEPS; /* no earlier than early stopping */
    for (int64_t at = 1; at <= last; at++) {
        unlink(checkpoint);
        training.params.resume = false;
        killed_at(training, at);
        training.params.resume = true;
        if (at + 2 <= last)
            killed_at(training, at + 2); /* and once more */
        same_file(expected, size, training);
        same_file(expected, size, training); /* nothing is left to do */
    }
    free(expected);
}

static void test_killed(void **state)
{
    (void)state;
    killed_and_resumed(false, 1, 1, 0);
    killed_and_resumed(false, 1, 3, 0);
    killed_and_resumed(true, 1, 1, 0);
    killed_and_resumed(true, 1, 1, 3);
    killed_and_resumed(true, 1, 2, 3);
    killed_and_resumed(true, 2, 1, 2);
    killed_and_resumed(true, 3, 2, 0);
    unlink(checkpoint);
}

static void test_more_sweeps(void **state)
{
    (void)state;
    for (int64_t every = 1; every <= 3; every++) {
        fake_training training = fake_of(SWEEPS, true);
        training.params.validate_every = every;
        training.params.patience = 0;
        size_t size;
        unsigned char *expected = fake_file(context, training, again, &size), *unused;
        training.params.checkpoint = checkpoint;
        training.params.sweeps = 5;
        size_t unused_size;
        unused = fake_file(context, training, again, &unused_size);
        training.params.sweeps = SWEEPS;
        training.params.resume = true;
        same_file(expected, size, training);
        free(unused);
        free(expected);
    }
    unlink(checkpoint);
}

static void write_checkpoint(fake_training training)
{
    topn_model *model;
    training.params.checkpoint = checkpoint;
    training.params.resume = false;
    assert_int_equal(fake_train(context, training, &model), TOPN_OK);
    topn_model_free(model);
}

static void refused(fake_training training, topn_status expected, const char *said)
{
    topn_model *model;
    training.params.checkpoint = checkpoint;
    training.params.resume = true;
    assert_int_equal(fake_train(context, training, &model), expected);
    assert_null(model);
    if (!strstr(topn_context_message(context), said) || !strstr(topn_context_message(context), checkpoint))
        fail_msg("\"%s\" does not say \"%s\" and the file", topn_context_message(context), said);
}

static void test_other_trainings(void **state)
{
    (void)state;
    const fake_training training = fake_of(3, true);
    write_checkpoint(training);
    fake_training other = training;
    other.events = 6;
    refused(other, TOPN_ERROR_DATA, "other data: fingerprint");
    other = training;
    other.name = "else";
    refused(other, TOPN_ERROR_DATA, "method was fake, not else");
    other = training;
    other.option = "4";
    refused(other, TOPN_ERROR_OPTION, "--l2 was \"3\", not \"4\"");
    other = training;
    other.seed = "7";
    refused(other, TOPN_ERROR_OPTION, "--seed was \"1\", not \"7\"");
    other = training;
    other.metric = "other";
    refused(other, TOPN_ERROR_DATA, "metric was fit, not other");
    other = training;
    other.validated = false;
    refused(other, TOPN_ERROR_DATA, "metric was fit, not none");
    other = training;
    other.params.sweeps = 2;
    refused(other, TOPN_ERROR_OPTION, "3 sweeps on, more than --sweeps 2");
    write_checkpoint(fake_of(3, false));
    refused(training, TOPN_ERROR_DATA, "metric was none, not fit");
    topn_model *model;
    made(fake_train(context, training, &model));
    made(model_save(context, model, checkpoint));
    refused(training, TOPN_ERROR_FORMAT, "holds a model, not the checkpoint of a training");
    topn_model_free(model);
    unlink(checkpoint);
}

static void put_file(const unsigned char *bytes, size_t size)
{
    FILE *file = fopen(checkpoint, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static unsigned char *get_file(size_t *size)
{
    static unsigned char bytes[1 << 16];
    FILE *file = fopen(checkpoint, "rb");
    assert_non_null(file);
    *size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    return bytes;
}

/* Cut anywhere it is refused; with a byte changed it is refused or, where the byte is padding, means the same. */
static void test_damaged(void **state)
{
    (void)state;
    fake_training training = fake_of(3, true);
    size_t size, expected_size;
    unsigned char *expected = fake_file(context, training, again, &expected_size);
    write_checkpoint(training);
    unsigned char *bytes = get_file(&size);
    topn_model *model;
    training.params.checkpoint = checkpoint;
    training.params.resume = true;
    for (size_t cut = 0; cut < size; cut += cut < 64 ? 1 : 7) {
        put_file(bytes, cut);
        assert_int_equal(fake_train(context, training, &model), TOPN_ERROR_FORMAT);
        assert_null(model);
    }
    size_t accepted = 0;
    for (size_t at = 0; at < size; at++) {
        bytes[at] ^= 0x21;
        put_file(bytes, size);
        bytes[at] ^= 0x21;
        const topn_status status = fake_train(context, training, &model);
        assert_true(status != TOPN_ERROR_INTERNAL && status != TOPN_ERROR_NUMERIC);
        topn_model_free(model);
        accepted += status == TOPN_OK;
    }
    assert_true(accepted < 64); /* the header's padding */
    put_file(bytes, size);
    same_file(expected, expected_size, training);
    free(expected);
    unlink(checkpoint);
}

/* The limit on file sizes stands for a full disk. In a child, whose limit ends with it. */
static void test_disk_full(void **state)
{
    (void)state;
    fake_training training = fake_of(SWEEPS, false);
    size_t size, before_size, after_size;
    unsigned char *expected = fake_file(context, training, again, &size);
    training.params.checkpoint = checkpoint;
    killed_at(training, 4);
    static unsigned char before[1 << 16];
    memcpy(before, get_file(&before_size), sizeof before);
    training.params.resume = true;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        const struct rlimit limit = {.rlim_cur = 500, .rlim_max = 500};
        topn_model *model;
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
            _exit(1);
        const topn_status failed = fake_train(context, training, &model);
        _exit(failed == TOPN_ERROR_IO && strstr(topn_context_message(context), checkpoint) ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    const unsigned char *after = get_file(&after_size);
    assert_int_equal(after_size, before_size);
    assert_memory_equal(after, before, before_size);
    same_file(expected, size, training);
    free(expected);
    unlink(checkpoint);
}

/* A state that is not finite never reaches the file. */
static void test_not_finite(void **state)
{
    (void)state;
    fake_training training = fake_of(SWEEPS, true);
    topn_model *model;
    size_t size;
    unsigned char *expected = fake_file(context, training, again, &size);
    training.params.checkpoint = checkpoint;
    training.method.spoil_at = 3;
    assert_int_equal(fake_train(context, training, &model), TOPN_ERROR_NUMERIC);
    training.method.spoil_at = 0;
    training.params.resume = true;
    same_file(expected, size, training);
    free(expected);
    unlink(checkpoint);
}

static int begin_checkpoint(void **state)
{
    const int failed = begin(state);
    if (!failed)
        context->threads = 1; /* a forked child has lost OpenMP's other threads */
    snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", folder);
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed),  cmocka_unit_test(test_more_sweeps), cmocka_unit_test(test_other_trainings),
        cmocka_unit_test(test_damaged), cmocka_unit_test(test_disk_full),   cmocka_unit_test(test_not_finite),
    };
    return cmocka_run_group_tests(tests, begin_checkpoint, end);
}
