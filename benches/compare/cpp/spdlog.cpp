// spdlog: FILE async|sync
#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

#include "bench.hpp"

#include <atomic>

// spdlog's own basic_file_sink (which is final), and it says when a flush, which an async logger sends behind its records, has
// been done.
class file_sink final : public spdlog::sinks::base_sink<std::mutex> {
  public:
    explicit file_sink(const char *path) { file_.open(path); }
    std::atomic<long> flushes{0};

  private:
    void sink_it_(const spdlog::details::log_msg &message) override {
        spdlog::memory_buf_t formatted;
        formatter_->format(message, formatted);
        file_.write(formatted);
    }
    void flush_() override {
        file_.flush();
        flushes += 1;
    }
    spdlog::details::file_helper file_;
};

int main(int argc, char **argv) {
    if (argc != 3) {
        return 2;
    }
    const bool is_async = std::string(argv[2]) == "async";
    const auto sink = std::make_shared<file_sink>(argv[1]);
    std::shared_ptr<spdlog::logger> logger;
    if (is_async) {
        spdlog::init_thread_pool(8192, 1);
        logger = std::make_shared<spdlog::async_logger>("game::net", sink, spdlog::thread_pool(),
                                                        spdlog::async_overflow_policy::block);
    } else {
        logger = std::make_shared<spdlog::logger>("game::net", sink);
    }
    const auto flush = [&] {
        const long before = sink->flushes;
        logger->flush();
        while (sink->flushes == before) {
            std::this_thread::yield();
        }
    };
    const char *volatile hidden = bench::TEXT;
    const char *const text = hidden;
    return bench::measure(is_async ? "spdlog async" : "spdlog sync", argv[1],
                          [&](int i) { logger->info("{} {} {}", 142, i, 37.25); },
                          [&](int i) { logger->info("{} {} {}", 142, i, text); }, flush);
}
