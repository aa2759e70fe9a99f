// logfusion: FILE [statements|coarse|json|function]
#include "logfusion.hpp"
#include "bench.hpp"

int main(int argc, char **argv) {
    if (argc != 3) {
        return 2;
    }
    const std::string how = argv[2];
    logfusion::settings settings;
    settings.output(argv[1]).block(std::chrono::seconds(60));
    if (how == "coarse") {
        settings.coarse_clock();
    } else if (how == "json") {
        settings.format(logfusion::format::json);
    }
    const logfusion::engine engine(settings);
    if (engine.status()) {
        return 1;
    }
    const auto flush = [] {
        if (logfusion_flush(-1) != LOGFUSION_OK) {
            std::abort();
        }
    };
    const char *volatile hidden = bench::TEXT;
    const char *const text = hidden;
    if (how == "function") {
        const auto call = [=](int) { logfusion_log(LOGFUSION_INFO, "game::net", text); };
        return bench::measure("logfusion, C function", argv[1], call, call, flush);
    }
    const char *const name = how == "coarse" ? "logfusion, coarse clock" : how == "json" ? "logfusion, JSON" : "logfusion";
    return bench::measure(
        name, argv[1],
        [](int i) { LF_INFO("game::net", "{a} {b} {c}", LF_KV("a", 142), LF_KV("b", i), LF_KV("c", 37.25)); },
        [=](int i) { LF_INFO("game::net", "{a} {b} {text}", LF_KV("a", 142), LF_KV("b", i), LF_KV("text", text)); }, flush);
}
