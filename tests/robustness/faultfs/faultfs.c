/* A file system double: put before libc with LD_PRELOAD, it sees every change to files below one directory.
 *
 * FAULTFS_ROOT     the directory (absolute, without links); nothing outside it is touched
 * FAULTFS_JOURNAL  a file outside it: every change is appended, with its data (see journal.py)
 * FAULTFS_NOSYNC   if set, fsync reports success at once: the journal says what a disk would have done
 * FAULTFS_FAIL_AT, FAULTFS_ERRNO, FAULTFS_LASTING, FAULTFS_CUT   what faultfs_arm is called with at the start
 *
 * faultfs_arm(k, error, lasting, cut): the k-th change from now (1 is the next) fails with `error`; with
 * `lasting` all later ones too; with `cut` a failing write writes its first half (and then only reports the
 * shorter length; the next change fails if it is lasting). Changes that cannot fail with ENOSPC are not counted
 * when that is the error.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CREATE = 1, WRITE, TRUNCATE, SYNC_FILE, SYNC_DIRECTORY, RENAME, UNLINK, MAKE_DIRECTORY, REMOVE_DIRECTORY, MARK, LINK };
enum { OUTSIDE = 0, FILE_INSIDE = 1, DIRECTORY_INSIDE = 2 };
enum { MAX_DESCRIPTORS = 65536 };

struct record {
    uint32_t kind;
    uint32_t length;  /* of the data (or the second path) */
    uint32_t path;    /* length of the path */
    uint32_t padding;
    uint64_t inode;
    uint64_t offset;
};

static char root[PATH_MAX];
static size_t root_length;
static int journal = -1;
static int no_sync;
static unsigned char inside[MAX_DESCRIPTORS];
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;

static long changes;   /* seen since the last faultfs_arm */
static long fail_at;   /* 0: never */
static int fail_with, lasting, cut;
static long failures;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

void faultfs_arm(long k, int error, int is_lasting, int is_cut) {
    changes = 0, failures = 0, fail_at = k, fail_with = error, lasting = is_lasting, cut = is_cut;
}

long faultfs_changes(void) { return changes; }
long faultfs_failures(void) { return failures; }

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("FAULTFS_ROOT");
    if (!path) return;
    snprintf(root, sizeof root, "%s", path);
    root_length = strlen(root);
    no_sync = getenv("FAULTFS_NOSYNC") != NULL;
    const char *journal_path = getenv("FAULTFS_JOURNAL");
    if (journal_path) journal = REAL(open64)(journal_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    faultfs_arm(number("FAULTFS_FAIL_AT"), (int)number("FAULTFS_ERRNO"), (int)number("FAULTFS_LASTING"),
                (int)number("FAULTFS_CUT"));
}

static void note(uint32_t kind, const char *path, uint64_t inode, uint64_t offset, const void *data, size_t length) {
    if (journal < 0) return;
    struct record head = {kind, (uint32_t)length, path ? (uint32_t)strlen(path) : 0, 0, inode, offset};
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)data, length}};
    if (REAL(writev)(journal, parts, 3) != (ssize_t)(sizeof head + head.path + length)) abort();
}

void faultfs_mark(const char *text) {
    pthread_mutex_lock(&guard);
    note(MARK, text, 0, 0, NULL, 0);
    pthread_mutex_unlock(&guard);
}

/* The absolute path, and whether it lies below the root. Links are not resolved: the root has none. */
static int is_inside(int directory, const char *path, char *absolute) {
    if (!root_length || !path) return 0;
    if (path[0] == '/') {
        snprintf(absolute, PATH_MAX, "%s", path);
    } else {
        char base[PATH_MAX] = "";
        if (directory == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) return 0;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
            ssize_t length = readlink(link, base, sizeof base - 1);
            if (length < 0) return 0;
            base[length] = 0;
        }
        if (snprintf(absolute, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) return 0;
    }
    return !strncmp(absolute, root, root_length) && (absolute[root_length] == '/' || !absolute[root_length]);
}

/* SQLite's shared memory is rebuilt after a crash whatever it holds, and is written through mmap anyway. */
static int is_recorded(const char *path) {
    size_t length = strlen(path);
    return length < 4 || strcmp(path + length - 4, "-shm");
}

static int kind_of(int descriptor) {
    return descriptor >= 0 && descriptor < MAX_DESCRIPTORS ? inside[descriptor] : OUTSIDE;
}

/* Whether the change about to be made is one to fail. */
static int fails(int spares_full_disk) {
    if (!fail_at || (fail_with == ENOSPC && spares_full_disk)) {
        return 0;
    }
    changes++;
    if (changes == fail_at || (lasting && changes > fail_at)) {
        failures++;
        return 1;
    }
    return 0;
}

static uint64_t inode_of(int descriptor) {
    struct stat about;
    return fstat(descriptor, &about) ? 0 : about.st_ino;
}

static int opened(int directory, const char *path, int flags, mode_t mode) {
    char absolute[PATH_MAX];
    __typeof__(&openat64) really = REAL(openat64);
    if (!is_inside(directory, path, absolute)) {
        int other = really(directory, path, flags, mode);
        if (other >= 0 && other < MAX_DESCRIPTORS) inside[other] = OUTSIDE;
        return other;
    }
    pthread_mutex_lock(&guard);
    int was_there = !faccessat(directory, path, F_OK, AT_SYMLINK_NOFOLLOW);
    int creates = (flags & O_CREAT) && !was_there;
    int result = -1, error = 0;
    if ((creates || (was_there && (flags & O_TRUNC))) && fails(0)) {
        error = fail_with;
    } else {
        result = really(directory, path, flags, mode);
        error = errno;
        if (result >= 0 && result < MAX_DESCRIPTORS) {
            struct stat about;
            int known = !fstat(result, &about);
            inside[result] = known && S_ISDIR(about.st_mode) ? DIRECTORY_INSIDE : FILE_INSIDE;
            if (!is_recorded(absolute)) inside[result] |= 4;
            else if (creates) note(CREATE, absolute, about.st_ino, 0, NULL, 0);
            else if (flags & O_TRUNC) note(TRUNCATE, NULL, about.st_ino, 0, NULL, 0);
        }
    }
    pthread_mutex_unlock(&guard);
    errno = error;
    return result;
}

static mode_t mode_in(va_list arguments, int flags) {
    return (flags & (O_CREAT | O_TMPFILE)) ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name)                                       \
    int name(const char *path, int flags, ...) {         \
        va_list arguments;                               \
        va_start(arguments, flags);                      \
        mode_t mode = mode_in(arguments, flags);         \
        va_end(arguments);                               \
        return opened(AT_FDCWD, path, flags, mode);      \
    }
#define OPENAT(name)                                              \
    int name(int directory, const char *path, int flags, ...) {   \
        va_list arguments;                                        \
        va_start(arguments, flags);                               \
        mode_t mode = mode_in(arguments, flags);                  \
        va_end(arguments);                                        \
        return opened(directory, path, flags, mode);              \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int descriptor) {
    if (descriptor >= 0 && descriptor < MAX_DESCRIPTORS) inside[descriptor] = OUTSIDE;
    return REAL(close)(descriptor);
}

/* offset < 0: at the descriptor's own position */
static ssize_t written(int descriptor, const void *data, size_t length, off64_t offset) {
    pthread_mutex_lock(&guard);
    ssize_t result = -1;
    int error = 0, now = fails(0);
    if (now && (!cut || length < 2 || failures > 1)) {
        error = fail_with;
    } else {
        off64_t place = offset;
        if (place < 0) {
            int appends = REAL(fcntl64)(descriptor, F_GETFL) & O_APPEND;
            place = REAL(lseek64)(descriptor, 0, appends ? SEEK_END : SEEK_CUR);
        }
        if (now) length /= 2;
        result = offset < 0 ? REAL(write)(descriptor, data, length)
                            : REAL(pwrite64)(descriptor, data, length, offset);
        error = errno;
        if (result > 0 && !(kind_of(descriptor) & 4))
            note(WRITE, NULL, inode_of(descriptor), (uint64_t)place, data, (size_t)result);
    }
    pthread_mutex_unlock(&guard);
    errno = error;
    return result;
}

ssize_t write(int descriptor, const void *data, size_t length) {
    return kind_of(descriptor) ? written(descriptor, data, length, -1) : REAL(write)(descriptor, data, length);
}

ssize_t pwrite(int descriptor, const void *data, size_t length, off_t offset) {
    return kind_of(descriptor) ? written(descriptor, data, length, offset)
                               : REAL(pwrite)(descriptor, data, length, offset);
}

ssize_t pwrite64(int descriptor, const void *data, size_t length, off64_t offset) {
    return kind_of(descriptor) ? written(descriptor, data, length, offset)
                               : REAL(pwrite64)(descriptor, data, length, offset);
}

static ssize_t written_parts(int descriptor, const struct iovec *parts, int count, off64_t offset) {
    ssize_t total = 0;
    for (int i = 0; i < count; i++) {
        if (!parts[i].iov_len) continue;
        ssize_t one = written(descriptor, parts[i].iov_base, parts[i].iov_len, offset < 0 ? offset : offset + total);
        if (one < 0) return total ? total : -1;
        total += one;
        if ((size_t)one < parts[i].iov_len) break;
    }
    return total;
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    return kind_of(descriptor) ? written_parts(descriptor, parts, count, -1) : REAL(writev)(descriptor, parts, count);
}

ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t offset) {
    return kind_of(descriptor) ? written_parts(descriptor, parts, count, offset)
                               : REAL(pwritev)(descriptor, parts, count, offset);
}

ssize_t pwritev64(int descriptor, const struct iovec *parts, int count, off64_t offset) {
    return kind_of(descriptor) ? written_parts(descriptor, parts, count, offset)
                               : REAL(pwritev64)(descriptor, parts, count, offset);
}

/* Copies inside the kernel would go unseen: callers fall back to reading and writing. */
ssize_t sendfile64(int out, int in, off64_t *offset, size_t count) {
    ssize_t (*really)(int, int, off64_t *, size_t) = real("sendfile64");
    if (!kind_of(out)) return really(out, in, offset, count);
    errno = EINVAL;
    return -1;
}
ssize_t sendfile(int out, int in, off_t *offset, size_t count) {
    return sendfile64(out, in, (off64_t *)offset, count);
}
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags) {
    if (!kind_of(out)) return REAL(copy_file_range)(in, from, out, to, length, flags);
    errno = EXDEV;
    return -1;
}

static int truncated(int descriptor, off64_t length) {
    if (!kind_of(descriptor)) return REAL(ftruncate64)(descriptor, length);
    pthread_mutex_lock(&guard);
    int result = -1, error = fail_with;
    if (!fails(1)) {
        result = REAL(ftruncate64)(descriptor, length);
        error = errno;
        if (!result && !(kind_of(descriptor) & 4))
            note(TRUNCATE, NULL, inode_of(descriptor), (uint64_t)length, NULL, 0);
    }
    pthread_mutex_unlock(&guard);
    errno = error;
    return result;
}
int ftruncate(int descriptor, off_t length) { return truncated(descriptor, length); }
int ftruncate64(int descriptor, off64_t length) { return truncated(descriptor, length); }

static int synced(int descriptor, int data_only) {
    int kind = kind_of(descriptor);
    if (!kind) return data_only ? REAL(fdatasync)(descriptor) : REAL(fsync)(descriptor);
    pthread_mutex_lock(&guard);
    int result = -1, error = fail_with;
    if (!fails(0)) {
        result = no_sync ? 0 : data_only ? REAL(fdatasync)(descriptor) : REAL(fsync)(descriptor);
        error = errno;
        if (!result && !(kind & 4)) {
            if (kind == DIRECTORY_INSIDE) {
                char link[64], path[PATH_MAX] = "";
                snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
                if (readlink(link, path, sizeof path - 1) < 0) abort();
                note(SYNC_DIRECTORY, path, 0, 0, NULL, 0);
            } else {
                note(SYNC_FILE, NULL, inode_of(descriptor), 0, NULL, 0);
            }
        }
    }
    pthread_mutex_unlock(&guard);
    errno = error;
    return result;
}
int fsync(int descriptor) { return synced(descriptor, 0); }
int fdatasync(int descriptor) { return synced(descriptor, 1); }

static int renamed(int from_directory, const char *from, int to_directory, const char *to) {
    char source[PATH_MAX], target[PATH_MAX];
    int source_inside = is_inside(from_directory, from, source), target_inside = is_inside(to_directory, to, target);
    if (!source_inside && !target_inside) return REAL(renameat)(from_directory, from, to_directory, to);
    pthread_mutex_lock(&guard);
    int result = -1, error = fail_with;
    if (!fails(0)) {
        result = REAL(renameat)(from_directory, from, to_directory, to);
        error = errno;
        if (!result) note(RENAME, source, 0, 0, target, strlen(target));
    }
    pthread_mutex_unlock(&guard);
    errno = error;
    return result;
}
int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to); }
int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    return renamed(from_directory, from, to_directory, to);
}

static int linked(int from_directory, const char *from, int to_directory, const char *to, int flags) {
    char source[PATH_MAX], target[PATH_MAX];
    int source_inside = is_inside(from_directory, from, source), target_inside = is_inside(to_directory, to, target);
    if (!source_inside || !target_inside) return REAL(linkat)(from_directory, from, to_directory, to, flags);
    pthread_mutex_lock(&guard);
    int result = -1, error = fail_with;
    if (!fails(0)) {
        struct stat status;
        result = REAL(linkat)(from_directory, from, to_directory, to, flags);
        error = errno;
        if (!result && lstat(target, &status)) abort();
        if (!result) note(LINK, target, status.st_ino, 0, NULL, 0);
    }
    pthread_mutex_unlock(&guard);
    errno = error;
    return result;
}
int link(const char *from, const char *to) { return linked(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags) {
    return linked(from_directory, from, to_directory, to, flags);
}

static int removed(int directory, const char *path, int flags) {
    char absolute[PATH_MAX];
    if (!is_inside(directory, path, absolute)) return REAL(unlinkat)(directory, path, flags);
    pthread_mutex_lock(&guard);
    int result = -1, error = fail_with;
    if (!fails(1)) {
        result = REAL(unlinkat)(directory, path, flags);
        error = errno;
        if (!result && is_recorded(absolute))
            note(flags & AT_REMOVEDIR ? REMOVE_DIRECTORY : UNLINK, absolute, 0, 0, NULL, 0);
    }
    pthread_mutex_unlock(&guard);
    errno = error;
    return result;
}
int unlink(const char *path) { return removed(AT_FDCWD, path, 0); }
int unlinkat(int directory, const char *path, int flags) { return removed(directory, path, flags); }
int rmdir(const char *path) { return removed(AT_FDCWD, path, AT_REMOVEDIR); }

static int made(int directory, const char *path, mode_t mode) {
    char absolute[PATH_MAX];
    if (!is_inside(directory, path, absolute)) return REAL(mkdirat)(directory, path, mode);
    pthread_mutex_lock(&guard);
    int result = -1, error = fail_with;
    if (faccessat(directory, path, F_OK, AT_SYMLINK_NOFOLLOW) && fails(0)) {
        result = -1;
    } else {
        result = REAL(mkdirat)(directory, path, mode);
        error = errno;
        if (!result) note(MAKE_DIRECTORY, absolute, 0, 0, NULL, 0);
    }
    pthread_mutex_unlock(&guard);
    errno = error;
    return result;
}
int mkdir(const char *path, mode_t mode) { return made(AT_FDCWD, path, mode); }
int mkdirat(int directory, const char *path, mode_t mode) { return made(directory, path, mode); }
