/* SPDX-License-Identifier: Apache-2.0 */
#include "study/compare_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study/compare.h"
#include "study/record.h"
#include "study/statistics.h"

enum { QUANTILES = 21 };

/* The values of one metric of one competitor, means over the seeds. */
typedef struct column {
    double *values; /* [count]; NULL: the competitor has none */
    size_t count;
    bool per_user;
} column;

static const char *metric_at(const compared *all, size_t index)
{
    return json_string_value(json_array_get(json_object_get(all->plan, "metrics"), index));
}

static bool is_done(const competitor *one)
{
    for (size_t s = 0; s < one->seed_count; s++)
        if (strcmp(one->finals[s].status, TRIAL_DONE) != 0)
            return false;
    return true;
}

/* Adds the seeds up, and notes each seed's mean in *means. */
static topn_status read_column(const compared *all, const competitor *one, const char *metric, column *out,
                               json_t *means)
{
    topn_status status = TOPN_OK;
    *out = (column){0};
    for (size_t s = 0; s < one->seed_count; s++) {
        double *values, sum = 0;
        size_t count;
        STUDY_TRY(journal_read_values(all->work, all->book, one->finals[s].series, 0, metric, &values, &count,
                                      &out->per_user));
        if (out->values && count != out->count) {
            free(values);
            STUDY_TRY(study_fail(all->work, TOPN_ERROR_FORMAT, "%s: the seeds have different users", one->name));
        }
        out->count = count;
        for (size_t i = 0; i < count; i++) {
            sum += values[i];
            values[i] = values[i] / (double)one->seed_count + (out->values ? out->values[i] : 0);
        }
        free(out->values);
        out->values = values;
        json_array_append_new(means, record_real(count ? sum / (double)count : NAN));
    }
done:
    return status;
}

static json_t *interval_json(double mean, double low, double high, json_t *seeds)
{
    json_t *object = json_object();
    json_object_set_new(object, "mean", record_real(mean));
    json_object_set_new(object, "low", record_real(low));
    json_object_set_new(object, "high", record_real(high));
    json_object_set(object, "seeds", seeds);
    return object;
}

static topn_status report_results(const compared *all, const competitor *one, json_t *out)
{
    topn_status status = TOPN_OK;
    const size_t resamples = (size_t)json_integer_value(json_object_get(all->plan, "bootstrap"));
    const double confidence = json_real_value(json_object_get(all->plan, "confidence"));
    for (size_t m = 0; metric_at(all, m); m++) {
        column numbers;
        json_t *seeds = json_array();
        status = read_column(all, one, metric_at(all, m), &numbers, seeds);
        estimate found = {NAN, NAN, NAN};
        if (status == TOPN_OK && numbers.per_user)
            found = statistics_mean(numbers.values, numbers.count, resamples, confidence, all->work->seed);
        else if (status == TOPN_OK)
            found.mean = numbers.values[0];
        json_object_set_new(out, metric_at(all, m), interval_json(found.mean, found.low, found.high, seeds));
        json_decref(seeds);
        free(numbers.values);
        STUDY_TRY(status);
    }
done:
    return status;
}

static double median_fact(const competitor *one, const char *key)
{
    double *values = malloc((one->seed_count + 1) * sizeof *values);
    size_t count = 0;
    for (size_t s = 0; values && s < one->seed_count; s++) {
        const json_t *fact = json_object_get(one->finals[s].facts, key);
        if (json_is_number(fact))
            values[count++] = json_number_value(fact);
    }
    if (values)
        qsort(values, count, sizeof *values, statistics_ascending);
    const double found = values ? statistics_quantile(values, count, 0.5) : NAN;
    free(values);
    return found;
}

static json_t *report_tuning(const competitor *one)
{
    double seconds = 0;
    const size_t best = arm_best(&one->trials, SIZE_MAX);
    json_t *trials = json_array();
    for (size_t t = 0; t < one->trials.count; t++) {
        seconds += trial_seconds(&one->trials.rows[t]);
        json_array_append_new(trials, record_trial(&one->trials.rows[t]));
    }
    json_t *object =
        json_pack("{s:o, s:f, s:o}", "space", space_json(&one->trials.over), "seconds", seconds, "trials", trials);
    json_object_set_new(object, "validation", record_real(best == SIZE_MAX ? NAN : one->trials.rows[best].value));
    return object;
}

static const char *first_message(const competitor *one)
{
    for (size_t s = 0; s < one->seed_count; s++)
        if (strcmp(one->finals[s].status, TRIAL_DONE) != 0)
            return *one->finals[s].message ? one->finals[s].message : one->finals[s].status;
    return "";
}

static topn_status report_entry(const compared *all, const competitor *one, json_t **out)
{
    static const char *const facts[] = {"seconds", "cpu_seconds", "evaluate_seconds", "peak_bytes", "model_bytes"};
    topn_status status = TOPN_OK;
    const bool done = is_done(one);
    json_t *results = json_object();
    *out = json_pack("{s:s, s:s, s:s, s:O}", "name", one->name, "method", one->trials.method, "status",
                     done ? "done" : "failed", "chosen", one->chosen);
    if (!results || !*out)
        STUDY_TRY(study_memory(all->work));
    json_object_set_new(*out, "options", record_options(one->options));
    if (!json_is_null(json_object_get(one->entry, "search")))
        json_object_set_new(*out, "tuning", report_tuning(one));
    if (!done) {
        json_object_set_new(*out, "message", json_string(first_message(one)));
        goto done;
    }
    STUDY_TRY(report_results(all, one, results));
    json_object_set(*out, "results", results);
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        json_object_set_new(*out, facts[i], record_real(median_fact(one, facts[i])));
done:
    json_decref(results);
    return status;
}

/* ---- Differences between entries ----------------------------------------------------------------------------------
 */

static topn_status paired(const compared *all, const column *a, const column *b, double **out)
{
    if (a->count != b->count)
        return study_fail(all->work, TOPN_ERROR_INTERNAL, "two entries were measured on different users");
    *out = malloc((a->count + 1) * sizeof **out);
    if (!*out)
        return study_memory(all->work);
    for (size_t i = 0; i < a->count; i++)
        (*out)[i] = a->values[i] - b->values[i];
    return TOPN_OK;
}

/* How the users' differences to the best entry are spread. */
static json_t *spread_json(double *differences, size_t count)
{
    size_t better = 0, worse = 0;
    json_t *quantiles = json_array();
    for (size_t i = 0; i < count; i++) {
        better += differences[i] > 0;
        worse += differences[i] < 0;
    }
    qsort(differences, count, sizeof *differences, statistics_ascending);
    for (int q = 0; q < QUANTILES; q++)
        json_array_append_new(quantiles,
                              record_real(statistics_quantile(differences, count, (double)q / (QUANTILES - 1))));
    return json_pack("{s:f, s:f, s:o}", "better", (double)better / (double)count, "worse",
                     (double)worse / (double)count, "quantiles", quantiles);
}

static json_t *entry_of(const json_t *entries, const char *name)
{
    size_t index;
    json_t *entry;
    json_array_foreach((json_t *)entries, index,
                       entry) if (strcmp(json_string_value(json_object_get(entry, "name")), name) == 0) return entry;
    return NULL;
}

static size_t best_of(const compared *all, const column *columns)
{
    size_t best = SIZE_MAX;
    double most = -INFINITY;
    for (size_t i = 0; i < all->count; i++) {
        double sum = 0;
        for (size_t u = 0; columns[i].values && u < columns[i].count; u++)
            sum += columns[i].values[u];
        if (columns[i].values && sum > most) {
            most = sum;
            best = i;
        }
    }
    return best;
}

static topn_status test_pairs(const compared *all, const column *columns, size_t best, json_t *entries, json_t *tests)
{
    topn_status status = TOPN_OK;
    size_t count = 0;
    double *p = malloc((all->count * all->count + 1) * sizeof *p), *differences = NULL;
    if (!p)
        return study_memory(all->work);
    for (size_t i = 0; i < all->count; i++)
        for (size_t j = i + 1; j < all->count; j++) {
            if (!columns[i].values || !columns[j].values)
                continue;
            STUDY_TRY(paired(all, &columns[i], &columns[j], &differences));
            const estimate found = statistics_mean(differences, columns[i].count, 1, 0.95, all->work->seed);
            p[count] = statistics_sign_flip(differences, columns[i].count, all->work->seed);
            json_array_append_new(tests, json_pack("{s:s, s:s, s:f, s:f}", "a", all->list[i].name, "b",
                                                   all->list[j].name, "difference", found.mean, "p", p[count]));
            count++;
            free(differences);
            differences = NULL;
        }
    statistics_holm(p, count);
    for (size_t t = 0; t < count; t++)
        json_object_set_new(json_array_get(tests, t), "p_holm", json_real(p[t]));
    for (size_t i = 0; best != SIZE_MAX && i < all->count; i++) {
        if (i == best || !columns[i].values)
            continue;
        STUDY_TRY(paired(all, &columns[i], &columns[best], &differences));
        json_object_set_new(entry_of(entries, all->list[i].name), "against_best",
                            spread_json(differences, columns[i].count));
        free(differences);
        differences = NULL;
    }
done:
    free(differences);
    free(p);
    return status;
}

static topn_status report_tests(const compared *all, json_t *out)
{
    topn_status status = TOPN_OK;
    json_t *tests = json_array(), *unused = json_array();
    column *columns = calloc(all->count + 1, sizeof *columns);
    if (!columns)
        STUDY_TRY(study_memory(all->work));
    for (size_t i = 0; i < all->count; i++)
        if (is_done(&all->list[i])) {
            STUDY_TRY(read_column(all, &all->list[i], metric_at(all, 0), &columns[i], unused));
        }
    const size_t best = best_of(all, columns);
    STUDY_TRY(test_pairs(all, columns, best, json_object_get(out, "entries"), tests));
    json_object_set(out, "tests", tests);
    if (best != SIZE_MAX) {
        json_object_set_new(out, "best", json_string(all->list[best].name));
        json_object_set_new(json_object_get(out, "data"), "users_tested",
                            json_integer((json_int_t)columns[best].count));
    }
done:
    for (size_t i = 0; columns && i < all->count; i++)
        free(columns[i].values);
    free(columns);
    json_decref(tests);
    json_decref(unused);
    return status;
}

/* ---- The whole ----------------------------------------------------------------------------------------------------
 */

static json_t *report_data(const material *base)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:s, s:s, s:s}", "fingerprint", topn_data_fingerprint(base->all), "users",
                     (json_int_t)topn_data_users(base->all), "items", (json_int_t)topn_data_items(base->all), "events",
                     (json_int_t)topn_data_events(base->all), "train", topn_data_fingerprint(base->full), "test_seen",
                     topn_data_fingerprint(base->test_seen), "test_hidden", topn_data_fingerprint(base->test_hidden));
}

static json_t *report_metrics(const compared *all)
{
    json_t *list = json_array();
    for (size_t m = 0; metric_at(all, m); m++) {
        const char *name = metric_at(all, m);
        topn_entry entry;
        const char *meaning = "";
        for (size_t i = 0; topn_registry_entry(TOPN_KIND_METRIC, i, &entry); i++)
            if (strncmp(entry.name, name, strcspn(name, "@")) == 0 && strcspn(entry.name, "@") == strcspn(name, "@"))
                meaning = entry.summary;
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", name, "meaning", meaning));
    }
    return list;
}

topn_status compare_report(const compared *all, json_t **out)
{
    topn_status status = TOPN_OK;
    json_t *entries = json_array();
    *out = json_pack("{s:s, s:s, s:o, s:O, s:o, s:o, s:O}", "record", "topn compare", "version", topn_version(),
                     "machine", record_machine(all->work), "plan", all->plan, "data", report_data(all->base), "metrics",
                     report_metrics(all), "entries", entries);
    if (!*out)
        STUDY_TRY(study_memory(all->work));
    for (size_t i = 0; i < all->count; i++) {
        json_t *entry = NULL;
        status = report_entry(all, &all->list[i], &entry);
        if (entry)
            json_array_append_new(entries, entry);
        STUDY_TRY(status);
    }
    STUDY_TRY(report_tests(all, *out));
done:
    json_decref(entries);
    if (status != TOPN_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}

/* ---- Two reports ---------------------------------------------------------------------------------------------------
 */

static void differ(json_t *lines, const char *what, const char *key, const json_t *before, const json_t *now)
{
    char line[512];
    char *was = before ? json_dumps(before, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    char *is = now ? json_dumps(now, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    snprintf(line, sizeof line, "%s%s%s: %.180s there, %.180s now", what, *what && *key ? ", " : "", key,
             was ? was : "nothing", is ? is : "nothing");
    json_array_append_new(lines, json_string(line));
    free(was);
    free(is);
}

static void compare_members(json_t *lines, const char *what, const json_t *before, const json_t *now)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)before, key, value) if (!json_equal(value, json_object_get(now, key)))
        differ(lines, what, key, value, json_object_get(now, key));
}

json_t *compare_differences(const json_t *before, const json_t *now)
{
    static const char *const parts[] = {"options", "chosen", "results"};
    json_t *lines = json_array();
    const json_t *entries = json_object_get(before, "entries");
    compare_members(lines, "data", json_object_get(before, "data"), json_object_get(now, "data"));
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        const char *name = json_string_value(json_object_get(entry, "name"));
        const json_t *other = entry_of(json_object_get(now, "entries"), name ? name : "");
        if (!json_equal(json_object_get(entry, "status"), json_object_get(other, "status")))
            differ(lines, name, "status", json_object_get(entry, "status"), json_object_get(other, "status"));
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
            compare_members(lines, name, json_object_get(entry, parts[p]), json_object_get(other, parts[p]));
    }
    if (!json_equal(json_object_get(before, "tests"), json_object_get(now, "tests")))
        json_array_append_new(lines, json_string("the tests of pairs are not the same"));
    return lines;
}
