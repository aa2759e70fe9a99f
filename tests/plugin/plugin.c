/* The plugin of tests/plugin/host.c: call sites in an object that comes and goes. */
#include "logfusion.h"

void plugin_log(int reload, int thread, int count) {
    for (int i = 0; i < count; i++) {
        LF_INFO("plugin", "{reload} {thread} {i} {text}", LF_KV("reload", reload), LF_KV("thread", thread), LF_KV("i", i),
                LF_KV("text", "from the plugin"));
    }
    LF_DEBUG("plugin", "not wanted", LF_KV("reload", reload));
    LF_ERROR("plugin::end", "thread {thread} is done", LF_KV("thread", thread), LF_KV("reload", reload));
}

/* Where a word of the plugin lies. */
const void *plugin_place(void) { return &logfusion_module; }
