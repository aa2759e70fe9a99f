// lttng: no file of its own: records go to the session that `run` has made, in LTTng's binary format.
#include "lttng_tp.h"

#include "bench.hpp"

int main() {
    const char *volatile hidden = bench::TEXT;
    const char *const text = hidden;
    return bench::measure(
        "LTTng-UST", nullptr, [](int i) { lttng_ust_tracepoint(game, numbers, 142, i, 37.25); },
        [=](int i) { lttng_ust_tracepoint(game, text, 142, i, text); },
        // Sub-buffers are handed over as they fill; the pause gives the consumer time.
        [] { std::this_thread::sleep_for(std::chrono::milliseconds(20)); });
}
