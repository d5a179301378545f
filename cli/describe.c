/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "preset.h"
#include "session.h"
#include "text.h"

static const char *const distribution_names[] = {"minimum", "10%", "25%",     "median", "75%",
                                                 "90%",     "99%", "maximum", "mean"};
enum { DISTRIBUTION_COUNT = 9 };

static void distribution_values(const topn_distribution *from, double out[DISTRIBUTION_COUNT])
{
    const double values[DISTRIBUTION_COUNT] = {from->minimum, from->p10, from->p25,     from->median, from->p75,
                                               from->p90,     from->p99, from->maximum, from->mean};
    memcpy(out, values, sizeof values);
}

static void format_time(int64_t seconds, char out[40])
{
    const time_t when = (time_t)seconds;
    struct tm parts;
    if (!gmtime_r(&when, &parts) || !strftime(out, 40, "%Y-%m-%d %H:%M:%S", &parts))
        snprintf(out, 40, "%" PRId64, seconds);
}

/* What is known beside who took what; nothing where nothing is. */
static void print_contexts(const topn_data *data, table *grid)
{
    const struct {
        const char *what;
        uint64_t value;
    } counts[] = {{"contexts", topn_data_contexts(data)},
                  {"events by context", topn_data_context_events(data)},
                  {"user features", topn_data_user_features(data)},
                  {"item features", topn_data_item_features(data)}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (counts[i].value == 0)
            continue;
        table_text(grid, counts[i].what);
        table_cell(grid, "%" PRIu64, counts[i].value);
    }
    for (size_t field = 0; field < topn_data_fields(data); field++) {
        table_cell(grid, "field %s", topn_data_field_name(data, field));
        table_cell(grid, "%" PRIu32 " values, %.4g %% of events without", topn_data_field_values(data, field),
                   100 * topn_data_field_missing(data, field));
    }
}

static void print_facts(const topn_data *data, const topn_description *facts, output_format format)
{
    static const char *const headings[] = {"what", "value"};
    char first[40], last[40];
    table *grid = table_create(format == OUTPUT_CSV ? headings : NULL, "ll");
    const struct {
        const char *what, *value;
    } texts[] = {{"source", facts->source},
                 {"format", facts->format},
                 {"columns", facts->columns},
                 {"fingerprint", topn_data_fingerprint(data)}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!texts[i].value || !*texts[i].value)
            continue;
        table_text(grid, texts[i].what);
        table_text(grid, texts[i].value);
    }
    const struct {
        const char *what;
        uint64_t value;
    } counts[] = {{"users", facts->users},
                  {"items", facts->items},
                  {"events", facts->events},
                  {"rows read", facts->rows_read},
                  {"duplicates merged", facts->duplicates}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        table_text(grid, counts[i].what);
        table_cell(grid, "%" PRIu64, counts[i].value);
    }
    for (size_t i = 0; i < facts->dropped_count; i++) {
        table_cell(grid, "dropped: %s", facts->dropped[i].reason);
        table_cell(grid, "%" PRIu64, facts->dropped[i].events);
    }
    table_text(grid, "density");
    table_cell(grid, format == OUTPUT_CSV ? "%.6g" : "%.4g %%",
               format == OUTPUT_CSV ? facts->density : 100 * facts->density);
    table_text(grid, "Gini of items");
    table_cell(grid, "%.4f", facts->gini_items);
    table_text(grid, "weights");
    table_text(grid, facts->has_weights ? "yes" : "no");
    table_text(grid, "times");
    format_time(facts->first_time, first);
    format_time(facts->last_time, last);
    table_cell(grid, "%s%s%s", facts->has_times ? first : "no", facts->has_times ? " to " : "",
               facts->has_times ? last : "");
    print_contexts(data, grid);
    table_finish(grid, format);
}

static void print_distributions(const topn_description *facts, output_format format)
{
    const char *headings[DISTRIBUTION_COUNT + 1] = {"distribution"};
    memcpy(headings + 1, distribution_names, sizeof distribution_names);
    const struct {
        const char *what;
        const topn_distribution *values;
    } rows[] = {{"events per user", &facts->per_user},
                {"events per item", &facts->per_item},
                {"weight of an event", &facts->weight}};
    const bool csv = format == OUTPUT_CSV; /* goes on with print_facts' rows, as a file of CSV has one header */
    table *grid = csv ? table_create(NULL, "ll") : table_create(headings, "lrrrrrrrrr");
    for (size_t i = 0; i < (facts->has_weights ? 3u : 2u); i++) {
        double values[DISTRIBUTION_COUNT];
        distribution_values(rows[i].values, values);
        if (!csv)
            table_text(grid, rows[i].what);
        for (size_t j = 0; j < DISTRIBUTION_COUNT; j++) {
            if (csv)
                table_cell(grid, "%s: %s", rows[i].what, distribution_names[j]);
            table_cell(grid, j + 1 == DISTRIBUTION_COUNT ? "%.6g" : "%.10g", values[j]);
        }
    }
    if (!csv)
        putchar('\n');
    table_finish(grid, format);
}

static json_t *fields_json(const topn_data *data)
{
    json_t *list = json_array();
    for (size_t field = 0; field < topn_data_fields(data); field++) {
        json_t *object = json_object();
        json_object_set_new(object, "name", text_json(topn_data_field_name(data, field)));
        json_object_set_new(object, "values", json_integer(topn_data_field_values(data, field)));
        json_object_set_new(object, "missing", real_json(topn_data_field_missing(data, field)));
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *distribution_json(const topn_distribution *from)
{
    static const char *const keys[] = {"minimum", "p10", "p25", "median", "p75", "p90", "p99", "maximum", "mean"};
    double values[DISTRIBUTION_COUNT];
    json_t *object = json_object();
    distribution_values(from, values);
    for (size_t i = 0; i < DISTRIBUTION_COUNT; i++)
        json_object_set_new(object, keys[i], real_json(values[i]));
    return object;
}

static void print_json(const topn_data *data, const topn_description *facts)
{
    json_t *object = json_object(), *dropped = json_object();
    for (size_t i = 0; i < facts->dropped_count; i++)
        json_object_set_new(dropped, facts->dropped[i].reason, json_integer((json_int_t)facts->dropped[i].events));
    json_object_set_new(object, "source", text_json(facts->source));
    json_object_set_new(object, "format", text_json(facts->format));
    json_object_set_new(object, "columns", text_json(facts->columns));
    json_object_set_new(object, "fingerprint", text_json(topn_data_fingerprint(data)));
    json_object_set_new(object, "users", json_integer(facts->users));
    json_object_set_new(object, "items", json_integer(facts->items));
    json_object_set_new(object, "events", json_integer((json_int_t)facts->events));
    json_object_set_new(object, "rows_read", json_integer((json_int_t)facts->rows_read));
    json_object_set_new(object, "duplicates", json_integer((json_int_t)facts->duplicates));
    json_object_set_new(object, "dropped", dropped);
    json_object_set_new(object, "density", real_json(facts->density));
    json_object_set_new(object, "gini_items", real_json(facts->gini_items));
    json_object_set_new(object, "has_weights", json_boolean(facts->has_weights));
    json_object_set_new(object, "has_times", json_boolean(facts->has_times));
    json_object_set_new(object, "first_time", facts->has_times ? json_integer(facts->first_time) : json_null());
    json_object_set_new(object, "last_time", facts->has_times ? json_integer(facts->last_time) : json_null());
    json_object_set_new(object, "events_per_user", distribution_json(&facts->per_user));
    json_object_set_new(object, "events_per_item", distribution_json(&facts->per_item));
    json_object_set_new(object, "weight", distribution_json(&facts->weight));
    json_object_set_new(object, "contexts", json_integer(topn_data_contexts(data)));
    json_object_set_new(object, "context_events", json_integer((json_int_t)topn_data_context_events(data)));
    json_object_set_new(object, "fields", fields_json(data));
    json_object_set_new(object, "user_features", json_integer(topn_data_user_features(data)));
    json_object_set_new(object, "item_features", json_integer(topn_data_item_features(data)));
    json_print(object, true);
}

static const own_option own_options[] = {PRESET_OPTIONS};

static int run(struct session *session)
{
    topn_data *data = NULL;
    topn_description facts;
    int code;
    STEP(session_apply(session, NULL));
    STEP(session_read(session, session_operand(session, 0), NULL, &data));
    STEP(preset_expect(session, "expect", session_operand(session, 0), "after the filters", preset_counts(data)));
    STEP(session_check(session, topn_data_describe(session->context, data, &facts)));
    if (session->format == OUTPUT_JSON) {
        print_json(data, &facts);
    } else {
        print_facts(data, &facts, session->format);
        print_distributions(&facts, session->format);
    }
done:
    topn_data_free(data);
    return code;
}

const struct command command_describe = {
    .name = "describe",
    .summary = "counts, density, distributions, time span and what was left out",
    .usage = "DATA [--preset NAME] [reader options]",
    .description =
        "Reads events and says what is in them: users, items, events, density, how events spread over users "
        "and items, the time span, duplicates merged, and what each filter dropped. DATA is a file, a folder "
        "in the Netflix Prize form, or - for standard input; gzip and zstd are seen through.",
    .example = "topn describe ratings.csv\ntopn describe ratings.dat --min-weight 4 --min-user-events 5 --format json",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .kinds = KIND_BIT(TOPN_KIND_READER),
    .results = true,
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = run,
};
