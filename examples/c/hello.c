/* The smallest complete program: settings, three ways to log, a flush. Writes hello.log. */
#include "logfusion.h"

int main(void) {
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.filter = "info,game::net=debug";
    config.output = "hello.log";
    if (logfusion_init_with(&config) != LOGFUSION_OK) {
        char why[256];
        logfusion_last_error(why, sizeof why);
        fprintf(stderr, "hello: %s\n", why);
        return 1;
    }
    logfusion_log(LOGFUSION_INFO, "game", "the level is loaded");
    logfusion_logf(LOGFUSION_WARN, "game::physics", "step %d took %.1f ms", 42, 18.5);
    const logfusion_field fields[] = {
        logfusion_field_text("peer", "10.0.0.7:4000"),
        logfusion_field_i64("rtt_us", 18250),
    };
    logfusion_log_fields(LOGFUSION_DEBUG, "game::net", "connected", fields, 2);
    return logfusion_flush(1000) == LOGFUSION_OK ? 0 : 1;
}
