/*
 * logfusion: a lock-free logging engine. This header is its C manual (C11, C++17).
 *
 * A log call copies its record into a ring of the calling thread and returns. One drain thread takes the records of all
 * rings in the order of their clocks, makes each a `tracing` event, and hands it to the output (or to the Rust
 * subscriber of the host) and to the subscribed callbacks.
 *
 * General rules. A function's own comment repeats none of them; it says where it differs.
 *
 * Results     `int` results are a status: LOGFUSION_OK, or a negative LOGFUSION_E_… number. A bad argument gets a
 *             status and a last error (logfusion_last_error); never a crash. LOGFUSION_E_DROPPED sets no last error:
 *             the ledger (logfusion_stats) counts it. A success leaves the last error as it was. Each new last error
 *             also becomes an ERROR event of the engine, target "logfusion", with the text in the field `ffi_error`:
 *             at most 10 a second, of more a WARN event tells the number.
 * Threads     Every function may be called from any thread at any time. "Starts the engine" means: if it is not
 *             running, starts it with the defaults and the environment (again after logfusion_shutdown: with the
 *             settings it had).
 * Blocking    Log functions (logfusion_log, _log_n, _log_fields, _log_batch, _reserve, _commit, _cancel) are wait-free
 *             after the calling thread's first record: no allocation, no lock, no formatting, no UTF-8 check and no
 *             system call. The exceptions are settings: the call that finds its ring half full wakes the drain thread
 *             (wake_on_half_full), so does an error (wake_on_error), and LOGFUSION_OVERFLOW_BLOCK waits while the ring
 *             is full. The first record of a thread makes its ring, the first of a process starts the engine. Other
 *             functions may take short locks; those that wait for something say so.
 * errno       Every function leaves it as it was.
 * Ownership   Arguments are borrowed for the call: text and structs are copied, nothing has to outlive the call.
 *             What a callback receives is valid during that call only.
 * Text        A `const char *` without a length is NUL-terminated; a length of LOGFUSION_NUL_TERMINATED says the
 *             same. A record takes at most 1/16 of its ring (64 KiB by default; a fair part more of rings below
 *             64 KiB): its texts share that, the message first, then the fields in turn. What does not fit is cut
 *             at a character boundary, said in the output ("… (N bytes more)"), and the record is delivered. A
 *             NUL-terminated text is not read further than that, so how much is missing is then a lower bound.
 *             Targets and names of fields are cut at 1,024 bytes. Text should be UTF-8; bytes that are not are
 *             delivered as U+FFFD and counted (bad_utf8). A zero length allows NULL. Outputs escape control
 *             characters.
 * Levels      LOGFUSION_ERROR … LOGFUSION_TRACE. A log function given another level delivers the record as
 *             LOGFUSION_INFO and returns LOGFUSION_E_INVALID.
 * Targets     Say which part of the program speaks, in segments: "game::net". Where targets are compared, whole
 *             segments match: "game" covers "game" and "game::net", not "gamepad"; "" covers all. A log function
 *             given a NULL target delivers the record with the target "ffi" and returns LOGFUSION_E_NULL.
 * Timeouts    Milliseconds; 0 only looks, a negative one waits without limit.
 * Memory      A log call allocates nothing after its thread's first, which is a counted drop where there is none left.
 *             Functions that start the engine or ask one that is not there, or that set a filter, a callback, a
 *             backtrace or a crash handler, then return LOGFUSION_E_MEMORY and do nothing.
 * Structs     Those that begin with `size_t size` grow at the end only. The caller sets `size` to the struct's
 *             sizeof; the size in this or an earlier version of the same ABI is accepted, any other is
 *             LOGFUSION_E_SIZE. Structs without it never change within an ABI.
 * Signals     In a signal handler only log functions may be called, on a thread that has logged before in this
 *             process and does not deliver at the moment (see logfusion_callback), while the engine runs (not after
 *             logfusion_shutdown, nor during exit), with LOGFUSION_OVERFLOW_DROP. A call that interrupts another log
 *             call of its thread is dropped and counted. After a longjmp out of a log call, calls are dropped until
 *             one comes from a frame that is not deeper, or from another stack. A write into a closed pipe raises no
 *             SIGPIPE on a thread of the program.
 * Fibers      A fiber may move between threads, but not inside a log call, nor between logfusion_reserve and
 *             logfusion_commit.
 * Cancelling  pthread_cancel waits while a thread is inside a function that may block. A callback must not end its
 *             thread (pthread_exit).
 * fork        The child logs on: its first record starts an engine of its own on the same output, its ledger starts
 *             at zero, subscriptions stay. Records that were queued at the fork are the parent's. A child that is
 *             forked inside a callback must not return from it: exec or _exit.
 * exit        At the normal end of the process (return from main, exit) accepted records are delivered and written,
 *             within five seconds. exit inside a callback writes what was delivered until then; what is still queued
 *             is lost, as it is by _exit, quick_exit and a crash (but see
 *             logfusion_install_crash_handler).
 * Memory      Where memory for a ring can't be had, records are dropped and counted (dropped_memory). Where Rust's
 *             allocator fails, in functions that are not wait-free, the process aborts.
 */
#ifndef LOGFUSION_H
#define LOGFUSION_H

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Version of this header; logfusion_version() tells the library's.
 *
 * ABI rule: a program compiled against version 0.N runs with every library 0.N.x of the same or a later patch; from
 * 1.0 on, with every later library of the same major version. Until the ABI changes, numbers are never reused,
 * struct members are appended only (to structs that begin with `size`), and functions are added, not removed.
 */
#define LOGFUSION_VERSION_MAJOR 0
#define LOGFUSION_VERSION_MINOR 1
#define LOGFUSION_VERSION_PATCH 0
#define LOGFUSION_VERSION_STRING "0.1.0"

/* Define LOGFUSION_SHARED when linking against the DLL on Windows; elsewhere it changes nothing. */
#if defined(_WIN32) && defined(LOGFUSION_SHARED)
#define LOGFUSION_API __declspec(dllimport)
#elif defined(__GNUC__)
#define LOGFUSION_API __attribute__((visibility("default")))
#else
#define LOGFUSION_API
#endif

#if defined(__MINGW32__)
#define LOGFUSION_PRINTF(format_index, first_index) __attribute__((format(gnu_printf, format_index, first_index)))
#elif defined(__GNUC__)
#define LOGFUSION_PRINTF(format_index, first_index) __attribute__((format(printf, format_index, first_index)))
#else
#define LOGFUSION_PRINTF(format_index, first_index)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------ Numbers */

/* Status codes. Append-only: a number keeps its meaning for ever. */
#define LOGFUSION_OK 0
#define LOGFUSION_E_NULL (-1)         /* a pointer is NULL that must not be */
#define LOGFUSION_E_INVALID (-2)      /* a value is out of its range */
#define LOGFUSION_E_UTF8 (-3)         /* a text is not UTF-8 */
#define LOGFUSION_E_SIZE (-4)         /* a struct's size, a length or a count is wrong or would overflow */
#define LOGFUSION_E_RUNNING (-5)      /* the engine runs already, with other settings */
#define LOGFUSION_E_DROPPED (-6)      /* the record was not accepted; the ledger says why */
#define LOGFUSION_E_TIMEOUT (-7)      /* the time limit has passed */
#define LOGFUSION_E_BUSY (-8)         /* in use by another thread */
#define LOGFUSION_E_IN_CALLBACK (-9)  /* not allowed inside a callback */
#define LOGFUSION_E_UNKNOWN (-10)     /* no such handle */
#define LOGFUSION_E_OUTPUT (-11)      /* the output can't be opened or written */
#define LOGFUSION_E_THREAD (-12)      /* no thread could be started */
#define LOGFUSION_E_MEMORY (-13)      /* out of memory */
#define LOGFUSION_E_FILTER (-14)      /* the filter directives can't be read */
#define LOGFUSION_E_MODE (-15)        /* not in this mode of the drain */
#define LOGFUSION_E_INTERNAL (-16)    /* a defect of the engine, contained */

/* Levels, the most severe first. LOGFUSION_OFF is no level of a record; it is index 0 of a table by level. */
#define LOGFUSION_OFF 0
#define LOGFUSION_ERROR 1
#define LOGFUSION_WARN 2
#define LOGFUSION_INFO 3
#define LOGFUSION_DEBUG 4
#define LOGFUSION_TRACE 5
#define LOGFUSION_LEVELS 6 /* elements of a table that is indexed by level */

/* As a length: the text ends at its NUL. */
#define LOGFUSION_NUL_TERMINATED SIZE_MAX

/* Most fields of one record. */
#define LOGFUSION_FIELDS_MAX 32

/* Bytes of a thread name in logfusion_thread_stats_t, its NUL included. */
#define LOGFUSION_THREAD_NAME_MAX 32

/* ---------------------------------------------------------------------------------------------------- Lifecycle */

/* Values of the settings. 0 is always the default. */
#define LOGFUSION_DEFAULT 0 /* of a switch: what its comment says */
#define LOGFUSION_YES 1
#define LOGFUSION_NO 2

#define LOGFUSION_FORMAT_TEXT 0
#define LOGFUSION_FORMAT_LOGFMT 1
#define LOGFUSION_FORMAT_JSON 2

#define LOGFUSION_COLOR_AUTO 0 /* when the output is a terminal and NO_COLOR is not set */
#define LOGFUSION_COLOR_NEVER 1
#define LOGFUSION_COLOR_ALWAYS 2

#define LOGFUSION_ROTATE_NEVER 0
#define LOGFUSION_ROTATE_DAILY 1 /* at midnight, UTC */

#define LOGFUSION_OVERFLOW_DROP 0
#define LOGFUSION_OVERFLOW_BLOCK 1

#define LOGFUSION_CLOCK_TSC 0
#define LOGFUSION_CLOCK_COARSE 1

#define LOGFUSION_DRAIN_THREAD 0
#define LOGFUSION_DRAIN_MANUAL 1

/*
 * The settings of logfusion_init_with. A zeroed struct with `size` set holds the defaults, as LOGFUSION_CONFIG_INIT
 * does.
 *
 * The environment wins over the struct: each setting names its variable, if it has one, in brackets. A variable that
 * can't be read is reported (WARN, target "logfusion") and treated as not set. A process that runs set-uid or set-gid
 * ignores them all.
 */
typedef struct logfusion_config {
    size_t size; /* sizeof(logfusion_config) */

    /* What is written: directives as for logfusion_set_filter. NULL or "": "info". [LOGFUSION_LOG, else RUST_LOG; the
     * file that LOGFUSION_FILTER_FILE names, if it is there, is looked at once a second, and counts when it changes] */
    const char *filter;

    /* Where to: "stderr", "stdout", "none", anything else is the path of a file, which is appended to. NULL or "":
     * "stderr". A path is bytes of the system, not necessarily UTF-8. [LOGFUSION_OUTPUT] */
    const char *output;

    /* Name of the drain thread, cut at 15 bytes. NULL or "": "logfusion". */
    const char *drain_name;

    /* Rotate a file before it grows past so many bytes: PATH becomes PATH.1, PATH.1 becomes PATH.2 … 0: not by size;
     * least 4,096. [LOGFUSION_ROTATE_BYTES] */
    uint64_t rotate_bytes;

    /* How many rotated files to keep, 1 … 1,000. 0: 5. [LOGFUSION_KEEP_FILES] */
    size_t keep_files;

    /* Bytes of each thread's ring, 4,096 … 2^30, rounded up to a power of two. 0: 1 MiB.
     * [LOGFUSION_RING_BYTES: a power of two; here and below K, M and G may follow the number of bytes] */
    size_t ring_bytes;

    /* Most bytes of all rings together; a thread that would need more drops its records (dropped_memory). 0: 1 GiB;
     * least ring_bytes. [LOGFUSION_RINGS_MAX_BYTES] */
    size_t rings_max_bytes;

    int format;   /* LOGFUSION_FORMAT_… [LOGFUSION_FORMAT: text, logfmt, json] */
    int color;    /* LOGFUSION_COLOR_…, text only [LOGFUSION_COLOR: auto, never, always] */
    int rotate;   /* LOGFUSION_ROTATE_… by time, besides rotate_bytes [LOGFUSION_ROTATE: never, daily] */
    int overflow; /* LOGFUSION_OVERFLOW_…: what a full ring does [LOGFUSION_OVERFLOW: drop, block, block:MS] */

    /* Longest wait of one call with LOGFUSION_OVERFLOW_BLOCK in ms; then the record is dropped. 0: 1,000; negative: no
     * limit. */
    int block_ms;

    /* Longest rest of an idle drain thread in µs, 50 … 1,000,000: the latest that a record is seen. 0: 10,000.
     * [LOGFUSION_IDLE_US] */
    int idle_us;

    int wake_on_half_full; /* switch: a half full ring wakes the drain thread. Default yes */
    int wake_on_error;     /* switch: a LOGFUSION_ERROR record wakes it (a system call each). Default no */

    /* LOGFUSION_DRAIN_MANUAL starts no thread; the program calls logfusion_drain. [LOGFUSION_DRAIN: thread, manual] */
    int drain;

    /* Pin the drain thread to the processor drain_cpu (counted from 0): a switch, default no. drain_cpu must be 0
     * unless it is LOGFUSION_YES. [LOGFUSION_DRAIN_CPU: a number pins] */
    int drain_pinned;
    int drain_cpu;

    /* The drain thread's nice value, -20 (first) … 19 (last). 0: that of the thread that starts it. A priority that the
     * system refuses is reported and ignored. */
    int drain_priority;

    /* Switch: if the process has no global `tracing` subscriber, become it, so that Rust events go to the output too.
     * Default yes (the automatic start at the first record never does). */
    int global_default;

    /* What records are stamped with. LOGFUSION_CLOCK_TSC: the processor's counter, read by each call; records of all
     * threads are in its order. LOGFUSION_CLOCK_COARSE: the time at which the drain last looked at the rings, 50 µs to
     * idle_us ago, or as long as it is held up; a call costs a third. The order is exact for each thread, and between
     * threads as good as that resolution. It counts for threads whose first record comes after the start.
     * [LOGFUSION_CLOCK: tsc, coarse] */
    int clock;

    /* Switch: when a span ends, the output has a line with its `duration_ns`, at the span's level. Default no.
     * [LOGFUSION_SPAN_CLOSE: yes, no] */
    int span_close;
} logfusion_config;

/* Initialises a logfusion_config with the defaults. */
#define LOGFUSION_CONFIG_INIT                                                                                          \
    { sizeof(logfusion_config), NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/*
 * Starts the engine now, not at the first record. May block on opening the output.
 *
 * LOGFUSION_OK also when it runs already, whatever its settings. LOGFUSION_E_OUTPUT: the output can't be opened; the
 * engine runs all the same and writes to stderr. LOGFUSION_E_THREAD: no drain thread could be started; the engine runs
 * and each log call delivers its own record. LOGFUSION_E_MEMORY: nothing is started.
 */
LOGFUSION_API int logfusion_init(void);

/*
 * As logfusion_init, with settings. `config` may be freed after the call.
 *
 * LOGFUSION_OK also when the engine runs with equal settings; LOGFUSION_E_RUNNING when it runs with others (a start
 * by the first record counts; logfusion_shutdown first to change them). Nothing is started on LOGFUSION_E_NULL
 * (config is NULL), LOGFUSION_E_SIZE, LOGFUSION_E_INVALID (a number out of its range), LOGFUSION_E_FILTER,
 * LOGFUSION_E_UTF8 (filter or drain_name) and LOGFUSION_E_MEMORY.
 */
LOGFUSION_API int logfusion_init_with(const logfusion_config *config);

/*
 * Delivers every accepted record, writes the output, and stops the drain thread. Blocks until that is done. Safe to
 * call twice, before any start, and while other threads log: their later records start the engine again.
 * Subscriptions, the filter and the ledger stay. Inside a callback it does nothing and sets the last error.
 */
LOGFUSION_API void logfusion_shutdown(void);

/*
 * When the program crashes (SIGSEGV, SIGABRT, SIGFPE, SIGILL, SIGBUS), has what was logged and not written yet be written to
 * the open descriptor `fd`, which stays the program's, or with -1 to where the engine's own output writes (stderr if it has
 * none). Then the handler that was there before is called, or what the system does by default follows. For good; a
 * second call changes the descriptor alone.
 *
 * The handler takes no lock and allocates nothing, so it may run wherever the program crashed, inside malloc or a log call
 * too. It writes lines in the output's format, in the order of time, whatever the filter says of them, between an ERROR
 * line "crashed; …" (signal, code, address, may_repeat) and one that says how many there were; both have the target
 * "logfusion". `may_repeat=true`: the drain could not be stopped between two records, since it was the one to crash
 * or was inside a callback for more than 200 ms; then some records were written, or seen by callbacks, before. Entering and
 * leaving spans is shown as lines. Records of more than 256 KiB are named, not shown. Callbacks are not called.
 *
 * Install it after another crash reporter, which then gets the signal second, and before a runtime that uses such
 * signals itself (Mono, a JVM): what arrives here counts as a crash, though a handler that returns lets the program go
 * on. It runs on the thread's alternate stack (sigaltstack) if there is one, and needs 6 KiB of it; without one, an overflowing stack
 * can't be reported.
 *
 * LOGFUSION_E_INVALID: `fd` is not open, or less than -1.
 */
LOGFUSION_API int logfusion_install_crash_handler(int fd);

/* ------------------------------------------------------------------------------------------------------ Logging */

/*
 * Logs `message` at `level` with `target`. Starts the engine. Wait-free (see "Blocking" above).
 *
 * LOGFUSION_OK: accepted, or the filter and the subscriptions have no use for the level (then nothing is counted).
 * LOGFUSION_E_DROPPED: not accepted (ring full, re-entered, no memory; see logfusion_thread_stats_t).
 * LOGFUSION_E_NULL: message is NULL and nothing was logged, or target is NULL (see "Targets").
 * LOGFUSION_E_INVALID: unknown level (see "Levels").
 */
LOGFUSION_API int logfusion_log(int level, const char *target, const char *message);

/*
 * As logfusion_log, with lengths in bytes (or LOGFUSION_NUL_TERMINATED); text may contain NUL bytes.
 * LOGFUSION_E_SIZE: a length above PTRDIFF_MAX; nothing was logged.
 */
LOGFUSION_API int logfusion_log_n(int level, const char *target, size_t target_length, const char *message,
                                  size_t message_length);

/* Types of a field. 0 is none, so that a zeroed field is noticed. */
#define LOGFUSION_TYPE_I64 1
#define LOGFUSION_TYPE_U64 2
#define LOGFUSION_TYPE_F64 3
#define LOGFUSION_TYPE_BOOL 4
#define LOGFUSION_TYPE_POINTER 5 /* shown as its address; never followed */
#define LOGFUSION_TYPE_TEXT 6

/* A key-value pair. Made by the logfusion_field_… functions below; read through `type` in a callback. */
typedef struct logfusion_field {
    const char *name; /* NUL-terminated */
    int type;         /* LOGFUSION_TYPE_… */
    int reserved;     /* 0 */
    union {
        int64_t i64;
        uint64_t u64;
        double f64;
        int boolean; /* 0 is false, anything else true; 0 or 1 in a callback */
        const void *pointer;
        struct {
            const char *data;
            size_t length; /* bytes, or LOGFUSION_NUL_TERMINATED; in a callback always bytes, and a NUL follows */
        } text;
    } value;
} logfusion_field;

static inline logfusion_field logfusion_field_i64(const char *name, int64_t value) {
    logfusion_field field;
    field.name = name;
    field.type = LOGFUSION_TYPE_I64;
    field.reserved = 0;
    field.value.i64 = value;
    return field;
}

static inline logfusion_field logfusion_field_u64(const char *name, uint64_t value) {
    logfusion_field field;
    field.name = name;
    field.type = LOGFUSION_TYPE_U64;
    field.reserved = 0;
    field.value.u64 = value;
    return field;
}

static inline logfusion_field logfusion_field_f64(const char *name, double value) {
    logfusion_field field;
    field.name = name;
    field.type = LOGFUSION_TYPE_F64;
    field.reserved = 0;
    field.value.f64 = value;
    return field;
}

static inline logfusion_field logfusion_field_bool(const char *name, int value) {
    logfusion_field field;
    field.name = name;
    field.type = LOGFUSION_TYPE_BOOL;
    field.reserved = 0;
    field.value.boolean = value;
    return field;
}

static inline logfusion_field logfusion_field_pointer(const char *name, const void *value) {
    logfusion_field field;
    field.name = name;
    field.type = LOGFUSION_TYPE_POINTER;
    field.reserved = 0;
    field.value.pointer = value;
    return field;
}

static inline logfusion_field logfusion_field_text_n(const char *name, const char *data, size_t length) {
    logfusion_field field;
    field.name = name;
    field.type = LOGFUSION_TYPE_TEXT;
    field.reserved = 0;
    field.value.text.data = data;
    field.value.text.length = length;
    return field;
}

static inline logfusion_field logfusion_field_text(const char *name, const char *text) {
    return logfusion_field_text_n(name, text, LOGFUSION_NUL_TERMINATED);
}

/*
 * As logfusion_log, with `count` fields; `fields` may be NULL when count is 0. Names should differ: of equal ones
 * the later are shown as NAME#POSITION in JSON, and as they are in text.
 *
 * LOGFUSION_E_NULL: fields is NULL and count is not 0 (the record is logged without fields). A field that can't be
 * used is left out, the record is logged, and the first such field gives the status: LOGFUSION_E_NULL (NULL name, or
 * NULL text with a length), LOGFUSION_E_INVALID (unknown type, reserved not 0), LOGFUSION_E_SIZE (text longer than
 * PTRDIFF_MAX; any field past LOGFUSION_FIELDS_MAX). LOGFUSION_E_SIZE with nothing logged: count *
 * sizeof(logfusion_field) is above PTRDIFF_MAX.
 */
LOGFUSION_API int logfusion_log_fields(int level, const char *target, const char *message,
                                       const logfusion_field *fields, size_t count);

/* One record of a batch. Made by logfusion_entry_make. */
typedef struct logfusion_entry {
    const char *target;
    size_t target_length; /* bytes, or LOGFUSION_NUL_TERMINATED */
    const char *message;
    size_t message_length; /* bytes, or LOGFUSION_NUL_TERMINATED */
    int level;
    int reserved; /* 0 */
} logfusion_entry;

/* An entry of two NUL-terminated texts. */
static inline logfusion_entry logfusion_entry_make(int level, const char *target, const char *message) {
    logfusion_entry entry;
    entry.target = target;
    entry.target_length = LOGFUSION_NUL_TERMINATED;
    entry.message = message;
    entry.message_length = LOGFUSION_NUL_TERMINATED;
    entry.level = level;
    entry.reserved = 0;
    return entry;
}

/*
 * Logs `count` records, in order, with one clock read (and one more for each text of 2 KiB and more), published in pieces of up
 * to 1/16 of the ring. Consecutive entries with the same target (the same pointer) share it: a text of 8 bytes then takes
 * 16 bytes of the ring, not 48 and more. `entries` may be NULL when count is 0.
 *
 * Returns how many were accepted. Not among them: dropped ones (counted by the ledger), those of a level that nobody
 * wants, and entries that logfusion_log_n would not log (NULL message, length above PTRDIFF_MAX, reserved not 0),
 * which set the last error. Or a negative status, and nothing was logged: LOGFUSION_E_NULL, LOGFUSION_E_SIZE (count *
 * sizeof(logfusion_entry) is above PTRDIFF_MAX).
 */
LOGFUSION_API ptrdiff_t logfusion_log_batch(const logfusion_entry *entries, size_t count);

/*
 * Reserve, write, commit: a log call whose text is written straight into the ring, for formatters. logfusion_vlogf
 * below is the example.
 *
 * logfusion_reserve opens a record and gives room for its text: *text points to *granted + 1 bytes, the last one for
 * a NUL that the writer may or may not write. *granted is `capacity`, or what a record can take if that is less. LOGFUSION_OK
 * with *text == NULL: nobody wants the level. Statuses as logfusion_log; the record is open if, and only if, *text is
 * not NULL (also with LOGFUSION_E_INVALID and LOGFUSION_E_NULL, for a level or target that was replaced).
 * LOGFUSION_E_NULL and no record: text or granted is NULL.
 *
 * An open record must be ended by the same thread, with logfusion_commit or logfusion_cancel, before it logs again:
 * until then its other records are dropped as re-entered. A thread that ends, forks or jumps out (longjmp, an
 * exception) in between loses the open record, nothing else; so does one that logs, in a signal handler too, from a
 * frame that lies more than 1 KiB further up the stack than the one that reserved (then dropped_other counts it).
 */
LOGFUSION_API int logfusion_reserve(int level, const char *target, size_t capacity, char **text, size_t *granted);

/*
 * Publishes the open record, whose bytes the caller has written (others are undefined, and may be of other texts).
 * `length` is the text's length without NUL; if it is above `granted`, `granted` bytes were written and `length` is
 * what the whole text would have had, as vsnprintf says it. LOGFUSION_E_INVALID: no record is open on this thread.
 * LOGFUSION_E_SIZE: length is above PTRDIFF_MAX; the record is cancelled and counted as dropped.
 */
LOGFUSION_API int logfusion_commit(size_t length);

/*
 * Gives the open record back and returns `reason`. LOGFUSION_OK: as if it had never been reserved. A negative status:
 * the record counts as dropped (dropped_other) and the status becomes the last error; a positive reason is taken as
 * LOGFUSION_E_INVALID. LOGFUSION_E_INVALID also when no record is open on this thread.
 */
LOGFUSION_API int logfusion_cancel(int reason);

/* Room that logfusion_vlogf reserves at first; a longer text is formatted twice. */
#define LOGFUSION_VLOGF_CAPACITY 512

/*
 * printf into the ring, checked by the compiler. Not wait-free: costs a vsnprintf on the calling thread (two, and a
 * second reservation, for text over LOGFUSION_VLOGF_CAPACITY). `arguments` is used up as by vsnprintf. Not for signal
 * handlers.
 *
 * Statuses as logfusion_log. LOGFUSION_E_NULL: format is NULL; nothing was logged. LOGFUSION_E_INVALID: vsnprintf can't
 * format it (counted as dropped).
 */
LOGFUSION_PRINTF(3, 0)
static inline int logfusion_vlogf(int level, const char *target, const char *format, va_list arguments) {
    const int saved_errno = errno;
    char *text = NULL;
    size_t granted = 0;
    va_list again;
    int status, ended, length;

    if (format == NULL) {
        return logfusion_log(level, target, NULL);
    }
    status = logfusion_reserve(level, target, LOGFUSION_VLOGF_CAPACITY, &text, &granted);
    if (text == NULL) {
        return status;
    }
    va_copy(again, arguments);
    length = vsnprintf(text, granted + 1, format, arguments);
    if (length >= 0 && (size_t)length > granted) {
        (void)logfusion_cancel(LOGFUSION_OK);
        status = logfusion_reserve(level, target, (size_t)length, &text, &granted);
        if (text != NULL) {
            errno = saved_errno; /* for %m */
            length = vsnprintf(text, granted + 1, format, again);
        }
    }
    va_end(again);
    errno = saved_errno;
    if (text == NULL) {
        return status;
    }
    ended = length < 0 ? logfusion_cancel(LOGFUSION_E_INVALID) : logfusion_commit((size_t)length);
    return ended != LOGFUSION_OK ? ended : status;
}

/* As logfusion_vlogf, with the arguments of the format in place. */
LOGFUSION_PRINTF(3, 4)
static inline int logfusion_logf(int level, const char *target, const char *format, ...) {
    va_list arguments;
    int status;

    va_start(arguments, format);
    status = logfusion_vlogf(level, target, format, arguments);
    va_end(arguments);
    return status;
}

/* ------------------------------------------------------------------------------------------------------- Filter */

/*
 * Whether a record of this level and target would go to the output or to a callback: 1 or 0. Starts the engine;
 * wait-free after that. Where a Rust subscriber of the host decides, 1 may still end in a record that it filters out.
 * 0 with a last error: NULL target, unknown level.
 */
LOGFUSION_API int logfusion_enabled(int level, const char *target);

/*
 * Replaces the filter of the output, for all records that are delivered from now on. Starts the engine. It does not
 * concern callbacks, which have their own level, nor a Rust subscriber of the host.
 *
 * Directives, separated by commas: LEVEL (for all targets), TARGET=LEVEL, or TARGET (all its levels). LEVEL is off,
 * error, warn, info, debug, trace in any case, or 0 … 5. The directive with the most segments wins; what none covers is
 * off. "" means "info". Example: "info,game::net=debug,game::audio=off".
 *
 * LOGFUSION_E_NULL, LOGFUSION_E_UTF8, LOGFUSION_E_FILTER (the last error says where): the filter stays as it was.
 */
LOGFUSION_API int logfusion_set_filter(const char *directives);

/* --------------------------------------------------------------------------------------------------- Backtraces */

/* Most records that a backtrace may ask for. */
#define LOGFUSION_BACKTRACE_MAX 65536

/*
 * Keeps of each thread the last `records` records of `target` (segments: see "Targets"; the most specific request
 * counts) that the output does not want, at most 1 MiB of them. When the thread logs a LOGFUSION_ERROR of the target, they are
 * delivered to the output in front of it, with their own times and the field `backtrace` = true, whatever the filter says. (A
 * Rust subscriber of the host still filters them.) While it is asked for, every level of the target is logged and
 * takes room in the rings. Another request for the same target replaces it; 0 ends it. Starts the engine. Callbacks get
 * the records when they are logged, if at all, and the ledger counts them then.
 *
 * LOGFUSION_E_NULL, LOGFUSION_E_UTF8: target. LOGFUSION_E_INVALID: records is above LOGFUSION_BACKTRACE_MAX.
 */
LOGFUSION_API int logfusion_backtrace(const char *target, size_t records);

/*
 * Delivers what is kept for the request with this very target, of all threads that live, after everything that was logged before.
 * Does not wait for that: see logfusion_flush. LOGFUSION_E_NULL, LOGFUSION_E_UTF8.
 */
LOGFUSION_API int logfusion_backtrace_flush(const char *target);

/* -------------------------------------------------------------------------------------------- Spans and context */

/* Most spans that a thread is in at one time. */
#define LOGFUSION_SPANS_MAX 64

/*
 * A span says what the thread is at: what it logs until the span is left is inside of it. Outputs show the spans around a
 * record, Rust subscribers get them as tracing spans. LF_SPAN (logfusion_statements.h) is a span for the rest of a
 * block, and what most programs want; these functions are for spans that no block encloses, and for other languages.
 *
 * logfusion_span_enter enters one; arguments and wrong ones as logfusion_log_fields, with a name of at most 1,024 bytes
 * for the message. Returns a number to leave it with. 0: nobody wants the level, name is NULL, count * sizeof(field) is
 * above PTRDIFF_MAX, or the thread is in LOGFUSION_SPANS_MAX spans (LOGFUSION_E_SIZE in the last error).
 *
 * logfusion_span_exit leaves it, on the same thread, and with it every span that was entered inside of it; 0 is no span, and
 * LOGFUSION_OK. LOGFUSION_E_UNKNOWN: it is not open on this thread.
 *
 * Both cost a log call each, and the ledger counts them as one: an entry at the span's level, an exit as a WARN record, so that
 * a flood of lesser ones does not push it out. If an entry is dropped, what is logged inside is delivered without the
 * span. If an exit is missing (longjmp), records are shown in the span until one around it is left or the thread ends.
 * A fiber must not move to another thread inside a span. Not for signal handlers.
 */
LOGFUSION_API uint64_t logfusion_span_enter(int level, const char *target, const char *name,
                                            const logfusion_field *fields, size_t count);
LOGFUSION_API int logfusion_span_exit(uint64_t span);

/*
 * For C code that Rust calls: enters the Rust span that is current on this thread (tracing's), so that what C logs is
 * inside of it. To be left with logfusion_span_exit. The span stays open until then and until the records before
 * have been delivered. 0: there is none, or the thread is in LOGFUSION_SPANS_MAX spans. Takes short locks.
 */
LOGFUSION_API uint64_t logfusion_span_attach(void);

/*
 * The context of the calling thread: keys and values that go with each record that it logs from then on. Outputs
 * show them as fields `context.KEY`; Rust subscribers get a span `context` around the records. A thread has at most 32
 * keys; further ones are left out, which the engine reports once. Costs a log call, counted at the level INFO.
 *
 * logfusion_context_set sets a key. LOGFUSION_E_NULL: key or value is NULL. LOGFUSION_E_INVALID: key is empty.
 * logfusion_context_clear removes it, or all with NULL. LOGFUSION_E_DROPPED: the context is what it was.
 */
LOGFUSION_API int logfusion_context_set(const char *key, const char *value);
LOGFUSION_API int logfusion_context_clear(const char *key);

/* ---------------------------------------------------------------------------------------------------- Callbacks */

/* A delivered record, as a callback sees it. Nothing in it outlives the call. Texts are UTF-8 and NUL-terminated. */
typedef struct logfusion_record {
    size_t size; /* of the struct that the library fills; a program built for a later version checks it */
    const char *target;
    size_t target_length;
    const char *message;
    size_t message_length;
    size_t message_full_length; /* above message_length when the text was cut: bytes that were given, or more than were read */
    const logfusion_field *fields; /* NULL when field_count is 0 */
    size_t field_count;
    uint64_t time_ns;        /* when it was logged: nanoseconds since the Unix epoch, UTC */
    uint64_t thread_id;      /* of the thread that logged it: the system's id, which it may reuse */
    const char *thread_name; /* may be "" */
    const char *file;        /* NULL: unknown */
    int line;                /* 0: unknown */
    int level;
    const char *function; /* NULL: unknown */
} logfusion_record;

/*
 * Called for each record that a subscription matches, in the order of delivery and one call at a time, on the thread
 * that delivers: the drain thread; in manual mode the thread in logfusion_drain, logfusion_flush or
 * logfusion_shutdown; the logging thread where no drain thread can be (LOGFUSION_E_THREAD, or while the process
 * exits).
 *
 * It may log: such records go to the output, and to no callback. It may subscribe and unsubscribe. It may block, but
 * every record waits behind it, and rings fill up. logfusion_flush and logfusion_drain return LOGFUSION_E_IN_CALLBACK
 * in it. No C++ exception may leave it (the process ends) and no longjmp; a Rust panic that leaves it costs this call
 * only (callbacks_failed).
 */
typedef void (*logfusion_callback)(const logfusion_record *record, void *context);

/*
 * Calls `callback` with `context` for each record of `target` (segments: see "Targets"; "" is every record) at
 * `max_level` or more severe, whether or not the output's filter passes it, for records delivered from now on. Any
 * number of subscriptions may match a record; the most specific target is called first, of equal ones the older.
 * `context` may be NULL; it must live until logfusion_unsubscribe has returned LOGFUSION_OK outside any callback.
 * `callback` must live as long.
 *
 * *handle is set to a number that is never 0 and never reused. LOGFUSION_E_NULL: target, callback or handle is
 * NULL. LOGFUSION_E_INVALID: unknown level. LOGFUSION_E_UTF8: target. *handle is 0 then.
 */
LOGFUSION_API int logfusion_subscribe(const char *target, int max_level, logfusion_callback callback, void *context,
                                      uint64_t *handle);

/*
 * Ends a subscription. Outside any callback it waits until the callback is not running, for at most `timeout_ms`.
 * LOGFUSION_OK: it is not running and will never run again; the context may be freed. LOGFUSION_E_BUSY: it still
 * runs, but will not be started again; call again to go on waiting. From inside any callback, its own included, it
 * never waits: LOGFUSION_OK means only that it will not be started again; a call outside any callback then waits for
 * it. LOGFUSION_E_UNKNOWN: no such subscription, or it has ended and is not running (outside any callback).
 */
LOGFUSION_API int logfusion_unsubscribe(uint64_t handle, int timeout_ms);

/* 1 on a thread that is inside a callback, else 0. */
LOGFUSION_API int logfusion_in_callback(void);

/* ----------------------------------------------------------------------------------------------------- Delivery */

/*
 * Waits until every record that was accepted before the call, of any thread, is delivered and written to the output
 * (to the operating system; it does not force the disk). At most `timeout_ms`. In manual mode it delivers them
 * itself. Starts nothing: LOGFUSION_OK when the engine is not running.
 *
 * LOGFUSION_E_TIMEOUT. LOGFUSION_E_OUTPUT: delivered, but some text could not be written since the last flush.
 * LOGFUSION_E_IN_CALLBACK.
 */
LOGFUSION_API int logfusion_flush(int timeout_ms);

/*
 * Manual mode: delivers queued records on the calling thread and writes their text. Stops when all that were accepted
 * before the call are delivered, or after `budget_us` microseconds (looked at every few records; even with 0 one record
 * is delivered if one is queued). UINT64_MAX: no limit. Starts the engine.
 *
 * Returns how many records it took out of the rings. LOGFUSION_E_MODE: a drain thread delivers. LOGFUSION_E_BUSY:
 * another thread is in it. LOGFUSION_E_IN_CALLBACK.
 */
LOGFUSION_API int64_t logfusion_drain(uint64_t budget_us);

/*
 * Names the calling thread in its records from now on and in the ledger; the operating system's name, used otherwise,
 * stays as it is. Cut at 31 bytes, at a character boundary. "" goes back to the system's name. LOGFUSION_E_NULL,
 * LOGFUSION_E_UTF8: the name stays.
 */
LOGFUSION_API int logfusion_set_thread_name(const char *name);

/* ------------------------------------------------------------------------------------------------------- Ledger */

/*
 * The ledger. For each thread and for the sum, exact when the threads are quiet, and never decreasing (`queued` apart):
 *
 *     offered  = accepted + dropped, all levels = accepted + dropped_…, all reasons
 *     accepted = delivered + filtered + failed + queued
 *
 * Records of a level that nobody wants are not offered. The engine's own events and Rust events are not counted. The
 * counts run on over logfusion_shutdown.
 */
typedef struct logfusion_thread_stats_t {
    size_t size;                          /* sizeof(logfusion_thread_stats_t) */
    uint64_t thread_id;                   /* the system's id */
    char name[LOGFUSION_THREAD_NAME_MAX]; /* NUL-terminated */
    uint64_t offered;
    uint64_t accepted;
    uint64_t delivered; /* to an output, a subscriber or a callback */
    uint64_t filtered;  /* accepted, but nobody wanted it */
    uint64_t failed;    /* lost in delivery: a subscriber panicked, or the record could not be read */
    uint64_t queued;    /* accepted, not yet taken */
    uint64_t dropped[LOGFUSION_LEVELS]; /* by level; [0] is always 0 */
    uint64_t dropped_full;              /* by reason: the ring was full */
    uint64_t dropped_reentered;         /* logged inside another log call of the thread */
    uint64_t dropped_timeout;           /* LOGFUSION_OVERFLOW_BLOCK: block_ms passed */
    uint64_t dropped_memory;            /* no memory for a ring, or rings_max_bytes reached */
    uint64_t dropped_other;
    uint64_t accepted_bytes; /* of the ring, padding included */
    int ended;               /* 1: the thread has ended */
    int reserved;
} logfusion_thread_stats_t;

typedef struct logfusion_stats_t {
    size_t size; /* sizeof(logfusion_stats_t) */
    uint64_t offered;
    uint64_t accepted;
    uint64_t delivered;
    uint64_t filtered;
    uint64_t failed;
    uint64_t queued;
    uint64_t dropped[LOGFUSION_LEVELS];
    uint64_t dropped_full;
    uint64_t dropped_reentered;
    uint64_t dropped_timeout;
    uint64_t dropped_memory;
    uint64_t dropped_other;
    uint64_t accepted_bytes;
    uint64_t dropped_without_ring;      /* part of dropped_memory: of threads that got no ledger of their own */
    uint64_t output_bytes;              /* written to the output */
    uint64_t output_errors;             /* failed writes, rotations and openings */
    uint64_t output_lost_records;       /* delivered, or said by the engine, but not written whole */
    uint64_t callbacks_failed;          /* calls that ended in a panic */
    uint64_t bad_utf8;                  /* records with a text that was not UTF-8 */
    uint64_t longest_delivery_delay_ns; /* from the log call to the delivery */
    size_t threads_live;
    size_t threads_ended;
} logfusion_stats_t;

/*
 * Fills *stats with the sum over all threads, ended ones included. Only stats->size has to be set. LOGFUSION_E_NULL,
 * LOGFUSION_E_SIZE: nothing is written.
 */
LOGFUSION_API int logfusion_stats(logfusion_stats_t *stats);

/*
 * Fills one element for each thread that has logged, in the order of their first records. *count: in, the elements that
 * `out` has room for; out, how many threads there are, which may be more. `out` may be NULL when *count is 0. Only
 * out[0].size has to be set, and it is the distance of the elements. Of ended threads the latest 1,024 are kept one
 * by one; earlier ones are added up in the first element, thread_id 0, name "(ended)".
 *
 * LOGFUSION_E_NULL: count is NULL, or out is NULL and *count is not 0. LOGFUSION_E_SIZE: out[0].size, or *count times
 * that is above PTRDIFF_MAX. Nothing is written then.
 */
LOGFUSION_API int logfusion_stats_threads(logfusion_thread_stats_t *out, size_t *count);

/* ------------------------------------------------------------------------------------------------------- Errors */

/*
 * Copies the calling thread's last error to `buffer`, at most `size` bytes with the NUL, cut at a character boundary.
 * Returns the length of the whole text without NUL, 0 when there is none (buffer is then ""). With a NULL buffer or
 * size 0 it only returns the length. Never fails and sets no last error.
 */
LOGFUSION_API size_t logfusion_last_error(char *buffer, size_t size);

/* Forgets the calling thread's last error. */
LOGFUSION_API void logfusion_clear_last_error(void);

/* What a status means, in English: static text, never NULL; "unknown status" for another number. */
LOGFUSION_API const char *logfusion_status_text(int status);

/* The library's version, "MAJOR.MINOR.PATCH": static text. Compare it with LOGFUSION_VERSION_STRING. */
LOGFUSION_API const char *logfusion_version(void);

#ifdef __cplusplus
}
#endif

/* ------------------------------------------------------------------------------------------------------- Layout */

/* The library asserts the same numbers (src/c_api). */
#if UINTPTR_MAX == 0xFFFFFFFFFFFFFFFFu && SIZE_MAX == 0xFFFFFFFFFFFFFFFFu
#ifdef __cplusplus
#define LOGFUSION_LAYOUT(condition) static_assert(condition, "layout differs from the library's")
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define LOGFUSION_LAYOUT(condition) _Static_assert(condition, "layout differs from the library's")
#endif
#endif

#ifdef LOGFUSION_LAYOUT
LOGFUSION_LAYOUT(sizeof(int) == 4 && sizeof(double) == 8);

LOGFUSION_LAYOUT(sizeof(logfusion_config) == 128);
LOGFUSION_LAYOUT(offsetof(logfusion_config, size) == 0);
LOGFUSION_LAYOUT(offsetof(logfusion_config, filter) == 8);
LOGFUSION_LAYOUT(offsetof(logfusion_config, output) == 16);
LOGFUSION_LAYOUT(offsetof(logfusion_config, drain_name) == 24);
LOGFUSION_LAYOUT(offsetof(logfusion_config, rotate_bytes) == 32);
LOGFUSION_LAYOUT(offsetof(logfusion_config, keep_files) == 40);
LOGFUSION_LAYOUT(offsetof(logfusion_config, ring_bytes) == 48);
LOGFUSION_LAYOUT(offsetof(logfusion_config, rings_max_bytes) == 56);
LOGFUSION_LAYOUT(offsetof(logfusion_config, format) == 64);
LOGFUSION_LAYOUT(offsetof(logfusion_config, color) == 68);
LOGFUSION_LAYOUT(offsetof(logfusion_config, rotate) == 72);
LOGFUSION_LAYOUT(offsetof(logfusion_config, overflow) == 76);
LOGFUSION_LAYOUT(offsetof(logfusion_config, block_ms) == 80);
LOGFUSION_LAYOUT(offsetof(logfusion_config, idle_us) == 84);
LOGFUSION_LAYOUT(offsetof(logfusion_config, wake_on_half_full) == 88);
LOGFUSION_LAYOUT(offsetof(logfusion_config, wake_on_error) == 92);
LOGFUSION_LAYOUT(offsetof(logfusion_config, drain) == 96);
LOGFUSION_LAYOUT(offsetof(logfusion_config, drain_pinned) == 100);
LOGFUSION_LAYOUT(offsetof(logfusion_config, drain_cpu) == 104);
LOGFUSION_LAYOUT(offsetof(logfusion_config, drain_priority) == 108);
LOGFUSION_LAYOUT(offsetof(logfusion_config, global_default) == 112);
LOGFUSION_LAYOUT(offsetof(logfusion_config, clock) == 116);
LOGFUSION_LAYOUT(offsetof(logfusion_config, span_close) == 120);

LOGFUSION_LAYOUT(sizeof(logfusion_field) == 32);
LOGFUSION_LAYOUT(offsetof(logfusion_field, name) == 0);
LOGFUSION_LAYOUT(offsetof(logfusion_field, type) == 8);
LOGFUSION_LAYOUT(offsetof(logfusion_field, reserved) == 12);
LOGFUSION_LAYOUT(offsetof(logfusion_field, value) == 16);
LOGFUSION_LAYOUT(offsetof(logfusion_field, value.text.data) == 16);
LOGFUSION_LAYOUT(offsetof(logfusion_field, value.text.length) == 24);

LOGFUSION_LAYOUT(sizeof(logfusion_entry) == 40);
LOGFUSION_LAYOUT(offsetof(logfusion_entry, target) == 0);
LOGFUSION_LAYOUT(offsetof(logfusion_entry, target_length) == 8);
LOGFUSION_LAYOUT(offsetof(logfusion_entry, message) == 16);
LOGFUSION_LAYOUT(offsetof(logfusion_entry, message_length) == 24);
LOGFUSION_LAYOUT(offsetof(logfusion_entry, level) == 32);
LOGFUSION_LAYOUT(offsetof(logfusion_entry, reserved) == 36);

LOGFUSION_LAYOUT(sizeof(logfusion_record) == 112);
LOGFUSION_LAYOUT(offsetof(logfusion_record, size) == 0);
LOGFUSION_LAYOUT(offsetof(logfusion_record, target) == 8);
LOGFUSION_LAYOUT(offsetof(logfusion_record, target_length) == 16);
LOGFUSION_LAYOUT(offsetof(logfusion_record, message) == 24);
LOGFUSION_LAYOUT(offsetof(logfusion_record, message_length) == 32);
LOGFUSION_LAYOUT(offsetof(logfusion_record, message_full_length) == 40);
LOGFUSION_LAYOUT(offsetof(logfusion_record, fields) == 48);
LOGFUSION_LAYOUT(offsetof(logfusion_record, field_count) == 56);
LOGFUSION_LAYOUT(offsetof(logfusion_record, time_ns) == 64);
LOGFUSION_LAYOUT(offsetof(logfusion_record, thread_id) == 72);
LOGFUSION_LAYOUT(offsetof(logfusion_record, thread_name) == 80);
LOGFUSION_LAYOUT(offsetof(logfusion_record, file) == 88);
LOGFUSION_LAYOUT(offsetof(logfusion_record, line) == 96);
LOGFUSION_LAYOUT(offsetof(logfusion_record, level) == 100);
LOGFUSION_LAYOUT(offsetof(logfusion_record, function) == 104);

LOGFUSION_LAYOUT(sizeof(logfusion_thread_stats_t) == 200);
LOGFUSION_LAYOUT(offsetof(logfusion_thread_stats_t, size) == 0);
LOGFUSION_LAYOUT(offsetof(logfusion_thread_stats_t, thread_id) == 8);
LOGFUSION_LAYOUT(offsetof(logfusion_thread_stats_t, name) == 16);
LOGFUSION_LAYOUT(offsetof(logfusion_thread_stats_t, offered) == 48);
LOGFUSION_LAYOUT(offsetof(logfusion_thread_stats_t, accepted) == 56);
LOGFUSION_LAYOUT(offsetof(logfusion_thread_stats_t, delivered) == 64);
LOGFUSION_LAYOUT(offsetof(logfusion_thread_stats_t, filtered) == 72);
LOGFUSION_LAYOUT(offsetof(logfusion_thread_stats_t, failed) == 80);
LOGFUSION_LAYOUT(offsetof(logfusion_thread_stats_t, queued) == 88);
LOGFUSION_LAYOUT(offsetof(logfusion_thread_stats_t, dropped) == 96);
LOGFUSION_LAYOUT(offsetof(logfusion_thread_stats_t, dropped_full) == 144);
LOGFUSION_LAYOUT(offsetof(logfusion_thread_stats_t, dropped_reentered) == 152);
LOGFUSION_LAYOUT(offsetof(logfusion_thread_stats_t, dropped_timeout) == 160);
LOGFUSION_LAYOUT(offsetof(logfusion_thread_stats_t, dropped_memory) == 168);
LOGFUSION_LAYOUT(offsetof(logfusion_thread_stats_t, dropped_other) == 176);
LOGFUSION_LAYOUT(offsetof(logfusion_thread_stats_t, accepted_bytes) == 184);
LOGFUSION_LAYOUT(offsetof(logfusion_thread_stats_t, ended) == 192);
LOGFUSION_LAYOUT(offsetof(logfusion_thread_stats_t, reserved) == 196);

LOGFUSION_LAYOUT(sizeof(logfusion_stats_t) == 224);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, size) == 0);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, offered) == 8);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, accepted) == 16);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, delivered) == 24);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, filtered) == 32);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, failed) == 40);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, queued) == 48);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, dropped) == 56);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, dropped_full) == 104);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, dropped_reentered) == 112);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, dropped_timeout) == 120);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, dropped_memory) == 128);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, dropped_other) == 136);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, accepted_bytes) == 144);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, dropped_without_ring) == 152);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, output_bytes) == 160);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, output_errors) == 168);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, output_lost_records) == 176);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, callbacks_failed) == 184);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, bad_utf8) == 192);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, longest_delivery_delay_ns) == 200);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, threads_live) == 208);
LOGFUSION_LAYOUT(offsetof(logfusion_stats_t, threads_ended) == 216);
#endif

/* LF_INFO and its like. */
#include "logfusion_statements.h"

#undef LOGFUSION_LAYOUT

/* The functions of the FFI guide: log_info, register_log_callback … Without plain names: LOGFUSION_NO_PLAIN_NAMES. */
#include "logfusion_guide.h"

#endif /* LOGFUSION_H */
