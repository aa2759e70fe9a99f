/* plugin_host PLUGIN ARGUMENT...: loads benches/c/bars.c, built as a plugin, and runs it as the program would. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    int (*bars)(int, char **);
    void *const plugin = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    void *const function = plugin != NULL ? dlsym(plugin, "bars") : NULL;

    if (function == NULL) {
        fprintf(stderr, "plugin_host: %s\n", argc > 1 ? dlerror() : "usage: plugin_host PLUGIN ARGUMENT...");
        return 2;
    }
    memcpy(&bars, &function, sizeof bars);
    return bars(argc - 1, argv + 1);
}
