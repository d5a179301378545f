/* SPDX-License-Identifier: Apache-2.0
 *
 * Export formats: exact text for a tiny table, and NumPy, SciPy and an independent reader on what they can read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <unistd.h>

#include "model/exporter.h"
#include "sample_model.h"

#include <cmocka.h> /* after context.h: it makes a macro of fail */

static topn_context *context;
static char folder[] = "/tmp/topn-export-XXXXXX";
static const char *const names[] = {"csv", "jsonl", "mtx", "npz", "pgvector"};

static topn_status export(const topn_model *model, const char *format, bool fold)
{
    char path[80];
    snprintf(path, sizeof path, "%s/items.%s", folder, format);
    const export_params params = {.fold_priors = fold};
    const exporter *to = exporter_find(format);
    assert_non_null(to);
    return to->write(context, model, model_item_rows(model), model->table.priors, &params, path);
}

static void assert_exported(const char *format, const char *expected)
{
    char path[80];
    snprintf(path, sizeof path, "%s/items.%s", folder, format);
    size_t size;
    char *text = (char *)file_bytes(path, &size);
    assert_string_equal(text, expected);
    free(text);
}

static topn_model *make(size_t form, bool full)
{
    topn_model *model;
    assert_int_equal(sample_model(context, &sample_forms[form], full, &model), TOPN_OK);
    return model;
}

static void test_registry(void **state)
{
    (void)state;
    for (size_t index = 0; index < sizeof names / sizeof *names; index++)
        assert_string_equal(exporter_find(names[index])->name, names[index]);
    assert_null(exporter_find("parquet"));
    assert_null(exporter_at(sizeof names / sizeof *names));
}

static void test_sparse_text(void **state)
{
    (void)state;
    topn_model *model = make(SAMPLE_SHARED_SPARSE, true);
    for (size_t index = 0; index < sizeof names / sizeof *names; index++)
        assert_int_equal(export(model, names[index], false), TOPN_OK);
    assert_exported("csv", "item,dimension,value\n1,0,0.1\n\"a,\"\"b\"\"\",0,-1.1\n\"a,\"\"b\"\"\",1,1.225\n"
                           "tab\there\\,0,2.1\ntab\there\\,1,-2.225\ntab\there\\,2,2.35\n"
                           "caf\xe9,0,-3.1\ncaf\xe9,1,3.225\ncaf\xe9,2,-3.35\n");
    assert_exported("jsonl",
                    "{\"id\":\"1\",\"title\":\"One\",\"prior\":0.5,\"bias\":-1,\"indices\":[0],\"values\":[0.1]}\n"
                    "{\"id\":\"a,\\\"b\\\"\",\"prior\":0.75,\"bias\":-0.75,\"indices\":[0,1],\"values\":[-1.1,1.225]}\n"
                    "{\"id\":\"tab\\u0009here\\\\\",\"title\":\"Three \\\"3\\\"\\u000a\",\"prior\":1,\"bias\":-0.5,"
                    "\"indices\":[0,1,2],\"values\":[2.1,-2.225,2.35]}\n"
                    "{\"id\":\"caf\\ufffd\",\"title\":\"Caf\xc3\xa9\",\"prior\":1.25,\"bias\":-0.25,"
                    "\"indices\":[0,1,2],\"values\":[-3.1,3.225,-3.35]}\n");
    assert_exported("pgvector", "1\t{1:0.1}/3\na,\"b\"\t{1:-1.1,2:1.225}/3\ntab\\there\\\\\t{1:2.1,2:-2.225,3:2.35}/3\n"
                                "caf\xe9\t{1:-3.1,2:3.225,3:-3.35}/3\n");
    assert_exported("mtx", "%%MatrixMarket matrix coordinate real general\n4 3 9\n1 1 0.1\n2 1 -1.1\n2 2 1.225\n"
                           "3 1 2.1\n3 2 -2.225\n3 3 2.35\n4 1 -3.1\n4 2 3.225\n4 3 -3.35\n");
    topn_model_free(model);
}

static void test_dense_text(void **state)
{
    (void)state;
    topn_model *model = make(SAMPLE_SHARED_DENSE, true);
    for (uint32_t at = 0; at < SAMPLE_ITEMS * SAMPLE_DIMENSIONS; at++)
        model->encoder.rows.dense.values[at] = (float)at;
    model->encoder.rows.dense.values[0] = 1.0f / 3;
    for (size_t index = 0; index < sizeof names / sizeof *names; index++)
        assert_int_equal(export(model, names[index], true), TOPN_OK); /* priors 0.5, 0.75, 1, 1.25 */
    assert_exported("csv", "item,d0,d1,d2\n1,0.16666667,0.5,1\n\"a,\"\"b\"\"\",2.25,3,3.75\ntab\there\\,6,7,8\n"
                           "caf\xe9,11.25,12.5,13.75\n");
    assert_exported("pgvector", "1\t[0.16666667,0.5,1]\na,\"b\"\t[2.25,3,3.75]\ntab\\there\\\\\t[6,7,8]\n"
                                "caf\xe9\t[11.25,12.5,13.75]\n");
    assert_exported("mtx",
                    "%%MatrixMarket matrix array real general\n4 3\n0.16666667\n2.25\n6\n11.25\n0.5\n3\n7\n12.5\n"
                    "1\n3.75\n8\n13.75\n");
    topn_model_free(model);
}

static void test_pgvector_limits(void **state)
{
    (void)state;
    enum { TOO_MANY = 16001 };
    topn_model *model = make(SAMPLE_SHARED_DENSE, false);
    embedding_clear(&model->encoder.rows);
    model->encoder.rows.form = TABLE_DENSE;
    model->encoder.rows.dense = (dense_matrix){.rows = SAMPLE_ITEMS, .columns = TOO_MANY};
    assert_int_equal(ALLOCATE_ZEROED(context, SAMPLE_ITEMS * TOO_MANY, &model->encoder.rows.dense.values), TOPN_OK);
    assert_int_equal(export(model, "pgvector", false), TOPN_ERROR_UNSUPPORTED);
    assert_string_equal(topn_context_message(context), "pgvector's vector takes 1 to 16000 dimensions, this table has "
                                                       "16001: export npz, or train with --k");
    embedding_clear(&model->encoder.rows);
    model->encoder.rows.form = TABLE_SPARSE;
    sparse_matrix *sparse = &model->encoder.rows.sparse;
    assert_int_equal(sparse_create(context, SAMPLE_ITEMS, TOO_MANY, TOO_MANY, sparse), TOPN_OK);
    for (uint32_t at = 0; at < TOO_MANY; at++) {
        sparse->indices[at] = at;
        sparse->values[at] = 1;
    }
    for (uint32_t item = 1; item <= SAMPLE_ITEMS; item++)
        sparse->indptr[item] = item > 1 ? TOO_MANY : 0;
    assert_int_equal(export(model, "pgvector", false), TOPN_ERROR_UNSUPPORTED);
    assert_string_equal(topn_context_message(context), "pgvector's sparsevec takes at most 16000 non-zeros, item "
                                                       "a,\"b\" has 16001: train with --k 16000 or less");
    topn_model_free(model);
}

static void test_memory_failures(void **state)
{
    (void)state;
    topn_model *model = make(SAMPLE_SHARED_DENSE, true);
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        for (uint64_t at = 1;; at++) {
            memory_fail_after(at);
            const topn_status status = export(model, names[index], true);
            memory_fail_after(0);
            if (status == TOPN_OK)
                break;
            assert_int_equal(status, TOPN_ERROR_MEMORY);
        }
    }
    topn_model_free(model);
}

static bool cancel(const topn_progress *progress, void *user_data)
{
    (void)user_data;
    return strcmp(progress->stage, "export") != 0;
}

static void test_cancel(void **state)
{
    (void)state;
    topn_model *model = make(SAMPLE_SHARED_DENSE, false);
    topn_context_set_progress(context, cancel, NULL);
    assert_int_equal(export(model, "csv", false), TOPN_ERROR_CANCELLED);
    assert_int_equal(export(model, "mtx", false), TOPN_ERROR_CANCELLED);
    topn_context_set_progress(context, NULL, NULL);
    topn_model_free(model);
}

/* The same tables read by NumPy, SciPy and Python's csv and json. */
static void test_other_readers(void **state)
{
    (void)state;
    if (system("/usr/bin/python3 -c 'import numpy, scipy' 2>/dev/null") != 0) {
        print_message("skipped: /usr/bin/python3 with NumPy and SciPy is not there\n");
        skip();
    }
    for (int form = 0; form < 8; form++) {
        const bool full = form & 1, fold = full && form & 2;
        topn_model *model = make(form & 4 ? SAMPLE_SHARED_DENSE : SAMPLE_SHARED_SPARSE, full);
        char path[80], command[160];
        snprintf(path, sizeof path, "%s/model.safetensors", folder);
        assert_int_equal(model_save(context, model, path), TOPN_OK);
        for (size_t index = 0; index < sizeof names / sizeof *names; index++)
            assert_int_equal(export(model, names[index], fold), TOPN_OK);
        snprintf(command, sizeof command, "PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 tests/check_exports.py %s %s",
                 folder, fold ? "fold" : "plain");
        assert_int_equal(system(command), 0);
        unlink(path);
        topn_model_free(model);
    }
}

static int begin(void **state)
{
    (void)state;
    return mkdtemp(folder) && topn_context_create(&context) == TOPN_OK ? 0 : 1;
}

static int end(void **state)
{
    (void)state;
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        char path[80];
        snprintf(path, sizeof path, "%s/items.%s", folder, names[index]);
        unlink(path);
    }
    topn_context_free(context);
    return rmdir(folder); /* fails when a temporary was left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry),        cmocka_unit_test(test_sparse_text),
        cmocka_unit_test(test_dense_text),      cmocka_unit_test(test_pgvector_limits),
        cmocka_unit_test(test_memory_failures), cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_other_readers),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
