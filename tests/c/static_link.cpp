// The C++17 twin of examples/c/hello.c: the same header, linked statically.
#include "logfusion.h"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <thread>

namespace {

[[noreturn]] void fail(const char *what) {
    char why[256];
    logfusion_last_error(why, sizeof why);
    std::cerr << "static_link: " << what << ": " << why << '\n';
    std::exit(1);
}

void check(bool condition, const char *what) {
    if (!condition) {
        fail(what);
    }
}

} // namespace

int main(int argc, char **argv) {
    check(argc == 2, "usage: static_link SCRATCH_DIRECTORY");
    for (const char *variable : {"LOGFUSION_LOG", "RUST_LOG", "LOGFUSION_OUTPUT", "LOGFUSION_FORMAT"}) {
        unsetenv(variable);
    }
    const std::string path = std::string(argv[1]) + "/static_link.log";

    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.filter = "info,game::net=debug";
    config.output = path.c_str();
    check(logfusion_init_with(&config) == LOGFUSION_OK, "init");

    int called = 0;
    std::uint64_t handle = 0;
    const auto count = [](const logfusion_record *, void *context) { ++*static_cast<int *>(context); };
    check(logfusion_subscribe("game::net", LOGFUSION_DEBUG, count, &called, &handle) == LOGFUSION_OK, "subscribe");

    check(logfusion_log(LOGFUSION_INFO, "game", "the level is loaded") == LOGFUSION_OK, "log");
    check(logfusion_logf(LOGFUSION_WARN, "game::physics", "step %d took %.1f ms", 42, 18.5) == LOGFUSION_OK, "logf");
    std::thread([] {
        const logfusion_field fields[] = {
            logfusion_field_text("peer", "10.0.0.7:4000"),
            logfusion_field_i64("rtt_us", 18250),
        };
        check(logfusion_log_fields(LOGFUSION_DEBUG, "game::net", "connected", fields, 2) == LOGFUSION_OK, "log_fields");
    }).join();

    check(logfusion_flush(5000) == LOGFUSION_OK, "flush");
    check(logfusion_unsubscribe(handle, 5000) == LOGFUSION_OK, "unsubscribe");
    check(called == 1, "the callback was called once");
    logfusion_shutdown();

    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    for (const char *part : {"the level is loaded", "step 42 took 18.5 ms", "connected", "10.0.0.7:4000", "18250"}) {
        check(text.find(part) != std::string::npos, part);
    }
    std::cout << "static_link: 5 texts found\n";
    return 0;
}
