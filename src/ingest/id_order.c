/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/id_order.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The codes of one side of one run. */
typedef struct code_list {
    uint32_t *codes;
    size_t count;
} code_list;

static code_list run_codes(const event_run *run, id_side side)
{
    uint32_t *const codes = side >= SIDE_FIELDS  ? run->fields[side - SIDE_FIELDS]
                            : side == SIDE_ITEMS ? run->items
                                                 : run->users;
    return (code_list){codes, run->count};
}

static code_list lone_codes(const event_run *run, id_side side)
{
    return (code_list){run->lone_users, side == SIDE_USERS ? run->lone_count : 0};
}

/* Ids that exist even without events. */
typedef struct id_range {
    uint64_t from, count;
} id_range;

static id_range all_of(const event_sink *sink, id_side side)
{
    switch (side) {
    case SIDE_USERS:
        return (id_range){sink->all_users_from, sink->all_users};
    case SIDE_ITEMS:
        return (id_range){sink->all_items_from, sink->all_items};
    default:
        return (id_range){0, 0};
    }
}

static id_pool *pool_of(id_lane *lane, id_side side)
{
    return side >= SIDE_FIELDS ? &lane->fields[side - SIDE_FIELDS] : side == SIDE_ITEMS ? &lane->items : &lane->users;
}

static const char *side_ids(id_side side)
{
    return side >= SIDE_FIELDS ? "values of a field" : side == SIDE_ITEMS ? "item ids" : "user ids";
}

/* Largest number of a list + 1; 0 when it holds none. */
static uint64_t list_end(code_list list)
{
    uint64_t end = 0;
    for (size_t at = 0; at < list.count; at++)
        if (!(list.codes[at] & ID_TEXT) && list.codes[at] >= end)
            end = (uint64_t)list.codes[at] + 1;
    return end;
}

static void mark_list(uint64_t *bits, code_list list)
{
    for (size_t at = 0; at < list.count; at++) {
        const uint32_t code = list.codes[at];
        if (code & ID_TEXT)
            continue;
        const uint64_t bit = UINT64_C(1) << (code & 63);
        if (!(__atomic_load_n(&bits[code >> 6], __ATOMIC_RELAXED) & bit))
            __atomic_fetch_or(&bits[code >> 6], bit, __ATOMIC_RELAXED);
    }
}

typedef struct number_set {
    uint32_t *values; /* [count] ascending */
    uint32_t count;
} number_set;

/* A bit per number in [0, end): memory end / 8 × 1.5. */
static topn_status numbers_by_bits(topn_context *context, const event_sink *sink, id_side side, uint64_t end,
                                   id_order *order, number_set *out)
{
    topn_status status;
    const size_t words = (size_t)(end / 64 + 1);
    TRY(ALLOCATE_ZEROED(context, words, &order->bits));
    TRY(ALLOCATE(context, words, &order->before));
    uint64_t *bits = order->bits;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 1)
    for (size_t run = 0; run < sink->count; run++) {
        mark_list(bits, run_codes(sink->runs[run], side));
        mark_list(bits, lone_codes(sink->runs[run], side));
    }
    const id_range all = all_of(sink, side);
    for (uint64_t value = all.from; value < all.from + all.count; value++)
        bits[value >> 6] |= UINT64_C(1) << (value & 63);
    uint32_t total = 0;
    for (size_t word = 0; word < words; word++) {
        order->before[word] = total;
        total += count_bits(bits[word]);
    }
    TRY(ALLOCATE(context, total, &out->values));
    for (size_t word = 0; word < words; word++)
        for (uint64_t left = bits[word]; left; left &= left - 1)
            out->values[out->count++] = (uint32_t)(64 * word) + (uint32_t)__builtin_ctzll(left);
done:
    return status;
}

static uint32_t slot_of(const id_order *order, uint32_t code)
{
    uint32_t slot = id_order_slot(order, code);
    while (order->keys[slot] && order->keys[slot] != code + 1)
        slot = (slot + 1) & order->mask;
    return slot;
}

static topn_status grow_keys(topn_context *context, id_order *order)
{
    uint32_t *old = order->keys;
    const uint32_t old_slots = old ? order->mask + 1 : 0;
    const uint32_t slots = old ? 2 * old_slots : 4096;
    order->keys = NULL;
    topn_status status = slots == 0 ? fail_memory(context, SIZE_MAX) : ALLOCATE_ZEROED(context, slots, &order->keys);
    if (status == TOPN_OK) {
        order->mask = slots - 1;
        for (uint32_t slot = 0; slot < old_slots; slot++)
            if (old[slot])
                order->keys[slot_of(order, old[slot] - 1)] = old[slot];
    }
    free(old);
    return status;
}

static topn_status hash_list(topn_context *context, id_order *order, code_list list, uint32_t *count)
{
    topn_status status = TOPN_OK;
    for (size_t at = 0; at < list.count; at++) {
        if (list.codes[at] & ID_TEXT)
            continue;
        const uint32_t slot = slot_of(order, list.codes[at]);
        if (order->keys[slot])
            continue;
        order->keys[slot] = list.codes[at] + 1;
        if (++*count > order->mask / 2)
            TRY(grow_keys(context, order));
    }
done:
    return status;
}

static int by_value(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* For numbers spread so thinly that bits would take more memory than the events. */
static topn_status numbers_by_hash(topn_context *context, const event_sink *sink, id_side side, id_order *order,
                                   number_set *out)
{
    topn_status status;
    uint32_t count = 0;
    TRY(grow_keys(context, order));
    for (size_t run = 0; run < sink->count; run++) {
        TRY(hash_list(context, order, run_codes(sink->runs[run], side), &count));
        TRY(hash_list(context, order, lone_codes(sink->runs[run], side), &count));
    }
    TRY(ALLOCATE(context, count, &out->values));
    for (uint64_t slot = 0; slot <= order->mask; slot++)
        if (order->keys[slot])
            out->values[out->count++] = order->keys[slot] - 1;
    qsort(out->values, count, sizeof *out->values, by_value);
    TRY(ALLOCATE(context, (size_t)order->mask + 1, &order->ranks));
    for (uint32_t rank = 0; rank < count; rank++)
        order->ranks[slot_of(order, out->values[rank])] = rank;
done:
    return status;
}

static topn_status collect_numbers(topn_context *context, const event_sink *sink, id_side side, id_order *order,
                                   number_set *out)
{
    const id_range all = all_of(sink, side);
    uint64_t end = all.count ? all.from + all.count : 0, events = 0;
    for (size_t run = 0; run < sink->count; run++) {
        const uint64_t run_end = list_end(run_codes(sink->runs[run], side));
        const uint64_t lone_end = list_end(lone_codes(sink->runs[run], side));
        end = run_end > end ? run_end : end;
        end = lone_end > end ? lone_end : end;
        events += sink->runs[run]->count;
    }
    const bool thin = all.count == 0 && end / 8 > (UINT64_C(4) << 20) + 4 * events;
    return thin ? numbers_by_hash(context, sink, side, order, out)
                : numbers_by_bits(context, sink, side, end, order, out);
}

/* Moves the texts of all lanes into the first pool; out[lane][text] is the place there. */
static topn_status merge_pools(topn_context *context, event_sink *sink, id_side side, id_order *order, id_pool *out)
{
    topn_status status;
    TRY(ALLOCATE_ZEROED(context, sink->lane_count, &order->of_text));
    order->lanes = sink->lane_count;
    for (uint32_t lane = 0; lane < sink->lane_count; lane++) {
        id_pool *pool = pool_of(&sink->lanes[lane], side);
        TRY(ALLOCATE(context, pool->count, &order->of_text[lane]));
        uint32_t *of_text = order->of_text[lane];
        if (out->count == 0) {
            id_pool_clear(out);
            *out = *pool;
            *pool = (id_pool){0};
            for (uint32_t text = 0; text < out->count; text++)
                of_text[text] = text;
            continue;
        }
        for (uint32_t text = 0; text < pool->count; text++) {
            const uint64_t begin = pool->offsets[text], length = pool->offsets[text + 1] - begin - 1;
            status = id_pool_add(out, (const unsigned char *)pool->bytes + begin, length, &of_text[text]);
            if (status == TOPN_ERROR_DATA)
                fail(context, status, "more than 2147483647 distinct %s", side_ids(side));
            else if (status == TOPN_ERROR_MEMORY)
                fail_memory(context, length);
            TRY(status);
        }
        id_pool_clear(pool);
    }
done:
    return status;
}

/* An id on its way into order. */
typedef struct place {
    uint64_t key; /* its value, or its first eight bytes past the common prefix, big-endian */
    const char *text;
    uint32_t origin; /* number (place among them), or numbers + text */
} place;

static int by_key(const void *a, const void *b)
{
    const place *left = a, *right = b;
    if (left->key != right->key)
        return left->key < right->key ? -1 : 1;
    return strcmp(left->text, right->text);
}

/* Value of a text of digits that fits in 64 bits. */
static bool whole_number(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    for (; *text; text++) {
        const unsigned digit = (unsigned char)*text - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *out = value;
    return true;
}

static void keys_by_bytes(place *places, size_t count)
{
    size_t prefix = count ? strlen(places[0].text) : 0;
    for (size_t at = 1; at < count; at++) {
        size_t same = 0;
        while (same < prefix && places[at].text[same] == places[0].text[same])
            same++;
        prefix = same;
    }
    for (size_t at = 0; at < count; at++) {
        const char *text = places[at].text + prefix;
        places[at].key = 0;
        for (unsigned byte = 0; byte < 8; byte++) {
            places[at].key = places[at].key << 8 | (unsigned char)*text;
            text += *text != '\0';
        }
    }
}

/* Writes the table of ids in the order of places. */
static topn_status write_table(topn_context *context, const place *places, uint32_t count, string_table *out)
{
    topn_status status;
    uint64_t *offsets = NULL, bytes = 0;
    char *text = NULL;
    TRY(ALLOCATE(context, (size_t)count + 1, &offsets));
    for (uint32_t at = 0; at < count; at++) {
        offsets[at] = bytes;
        bytes += strlen(places[at].text) + 1;
    }
    offsets[count] = bytes;
    TRY(ALLOCATE(context, bytes, &text));
    for (uint32_t at = 0; at < count; at++)
        memcpy(text + offsets[at], places[at].text, offsets[at + 1] - offsets[at]);
    *out = (string_table){.bytes = text, .offsets = offsets, .count = count, .owned = true};
    return TOPN_OK;
done:
    free(offsets);
    return status;
}

/* Decimal digits of the numbers, each in a cell of DIGITS bytes. */
enum { DIGITS = 12 };

static size_t write_number(uint32_t value, char *out)
{
    char reversed[DIGITS];
    size_t length = 0;
    do
        reversed[length++] = (char)('0' + value % 10);
    while (value /= 10);
    for (size_t at = 0; at < length; at++)
        out[at] = reversed[length - 1 - at];
    out[length] = '\0';
    return length + 1;
}

/* Only numbers: their order is there already. */
static topn_status table_of_numbers(topn_context *context, const number_set *numbers, string_table *out)
{
    topn_status status;
    uint64_t *offsets = NULL, bytes = 0;
    char *text = NULL, digits[DIGITS];
    TRY(ALLOCATE(context, (size_t)numbers->count + 1, &offsets));
    for (uint32_t at = 0; at < numbers->count; at++) {
        offsets[at] = bytes;
        bytes += write_number(numbers->values[at], digits);
    }
    offsets[numbers->count] = bytes;
    TRY(ALLOCATE(context, bytes, &text));
    for (uint32_t at = 0; at < numbers->count; at++)
        write_number(numbers->values[at], text + offsets[at]);
    *out = (string_table){.bytes = text, .offsets = offsets, .count = numbers->count, .owned = true};
    return TOPN_OK;
done:
    free(offsets);
    return status;
}

/* Numbers and texts in one order. */
static topn_status order_all(topn_context *context, const number_set *numbers, const id_pool *texts, id_order *order)
{
    topn_status status;
    place *places = NULL;
    char *digits = NULL;
    uint32_t *index_of = NULL;
    const uint64_t count = (uint64_t)numbers->count + texts->count;
    if (count > UINT32_MAX - 1)
        return fail(context, TOPN_ERROR_DATA, "%" PRIu64 " distinct ids; at most 4294967294 are possible", count);
    TRY(ALLOCATE(context, count, &places));
    TRY(memory_allocate(context, numbers->count, DIGITS, &digits));
    bool numeric = true;
    for (uint32_t at = 0; at < numbers->count; at++) {
        write_number(numbers->values[at], digits + (size_t)at * DIGITS);
        places[at] = (place){numbers->values[at], digits + (size_t)at * DIGITS, at};
    }
    for (uint32_t at = 0; at < texts->count; at++) {
        place *to = &places[numbers->count + at];
        *to = (place){0, texts->bytes + texts->offsets[at], numbers->count + at};
        numeric = numeric && whole_number(to->text, &to->key);
    }
    if (!numeric)
        keys_by_bytes(places, count);
    qsort(places, count, sizeof *places, by_key);
    TRY(write_table(context, places, (uint32_t)count, &order->table));
    TRY(ALLOCATE(context, count, &index_of));
    for (uint32_t at = 0; at < count; at++)
        index_of[places[at].origin] = at;
    order->of_rank = index_of;
    index_of = NULL;
done:
    free(places);
    free(digits);
    free(index_of);
    return status;
}

topn_status id_order_create(topn_context *context, event_sink *sink, id_side side, id_order *out)
{
    topn_status status;
    number_set numbers = {0};
    id_pool texts = {0};
    uint32_t *text_counts = NULL; /* [lanes] */
    *out = (id_order){0};
    TRY(collect_numbers(context, sink, side, out, &numbers));
    TRY(ALLOCATE(context, sink->lane_count, &text_counts));
    for (uint32_t lane = 0; lane < sink->lane_count; lane++)
        text_counts[lane] = pool_of(&sink->lanes[lane], side)->count;
    TRY(merge_pools(context, sink, side, out, &texts));
    if (texts.count == 0) {
        status = table_of_numbers(context, &numbers, &out->table);
        goto done;
    }
    TRY(order_all(context, &numbers, &texts, out));
    for (uint32_t lane = 0; lane < sink->lane_count; lane++)
        for (uint32_t text = 0; text < text_counts[lane]; text++)
            out->of_text[lane][text] = out->of_rank[numbers.count + out->of_text[lane][text]];
done:
    free(text_counts);
    free(numbers.values);
    id_pool_clear(&texts);
    if (status != TOPN_OK)
        id_order_clear(out);
    return status;
}

void id_order_clear(id_order *order)
{
    for (uint32_t lane = 0; order->of_text && lane < order->lanes; lane++)
        free(order->of_text[lane]);
    free(order->of_text);
    free(order->of_rank);
    free(order->bits);
    free(order->before);
    free(order->keys);
    free(order->ranks);
    string_table_clear(&order->table);
    *order = (id_order){0};
}
