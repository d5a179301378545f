/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

enum { BUFFER_SIZE = 1 << 18 };

struct file_writer {
    topn_context *context;
    int descriptor;
    bool standard_output;
    char *path, *temporary;
    uint64_t offset; /* bytes accepted */
    size_t held;     /* bytes in buffer */
    unsigned char buffer[BUFFER_SIZE];
};

static topn_status write_all(file_writer *writer, const unsigned char *bytes, size_t count)
{
    while (count > 0) {
        const ssize_t written = write(writer->descriptor, bytes, count < (1u << 30) ? count : (1u << 30));
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return fail_io(writer->context, "cannot write", writer->path);
        bytes += written;
        count -= (size_t)written;
    }
    return TOPN_OK;
}

static topn_status flush(file_writer *writer)
{
    const topn_status status = write_all(writer, writer->buffer, writer->held);
    writer->held = 0;
    return status;
}

topn_status file_create(topn_context *context, const char *path, file_writer **out)
{
    topn_status status;
    file_writer *writer = NULL;
    *out = NULL;
    TRY(ALLOCATE(context, 1, &writer));
    *writer = (file_writer){.context = context, .descriptor = -1};
    TRY(memory_copy_text(context, path, &writer->path));
    if (strcmp(path, "-") == 0) {
        writer->standard_output = true;
        writer->descriptor = STDOUT_FILENO;
        *out = writer;
        return TOPN_OK;
    }
    TRY(memory_allocate(context, strlen(path) + 16, 1, &writer->temporary));
    sprintf(writer->temporary, "%s.tmp-XXXXXX", path);
    writer->descriptor = mkostemp(writer->temporary, O_CLOEXEC);
    if (writer->descriptor < 0) {
        free(writer->temporary);
        writer->temporary = NULL;
        status = fail_io(context, "cannot write", path);
        goto done;
    }
    const mode_t mask = umask(0);
    umask(mask);
    if (fchmod(writer->descriptor, 0666 & ~mask) != 0) {
        status = fail_io(context, "cannot write", path);
        goto done;
    }
    *out = writer;
    return TOPN_OK;
done:
    file_abandon(writer);
    return status;
}

topn_status file_write(file_writer *writer, const void *bytes, size_t count)
{
    topn_status status = TOPN_OK;
    writer->offset += count;
    if (writer->held + count > BUFFER_SIZE)
        TRY(flush(writer));
    if (count > BUFFER_SIZE)
        return write_all(writer, bytes, count);
    memcpy(writer->buffer + writer->held, bytes, count);
    writer->held += count;
done:
    return status;
}

topn_status file_print(file_writer *writer, const char *format, ...)
{
    char line[4096];
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    topn_status status;
    if ((size_t)length < sizeof line) {
        status = file_write(writer, line, (size_t)length);
    } else {
        char *text = NULL;
        status = memory_allocate(writer->context, (size_t)length + 1, 1, &text);
        if (status == TOPN_OK) {
            vsnprintf(text, (size_t)length + 1, format, again);
            status = file_write(writer, text, (size_t)length);
        }
        free(text);
    }
    va_end(again);
    return status;
}

uint64_t file_offset(const file_writer *writer)
{
    return writer->offset;
}

topn_status file_patch(file_writer *writer, uint64_t offset, const void *bytes, size_t count)
{
    topn_status status;
    TRY(flush(writer));
    const unsigned char *from = bytes;
    while (count > 0) {
        const ssize_t written = pwrite(writer->descriptor, from, count, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return fail_io(writer->context, "cannot write", writer->path);
        from += written;
        offset += (uint64_t)written;
        count -= (size_t)written;
    }
done:
    return status;
}

topn_status file_sync_folder(topn_context *context, const char *path)
{
    char *folder = NULL;
    topn_status status = memory_copy_text(context, path, &folder);
    if (status != TOPN_OK)
        return status;
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    const int descriptor = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0 || (fsync(descriptor) != 0 && errno != EINVAL))
        status = fail_io(context, "cannot sync the folder of", path);
    if (descriptor >= 0)
        close(descriptor);
    free(folder);
    return status;
}

topn_status file_commit(file_writer *writer)
{
    topn_status status;
    topn_context *context = writer->context;
    TRY(flush(writer));
    if (!writer->standard_output) {
        if (fsync(writer->descriptor) != 0 && errno != EINVAL) {
            status = fail_io(context, "cannot write", writer->path);
            goto done;
        }
        const int descriptor = writer->descriptor;
        writer->descriptor = -1;
        if (close(descriptor) != 0 || rename(writer->temporary, writer->path) != 0) {
            status = fail_io(context, "cannot write", writer->path);
            goto done;
        }
        free(writer->temporary);
        writer->temporary = NULL;
        TRY(file_sync_folder(context, writer->path));
    }
done:
    file_abandon(writer);
    return status;
}

void file_abandon(file_writer *writer)
{
    if (!writer)
        return;
    if (writer->descriptor >= 0 && !writer->standard_output)
        close(writer->descriptor);
    if (writer->temporary)
        unlink(writer->temporary);
    free(writer->temporary);
    free(writer->path);
    free(writer);
}

topn_status file_map_open(topn_context *context, const char *path, file_map *out)
{
    *out = (file_map){0};
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return fail_io(context, "cannot open", path);
    struct stat about;
    topn_status status = TOPN_OK;
    if (fstat(descriptor, &about) != 0)
        status = fail_io(context, "cannot read", path);
    else if (S_ISDIR(about.st_mode))
        status = fail(context, TOPN_ERROR_IO, "cannot read %s: it is a folder", path);
    else if (!S_ISREG(about.st_mode))
        status = fail(context, TOPN_ERROR_IO, "cannot map %s: it is not a regular file", path);
    else if (about.st_size > 0) {
        void *bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (bytes == MAP_FAILED)
            status = fail_io(context, "cannot map", path);
        else
            *out = (file_map){.bytes = bytes, .size = (size_t)about.st_size};
    }
    close(descriptor);
    return status;
}

void file_map_close(file_map *map)
{
    if (map->bytes)
        munmap((void *)map->bytes, map->size);
    *map = (file_map){0};
}
