/* Callbacks: what a record carries, which ones match, what subscribe and unsubscribe promise, also from inside. */
#define _DEFAULT_SOURCE
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How often callbacks end themselves and one another, call the engine, and block. */
#ifndef CALLBACK_ROUNDS
#define CALLBACK_ROUNDS 500
#endif

static void logs(int level, const char *target, const char *message) {
    CHECK_EQ(logfusion_log(level, target, message), LOGFUSION_OK);
}

static void flush(void) {
    CHECK_EQ(logfusion_flush(10000), LOGFUSION_OK);
}

static uint64_t subscribe(const char *target, int level, logfusion_callback callback, void *context) {
    uint64_t handle = 0;
    CHECK_EQ(logfusion_subscribe(target, level, callback, context, &handle), LOGFUSION_OK);
    CHECK(handle != 0);
    return handle;
}

static void unsubscribe(uint64_t handle) {
    CHECK_EQ(logfusion_unsubscribe(handle, 10000), LOGFUSION_OK);
}

static void count_record(const logfusion_record *record, void *context) {
    (void)record;
    atomic_fetch_add((atomic_int *)context, 1);
}

/* ---- What a record carries ---- */

typedef struct seen {
    int calls;
    long long before_ns, after_ns;
    uint64_t caller, deliverer;
} seen;

static void look(const logfusion_record *record, void *context) {
    seen *self = context;
    const logfusion_field *fields = record->fields;

    self->calls += 1;
    self->deliverer = (uint64_t)syscall(SYS_gettid);
    CHECK_EQ(record->size, sizeof *record);
    CHECK_EQ(record->level, LOGFUSION_WARN);
    CHECK(strcmp(record->target, "cb::record") == 0);
    CHECK_EQ(record->target_length, strlen("cb::record"));
    CHECK(strcmp(record->message, "all of it") == 0);
    CHECK_EQ(record->message_length, 9);
    CHECK_EQ(record->message_full_length, 9);
    CHECK_EQ(record->thread_id, self->caller);
    CHECK(strcmp(record->thread_name, "caller") == 0);
    CHECK(record->file == NULL);
    CHECK_EQ(record->line, 0);
    /* The clock is calibrated while the program runs; 100 ms is far more than it may be off. */
    CHECK((long long)record->time_ns > self->before_ns - 100000000);
    CHECK((long long)record->time_ns < self->after_ns + 100000000);

    CHECK_EQ(record->field_count, 6);
    CHECK(strcmp(fields[0].name, "i") == 0 && fields[0].type == LOGFUSION_TYPE_I64 && fields[0].value.i64 == -5);
    CHECK(strcmp(fields[1].name, "u") == 0 && fields[1].type == LOGFUSION_TYPE_U64 && fields[1].value.u64 == 5);
    CHECK(strcmp(fields[2].name, "f") == 0 && fields[2].type == LOGFUSION_TYPE_F64);
    CHECK(fields[2].value.f64 > 0.49 && fields[2].value.f64 < 0.51);
    CHECK(strcmp(fields[3].name, "b") == 0 && fields[3].type == LOGFUSION_TYPE_BOOL && fields[3].value.boolean == 1);
    CHECK(strcmp(fields[4].name, "p") == 0 && fields[4].type == LOGFUSION_TYPE_POINTER);
    CHECK(fields[4].value.pointer == context);
    CHECK(strcmp(fields[5].name, "t") == 0 && fields[5].type == LOGFUSION_TYPE_TEXT);
    CHECK(fields[5].value.text.length == 4 && strcmp(fields[5].value.text.data, "text") == 0);
}

static void record_contents(void) {
    seen self = {0, 0, 0, (uint64_t)syscall(SYS_gettid), 0};
    const logfusion_field fields[] = {
        logfusion_field_i64("i", -5),  logfusion_field_u64("u", 5),         logfusion_field_f64("f", 0.5),
        logfusion_field_bool("b", -1), logfusion_field_pointer("p", &self), logfusion_field_text("t", "text"),
    };

    CHECK_EQ(logfusion_set_thread_name("caller"), LOGFUSION_OK);
    uint64_t handle = subscribe("cb::record", LOGFUSION_TRACE, look, &self);
    self.before_ns = check_now_ns(CLOCK_REALTIME);
    self.after_ns = self.before_ns + 1000000000; /* this call is over by then */
    CHECK_EQ(logfusion_log_fields(LOGFUSION_WARN, "cb::record", "all of it", fields, 6), LOGFUSION_OK);
    flush();
    unsubscribe(handle);
    CHECK_EQ(self.calls, 1);
    CHECK(self.deliverer != self.caller);
}

static void look_at_cut(const logfusion_record *record, void *context) {
    *(int *)context += 1;
    CHECK_EQ(record->message_full_length, 200000);
    CHECK(record->message_length > 30000 && record->message_length <= 65536);
    CHECK_EQ(strlen(record->message), record->message_length);
    /* Cut between characters of two bytes. */
    CHECK_EQ(record->message_length % 2, 0);
}

static void long_text(void) {
    int calls = 0;
    char *text = malloc(200001);
    CHECK(text != NULL);
    for (int i = 0; i < 200000; i += 2) {
        memcpy(text + i, "\xc3\xa4", 2);
    }
    text[200000] = '\0';

    uint64_t handle = subscribe("cb::long", LOGFUSION_TRACE, look_at_cut, &calls);
    CHECK_EQ(logfusion_log_n(LOGFUSION_INFO, "cb::long", 8, text, 200000), LOGFUSION_OK);
    CHECK_EQ(logfusion_logf(LOGFUSION_INFO, "cb::long", "%s", text), LOGFUSION_OK);
    flush();
    unsubscribe(handle);
    CHECK_EQ(calls, 2);
    free(text);
}

/* ---- Which ones match ---- */

static char order[64];

static void append_letter(const logfusion_record *record, void *context) {
    (void)record;
    strncat(order, (const char *)context, 1);
}

static void matching(void) {
    char a[] = "a", b[] = "b", c[] = "c", d[] = "d", e[] = "e";
    const uint64_t handles[] = {
        subscribe("", LOGFUSION_INFO, append_letter, a),
        subscribe("cb::x", LOGFUSION_INFO, append_letter, b),
        subscribe("cb::x::y", LOGFUSION_INFO, append_letter, c),
        subscribe("cb::x", LOGFUSION_WARN, append_letter, d),
        subscribe("cb::xy", LOGFUSION_INFO, append_letter, e),
    };

    flush();
    order[0] = '\0';
    logs(LOGFUSION_WARN, "cb::x::y", "all but e");
    flush();
    CHECK(strcmp(order, "cbda") == 0); /* the most specific first, of equal ones the older */
    order[0] = '\0';
    logs(LOGFUSION_INFO, "cb::x::y", "d wants warnings only");
    flush();
    CHECK(strcmp(order, "cba") == 0);
    order[0] = '\0';
    logs(LOGFUSION_ERROR, "cb::xyz", "no segment matches");
    flush();
    CHECK(strcmp(order, "a") == 0);
    order[0] = '\0';
    logs(LOGFUSION_DEBUG, "cb::x", "below all levels");
    flush();
    CHECK(strcmp(order, "") == 0);
    for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++) {
        unsubscribe(handles[i]);
        CHECK_EQ(logfusion_unsubscribe(handles[i], 0), LOGFUSION_E_UNKNOWN);
    }
    order[0] = '\0';
    logs(LOGFUSION_ERROR, "cb::x", "nobody is left");
    flush();
    CHECK(strcmp(order, "") == 0);
}

/* A callback's level is its own: the output's filter does not matter to it. */
static void without_the_filter(void) {
    atomic_int calls = 0;

    CHECK_EQ(logfusion_set_filter("off"), LOGFUSION_OK);
    CHECK_EQ(logfusion_enabled(LOGFUSION_INFO, "cb::filtered"), 0);
    uint64_t handle = subscribe("cb::filtered", LOGFUSION_DEBUG, count_record, &calls);
    CHECK_EQ(logfusion_enabled(LOGFUSION_DEBUG, "cb::filtered::x"), 1);
    CHECK_EQ(logfusion_enabled(LOGFUSION_TRACE, "cb::filtered::x"), 0);
    CHECK_EQ(logfusion_enabled(LOGFUSION_ERROR, "cb::other"), 0);
    logs(LOGFUSION_DEBUG, "cb::filtered", "not in the file");
    flush();
    unsubscribe(handle);
    CHECK_EQ(calls, 1);
    CHECK_EQ(logfusion_enabled(LOGFUSION_INFO, "cb::filtered"), 0);
    CHECK_EQ(logfusion_set_filter("debug"), LOGFUSION_OK);
}

/* ---- From inside ---- */

static struct {
    atomic_int first, second, own, late, outer;
    uint64_t first_handle, second_handle, own_handle, late_handle;
} inside;

static void ends_itself(const logfusion_record *record, void *context) {
    (void)record;
    (void)context;
    inside.own += 1;
    CHECK_EQ(logfusion_unsubscribe(inside.own_handle, -1), LOGFUSION_OK);
    CHECK_EQ(logfusion_unsubscribe(inside.own_handle, -1), LOGFUSION_E_UNKNOWN);
}

static void ends_second(const logfusion_record *record, void *context) {
    (void)record;
    (void)context;
    inside.first += 1;
    CHECK_EQ(logfusion_unsubscribe(inside.second_handle, -1), LOGFUSION_OK);
}

static void ends_first(const logfusion_record *record, void *context) {
    (void)record;
    (void)context;
    inside.second += 1;
    CHECK_EQ(logfusion_unsubscribe(inside.first_handle, -1), LOGFUSION_OK);
}

static void calls_the_engine(const logfusion_record *record, void *context) {
    (void)record;
    (void)context;
    if (inside.outer++ > 0) {
        return;
    }
    CHECK_EQ(logfusion_flush(-1), LOGFUSION_E_IN_CALLBACK);
    CHECK(check_last_error());
    CHECK_EQ(logfusion_drain(0), LOGFUSION_E_IN_CALLBACK);
    CHECK(check_last_error());
    logfusion_shutdown();
    CHECK(check_last_error());
    /* To the output, but to no callback: this would go on for ever. */
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "cb::outer", "from inside"), LOGFUSION_OK);
    CHECK_EQ(logfusion_logf(LOGFUSION_INFO, "cb::outer", "from %s", "inside"), LOGFUSION_OK);
    inside.late_handle = subscribe("cb::late", LOGFUSION_INFO, count_record, &inside.late);
}

static void from_inside(void) {
    inside.own = inside.first = inside.second = 0;
    inside.own_handle = subscribe("cb::own", LOGFUSION_INFO, ends_itself, NULL);
    logs(LOGFUSION_INFO, "cb::own", "once");
    logs(LOGFUSION_INFO, "cb::own", "and not twice");
    flush();
    CHECK_EQ(inside.own, 1);
    CHECK_EQ(logfusion_unsubscribe(inside.own_handle, 0), LOGFUSION_E_UNKNOWN);

    inside.first_handle = subscribe("cb::pair", LOGFUSION_INFO, ends_second, NULL);
    inside.second_handle = subscribe("cb::pair", LOGFUSION_INFO, ends_first, NULL);
    logs(LOGFUSION_INFO, "cb::pair", "the first ends the second before its turn");
    flush();
    CHECK_EQ(inside.first, 1);
    CHECK_EQ(inside.second, 0);
    CHECK_EQ(logfusion_unsubscribe(inside.second_handle, 0), LOGFUSION_E_UNKNOWN);
    unsubscribe(inside.first_handle);
}

static void engine_calls(void) {
    inside.outer = inside.late = 0;
    uint64_t handle = subscribe("cb::outer", LOGFUSION_INFO, calls_the_engine, NULL);
    logs(LOGFUSION_INFO, "cb::outer", "from outside");
    flush();
    flush(); /* what the callback logged was accepted during the first */
    CHECK_EQ(inside.outer, 1);
    logs(LOGFUSION_INFO, "cb::late", "for the subscription made inside");
    flush();
    CHECK_EQ(inside.late, 1);
    unsubscribe(inside.late_handle);
    unsubscribe(handle);
}

/* ---- Waiting ---- */

typedef struct gate {
    atomic_int entered, open;
} gate;

static void wait_at_gate(const logfusion_record *record, void *context) {
    gate *self = context;
    (void)record;
    atomic_store(&self->entered, 1);
    while (!atomic_load(&self->open)) {
        check_sleep_ms(1);
    }
}

/* Subscribes the gate, and returns when the callback is inside. */
static uint64_t enter(gate *self) {
    atomic_init(&self->entered, 0);
    atomic_init(&self->open, 0);
    uint64_t handle = subscribe("cb::gate", LOGFUSION_INFO, wait_at_gate, self);
    logs(LOGFUSION_INFO, "cb::gate", "into the gate");
    while (!atomic_load(&self->entered)) {
        check_sleep_ms(0);
    }
    return handle;
}

static void busy(void) {
    gate self;
    uint64_t handle = enter(&self);
    long long begin = check_now_ns(CLOCK_MONOTONIC);
    CHECK_EQ(logfusion_flush(100), LOGFUSION_E_TIMEOUT);
    CHECK_EQ(logfusion_flush(0), LOGFUSION_E_TIMEOUT);
    CHECK_EQ(logfusion_unsubscribe(handle, 0), LOGFUSION_E_BUSY);
    CHECK_EQ(logfusion_unsubscribe(handle, 100), LOGFUSION_E_BUSY);
    long long waited = check_now_ns(CLOCK_MONOTONIC) - begin;
    CHECK(waited >= 199000000 && waited < 2000000000);
    /* The callers are not held up. */
    logs(LOGFUSION_INFO, "cb::gate", "behind the gate");
    atomic_store(&self.open, 1);
    unsubscribe(handle);
    CHECK_EQ(logfusion_unsubscribe(handle, 0), LOGFUSION_E_UNKNOWN);
    atomic_store(&self.entered, 0);
    flush();
    CHECK_EQ(atomic_load(&self.entered), 0); /* ended, so the second record did not reach it */
}

/* A callback that blocks, again and again: BUSY comes in time, the subscription stays closed, the call may be repeated. */
static void busy_in_time(void) {
    static long long late[CALLBACK_ROUNDS];
    for (int round = 0; round < CALLBACK_ROUNDS; round++) {
        gate self;
        uint64_t handle = enter(&self);
        const long long begin = check_now_ns(CLOCK_MONOTONIC);
        CHECK_EQ(logfusion_unsubscribe(handle, 1), LOGFUSION_E_BUSY);
        late[round] = check_now_ns(CLOCK_MONOTONIC) - begin - 1000000;
        CHECK(late[round] >= 0);
        CHECK_EQ(logfusion_unsubscribe(handle, 0), LOGFUSION_E_BUSY);
        atomic_store(&self.open, 1);
        unsubscribe(handle);
        CHECK_EQ(logfusion_unsubscribe(handle, 0), LOGFUSION_E_UNKNOWN);
    }
    qsort(late, CALLBACK_ROUNDS, sizeof late[0], check_by_size);
    printf("BUSY comes at p99 %lld us after its time\n", late[CALLBACK_ROUNDS - 1 - CALLBACK_ROUNDS / 100] / 1000);
    CHECK(late[CALLBACK_ROUNDS - 1 - CALLBACK_ROUNDS / 100] <= 10000000);
}

/* The context is freed as soon as unsubscribe has returned: the address sanitizer sees a late call. */
static atomic_int stop;

static void *keep_logging(void *context) {
    (void)context;
    while (!atomic_load(&stop)) {
        (void)logfusion_log(LOGFUSION_INFO, "cb::churn", "a record");
        check_sleep_ms(0);
    }
    return NULL;
}

static void quiescence(void) {
    pthread_t threads[2];
    long long calls = 0;

    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, keep_logging, NULL), 0);
    }
    for (int i = 0; i < 500; i++) {
        atomic_int *context = malloc(sizeof *context);
        CHECK(context != NULL);
        atomic_init(context, 0);
        uint64_t handle = subscribe("cb::churn", LOGFUSION_INFO, count_record, context);
        if (i % 50 == 0) {
            check_sleep_ms(20);
        }
        unsubscribe(handle);
        calls += atomic_load(context);
        free(context);
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK(calls > 0);
}

int main(int argc, char **argv) {
    const char *scratch = check_start(argc, argv);
    char path[512];
    logfusion_config config = LOGFUSION_CONFIG_INIT;

    config.filter = "debug";
    config.output = check_path(path, sizeof path, scratch, "callbacks.log");
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
    record_contents();
    long_text();
    matching();
    without_the_filter();
    for (int round = 0; round < CALLBACK_ROUNDS; round++) {
        from_inside();
        engine_calls();
    }
    char *text = check_read(path);
    CHECK_EQ(check_count(text, "from inside"), 2 * CALLBACK_ROUNDS);
    CHECK_EQ(check_count(text, "not in the file"), 0);
    free(text);
    busy_in_time();
    busy();
    quiescence();
    flush();
    check_ledger(1);
    logfusion_shutdown();
    return check_end("callbacks");
}
