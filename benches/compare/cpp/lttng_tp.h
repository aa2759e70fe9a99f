#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER game
#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "./lttng_tp.h"

#if !defined(LTTNG_TP_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define LTTNG_TP_H
#include <lttng/tracepoint.h>

LTTNG_UST_TRACEPOINT_EVENT(game, numbers, LTTNG_UST_TP_ARGS(int, a, int, b, double, c),
                           LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(int, a, a) lttng_ust_field_integer(int, b, b)
                                                   lttng_ust_field_float(double, c, c)))
LTTNG_UST_TRACEPOINT_EVENT(game, text, LTTNG_UST_TP_ARGS(int, a, int, b, const char *, text),
                           LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(int, a, a) lttng_ust_field_integer(int, b, b)
                                                   lttng_ust_field_string(text, text)))
#endif
#include <lttng/tracepoint-event.h>
