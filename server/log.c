/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

enum { GATHERED = 64 << 10, LINE = PIPE_BUF, STAMP = 32, PATIENCE = 20 /* milliseconds */ };

/* Standard error belongs to the process, and so does this. */
static struct {
    pthread_mutex_t lock;
    size_t size;
    char text[GATHERED];
} gathered = {.lock = PTHREAD_MUTEX_INITIALIZER};

static atomic_bool only_trouble;
static atomic_uint_fast64_t dropped; /* lines */

/* A line under way; what does not fit is left out, never a quote or brace of the frame. */
typedef struct line {
    char text[LINE];
    size_t size;
} line;

__attribute__((format(printf, 2, 3))) static void put(line *to, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(to->text + to->size, sizeof to->text - to->size, format, arguments);
    va_end(arguments);
    if (length > 0 && to->size + (size_t)length < sizeof to->text)
        to->size += (size_t)length;
}

static void put_character(line *to, char c)
{
    if (to->size + 1 < sizeof to->text)
        to->text[to->size++] = c;
}

/* , "name": "value" with the value escaped, at most `most` bytes of it. */
static void put_text(line *to, const char *name, const char *value, size_t most)
{
    const size_t length = strnlen(value, most);
    const bool clean = text_is_utf8(value, length);
    put(to, ",\"%s\":\"", name);
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)value[i];
        if (c == '"' || c == '\\')
            put_character(to, '\\');
        if (c < 0x20 || c == 0x7f || (c >= 0x80 && !clean))
            put(to, "\\u%04x", c);
        else
            put_character(to, (char)c);
    }
    put(to, "\"");
}

static void put_time(line *to)
{
    struct timespec now;
    struct tm parts;
    char stamp[STAMP];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
    put(to, "{\"time\":\"%s.%03ldZ\"", stamp, now.tv_nsec / 1000000);
}

/* How much of the text is whole lines that one write takes without waiting once the other side has any room. */
static size_t next_piece(const char *text, size_t size)
{
    size_t piece = size < PIPE_BUF ? size : PIPE_BUF;
    while (piece && text[piece - 1] != '\n')
        piece--;
    return piece;
}

/* Under the lock. Whoever reads the log too slowly, or not at all, does not stop the server: what is not taken within a
 * moment is dropped, by whole lines. */
static void write_out(void)
{
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    for (size_t done = 0, piece; done < gathered.size; done += piece) {
        piece = next_piece(gathered.text + done, gathered.size - done);
        if (poll(&room, 1, PATIENCE) == 1 && write(STDERR_FILENO, gathered.text + done, piece) >= 0)
            continue;
        for (size_t i = done; i < gathered.size; i++)
            atomic_fetch_add(&dropped, gathered.text[i] == '\n');
        break;
    }
    gathered.size = 0;
}

static void add(const line *made, bool at_once)
{
    pthread_mutex_lock(&gathered.lock);
    if (gathered.size + made->size > sizeof gathered.text)
        write_out();
    memcpy(gathered.text + gathered.size, made->text, made->size);
    gathered.size += made->size;
    if (at_once)
        write_out();
    pthread_mutex_unlock(&gathered.lock);
}

void log_answered(const log_request *request)
{
    line made = {.size = 0};
    if (atomic_load_explicit(&only_trouble, memory_order_relaxed))
        return;
    put_time(&made);
    put(&made, ",\"request\":%" PRIu64 ",\"status\":%d,\"bytes\":%zu,\"microseconds\":%" PRIu64, request->number,
        request->status, request->bytes, request->microseconds);
    put_text(&made, "method", request->method, 20);
    if (request->route)
        put_text(&made, "route", request->route, 100);
    if (request->key)
        put_text(&made, "key", request->key, 64);
    if (request->target)
        put_text(&made, "target", request->target, 250);
    put(&made, "}\n");
    add(&made, false);
}

void log_event(const char *level, const char *event, const char *format, ...)
{
    line made = {.size = 0};
    char message[1024];
    va_list arguments;
    if (atomic_load(&only_trouble) && strcmp(level, "info") == 0)
        return;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    for (size_t length = strlen(message); length && !text_is_utf8(message, length);)
        message[--length] = '\0'; /* cut within a character */
    put_time(&made);
    put_text(&made, "level", level, 20);
    put_text(&made, "event", event, 60);
    put_text(&made, "message", message, 600);
    put(&made, "}\n");
    add(&made, true);
}

void log_quiet(bool quiet)
{
    atomic_store(&only_trouble, quiet);
}

void log_flush(void)
{
    pthread_mutex_lock(&gathered.lock);
    write_out();
    pthread_mutex_unlock(&gathered.lock);
}

uint64_t log_dropped(void)
{
    return atomic_load(&dropped);
}
