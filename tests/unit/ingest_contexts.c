/* SPDX-License-Identifier: Apache-2.0
 *
 * Contexts of events: columns, fields made of times, previous items; what selections and files make of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <time.h>

#include "base/memory.h"
#include "base/random.h"
#include "ingest_read.h"
#include "numeric/sparse.h"

#include "file_fixture.h" /* after functions whose parameters have its names */

#include <cmocka.h> /* after context.h: it makes a macro of fail */

/* "user[hour,place]:item=weight@time …", "-" for a missing value. */
static const char *show_contexts(const topn_data *data, char *out, size_t capacity)
{
    const data_contexts *contexts = &data->contexts;
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t row = 0; row < contexts->events.rows; row++) {
        used += (size_t)snprintf(out + used, capacity - used, "%s%s[", row ? " " : "",
                                 topn_data_user_id(data, contexts->users[row]));
        for (size_t field = 0; field < contexts->field_count; field++) {
            const uint32_t value = contexts->values[row * contexts->field_count + field];
            const char *text = value == FIELD_MISSING ? "-" : string_table_get(&contexts->fields[field].values, value);
            used += (size_t)snprintf(out + used, capacity - used, "%s%s", field ? "," : "", text);
        }
        used += (size_t)snprintf(out + used, capacity - used, "]");
        for (uint64_t at = contexts->events.indptr[row]; at < contexts->events.indptr[row + 1]; at++) {
            used += (size_t)snprintf(out + used, capacity - used, ":%s",
                                     topn_data_item_id(data, contexts->events.indices[at]));
            if (data->has_weights)
                used += (size_t)snprintf(out + used, capacity - used, "=%g", (double)contexts->events.values[at]);
            if (contexts->times)
                used += (size_t)snprintf(out + used, capacity - used, "@%lld", (long long)contexts->times[at]);
        }
    }
    return out;
}

static topn_data *read_text(const char *text, const char *const *options)
{
    topn_data *data;
    if (read_bytes(context, text, strlen(text), options, &data) != TOPN_OK)
        fail_msg("%s", topn_context_message(context));
    return data;
}

static void reads(const char *text, const char *const *options, const char *pairs, const char *contexts)
{
    char shown[2000];
    topn_data *data = read_text(text, options);
    assert_string_equal(show(data, shown, sizeof shown), pairs);
    assert_string_equal(show_contexts(data, shown, sizeof shown), contexts);
    topn_data_free(data);
}

static void refuses(const char *text, const char *const *options, topn_status wanted, const char *message)
{
    topn_data *data;
    assert_int_equal(read_bytes(context, text, strlen(text), options, &data), wanted);
    if (!strstr(topn_context_message(context), message))
        fail_msg("\"%s\" does not say \"%s\"", topn_context_message(context), message);
    assert_null(data);
}

static void columns_become_fields(void **state)
{
    (void)state;
    reads("user,item,hour,place\nu,a,9,home\nu,b,10,\nv,a,,work\nu,a,10,home\n",
          OPTIONS("context-columns", "hour, place"), "u:a u:b v:a", "u[9,home]:a u[10,home]:a u[10,-]:b v[-,work]:a");
    /* numbers; carriage returns; an empty last field */
    reads("u,a,x\r\nu,b,\r\n", OPTIONS("context-columns", "3", "header", "no"), "u:a u:b", "u[x]:a u[-]:b");
    /* given names, quoted values, columns that would be taken for a weight and a time */
    reads("user,item,rating,timestamp\nu,a,\"5, about\",100\nu,b,4,200\n",
          OPTIONS("context-columns", "mood=rating,timestamp"), "u:a u:b", "u[4,200]:b u[5, about,100]:a");
    /* all whole numbers: in their order; else in that of bytes */
    reads("1\t7\t10\n1\t7\t9\n", OPTIONS("context-columns", "h=3", "header", "no"), "1:7", "1[9]:7 1[10]:7");
    reads("1\t7\t10\n1\t7\t9\n1\t7\tx\n", OPTIONS("context-columns", "h=3", "header", "no"), "1:7",
          "1[10]:7 1[9]:7 1[x]:7");
    reads("u;a;caf\xe9\n", OPTIONS("context-columns", "3", "header", "no", "encoding", "latin-1"), "u:a",
          "u[caf\xc3\xa9]:a");
    reads("user_id:token\titem_id:token\thour:token\n1\t2\tevening\n", OPTIONS("context-columns", "hour"), "1:2",
          "1[evening]:2");
    /* a context is one, whatever the order of lines; two names alike: the first column */
    reads("user,item,h,h\nv,b,1,9\nu,c,1,9\nu,a,1,8\n", OPTIONS("context-columns", "h"), "u:a u:c v:b",
          "u[1]:a:c v[1]:b");
}

static void duplicates_merge_by_context(void **state)
{
    (void)state;
    const char *text = "user,item,rating,h\nu,a,1,x\nu,a,4,y\nu,a,2,x\nu,a,3,y\n";
    reads(text, OPTIONS("context-columns", "h"), "u:a=3", "u[x]:a=2 u[y]:a=3");
    reads(text, OPTIONS("context-columns", "h", "duplicates", "max"), "u:a=4", "u[x]:a=2 u[y]:a=4");
    reads(text, OPTIONS("context-columns", "h", "duplicates", "sum"), "u:a=10", "u[x]:a=3 u[y]:a=7");
    reads(text, OPTIONS("context-columns", "h", "duplicates", "count"), "u:a=4", "u[x]:a=2 u[y]:a=2");
    reads("user,item,rating,timestamp,h\nu,a,1,300,x\nu,a,4,100,y\nu,a,2,200,x\n", OPTIONS("context-columns", "h"),
          "u:a=1@300", "u[x]:a=1@300 u[y]:a=4@100");
}

static void times_become_fields(void **state)
{
    (void)state;
    /* 2024-02-29 was a Thursday, 1969-12-31 a Wednesday */
    reads("user,item,timestamp\nu,a,2024-02-29T23:59:59\nu,b,1969-12-31T00:00:00\n",
          OPTIONS("time-fields", "weekday,hour,month"), "u:a@1709251199 u:b@-86400",
          "u[3,0,12]:b@-86400 u[4,23,2]:a@1709251199");
    for (uint32_t round = 0; round < 300; round++) {
        char line[80], shown[200], wanted[200];
        const time_t time = (time_t)(random_bits(4, RANDOM_ORDER, round) % 4000000000u);
        struct tm parts;
        gmtime_r(&time, &parts);
        snprintf(line, sizeof line, "user,item,timestamp\nu,a,%lld\n", (long long)time);
        snprintf(wanted, sizeof wanted, "u[%d,%d,%d]:a@%lld", parts.tm_hour, parts.tm_wday ? parts.tm_wday : 7,
                 parts.tm_mon + 1, (long long)time);
        topn_data *data = read_text(line, OPTIONS("time-fields", "hour,weekday,month"));
        assert_string_equal(show_contexts(data, shown, sizeof shown), wanted);
        topn_data_free(data);
    }
}

static void previous_items(void **state)
{
    (void)state;
    reads("user,item,timestamp\nu,a,30\nu,b,10\nu,c,20\nv,a,5\nu,d,20\n", OPTIONS("previous-items", "2"),
          "u:a@30 u:b@10 u:c@20 u:d@20 v:a@5", "u[b,-]:c@20 u[c,b]:d@20 u[d,c]:a@30 u[-,-]:b@10 v[-,-]:a@5");
    /* events before --since are none; filters on pairs leave the values as they were */
    reads("user,item,timestamp,rating\nu,a,10,5\nu,b,20,1\nu,c,30,5\n",
          OPTIONS("previous-items", "1", "min-weight", "2"), "u:a=5@10 u:c=5@30", "u[b]:c=5@30 u[-]:a=5@10");
    reads("user,item,timestamp\nu,a,10\nu,b,20\nu,c,30\n", OPTIONS("previous-items", "1", "since", "20"),
          "u:b@20 u:c@30", "u[b]:c@30 u[-]:b@20");
}

/* A log of random events; the previous items by looking through all events before. */
static void previous_items_as_by_hand(void **state)
{
    (void)state;
    enum { EVENTS = 60, BACK = 2 };
    for (uint32_t round = 0; round < 60; round++) {
        uint32_t user[EVENTS], item[EVENTS];
        int64_t time[EVENTS];
        char text[EVENTS * 40];
        size_t used = (size_t)snprintf(text, sizeof text, "user,item,timestamp\n");
        for (uint32_t at = 0; at < EVENTS; at++) {
            const uint64_t bits = random_bits(round, RANDOM_ORDER, at);
            user[at] = (uint32_t)(bits % 5);
            item[at] = (uint32_t)(bits >> 8) % 9;
            time[at] = 1000 + (int64_t)(bits >> 32) % (round % 2 ? 15 : 100000);
            used += (size_t)snprintf(text + used, sizeof text - used, "%u,%u,%lld\n", user[at], item[at],
                                     (long long)time[at]);
        }
        topn_data *data = read_text(text, OPTIONS("previous-items", "2", "duplicates", "count"));
        const data_contexts *contexts = &data->contexts;
        uint64_t total = 0;
        for (uint32_t row = 0; row < contexts->events.rows; row++) {
            for (uint64_t at = contexts->events.indptr[row]; at < contexts->events.indptr[row + 1]; at++) {
                uint32_t count = 0;
                for (uint32_t event = 0; event < EVENTS; event++) {
                    char id[16], wanted[BACK][16] = {"-", "-"};
                    snprintf(id, sizeof id, "%u", user[event]);
                    if (strcmp(id, topn_data_user_id(data, contexts->users[row])) != 0)
                        continue;
                    snprintf(id, sizeof id, "%u", item[event]);
                    if (strcmp(id, topn_data_item_id(data, contexts->events.indices[at])) != 0)
                        continue;
                    for (uint32_t back = 0, then = event; back < BACK; back++) { /* the latest before `then` */
                        uint32_t best = EVENTS;
                        for (uint32_t other = 0; other < EVENTS; other++) {
                            const bool before = time[other] < time[then] || (time[other] == time[then] && other < then);
                            if (user[other] == user[event] && before &&
                                (best == EVENTS || time[other] > time[best] ||
                                 (time[other] == time[best] && other > best)))
                                best = other;
                        }
                        if (best == EVENTS)
                            break;
                        snprintf(wanted[back], sizeof wanted[back], "%u", item[best]);
                        then = best;
                    }
                    bool same = true;
                    for (size_t field = 0; field < BACK; field++) {
                        const uint32_t value = contexts->values[row * BACK + field];
                        const char *found =
                            value == FIELD_MISSING ? "-" : string_table_get(&contexts->fields[field].values, value);
                        same = same && strcmp(found, wanted[field]) == 0;
                    }
                    count += same;
                }
                assert_true(count > 0);
                assert_true(contexts->events.values[at] == (float)count);
                total += count;
            }
        }
        assert_int_equal(total, EVENTS);
        topn_data_free(data);
    }
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    const char *text = "user,item,h\nu,a,1\n";
    refuses(text, OPTIONS("context-columns", "hour"), TOPN_ERROR_DATA, "no column \"hour\"");
    refuses(text, OPTIONS("context-columns", "h,h"), TOPN_ERROR_OPTION, "named twice");
    refuses(text, OPTIONS("context-columns", "4"), TOPN_ERROR_DATA, "numbered 1 to 3");
    refuses(text, OPTIONS("context-columns", "item", "item-column", "item"), TOPN_ERROR_OPTION,
            "column 2 is given for the item and for the context");
    refuses(text, OPTIONS("context-columns", "h,,"), TOPN_ERROR_DATA, "--context-columns");
    refuses(text, OPTIONS("time-fields", "hour"), TOPN_ERROR_OPTION, "--time-fields needs a time column");
    refuses(text, OPTIONS("previous-items", "1"), TOPN_ERROR_OPTION, "--previous-items needs a time column");
    refuses("user,item,timestamp\nu,a,1\n", OPTIONS("time-fields", "hour,minute"), TOPN_ERROR_OPTION, "\"minute\"");
    refuses("user,item,timestamp\nu,a,1\n", OPTIONS("time-fields", "hour,hour"), TOPN_ERROR_OPTION, "twice");
    refuses("user,item,timestamp,hour\nu,a,1,2\n", OPTIONS("time-fields", "hour", "context-columns", "hour"),
            TOPN_ERROR_OPTION, "\"hour\" of the context would be there twice");
    refuses("u a b\nv c\n", OPTIONS("format", "adjacency", "context-columns", "2"), TOPN_ERROR_OPTION,
            "has no columns to name");
    refuses("user,item,h\nu,a,\xff\n", OPTIONS("context-columns", "h"), TOPN_ERROR_DATA, ":2: the h id is not UTF-8");
    refuses("user,item,h\nu,a\n", OPTIONS("context-columns", "h"), TOPN_ERROR_DATA, ":2: 2 fields");
    char wide[2000] = "user,item", list[1000] = "", row[400] = "\nu,a";
    for (int field = 0; field <= MOST_FIELDS; field++) {
        snprintf(wide + strlen(wide), 20, ",f%d", field);
        snprintf(list + strlen(list), 20, "%sf%d", field ? "," : "", field);
        strcat(row, ",1");
    }
    strcat(wide, row);
    refuses(wide, OPTIONS("context-columns", list), TOPN_ERROR_OPTION, "\"f32\" is one field too many");
    *strrchr(list, ',') = '\0';
    topn_data *data = read_text(wide, OPTIONS("context-columns", list));
    assert_int_equal(topn_data_fields(data), MOST_FIELDS);
    topn_data_free(data);
}

static void getters(void **state)
{
    (void)state;
    topn_data *data = read_text("user,item,h\nu,a,1\nu,a,2\nu,b,\nv,b,1\n", OPTIONS("context-columns", "h"));
    assert_int_equal(topn_data_fields(data), 1);
    assert_string_equal(topn_data_field_name(data, 0), "h");
    assert_null(topn_data_field_name(data, 1));
    assert_int_equal(topn_data_field_values(data, 0), 2);
    assert_int_equal(topn_data_contexts(data), 4);
    assert_int_equal(topn_data_context_events(data), 4);
    assert_int_equal(topn_data_events(data), 3);
    assert_true(topn_data_field_missing(data, 0) == 0.25);
    assert_true(topn_data_field_missing(data, 1) != topn_data_field_missing(data, 1));
    assert_int_equal(topn_data_fields(NULL), 0);
    topn_data_free(data);
}

/* A log with contexts; `salt` makes another one. */
static topn_data *random_log(uint32_t salt, bool times)
{
    char text[9000];
    size_t used = (size_t)snprintf(text, sizeof text, "user,item,hour,place,rating%s\n", times ? ",timestamp" : "");
    for (uint32_t at = 0; at < 150; at++) {
        const uint64_t bits = random_bits(salt, RANDOM_ORDER, at);
        used += (size_t)snprintf(text + used, sizeof text - used, "u%u,i%u,%u,%s,%u", (unsigned)(bits % 11),
                                 (unsigned)(bits >> 8) % 13, (unsigned)(bits >> 16) % 4,
                                 (bits >> 24) % 3 == 0   ? ""
                                 : (bits >> 24) % 3 == 1 ? "home"
                                                         : "wo\xc3\xa9rk",
                                 (unsigned)(bits >> 32) % 5);
        used += (size_t)snprintf(text + used, sizeof text - used, times ? ",%u\n" : "\n", 1000 + at * 7 % 50);
    }
    return times ? read_text(text, OPTIONS("context-columns", "hour,place", "previous-items", "1"))
                 : read_text(text, OPTIONS("context-columns", "hour,place"));
}

/* Every event of a context of `part`, as "user[values]:item…" pieces, is one of the whole data. */
static void selections_carry_contexts(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 20; round++) {
        topn_data *data = random_log(round, round % 2), *part;
        const uint64_t events = topn_data_events(data);
        bool keep_event[400], keep_item[20];
        uint32_t users[20], user_count = 0;
        for (uint64_t at = 0; at < events; at++)
            keep_event[at] = random_bits(round, RANDOM_SIGN_FLIP, at) % 3 > 0;
        for (uint32_t item = 0; item < topn_data_items(data); item++)
            keep_item[item] = random_bits(round, RANDOM_BOOTSTRAP, item) % 4 > 0;
        for (uint32_t user = topn_data_users(data); user-- > 0;) /* backwards */
            if (user % 4 != round % 4)
                users[user_count++] = user;
        const data_selection selection = {.users = users,
                                          .user_count = user_count,
                                          .keep_event = keep_event,
                                          .keep_item = keep_item,
                                          .compact_items = round % 3 > 0,
                                          .drop_empty_users = round % 5 > 0};
        assert_int_equal(data_select(context, data, &selection, &part), TOPN_OK);
        const data_contexts *from = &data->contexts, *to = &part->contexts;
        uint64_t wanted = 0;
        for (uint32_t row = 0; row < from->events.rows; row++) {
            uint32_t user, item;
            for (uint64_t at = from->events.indptr[row]; at < from->events.indptr[row + 1]; at++) {
                const uint32_t *found = NULL;
                const uint32_t old = from->events.indices[at];
                const uint64_t begin = data->matrix.indptr[from->users[row]];
                uint64_t pair = begin;
                while (data->matrix.indices[pair] != old)
                    pair++;
                if (!keep_event[pair] || !keep_item[old] || from->users[row] % 4 == round % 4)
                    continue;
                wanted++;
                assert_true(topn_data_find_user(part, topn_data_user_id(data, from->users[row]), &user));
                assert_true(topn_data_find_item(part, topn_data_item_id(data, old), &item));
                for (uint32_t other = 0; other < to->events.rows && !found; other++) {
                    bool same = to->users[other] == user;
                    for (size_t field = 0; field < from->field_count && same; field++) {
                        const uint32_t a = from->values[row * from->field_count + field];
                        const uint32_t b = to->values[other * from->field_count + field];
                        same = (a == FIELD_MISSING) == (b == FIELD_MISSING) &&
                               (a == FIELD_MISSING || strcmp(string_table_get(&from->fields[field].values, a),
                                                             string_table_get(&to->fields[field].values, b)) == 0);
                    }
                    for (uint64_t event = to->events.indptr[other]; same && event < to->events.indptr[other + 1];
                         event++)
                        if (to->events.indices[event] == item && to->events.values[event] == from->events.values[at] &&
                            (!from->times || to->times[event] == from->times[at]))
                            found = &to->events.indices[event];
                }
                assert_non_null(found);
            }
        }
        assert_int_equal(topn_data_context_events(part), wanted);
        for (size_t field = 0; field < to->field_count; field++) /* values that nobody has are gone */
            for (uint32_t value = 0; value < to->fields[field].values.count; value++) {
                bool used = false;
                for (uint32_t row = 0; row < to->events.rows; row++)
                    used = used || to->values[row * to->field_count + field] == value;
                assert_true(used);
            }
        topn_data_free(part);
        topn_data_free(data);
    }
}

static void files_keep_contexts(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 6; round++) {
        topn_data *data = random_log(round, round % 2), *opened, *read;
        topn_options *reader;
        assert_int_equal(topn_data_save(context, data, path), TOPN_OK);
        if (data_open(context, path, &opened) != TOPN_OK)
            fail_msg("%s", topn_context_message(context));
        assert_string_equal(topn_data_fingerprint(opened), topn_data_fingerprint(data));
        char shown[2][9000];
        assert_string_equal(show_contexts(opened, shown[0], 9000), show_contexts(data, shown[1], 9000));
        assert_string_equal(topn_data_field_name(opened, 1), "place");
        uint32_t value;
        assert_true(id_index_find(&opened->contexts.fields[1].by_value, "home", &value));
        assert_int_equal(topn_data_save(context, opened, again), TOPN_OK);
        topn_data_free(opened);
        /* through the sink, as filters need it */
        assert_int_equal(topn_options_create(context, TOPN_KIND_READER, "reader", &reader), TOPN_OK);
        assert_int_equal(topn_options_set(context, reader, "min-user-events", "1"), TOPN_OK);
        assert_int_equal(topn_data_read(context, again, reader, &read), TOPN_OK);
        assert_string_equal(topn_data_fingerprint(read), topn_data_fingerprint(data));
        topn_data_free(read);
        topn_options_free(reader);
        /* as text */
        assert_int_equal(topn_data_write_text(context, data, path), TOPN_OK);
        assert_int_equal(topn_options_create(context, TOPN_KIND_READER, "reader", &reader), TOPN_OK);
        assert_int_equal(
            topn_options_set(context, reader, "context-columns", round % 2 ? "hour,place,previous_item" : "hour,place"),
            TOPN_OK);
        if (topn_data_read(context, path, reader, &read) != TOPN_OK)
            fail_msg("%s", topn_context_message(context));
        assert_string_equal(topn_data_fingerprint(read), topn_data_fingerprint(data));
        topn_data_free(read);
        topn_options_free(reader);
        topn_data_free(data);
    }
}

/* The fingerprint of data without contexts and features is the one of earlier versions, and is sensitive to them. */
static void fingerprints(void **state)
{
    (void)state;
    const char *text = "user,item,h\nu,a,1\nu,b,2\n";
    topn_data *plain = read_text(text, OPTIONS()), *with = read_text(text, OPTIONS("context-columns", "h"));
    topn_data *named = read_text(text, OPTIONS("context-columns", "g=h"));
    const char *wanted = "1274851d0a649fbf"; /* by version 0.1.0 */
    assert_string_equal(topn_data_fingerprint(plain), wanted);
    assert_string_not_equal(topn_data_fingerprint(with), wanted);
    assert_string_not_equal(topn_data_fingerprint(with), topn_data_fingerprint(named));
    topn_data_free(plain);
    topn_data_free(with);
    topn_data_free(named);
}

/* Parts with two contexts, given backwards: of user 1 at value 0 with item 1, of user 0 at value `value` with items. */
static topn_status assemble(uint32_t value, const uint32_t items[2], topn_data **out)
{
    static const char *const texts[] = {"x", "y"};
    data_parts parts = {0};
    assert_int_equal(sparse_create(context, 2, 2, 3, &parts.matrix), TOPN_OK);
    memcpy(parts.matrix.indptr, (uint64_t[]){0, 2, 3}, 3 * sizeof(uint64_t));
    memcpy(parts.matrix.indices, (uint32_t[]){0, 1, 1}, 3 * sizeof(uint32_t));
    for (int at = 0; at < 3; at++)
        parts.matrix.values[at] = 1;
    assert_int_equal(string_table_create(context, texts, 2, &parts.user_ids), TOPN_OK);
    assert_int_equal(string_table_create(context, texts, 2, &parts.item_ids), TOPN_OK);
    data_contexts *contexts = &parts.contexts;
    assert_int_equal(ALLOCATE_ZEROED(context, 1, &contexts->fields), TOPN_OK);
    contexts->field_count = 1;
    assert_int_equal(memory_copy_text(context, "h", &contexts->fields[0].name), TOPN_OK);
    assert_int_equal(string_table_create(context, texts, 1, &contexts->fields[0].values), TOPN_OK);
    assert_int_equal(sparse_create(context, 2, 2, 3, &contexts->events), TOPN_OK);
    assert_int_equal(ALLOCATE(context, 2, &contexts->users), TOPN_OK);
    assert_int_equal(ALLOCATE(context, 2, &contexts->values), TOPN_OK);
    contexts->users[0] = 1;
    contexts->users[1] = 0;
    contexts->values[0] = 0;
    contexts->values[1] = value;
    memcpy(contexts->events.indptr, (uint64_t[]){0, 1, 3}, 3 * sizeof(uint64_t));
    memcpy(contexts->events.indices, (uint32_t[]){1, items[0], items[1]}, 3 * sizeof(uint32_t));
    for (int at = 0; at < 3; at++)
        contexts->events.values[at] = (float)at;
    return data_assemble(context, &parts, out);
}

static void assembled_contexts_are_sorted_and_checked(void **state)
{
    (void)state;
    topn_data *data;
    assert_int_equal(assemble(FIELD_MISSING, (uint32_t[]){1, 0}, &data), TOPN_OK);
    assert_int_equal(data->contexts.users[0], 0);
    assert_int_equal(data->contexts.users[1], 1);
    assert_int_equal(data->contexts.values[0], FIELD_MISSING);
    assert_int_equal(data->contexts.events.indices[0], 0);
    assert_true(data->contexts.events.values[0] == 2.0f);
    assert_true(data->contexts.events.values[1] == 1.0f);
    assert_true(data->contexts.events.values[2] == 0.0f);
    topn_data_free(data);
    assert_int_equal(assemble(0, (uint32_t[]){0, 0}, &data), TOPN_ERROR_INTERNAL); /* an item twice */
    assert_null(data);
    assert_int_equal(assemble(1, (uint32_t[]){0, 1}, &data), TOPN_ERROR_FORMAT); /* no such value */
}

/* Whichever allocation fails, reading fails cleanly. */
static void failing_allocations(void **state)
{
    (void)state;
    const char *text = "user,item,timestamp,h\nu,a,1,x\nu,b,2,\nv,a,3,y\nv,a,4,x\nw,c,5,z\n";
    topn_status status = TOPN_ERROR_MEMORY;
    uint64_t at = 1;
    for (; status == TOPN_ERROR_MEMORY; at++) {
        topn_data *data;
        topn_options *reader = NULL;
        assert_int_equal(topn_options_create(context, TOPN_KIND_READER, "reader", &reader), TOPN_OK);
        const char *const options[][2] = {
            {"context-columns", "h"}, {"time-fields", "hour"}, {"previous-items", "1"}, {"min-user-events", "2"}};
        for (size_t index = 0; index < 4; index++)
            assert_int_equal(topn_options_set(context, reader, options[index][0], options[index][1]), TOPN_OK);
        memory_fail_after(at);
        status = reader_read_memory(context, "events", text, strlen(text), options_params(reader, &reader_option_table),
                                    &data);
        memory_fail_after(0);
        assert_true(status == TOPN_OK || (status == TOPN_ERROR_MEMORY && !data));
        topn_data_free(data);
        topn_options_free(reader);
    }
    assert_int_equal(status, TOPN_OK);
    assert_true(at > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_become_fields),
        cmocka_unit_test(duplicates_merge_by_context),
        cmocka_unit_test(times_become_fields),
        cmocka_unit_test(previous_items),
        cmocka_unit_test(previous_items_as_by_hand),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(getters),
        cmocka_unit_test(selections_carry_contexts),
        cmocka_unit_test(files_keep_contexts),
        cmocka_unit_test(fingerprints),
        cmocka_unit_test(assembled_contexts_are_sorted_and_checked),
        cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
