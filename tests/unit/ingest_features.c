/* SPDX-License-Identifier: Apache-2.0
 *
 * Side files of features: what columns are taken for, what is refused, and how they meet the events.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>

#include "base/memory.h"
#include "base/random.h"
#include "ingest/features.h"
#include "ingest/source.h"
#include "ingest_read.h"

#include "file_fixture.h" /* after functions whose parameters have its names */

#include <cmocka.h> /* after context.h: it makes a macro of fail */

/* "a: genre=x year=1999; b:" of rows with these ids, numbers shown when not 1. */
static const char *show_table(const string_table *ids, const feature_table *table, char *out, size_t capacity)
{
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t row = 0; row < ids->count; row++) {
        used += (size_t)snprintf(out + used, capacity - used, "%s%s:", row ? "; " : "", string_table_get(ids, row));
        for (uint64_t at = table->rows.indptr[row]; at < table->rows.indptr[row + 1]; at++) {
            used += (size_t)snprintf(out + used, capacity - used, " %s",
                                     string_table_get(&table->names, table->rows.indices[at]));
            if (table->rows.values[at] != 1.0f)
                used += (size_t)snprintf(out + used, capacity - used, "~%g", (double)table->rows.values[at]);
        }
    }
    return out;
}

static topn_status read_features(const char *text, const char *columns, int scale, feature_source *out)
{
    const reader_params params = {.item_feature_columns = (char *)columns, .feature_scale = scale};
    const feature_side side = feature_side_items(&params);
    source *from;
    assert_int_equal(source_from_memory(context, "features", text, strlen(text), &from), TOPN_OK);
    const topn_status status = features_read_source(context, from, &params, &side, out);
    source_close(from);
    return status;
}

static void reads(const char *text, const char *columns, const char *wanted)
{
    char shown[2000];
    feature_source features;
    if (read_features(text, columns, 0, &features) != TOPN_OK)
        fail_msg("%s", topn_context_message(context));
    assert_string_equal(show_table(&features.ids, &features.table, shown, sizeof shown), wanted);
    feature_source_clear(&features);
}

static void refuses(const char *text, const char *columns, topn_status wanted, const char *message)
{
    feature_source features;
    assert_int_equal(read_features(text, columns, 0, &features), wanted);
    if (!strstr(topn_context_message(context), message))
        fail_msg("\"%s\" does not say \"%s\"", topn_context_message(context), message);
    assert_null(features.ids.bytes);
}

static void wide_tables(void **state)
{
    (void)state;
    reads("item,genre,year\na,x,1999\nb,\"y \"\"z\"\"\",2001\n", NULL,
          "a: genre=x year=1999; b: genre=y \"z\" year=2001");
    reads("item,genre,price\r\na,x,1.5\r\n\r\nb,,2\r\n", NULL, "a: genre=x price~1.5; b: price~2");
    reads("1::F::1::x\n2::M::25::y\n", NULL, "1: column2=F column3=1 column4=x; 2: column2=M column3=25 column4=y");
    reads("1::F::1::x\n2::M::25::y\n", "id,gender,age:number", "1: age gender=F; 2: age~25 gender=M");
    reads("1::F::1::x\n2::M::25::y\n", "id,-,,job", "1: job=x; 2: job=y");
    reads("F,1\nM,2\n", "gender,user:id", "1: gender=F; 2: gender=M");
    reads("1::Ann\xe9::a|b\n2::Bo::b||c|b\n", NULL,
          "1: column2=Ann\xc3\xa9 column3=a column3=b; 2: column2=Bo column3=b column3=c");
    reads("id\tgenre\tyear\na\tx, y\t3\n", "genre:set comma,year:number", "a: genre=x genre=y year~3");
    reads("id\tgenre\tyear\na\tx;y\t3\n", "2:set;", "a: genre=x genre=y");
    reads("id,v,w\na,1 2.5 0,x\nb,3,x\n", "v:vector", "a: v.1 v.2~2.5 v.3~0; b: v.1~3");
    reads("item_id:token\tclass:token_seq\tyear:token\tprice:float\tat:float_seq\n7\tA B\t1999\t2.5\t1 2\n", NULL,
          "7: at.1 at.2~2 class=A class=B price~2.5 year=1999");
    /* a table of events: the rows of an item say the same */
    reads("user\titem\tpaid\n1\ta\tyes\n2\ta\tyes\n2\tb\tno\n", "paid", "a: paid=yes; b: paid=no");
}

static void long_tables(void **state)
{
    (void)state;
    reads("item\ttag\na\t10\na\t2\nb\t10\na\t10\n", NULL, "a: tag=10 tag=2; b: tag=10");
    reads("item\tword\tcount\na\t10\t3\na\t2\t1\nb\t10\t7\n", NULL, "a: word=10~3 word=2; b: word=10~7");
    reads("id,feature,number\na,genre=x,1\na,year,1999\n", "id,feature,number:amount", "a: genre=x year~1999");
    reads("a p\na q\nb p\n", NULL, "a: column2=p column2=q; b: column2=p");
}

static void content_decides(void **state)
{
    (void)state;
    char text[60000], line[300];
    snprintf(text, sizeof text, "id,few,many,own,prose,empty\n");
    for (int row = 0; row < 150; row++) {
        snprintf(line, sizeof line, "%d,%d,%d,name %d,%0230d,\n", row, row % 60, row % 70, row, row % 2);
        line[strlen(line) - 100] = 'x';
        strcat(text, line);
    }
    feature_source features;
    uint32_t few = 0, many = 0;
    assert_int_equal(read_features(text, NULL, 0, &features), TOPN_OK);
    for (uint32_t name = 0; name < features.table.names.count; name++) {
        const char *shown = string_table_get(&features.table.names, name);
        few += strncmp(shown, "few=", 4) == 0;
        many += strcmp(shown, "many") == 0;
    }
    assert_int_equal(few, 60);
    assert_int_equal(many, 1);
    assert_int_equal(features.table.names.count, 61);
    feature_source_clear(&features);
}

static void numbers_are_scaled_when_asked(void **state)
{
    (void)state;
    char shown[400];
    feature_source features;
    assert_int_equal(read_features("id,g,p\na,x,1.0\nb,y,3.0\nc,x,\n", "g,p:number", 1, &features), TOPN_OK);
    assert_string_equal(show_table(&features.ids, &features.table, shown, sizeof shown),
                        "a: g=x p~-1; b: g=y p; c: g=x");
    feature_source_clear(&features);
    assert_int_equal(read_features("id,g,p\na,x,2\nb,y,\n", "g,p:number", 2, &features), TOPN_OK);
    assert_string_equal(show_table(&features.ids, &features.table, shown, sizeof shown),
                        "a: g=x~0.447214 p~0.894427; b: g=y");
    feature_source_clear(&features);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    refuses("", NULL, TOPN_ERROR_DATA, "features:1: the file is empty");
    refuses("item,year\na,1\nb\n", NULL, TOPN_ERROR_DATA, "features:3: 1 field where the first line has 2");
    refuses("item,year\na,1\nb,x\n", "year:number", TOPN_ERROR_DATA, "features:3: year \"x\" is not a finite number");
    refuses("item,year\na,1\n,2\n", "year:number", TOPN_ERROR_DATA, "features:3: the item id has 0 bytes");
    refuses("item,year\na,1\na,2\n", "year:number", TOPN_ERROR_DATA,
            "line 3 of the item features: item \"a\" has two numbers of \"year\", 1 and 2");
    refuses("item,year\na,inf\n", "year:number", TOPN_ERROR_DATA, "not a finite number");
    refuses("item,year\na,1\n", "month", TOPN_ERROR_OPTION, "no column \"month\"");
    refuses("item,year\na,1\n", "year:set of", TOPN_ERROR_OPTION, "\"set of\" is no type");
    refuses("a,1\nb,2\n", "id,x,y", TOPN_ERROR_OPTION, "names more columns than the 2");
    refuses("a,1\nb,2\n", "id:id,x:id", TOPN_ERROR_OPTION, "columns 1 and 2 are both the id");
    refuses("item,year\na,\n", NULL, TOPN_ERROR_DATA, "no features of items");
    char wide[3000] = "item";
    for (int column = 0; column < 600; column++)
        strcat(wide, ",c");
    refuses(wide, NULL, TOPN_ERROR_DATA, "601 columns of features");
}

static void put(const char *file, const char *text)
{
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
}

/* Events with the features in the files `path` (of users) and `again` (of items). */
static topn_data *read_with(const char *events, const char *users, const char *items, const char *ids,
                            const char *least)
{
    topn_data *data;
    put(path, users);
    put(again, items);
    const topn_status status = read_bytes(
        context, events, strlen(events),
        OPTIONS("user-features", path, "item-features", again, "feature-ids", ids, "min-item-events", least), &data);
    if (status != TOPN_OK)
        fail_msg("%s", topn_context_message(context));
    return data;
}

static void features_meet_events(void **state)
{
    (void)state;
    const char *events = "2,10\n2,9\n10,9\n", *users = "id,g\n10,x\n3,y\n", *items = "item,g\n9,p\n100,q\n8,p\n";
    char shown[400];
    topn_data *data = read_with(events, users, items, "all", "0");
    assert_string_equal(show(data, shown, sizeof shown), "2:9 2:10 10:9");
    assert_int_equal(topn_data_users(data), 3);
    assert_int_equal(topn_data_items(data), 4);
    assert_int_equal(topn_data_user_features(data), 2);
    assert_int_equal(topn_data_item_features(data), 2);
    assert_string_equal(show_table(&data->user_ids, &data->user_features, shown, sizeof shown), "2:; 3: g=y; 10: g=x");
    assert_string_equal(show_table(&data->item_ids, &data->item_features, shown, sizeof shown),
                        "8: g=p; 9: g=p; 10:; 100: g=q");
    uint32_t found;
    assert_true(topn_data_find_item(data, "100", &found));
    assert_true(id_index_find(&data->item_features.by_name, "g=q", &found));
    topn_data_free(data);

    data = read_with(events, users, items, "known", "0");
    assert_string_equal(show_table(&data->user_ids, &data->user_features, shown, sizeof shown), "2:; 10: g=x");
    assert_string_equal(show_table(&data->item_ids, &data->item_features, shown, sizeof shown), "9: g=p; 10:");
    topn_data_free(data);

    /* items that a filter dropped are not added again; those without events are */
    data = read_with(events, users, "item,g\n9,p\n10,q\n8,p\n", "all", "2");
    assert_string_equal(show(data, shown, sizeof shown), "2:9 10:9");
    assert_string_equal(show_table(&data->item_ids, &data->item_features, shown, sizeof shown), "8: g=p; 9: g=p");
    topn_data_free(data);

    /* an id that is no number puts all in the order of bytes */
    data = read_with(events, "id,g\na,x\n9,y\n", items, "all", "0");
    assert_string_equal(show(data, shown, sizeof shown), "10:9 2:9 2:10");
    assert_string_equal(show_table(&data->user_ids, &data->user_features, shown, sizeof shown),
                        "10:; 2:; 9: g=y; a: g=x");
    topn_data_free(data);
}

/* Contexts, weights and times follow their users and items when others come between them. */
static void events_move_with_their_users(void **state)
{
    (void)state;
    const char *events = "user,item,rating,timestamp,h\n5,5,1,10,a\n5,7,2,20,b\n2,7,3,30,\n2,5,4,40,a\n";
    const char *columns = "h";
    topn_data *plain, *with;
    char shown[2][400];
    put(path, "id,g\nx,1\n1,2\n3,2\n");
    assert_int_equal(read_bytes(context, events, strlen(events), OPTIONS("context-columns", columns), &plain), TOPN_OK);
    assert_int_equal(read_bytes(context, events, strlen(events),
                                OPTIONS("context-columns", columns, "user-features", path, "item-features", path),
                                &with),
                     TOPN_OK);
    assert_int_equal(topn_data_users(with), 5);
    assert_int_equal(topn_data_items(with), 5);
    assert_string_equal(show(plain, shown[0], 400), "2:5=4@40 2:7=3@30 5:5=1@10 5:7=2@20");
    assert_string_equal(show(with, shown[1], 400), shown[0]);
    for (uint32_t row = 0; row < topn_data_contexts(plain); row++) {
        assert_string_equal(topn_data_user_id(with, with->contexts.users[row]),
                            topn_data_user_id(plain, plain->contexts.users[row]));
        assert_int_equal(with->contexts.values[row], plain->contexts.values[row]);
        assert_string_equal(topn_data_item_id(with, with->contexts.events.indices[row]),
                            topn_data_item_id(plain, plain->contexts.events.indices[row]));
    }
    /* the binary form keeps all of it, also through the sink */
    topn_data *opened;
    topn_options *reader;
    assert_int_equal(topn_data_save(context, with, again), TOPN_OK);
    assert_int_equal(data_open(context, again, &opened), TOPN_OK);
    assert_string_equal(topn_data_fingerprint(opened), topn_data_fingerprint(with));
    assert_true(id_index_find(&opened->user_features.by_name, "g=2", NULL));
    topn_data_free(opened);
    assert_int_equal(topn_options_create(context, TOPN_KIND_READER, "reader", &reader), TOPN_OK);
    assert_int_equal(topn_options_set(context, reader, "min-user-events", "1"), TOPN_OK);
    assert_int_equal(topn_data_read(context, again, reader, &opened), TOPN_OK);
    assert_string_equal(topn_data_fingerprint(opened), topn_data_fingerprint(with));
    topn_data_free(opened);
    topn_options_free(reader);
    topn_data_free(plain);
    topn_data_free(with);
}

/* Opens the file `again` with one byte of an array changed, or without the array, under right checksums. */
static topn_status open_changed(const char *array, uint64_t byte, unsigned char value, bool without)
{
    topn_data *opened;
    safetensors_file *file;
    tensor tensors[64];
    unsigned char copy[512];
    size_t count = 0;
    record metadata;
    assert_int_equal(safetensors_open(context, again, true, &file), TOPN_OK);
    for (size_t at = 0; at < safetensors_count(file); at++) {
        tensors[count] = *safetensors_at(file, at);
        if (strcmp(tensors[count].name, array) == 0) {
            assert_true(tensor_bytes(&tensors[count]) <= sizeof copy);
            memcpy(copy, tensors[count].bytes, tensor_bytes(&tensors[count]));
            copy[byte] = value;
            tensors[count].bytes = copy;
            count -= without;
        }
        count++;
    }
    assert_int_equal(record_copy(context, safetensors_metadata(file), &metadata), TOPN_OK);
    assert_int_equal(safetensors_write(context, path, tensors, count, &metadata), TOPN_OK);
    record_clear(&metadata);
    safetensors_close(file);
    const topn_status status = data_open(context, path, &opened);
    topn_data_free(opened);
    return status;
}

/* Whatever is wrong with the arrays of contexts and features, the file is refused. */
static void damaged_files(void **state)
{
    (void)state;
    const char *events = "user,item,rating,timestamp,h,g\n5,5,1,10,a,x\n5,7,2,20,b,\n2,7,3,30,,x\n2,5,4,40,a,y\n";
    topn_data *data;
    safetensors_file *file;
    put(path, "id,g\nx,1\n5,2\n3,2\n");
    assert_int_equal(read_bytes(context, events, strlen(events),
                                OPTIONS("context-columns", "h,g", "user-features", path, "item-features", path), &data),
                     TOPN_OK);
    assert_int_equal(topn_data_save(context, data, again), TOPN_OK);
    topn_data_free(data);
    assert_int_equal(safetensors_open(context, again, true, &file), TOPN_OK);
    size_t arrays = 0;
    for (size_t index = 0; index < safetensors_count(file); index++) {
        const tensor *array = safetensors_at(file, index);
        if (!strstr(array->name, "context") && !strstr(array->name, "feature"))
            continue;
        arrays++;
        if (open_changed(array->name, 0, 0, true) != TOPN_ERROR_FORMAT)
            fail_msg("opened without %s", array->name);
        for (uint64_t byte = 0; byte < tensor_bytes(array); byte += 11) { /* every write waits for the disk */
            const unsigned char old = ((const unsigned char *)array->bytes)[byte];
            const unsigned char value = byte % 2 ? old ^ 0x80 : old + 1;
            if (open_changed(array->name, byte, value, false) != TOPN_ERROR_FORMAT)
                fail_msg("opened with byte %d of %s changed", (int)byte, array->name);
        }
    }
    assert_int_equal(arrays, 2 + 2 * 2 + 2 + 3 + 1 + 2 * 5);
    safetensors_close(file);
    assert_int_equal(open_changed("contexts.values", 0, 77, false), TOPN_ERROR_FORMAT);
    assert_non_null(strstr(topn_context_message(context), "has value 77 of 2 in field \"h\""));
    assert_int_equal(open_changed("contexts.events.indices", 0, 0, false), TOPN_ERROR_FORMAT);
    assert_non_null(strstr(topn_context_message(context), "has an event that the user has not"));
}

static void selections_take_rows(void **state)
{
    (void)state;
    topn_data *data = read_with("1,1\n1,2\n2,2\n3,3\n", "id,g\n1,x\n2,y\n3,x\n", "item,g\n1,p\n2,q\n3,p\n", "all", "0");
    topn_data *part;
    char shown[200];
    const uint32_t users[] = {2, 0};
    const bool keep[] = {true, false, true};
    const data_selection selection = {.users = users, .user_count = 2, .keep_item = keep, .compact_items = true};
    assert_int_equal(data_select(context, data, &selection, &part), TOPN_OK);
    assert_string_equal(show_table(&part->user_ids, &part->user_features, shown, sizeof shown), "3: g=x; 1: g=x");
    assert_string_equal(show_table(&part->item_ids, &part->item_features, shown, sizeof shown), "1: g=p; 3: g=p");
    assert_int_equal(topn_data_user_features(part), 2);
    topn_data_free(part);
    topn_data_free(data);
}

static void several_files(void **state)
{
    (void)state;
    char both[200];
    topn_data *data;
    char shown[400];
    put(path, "item\tword\tcount\na\tw\t2\na\tv\t1\nb\tw\t1\n");
    put(again, "item\ttag\nb\tt\nb\tu\n");
    snprintf(both, sizeof both, "%s, %s", path, again);
    assert_int_equal(read_bytes(context, "u,a\n", 4, OPTIONS("item-features", both), &data), TOPN_OK);
    assert_string_equal(show_table(&data->item_ids, &data->item_features, shown, sizeof shown),
                        "a: word=v word=w~2; b: tag=t tag=u word=w");
    topn_data_free(data);
    assert_int_equal(read_bytes(context, "u,a\n", 4,
                                OPTIONS("item-features", both, "item-feature-columns", "word,count:amount,tag"), &data),
                     TOPN_OK);
    topn_data_free(data);
    assert_int_equal(
        read_bytes(context, "u,a\n", 4, OPTIONS("item-features", both, "item-feature-columns", "word,year"), &data),
        TOPN_ERROR_OPTION);
    assert_non_null(strstr(topn_context_message(context), "has a column \"year\""));
    assert_int_equal(read_bytes(context, "u,a\n", 4, OPTIONS("item-feature-columns", "word"), &data),
                     TOPN_ERROR_OPTION);
    assert_int_equal(read_bytes(context, "u,a\n", 4, OPTIONS("item-features", "/no/such/file"), &data), TOPN_ERROR_IO);
}

/* Whichever allocation fails, reading fails cleanly. */
static void failing_allocations(void **state)
{
    (void)state;
    topn_status status = TOPN_ERROR_MEMORY;
    uint64_t at = 1;
    put(path, "id,g,n\n1,x|y,2.5\n0,,1\nq,x,1\n");
    for (; status == TOPN_ERROR_MEMORY; at++) {
        topn_data *data;
        topn_options *reader = NULL;
        assert_int_equal(topn_options_create(context, TOPN_KIND_READER, "reader", &reader), TOPN_OK);
        const char *const options[][2] = {{"user-features", path},
                                          {"item-features", path},
                                          {"feature-scale", "standard"},
                                          {"context-columns", "3"},
                                          {"min-user-events", "2"}};
        for (size_t index = 0; index < 5; index++)
            assert_int_equal(topn_options_set(context, reader, options[index][0], options[index][1]), TOPN_OK);
        memory_fail_after(at);
        status = reader_read_memory(context, "events", "1,2,3\n1,3,4\n2,2,4\n", 18,
                                    options_params(reader, &reader_option_table), &data);
        memory_fail_after(0);
        assert_true(status == TOPN_OK || (status == TOPN_ERROR_MEMORY && !data));
        topn_data_free(data);
        topn_options_free(reader);
    }
    assert_int_equal(status, TOPN_OK);
    assert_true(at > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wide_tables),
        cmocka_unit_test(long_tables),
        cmocka_unit_test(content_decides),
        cmocka_unit_test(numbers_are_scaled_when_asked),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(features_meet_events),
        cmocka_unit_test(events_move_with_their_users),
        cmocka_unit_test(damaged_files),
        cmocka_unit_test(selections_take_rows),
        cmocka_unit_test(several_files),
        cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
