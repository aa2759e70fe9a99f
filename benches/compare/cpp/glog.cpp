// glog: FILE (the beginning of the name of its file)
#include <glog/logging.h>

#include "bench.hpp"

#include <glob.h>

int main(int argc, char **argv) {
    if (argc != 2) {
        return 2;
    }
    google::InitGoogleLogging(argv[0]);
    FLAGS_logtostderr = false;
    FLAGS_stderrthreshold = google::FATAL;
    FLAGS_max_log_size = 4000;
    google::SetLogDestination(google::INFO, argv[1]);
    google::SetLogSymlink(google::INFO, "");
    // Its file has a name of its own, and lines of its own at the beginning.
    LOG(INFO) << "first";
    google::FlushLogFiles(google::INFO);
    glob_t found;
    if (glob((std::string(argv[1]) + "*").c_str(), 0, nullptr, &found) != 0 || found.gl_pathc != 1) {
        return 1;
    }
    const std::string path = found.gl_pathv[0];
    const char *volatile hidden = bench::TEXT;
    const char *const text = hidden;
    return bench::measure("glog", path.c_str(), [](int i) { LOG(INFO) << 142 << ' ' << i << ' ' << 37.25; },
                          [=](int i) { LOG(INFO) << 142 << ' ' << i << ' ' << text; },
                          [] { google::FlushLogFiles(google::INFO); }, bench::lines_of(path.c_str()));
}
