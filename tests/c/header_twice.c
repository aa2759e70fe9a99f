/* The header may be included twice, and its version is the library's. */
#define _POSIX_C_SOURCE 200809L
#include "logfusion.h"
#include "logfusion.h"

#include "check.h"

int main(int argc, char **argv) {
    char expected[32];
    check_start(argc, argv);

    snprintf(expected, sizeof expected, "%d.%d.%d", LOGFUSION_VERSION_MAJOR, LOGFUSION_VERSION_MINOR,
             LOGFUSION_VERSION_PATCH);
    CHECK(strcmp(expected, LOGFUSION_VERSION_STRING) == 0);
    CHECK(strcmp(expected, logfusion_version()) == 0);
    return check_end("header_twice");
}
