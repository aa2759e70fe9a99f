// Statements, which push by themselves, where the ring under them comes and goes: destructors of a thread that ends, a
// fork (and a raw clone), a stop under load, a callback that logs, and memory: none is allocated.
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <atomic>
#include <memory>
#include <pthread.h>
#include <signal.h>
#include <string>
#include <sys/syscall.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER
#endif

#ifndef HAS_SANITIZER
static thread_local unsigned long allocations;
extern "C" void *__libc_malloc(size_t size);
extern "C" void *malloc(size_t size) noexcept {
    allocations += 1;
    return __libc_malloc(size);
}
#endif

static char path[512];
static const char *const text = "a text of thirty-five bytes, copied";

static void start(const char *directory, const char *name) {
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.output = check_path(path, sizeof path, directory, name);
    config.overflow = LOGFUSION_OVERFLOW_BLOCK;
    config.block_ms = -1;
    config.ring_bytes = 64 << 10;
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);
}

static size_t lines_of(const char *target) {
    std::unique_ptr<char, decltype(&std::free)> all(check_read(path), &std::free);
    return check_count(all.get(), target);
}

static uint64_t delivered() {
    logfusion_stats_t stats;
    stats.size = sizeof stats;
    CHECK_EQ(logfusion_stats(&stats), LOGFUSION_OK);
    return stats.delivered;
}

// The steady state, by one function that is called twice: the second round allocates nothing.
static unsigned long round_of_statements() {
#ifndef HAS_SANITIZER
    delete new int(1);
    CHECK(allocations > 0); // they are counted at all
    const unsigned long before = allocations;
#endif
    for (int i = 0; i < 2000; i++) {
        LF_SPAN("hazards::round", "span", LF_KV("i", i));
        LF_INFO("hazards::round", "{i} {text}", LF_KV("i", i), LF_KV("text", text), LF_KV("d", 0.5));
        LF_ERROR("hazards::round", "an error", LF_KV_N("part", text, 5));
        LF_DEBUG("hazards::round", "disabled", LF_KV("i", i));
        LF_WARN_EVERY_N(100, "hazards::round", "now and then");
        LF_WARN_RATE(1000, "hazards::round", "at a rate");
        LF_INFO_ONCE("hazards::round", "once");
    }
#ifndef HAS_SANITIZER
    return allocations - before;
#else
    return 0;
#endif
}

#ifndef ENDED_THREADS
#define ENDED_THREADS 1000
#endif

struct LogsAtTheEnd {
    ~LogsAtTheEnd() { LF_INFO("hazards::thread_local", "{text}", LF_KV("text", text)); }
};
static thread_local LogsAtTheEnd at_the_end;

static pthread_key_t key;

static void destructor(void *rounds) {
    LF_INFO("hazards::key", "{text}", LF_KV("text", text));
    const auto left = reinterpret_cast<uintptr_t>(rounds) - 1;
    if (left > 0) {
        pthread_setspecific(key, reinterpret_cast<void *>(left));
    }
}

static void thread_exit() {
    CHECK_EQ(pthread_key_create(&key, destructor), 0);
    const int count = ENDED_THREADS;
    for (int i = 0; i < count; i++) {
        std::thread([] {
            pthread_setspecific(key, reinterpret_cast<void *>(3));
            LF_INFO("hazards::thread", "{text}", LF_KV("text", text));
            (void)&at_the_end;
            LogsAtTheEnd *volatile touched = &at_the_end;
            (void)touched;
        }).join();
    }
    CHECK_EQ(logfusion_flush(30000), LOGFUSION_OK);
    CHECK_EQ(lines_of(" hazards::thread: "), count);
    CHECK_EQ(lines_of(" hazards::thread_local: "), count);
    CHECK_EQ(lines_of(" hazards::key: "), 3 * count);
}

static int ended(pid_t child) {
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    return status;
}

static void say(const char *who, int i) {
    LF_INFO("hazards::fork", "{who} {i}", LF_KV("who", who), LF_KV("i", i));
}

static void forks() {
    const int count = 50;
    std::atomic<bool> done{false};
    std::vector<std::thread> busy;
#ifdef HAS_SANITIZER
    const int busy_threads = 0; // a fork while another thread allocates leaves the sanitizer's allocator locked
#else
    const int busy_threads = 2;
#endif
    for (int i = 0; i < busy_threads; i++) {
        busy.emplace_back([&] {
            while (!done) {
                LF_INFO("hazards::busy", "{text}", LF_KV("text", text));
                std::this_thread::yield();
            }
        });
    }
    for (int i = 0; i < count; i++) {
        say("parent", i); // so this thread's pointer is set
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            say("child", i);
            _exit(logfusion_flush(10000) == LOGFUSION_OK ? 0 : 1);
        }
        CHECK_EQ(ended(child), 0);
#if defined(__x86_64__) && !defined(HAS_SANITIZER)
        // A raw clone runs no handlers: the child finds its ring wiped, and starts an engine of its own.
        const pid_t clone = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
        CHECK(clone >= 0);
        if (clone == 0) {
            say("clone", i);
            _exit(logfusion_flush(10000) == LOGFUSION_OK ? 0 : 1);
        }
        CHECK_EQ(ended(clone), 0);
#endif
    }
    done = true;
    for (std::thread &thread : busy) {
        thread.join();
    }
    CHECK_EQ(logfusion_flush(30000), LOGFUSION_OK);
    CHECK_EQ(lines_of(" hazards::fork: parent "), count);
    CHECK_EQ(lines_of(" hazards::fork: child "), count);
#if defined(__x86_64__) && !defined(HAS_SANITIZER)
    CHECK_EQ(lines_of(" hazards::fork: clone "), count);
#endif
}

/* Destructors of static objects and functions of atexit run before and after the engine's own. */
static bool logs_at_exit;
struct LogsAtExit {
    ~LogsAtExit() {
        if (logs_at_exit) {
            LF_INFO("hazards::static", "{text}", LF_KV("text", text));
        }
    }
};
static LogsAtExit made_before_main;

static void at_exit() { LF_INFO("hazards::atexit", "{text}", LF_KV("text", text)); }

static void exits() {
    const int count = 50;
    for (int i = 0; i < count; i++) {
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            logs_at_exit = true;
            static LogsAtExit made_late;
            (void)made_late;
            atexit(at_exit);
            say("exits", i);
            exit(0);
        }
        CHECK_EQ(ended(child), 0);
    }
    CHECK_EQ(lines_of(" hazards::static: "), 2 * count);
    CHECK_EQ(lines_of(" hazards::atexit: "), count);
    CHECK_EQ(lines_of(" hazards::fork: exits "), count);
}

static void stops() {
    std::atomic<bool> done{false};
    std::atomic<unsigned long> logged{0};
    const uint64_t before = delivered();
    std::vector<std::thread> busy;
    for (int i = 0; i < 3; i++) {
        busy.emplace_back([&] {
            unsigned long mine = 0;
            while (!done) {
                LF_INFO("hazards::stop", "{n}", LF_KV("n", mine));
                mine += 1;
                if (mine % 8 == 0) {
                    std::this_thread::yield();
                }
            }
            logged += mine;
        });
    }
    // Each stop is followed by the start of whoever logs next, or of this thread.
    for (int i = 0; i < 100; i++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        logfusion_shutdown();
    }
    done = true;
    for (std::thread &thread : busy) {
        thread.join();
    }
    CHECK_EQ(logfusion_flush(30000), LOGFUSION_OK);
    logfusion_shutdown();
    CHECK(logged > 1000);
    CHECK_EQ(delivered() - before, logged);
    CHECK_EQ(lines_of(" hazards::stop: "), logged);
}

// A callback that logs by a statement: the record goes to the output and to no callback, though the thread that delivers
// may be one whose pointer is set.
static std::atomic<int> called;
static void logs(const logfusion_record *record, void *) {
    called += 1;
    LF_INFO("hazards::callback", "about {message}", LF_KV("message", record->message));
}

static void callbacks() {
    uint64_t handle = 0;
    CHECK_EQ(logfusion_subscribe("hazards", LOGFUSION_INFO, logs, nullptr, &handle), LOGFUSION_OK);
    for (int i = 0; i < 100; i++) {
        LF_INFO("hazards::called", "{i}", LF_KV("i", i));
    }
    CHECK_EQ(logfusion_flush(30000), LOGFUSION_OK);
    CHECK_EQ(logfusion_unsubscribe(handle, -1), LOGFUSION_OK);
    CHECK_EQ(logfusion_flush(30000), LOGFUSION_OK);
    CHECK_EQ(called, 100);
    CHECK_EQ(lines_of(" hazards::callback: about "), 100);
}

#ifndef THROWN
#define THROWN 50
#endif

/* An exception out of a callback ends the process, at once and by SIGABRT; with a crash handler no record is lost. */
#ifndef HAS_SANITIZER
static void throws(const logfusion_record *, void *) { throw 1; }

static void exceptions() {
    const int count = THROWN;
    for (int i = 0; i < count; i++) {
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            const rlimit none = {0, 0};
            setrlimit(RLIMIT_CORE, &none);
            CHECK(freopen("/dev/null", "w", stderr) != nullptr); // the runtime says why
            uint64_t handle = 0;
            CHECK_EQ(logfusion_install_crash_handler(-1), LOGFUSION_OK);
            CHECK_EQ(logfusion_subscribe("hazards::thrown", LOGFUSION_INFO, throws, nullptr, &handle), LOGFUSION_OK);
            LF_INFO("hazards::throws", "before {i}", LF_KV("i", i));
            LF_INFO("hazards::thrown", "{i}", LF_KV("i", i));
            alarm(10);
            for (;;) {
                pause();
            }
        }
        const int status = ended(child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
    CHECK_EQ(lines_of(" hazards::throws: before "), count);
    CHECK_EQ(lines_of(" hazards::thrown: "), count);
}
#else
static void exceptions() {} // the sanitizers handle the signal
#endif

int main(int argc, char **argv) {
    const char *const directory = check_start(argc, argv);
    start(directory, "hazards.log");
    round_of_statements();
    CHECK_EQ(logfusion_flush(30000), LOGFUSION_OK);
    CHECK_EQ(round_of_statements(), 0);
    thread_exit();
    forks();
    exits();
    callbacks();
    exceptions();
    stops();
    return check_end("statement_hazards");
}
