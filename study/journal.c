/* SPDX-License-Identifier: Apache-2.0 */
#include "study/journal.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { APPLICATION_ID = 0x746f7074 /* "topt" */, BUSY_MILLISECONDS = 5000 };

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS trial (series TEXT NOT NULL, number INTEGER NOT NULL, seed INTEGER NOT NULL,"
    " fidelity REAL NOT NULL, settings TEXT NOT NULL, point TEXT, status TEXT NOT NULL, message TEXT NOT NULL,"
    " value REAL, facts TEXT NOT NULL, attempts INTEGER NOT NULL, PRIMARY KEY (series, number)) STRICT;"
    "CREATE TABLE IF NOT EXISTS result (series TEXT NOT NULL, number INTEGER NOT NULL, metric TEXT NOT NULL,"
    " per_user INTEGER NOT NULL, numbers BLOB NOT NULL, PRIMARY KEY (series, number, metric)) STRICT, WITHOUT ROWID;";

struct journal {
    sqlite3 *base;
    char *path;
};

void trial_row_clear(trial_row *row)
{
    free(row->series);
    free(row->status);
    free(row->message);
    json_decref(row->settings);
    json_decref(row->point);
    json_decref(row->facts);
    *row = (trial_row){0};
}

static topn_status fault(study *work, const journal *book, const char *what)
{
    return study_fail(work, TOPN_ERROR_IO, "%s: %s: %s", book->path, what, sqlite3_errmsg(book->base));
}

static topn_status run(study *work, journal *book, const char *text, const char *what)
{
    return sqlite3_exec(book->base, text, NULL, NULL, NULL) == SQLITE_OK ? TOPN_OK : fault(work, book, what);
}

static topn_status prepare(study *work, journal *book, const char *text, sqlite3_stmt **out)
{
    return sqlite3_prepare_v2(book->base, text, -1, out, NULL) == SQLITE_OK ? TOPN_OK
                                                                            : fault(work, book, "cannot be read");
}

/* Runs a statement that gives no rows, and finalizes it. */
static topn_status finish(study *work, journal *book, sqlite3_stmt *statement)
{
    const int code = sqlite3_step(statement);
    const topn_status status = code == SQLITE_DONE ? TOPN_OK : fault(work, book, "cannot be written");
    sqlite3_finalize(statement);
    return status;
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    sqlite3_bind_text(statement, at, text, -1, SQLITE_TRANSIENT);
}

static void bind_json(sqlite3_stmt *statement, int at, const json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    bind_text(statement, at, text);
    free(text);
}

topn_status journal_note(study *work, journal *book, const char *name, const char *text)
{
    sqlite3_stmt *statement;
    topn_status status;
    STUDY_TRY(prepare(work, book, "INSERT OR REPLACE INTO note VALUES (?1, ?2)", &statement));
    bind_text(statement, 1, name);
    bind_text(statement, 2, text);
    status = finish(work, book, statement);
done:
    return status;
}

topn_status journal_read_note(study *work, journal *book, const char *name, char **text)
{
    sqlite3_stmt *statement;
    topn_status status;
    *text = NULL;
    STUDY_TRY(prepare(work, book, "SELECT value FROM note WHERE name = ?1", &statement));
    bind_text(statement, 1, name);
    const int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *text = strdup((const char *)sqlite3_column_text(statement, 0));
        status = *text ? TOPN_OK : study_memory(work);
    } else if (code != SQLITE_DONE) {
        status = fault(work, book, "cannot be read");
    }
    sqlite3_finalize(statement);
done:
    return status;
}

/* One line on the first member in which two objects differ; a and b may be anything. */
static void tell_difference(const json_t *before, const json_t *now, char *out, size_t size)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)now, key, value)
    {
        const json_t *other = json_object_get(before, key);
        if (other && json_equal(other, value))
            continue;
        char *was = other ? json_dumps(other, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
        char *is = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        snprintf(out, size, "%s is %.300s there and %.300s now", key, was ? was : "nothing", is ? is : "nothing");
        free(was);
        free(is);
        return;
    }
    snprintf(out, size, "it says more than this one does");
}

static topn_status check_identity(study *work, journal *book, const json_t *identity, bool *found)
{
    topn_status status;
    char *text = NULL, *now = json_dumps(identity, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_t *before = NULL, *after = now ? json_loads(now, 0, NULL) : NULL; /* both as they read back */
    char difference[700];
    STUDY_TRY(after ? TOPN_OK : study_memory(work));
    STUDY_TRY(journal_read_note(work, book, "identity", &text));
    *found = text;
    if (!text) {
        STUDY_TRY(journal_note(work, book, "identity", now));
        goto done;
    }
    before = json_loads(text, 0, NULL);
    if (!json_equal(before, after)) {
        tell_difference(before, after, difference, sizeof difference);
        status = study_fail(work, TOPN_ERROR_ARGUMENT,
                            "%s is the journal of something else: %s; name another file with --journal, or remove it",
                            book->path, difference);
    }
done:
    free(text);
    free(now);
    json_decref(before);
    json_decref(after);
    return status;
}

/* That the file is a journal, or new. */
static topn_status check_kind(study *work, journal *book)
{
    sqlite3_stmt *statement;
    topn_status status;
    int64_t id = 0, tables = 0;
    STUDY_TRY(prepare(work, book, "SELECT (SELECT * FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)",
                      &statement));
    if (sqlite3_step(statement) == SQLITE_ROW) {
        id = sqlite3_column_int64(statement, 0);
        tables = sqlite3_column_int64(statement, 1);
    } else {
        status = fault(work, book, "cannot be read");
    }
    sqlite3_finalize(statement);
    if (status == TOPN_OK && tables && id != APPLICATION_ID)
        status = study_fail(work, TOPN_ERROR_FORMAT, "%s is a database of something else, not a journal of trials",
                            book->path);
done:
    return status;
}

topn_status journal_open(study *work, const char *path, const json_t *identity, journal **out, bool *found)
{
    topn_status status = TOPN_OK;
    char begin[128];
    journal *book = calloc(1, sizeof *book);
    *out = NULL;
    if (!book || !(book->path = strdup(path)))
        STUDY_TRY(study_memory(work));
    if (sqlite3_open_v2(path, &book->base, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL))
        STUDY_TRY(fault(work, book, "cannot be opened"));
    sqlite3_busy_timeout(book->base, BUSY_MILLISECONDS);
    STUDY_TRY(check_kind(work, book));
    /* One program at a time: the lock is held from the first write to the end. */
    STUDY_TRY(run(work, book, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL", "cannot be used"));
    snprintf(begin, sizeof begin, "BEGIN EXCLUSIVE; PRAGMA application_id = %d", APPLICATION_ID);
    STUDY_TRY(run(work, book, begin, "another program uses it"));
    STUDY_TRY(run(work, book, schema, "cannot be written"));
    STUDY_TRY(check_identity(work, book, identity, found));
    STUDY_TRY(run(work, book, "COMMIT", "cannot be written"));
    *out = book;
    return TOPN_OK;
done:
    journal_close(book);
    return status;
}

void journal_close(journal *book)
{
    if (!book)
        return;
    sqlite3_close(book->base);
    free(book->path);
    free(book);
}

topn_status journal_begin(study *work, journal *book, trial_row *row)
{
    sqlite3_stmt *statement;
    topn_status status;
    STUDY_TRY(prepare(work, book,
                      "INSERT INTO trial VALUES (?1, ?2, ?3, ?4, ?5, ?6, '" TRIAL_RUNNING "', '', NULL, '{}', 1)"
                      " ON CONFLICT (series, number) DO UPDATE SET attempts = attempts + 1 RETURNING attempts",
                      &statement));
    bind_text(statement, 1, row->series);
    sqlite3_bind_int64(statement, 2, row->number);
    sqlite3_bind_int64(statement, 3, (int64_t)row->seed);
    sqlite3_bind_double(statement, 4, row->fidelity);
    bind_json(statement, 5, row->settings);
    bind_json(statement, 6, row->point);
    if (sqlite3_step(statement) == SQLITE_ROW) {
        row->attempts = sqlite3_column_int64(statement, 0);
        status = finish(work, book, statement);
    } else {
        status = fault(work, book, "cannot be written");
        sqlite3_finalize(statement);
    }
done:
    return status;
}

static topn_status write_values(study *work, journal *book, const trial_row *row, const journal_values *values)
{
    sqlite3_stmt *statement;
    topn_status status;
    STUDY_TRY(prepare(work, book, "INSERT OR REPLACE INTO result VALUES (?1, ?2, ?3, ?4, ?5)", &statement));
    bind_text(statement, 1, row->series);
    sqlite3_bind_int64(statement, 2, row->number);
    bind_text(statement, 3, values->metric);
    sqlite3_bind_int(statement, 4, values->per_user);
    sqlite3_bind_blob64(statement, 5, values->values, values->count * sizeof *values->values, SQLITE_STATIC);
    status = finish(work, book, statement);
done:
    return status;
}

static topn_status write_end(study *work, journal *book, const trial_row *row)
{
    sqlite3_stmt *statement;
    topn_status status;
    STUDY_TRY(prepare(work, book,
                      "UPDATE trial SET status = ?3, message = ?4, value = ?5, facts = ?6"
                      " WHERE series = ?1 AND number = ?2",
                      &statement));
    bind_text(statement, 1, row->series);
    sqlite3_bind_int64(statement, 2, row->number);
    bind_text(statement, 3, row->status);
    bind_text(statement, 4, row->message ? row->message : "");
    if (isfinite(row->value))
        sqlite3_bind_double(statement, 5, row->value);
    bind_json(statement, 6, row->facts);
    status = finish(work, book, statement);
done:
    return status;
}

topn_status journal_end(study *work, journal *book, const trial_row *row, const journal_values *values,
                        size_t value_count)
{
    topn_status status;
    STUDY_TRY(run(work, book, "BEGIN", "cannot be written"));
    STUDY_TRY(write_end(work, book, row));
    for (size_t i = 0; i < value_count; i++)
        STUDY_TRY(write_values(work, book, row, &values[i]));
    STUDY_TRY(run(work, book, "COMMIT", "cannot be written"));
done:
    if (status != TOPN_OK)
        sqlite3_exec(book->base, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

topn_status journal_forget(study *work, journal *book, const char *series, int64_t number)
{
    sqlite3_stmt *statement;
    topn_status status;
    STUDY_TRY(prepare(work, book, "DELETE FROM trial WHERE series = ?1 AND number = ?2", &statement));
    bind_text(statement, 1, series);
    sqlite3_bind_int64(statement, 2, number);
    status = finish(work, book, statement);
done:
    return status;
}

static char *column_text(sqlite3_stmt *statement, int at)
{
    const char *text = (const char *)sqlite3_column_text(statement, at);
    return strdup(text ? text : "");
}

static json_t *column_json(sqlite3_stmt *statement, int at)
{
    const char *text = (const char *)sqlite3_column_text(statement, at);
    return text ? json_loads(text, 0, NULL) : NULL;
}

static trial_row read_row(sqlite3_stmt *statement)
{
    return (trial_row){.series = column_text(statement, 0),
                       .number = sqlite3_column_int64(statement, 1),
                       .seed = (uint64_t)sqlite3_column_int64(statement, 2),
                       .fidelity = sqlite3_column_double(statement, 3),
                       .settings = column_json(statement, 4),
                       .point = column_json(statement, 5),
                       .status = column_text(statement, 6),
                       .message = column_text(statement, 7),
                       .value = sqlite3_column_type(statement, 8) == SQLITE_NULL ? (double)NAN
                                                                                 : sqlite3_column_double(statement, 8),
                       .facts = column_json(statement, 9),
                       .attempts = sqlite3_column_int64(statement, 10)};
}

topn_status journal_rows(study *work, journal *book, trial_row **rows, size_t *count)
{
    sqlite3_stmt *statement = NULL;
    topn_status status;
    size_t capacity = 0;
    *rows = NULL;
    *count = 0;
    STUDY_TRY(prepare(work, book, "SELECT * FROM trial ORDER BY rowid", &statement));
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (*count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            trial_row *more = realloc(*rows, capacity * sizeof **rows);
            if (!more)
                STUDY_TRY(study_memory(work));
            *rows = more;
        }
        trial_row *row = &(*rows)[(*count)++];
        *row = read_row(statement);
        if (!row->series || !row->status || !row->message || !row->settings || !row->facts)
            STUDY_TRY(study_fail(work, TOPN_ERROR_FORMAT, "%s: a row of a trial is damaged", book->path));
    }
    if (code != SQLITE_DONE)
        status = fault(work, book, "cannot be read");
done:
    sqlite3_finalize(statement);
    return status;
}

topn_status journal_read_values(study *work, journal *book, const char *series, int64_t number, const char *metric,
                                double **values, size_t *count, bool *per_user)
{
    sqlite3_stmt *statement = NULL;
    topn_status status;
    *values = NULL;
    STUDY_TRY(prepare(work, book,
                      "SELECT per_user, numbers FROM result WHERE series = ?1 AND number = ?2 AND metric = ?3",
                      &statement));
    bind_text(statement, 1, series);
    sqlite3_bind_int64(statement, 2, number);
    bind_text(statement, 3, metric);
    if (sqlite3_step(statement) != SQLITE_ROW)
        STUDY_TRY(study_fail(work, TOPN_ERROR_NOT_FOUND, "%s: no values of %s for %s", book->path, metric, series));
    const size_t bytes = (size_t)sqlite3_column_bytes(statement, 1);
    *per_user = sqlite3_column_int(statement, 0);
    *count = bytes / sizeof **values;
    *values = malloc(bytes + 1);
    if (!*values)
        STUDY_TRY(study_memory(work));
    if (bytes)
        memcpy(*values, sqlite3_column_blob(statement, 1), bytes);
done:
    sqlite3_finalize(statement);
    return status;
}
