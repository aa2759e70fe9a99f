/* The guide, "Callback registration": who is called, on which thread, and that nobody is called after the end. */
#define _GNU_SOURCE
#include "guide.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const guide *g;

static uint64_t thread_id(void) {
    return (uint64_t)syscall(SYS_gettid);
}

/* What a callback was given last, and how often it was called. */
typedef struct seen {
    atomic_int calls;
    int level;
    uint64_t thread;
    char target[2048];
    char *message;
} seen;

static char order[32]; /* names of the contexts in the order of their calls */
static seen seen_by[4];

static void look(int level, const char *target, const char *message, void *context) {
    seen *self = context;
    size_t length = strlen(order);
    if (self >= seen_by && self < seen_by + 4 && length + 1 < sizeof order) {
        order[length] = (char)('a' + (self - seen_by));
        order[length + 1] = '\0';
    }
    self->level = level;
    self->thread = thread_id();
    snprintf(self->target, sizeof self->target, "%s", target);
    free(self->message);
    self->message = strdup(message);
    atomic_fetch_add(&self->calls, 1);
}

static void forget(void) {
    for (int i = 0; i < 4; i++) {
        free(seen_by[i].message);
        memset(&seen_by[i], 0, sizeof seen_by[i]);
    }
    order[0] = '\0';
}

static void flush(void) {
    CHECK_EQ(logfusion_flush(20000), LOGFUSION_OK);
}

static void bad_input(void) {
    REFUSES(g->register_log_callback("ffi", NULL, NULL), -1);
    REFUSES(g->register_log_callback(NULL, look, NULL), -1);
    REFUSES(g->register_log_callback("", look, NULL), -1);
    REFUSES(g->register_log_callback("f\xff", look, NULL), -1);
    REFUSES(g->unregister_log_callback(NULL), -1);
    REFUSES(g->unregister_log_callback("f\xff"), -1);
    REFUSES(g->unregister_log_callback("ffi"), -1);
    REFUSES(g->unregister_log_callback(""), -1);
    SILENT(g->log_with_callback(3, NULL, "x"));
    SILENT(g->log_with_callback(3, "ffi", NULL));
    flush();
}

/* Delivered records, on the drain thread. */
static void delivered(void) {
    ACCEPTS(CHECK_EQ(g->register_log_callback("ffi", look, &seen_by[0]), 0));
    ACCEPTS(CHECK_EQ(g->register_log_callback("ffi::http", look, &seen_by[1]), 0));
    ACCEPTS(CHECK_EQ(g->register_log_callback("ff", look, &seen_by[2]), 0));

    g->log_http_request("GET", "/", 200, 1.5, 1);
    flush();
    CHECK(strcmp(order, "ba") == 0); /* the most specific first; "ff" not at all */
    CHECK_EQ(seen_by[1].level, 3);
    CHECK(seen_by[1].thread != thread_id());
    CHECK(strcmp(seen_by[0].target, "ffi::http") == 0);
    CHECK(strcmp(seen_by[0].message, "http request") == 0);
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "ffix", "no segment of it"), LOGFUSION_OK);
    flush();
    CHECK(strcmp(order, "ba") == 0);

    /* Levels are the event's, and the output's filter does not matter. */
    g->log_error("an error", 1);
    flush();
    CHECK_EQ(seen_by[0].level, 1);
    g->log_warning("a warning");
    flush();
    CHECK_EQ(seen_by[0].level, 2);
    CHECK_EQ(logfusion_log(LOGFUSION_DEBUG, "ffi", "debug"), LOGFUSION_OK);
    flush();
    CHECK_EQ(seen_by[0].level, 4);
    CHECK_EQ(logfusion_log(LOGFUSION_TRACE, "ffi", "trace"), LOGFUSION_OK);
    flush();
    CHECK_EQ(seen_by[0].level, 5);
    g->log_info("bad \xff bytes");
    flush();
    CHECK_EQ(seen_by[0].level, 3);
    CHECK(strcmp(seen_by[0].message, "bad \xef\xbf\xbd bytes") == 0);

    /* A second one replaces the first. */
    ACCEPTS(CHECK_EQ(g->register_log_callback("ffi", look, &seen_by[3]), 0));
    int calls = seen_by[0].calls;
    g->log_info("for the second");
    flush();
    CHECK_EQ(seen_by[0].calls, calls);
    CHECK_EQ(seen_by[3].calls, 1);

    ACCEPTS(CHECK_EQ(g->unregister_log_callback("ffi"), 0));
    REFUSES(g->unregister_log_callback("ffi"), -1);
    ACCEPTS(CHECK_EQ(g->unregister_log_callback("ffi::http"), 0));
    ACCEPTS(CHECK_EQ(g->unregister_log_callback("ff"), 0));
    g->log_info("for nobody");
    flush();
    CHECK_EQ(seen_by[3].calls, 1);
    forget();
}

typedef struct subscriber {
    atomic_int calls;
    uint64_t thread;
} subscriber;

static void subscribed(const logfusion_record *record, void *context) {
    subscriber *self = context;
    (void)record;
    self->thread = thread_id();
    atomic_fetch_add(&self->calls, 1);
}

/* log_with_callback: on this thread, once, whatever the filter says. */
static void with_callback(void) {
    subscriber other = {0, 0};
    uint64_t handle = 0;

    CHECK_EQ(g->register_log_callback("cb", look, &seen_by[0]), 0);
    CHECK_EQ(g->register_log_callback("cb::deep", look, &seen_by[1]), 0);
    CHECK_EQ(logfusion_subscribe("cb", LOGFUSION_INFO, subscribed, &other, &handle), LOGFUSION_OK);

    ACCEPTS(g->log_with_callback(1, "cb::deep", "with callback 1"));
    CHECK(strcmp(order, "ba") == 0);
    CHECK_EQ(seen_by[0].thread, thread_id());
    CHECK_EQ(seen_by[0].level, 1);
    CHECK(strcmp(seen_by[0].target, "cb::deep") == 0);
    CHECK(strcmp(seen_by[0].message, "with callback 1") == 0);
    flush();
    CHECK(strcmp(order, "ba") == 0); /* not again */
    CHECK_EQ(other.calls, 1);        /* but the engine's own, by the drain */
    CHECK(other.thread != thread_id());

    g->log_with_callback(2, "cb", "with callback 2");
    CHECK_EQ(seen_by[0].level, 2);
    g->log_with_callback(3, "cb", "with callback 3");
    CHECK_EQ(seen_by[0].level, 3);
    g->log_with_callback(4, "cb", "with callback 4");
    CHECK_EQ(seen_by[0].level, 3);
    g->log_with_callback(-1, "cb", "with \xff callback");
    CHECK_EQ(seen_by[0].level, 3);
    CHECK(strcmp(seen_by[0].message, "with \xef\xbf\xbd callback") == 0);
    g->log_with_callback(3, "cbx", "not for them");
    CHECK_EQ(seen_by[0].calls, 5);

    /* A long text is cut at a character. */
    static char longer[100003];
    for (size_t i = 0; i + 2 < sizeof longer; i += 2) {
        memcpy(longer + i, "\xc3\xa9", 2);
    }
    for (int shift = 0; shift < 2; shift++) {
        longer[0] = 'x';
        longer[1] = 'x';
        g->log_with_callback(3, "cb", longer + shift);
        CHECK(strlen(seen_by[0].message) > 60000 && strlen(seen_by[0].message) <= 65536);
        CHECK(strncmp(seen_by[0].message, longer + shift, strlen(seen_by[0].message)) == 0);
        CHECK(strstr(seen_by[0].message, "\xef\xbf\xbd") == NULL);
    }
    flush();
    int calls = seen_by[0].calls;
    int others = other.calls;
    CHECK_EQ(logfusion_set_filter("off"), LOGFUSION_OK);
    g->log_with_callback(3, "cb", "filtered out");
    CHECK_EQ(seen_by[0].calls, calls + 1);
    flush();
    CHECK_EQ(other.calls, others + 1);
    CHECK_EQ(logfusion_set_filter("info"), LOGFUSION_OK);

    CHECK_EQ(logfusion_unsubscribe(handle, -1), LOGFUSION_OK);
    CHECK_EQ(g->unregister_log_callback("cb"), 0);
    CHECK_EQ(g->unregister_log_callback("cb::deep"), 0);
    forget();

    char *text = guide_read();
    guide_expect(text, "ERROR", "cb::deep", "\"message\":\"with callback 1\"");
    guide_expect(text, "WARN", "cb", "\"message\":\"with callback 2\"");
    guide_expect(text, "INFO", "cb", "\"message\":\"with callback 3\"");
    guide_expect(text, "INFO", "cb", "\"message\":\"with callback 4\"");
    guide_expect(text, "INFO", "cb", "\"message\":\"with \xef\xbf\xbd callback\"");
    CHECK(strstr(text, "filtered out") == NULL);
    free(text);
}

/* ---- From inside ---- */

static atomic_int nested_calls, own_calls;

static void logs_inside(int level, const char *target, const char *message, void *context) {
    (void)level, (void)target, (void)message, (void)context;
    atomic_fetch_add(&nested_calls, 1);
    g->log_with_callback(2, "nest", "from inside");
}

static void ends_itself(int level, const char *target, const char *message, void *context) {
    (void)level, (void)target, (void)message, (void)context;
    atomic_fetch_add(&own_calls, 1);
    CHECK_EQ(g->unregister_log_callback("own"), 0);
    CHECK_EQ(g->unregister_log_callback("own"), -1);
}

static void replaces_itself(int level, const char *target, const char *message, void *context) {
    (void)level, (void)target, (void)message, (void)context;
    atomic_fetch_add(&own_calls, 1);
    CHECK_EQ(g->register_log_callback("own", look, &seen_by[0]), 0);
}

static void inside(void) {
    nested_calls = own_calls = 0;
    CHECK_EQ(g->register_log_callback("nest", logs_inside, NULL), 0);
    g->log_with_callback(3, "nest", "from outside");
    CHECK_EQ(nested_calls, 1);
    flush();
    flush();
    CHECK_EQ(nested_calls, 1); /* what it logs is given to nobody */
    CHECK_EQ(logfusion_log(LOGFUSION_INFO, "nest", "delivered"), LOGFUSION_OK);
    flush();
    flush();
    CHECK_EQ(nested_calls, 2);
    CHECK_EQ(g->unregister_log_callback("nest"), 0);
    char *text = guide_read();
    CHECK_EQ(check_count(text, "\"level\":\"WARN\",\"fields\":{\"message\":\"from inside\"},\"target\":\"nest\""), 2);
    free(text);

    /* Both on this thread and on the drain's, it never waits for itself. */
    for (int drain = 0; drain < 2; drain++) {
        own_calls = 0;
        CHECK_EQ(g->register_log_callback("own", ends_itself, NULL), 0);
        for (int i = 0; i < 2; i++) {
            if (drain) {
                CHECK_EQ(logfusion_log(LOGFUSION_INFO, "own", "once"), LOGFUSION_OK);
            } else {
                g->log_with_callback(3, "own", "once");
            }
        }
        flush();
        CHECK_EQ(own_calls, 1);
        CHECK_EQ(g->register_log_callback("own", replaces_itself, NULL), 0);
        g->log_with_callback(3, "own", "for the first");
        g->log_with_callback(3, "own", "for the second");
        CHECK_EQ(own_calls, 2);
        CHECK_EQ(seen_by[0].calls, 1);
        CHECK_EQ(g->unregister_log_callback("own"), 0);
        forget();
    }
}

/* ---- Waiting ---- */

typedef struct gate {
    atomic_int entered, open, left;
} gate;

static void wait_at_gate(int level, const char *target, const char *message, void *context) {
    gate *self = context;
    (void)level, (void)target, (void)message;
    atomic_store(&self->entered, 1);
    while (!atomic_load(&self->open)) {
        check_sleep_ms(1);
    }
    check_sleep_ms(20);
    atomic_store(&self->left, 1);
}

static void *opens_gate(void *context) {
    check_sleep_ms(50);
    atomic_store(&((gate *)context)->open, 1);
    return NULL;
}

/* Ending and replacing wait for the call that runs. */
static void waiting(void) {
    for (int replace = 0; replace < 2; replace++) {
        gate self = {0, 0, 0};
        pthread_t opener;
        CHECK_EQ(g->register_log_callback("gate", wait_at_gate, &self), 0);
        CHECK_EQ(logfusion_log(LOGFUSION_INFO, "gate", "into the gate"), LOGFUSION_OK);
        while (!atomic_load(&self.entered)) {
            check_sleep_ms(1);
        }
        CHECK_EQ(pthread_create(&opener, NULL, opens_gate, &self), 0);
        if (replace) {
            CHECK_EQ(g->register_log_callback("gate", look, &seen_by[0]), 0);
        } else {
            CHECK_EQ(g->unregister_log_callback("gate"), 0);
        }
        CHECK_EQ(atomic_load(&self.left), 1);
        CHECK_EQ(pthread_join(opener, NULL), 0);
        if (replace) {
            CHECK_EQ(g->unregister_log_callback("gate"), 0);
        }
        forget();
    }
}

static void ends_and_stays(int level, const char *target, const char *message, void *context) {
    gate *self = context;
    (void)level, (void)target, (void)message;
    CHECK_EQ(g->unregister_log_callback("stay"), 0);
    atomic_store(&self->entered, 1);
    check_sleep_ms(50);
    atomic_store(&self->left, 1);
}

/* One that was ended from inside: a call from outside finds nothing to end, but waits until it is not running. */
static void waiting_for_ended(void) {
    for (int replace = 0; replace < 2; replace++) {
        gate self = {0, 0, 0};
        CHECK_EQ(g->register_log_callback("stay", ends_and_stays, &self), 0);
        CHECK_EQ(logfusion_log(LOGFUSION_INFO, "stay", "ends it"), LOGFUSION_OK);
        while (!atomic_load(&self.entered)) {
            check_sleep_ms(1);
        }
        if (replace) {
            CHECK_EQ(g->register_log_callback("stay", look, &seen_by[0]), 0);
        } else {
            CHECK_EQ(g->unregister_log_callback("stay"), -1);
        }
        CHECK_EQ(atomic_load(&self.left), 1);
        if (replace) {
            CHECK_EQ(g->unregister_log_callback("stay"), 0);
        }
        forget();
    }
}

/* ---- No call after the end, under load ---- */

static atomic_int stop;

static void counts(int level, const char *target, const char *message, void *context) {
    (void)level, (void)target, (void)message;
    atomic_fetch_add((atomic_int *)context, 1); /* a page that is gone when the callback is */
}

static void *keeps_calling(void *context) {
    int number = 0;
    (void)context;
    while (!atomic_load(&stop)) {
        g->log_with_callback(3, "load::x", "a record");
        if (++number % 16 == 0) {
            (void)logfusion_log(LOGFUSION_INFO, "load::x", "for the drain");
        }
    }
    return NULL;
}

static void quiescence(void) {
    enum { PAGES = 4096 };
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    pthread_t caller;
    long long calls = 0, called_cycles = 0;

    /* An address comes again after 4,096 cycles, not at once: a late call finds no page there. */
    char *room = mmap(NULL, PAGES * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(room != MAP_FAILED);
    CHECK_EQ(munmap(room, PAGES * page), 0);
    CHECK_EQ(logfusion_set_filter("info,load=off"), LOGFUSION_OK);
    atomic_store(&stop, 0);
    CHECK_EQ(pthread_create(&caller, NULL, keeps_calling, NULL), 0);
    long long begin = check_now_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < GUIDE_CYCLES; i++) {
        atomic_int *context = mmap(room + (size_t)(i % PAGES) * page, page, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (context == MAP_FAILED || g->register_log_callback("load", counts, context) != 0) {
            CHECK_EQ(i, -1);
        }
        /* Each 64th is ended in the midst of calls, whatever the scheduler does. */
        for (int spins = 0; i % 64 == 0 && atomic_load(context) == 0; spins++) {
            CHECK(spins < 100000000);
            sched_yield();
        }
        if (g->unregister_log_callback("load") != 0) {
            CHECK_EQ(i, -1);
        }
        int now = atomic_load(context);
        calls += now;
        called_cycles += now > 0;
        if (munmap(context, page) != 0) {
            CHECK_EQ(i, -1);
        }
    }
    long long ms = (check_now_ns(CLOCK_MONOTONIC) - begin) / 1000000;
    atomic_store(&stop, 1);
    CHECK_EQ(pthread_join(caller, NULL), 0);
    CHECK(called_cycles >= GUIDE_CYCLES / 64);
    printf("%d cycles in %lld ms, %lld calls in %lld of them\n", GUIDE_CYCLES, ms, calls, called_cycles);
}

static void rows(const guide *way) {
    g = way;
    bad_input();
    delivered();
    with_callback();
    inside();
    waiting();
    waiting_for_ended();
}

int main(int argc, char **argv) {
    const char *scratch = check_start(argc, argv);
    FOR_EACH_WAY(scratch, "info", rows)
    guide_begin(scratch, "load.json", "info");
    quiescence();
    guide_end();
    return check_end("guide_callbacks");
}
