// The smallest complete program: an engine, statements, a span, a type of the program's own. Writes hello.log.
#include "logfusion.hpp"

#include <cstdio>
#include <string>

enum class Phase { lobby, battle };
const char *to_field(const Phase &phase, logfusion::as_field) { return phase == Phase::lobby ? "lobby" : "battle"; }

int main() {
    using namespace std::chrono_literals;
    const logfusion::engine engine(logfusion::settings().filter("info,game::net=debug").output("hello.log"));
    if (engine.status()) {
        std::fprintf(stderr, "hello: %s\n", logfusion::last_error().c_str());
        return 1;
    }
    const std::string player = "Ada";
    LF_SPAN("game", "match", LF_KV("map", "harbour"));
    LF_INFO("game", "{player} joined in the {phase}", LF_KV("player", player), LF_KV("phase", Phase::lobby));
    LF_DEBUG("game::net", "connected", LF_KV("peer", "10.0.0.7:4000"), LF_KV("rtt", 18250us));
    LF_WARN_RATE(2, "game::audio", "buffer {n} was late", LF_KV("n", 7)); // twice a second; says how many were left out
}
