"""Calls every function of logfusion.py, logs through `logging` from several threads, and receives records in callbacks.

Prints one JSON object: what the calls returned and what the callbacks were given. tests/lang/test_python.py compares it
with the output. With LOGFUSION_OUTPUT=demo.json and LOGFUSION_FORMAT=json that is a file of JSON lines.
"""

import json
import logging
import sys
import threading

import logfusion

THREADS, EACH = 4, 250


def every_function(report):
    logfusion.log_info("an info")
    logfusion.log_warning("a warning")
    logfusion.log_error("an error", 42)
    logfusion.log_user_action(7, "login", 1700000000.5, True)
    logfusion.log_database_operation("SELECT", "users", 3, 1.5, 0)
    logfusion.log_database_operation("INSERT", "users", 0, 2.5, 19)
    logfusion.log_http_request("GET", "/index.html", 200, 12.25, 5120)
    logfusion.python_log_info("from Python", __name__)
    logfusion.python_log_function_call("compute", "app.math", 0.125, 3)
    logfusion.python_log_exception("ValueError", "bad value", "line 1\nline 2", "app.core")
    logfusion.python_log_exception("KeyError", None, None, None)
    logfusion.nodejs_log_request("GET", "/", 304, 0.75, None)
    logfusion.nodejs_log_error("Error", None, None, None, 0)
    logfusion.nodejs_log_performance("parse", 4.5, 64.25, 3.5)
    logfusion.fast_log(logfusion.WARN, "fast")
    logfusion.fast_log(logfusion.INFO, "as fast")
    report["performance"] = logfusion.get_ffi_performance_stats()
    report["batch"] = logfusion.batch_log([(logfusion.ERROR, "first"), (logfusion.INFO, None), (logfusion.WARN, "third")])
    report["safe"] = logfusion.safe_log_message(
        logfusion.WARN, "app::safe", "grüße", [("key", "1"), ("other", "zwei"), ("key", "2")]
    )
    report["safe_null"] = logfusion.safe_log_message(logfusion.INFO, None, "no target")
    report["log"] = logfusion.log(
        logfusion.INFO,
        "app::typed",
        "typed\0text",
        {"yes": True, "small": -5, "big": 2**64 - 1, "huge": 2**64, "ratio": 0.5, "text": "a\0b", "none": None},
    )
    report["enabled"] = [logfusion.enabled(logfusion.INFO, "app"), logfusion.enabled(logfusion.TRACE, "app")]

    buffer = logfusion.allocate_log_buffer(64)
    logfusion.free_log_buffer(buffer, 64)
    report["buffer"] = [buffer is not None, logfusion.allocate_log_buffer(0)]
    report["processed"] = logfusion.process_data_with_error_handling("größe")
    logfusion.clear_last_error()
    report["no_error"] = [logfusion.last_error(), logfusion.get_last_error()]
    report["safe_ffi"] = [logfusion.safe_ffi_function("x"), logfusion.safe_ffi_function(None)]
    report["error"] = [logfusion.last_error(), logfusion.get_last_error(), logfusion.get_last_error(5)]
    try:
        logfusion.process_data_with_error_handling("does not fit", size=4)
    except logfusion.Error as error:
        report["too_small"] = error.status


def database(report):
    """Only in libraries that were built with SQLite."""
    if hasattr(logfusion, "create_connection"):
        connection = logfusion.create_connection(":memory:")
        statements = ["CREATE TABLE t (a)", "INSERT INTO t VALUES (1), (2)", "nonsense"]
        report["database"] = [logfusion.execute_statement(connection, statement) for statement in statements]
        report["database"].append(logfusion.destroy_connection(connection))


def standard_logging():
    """Every level, exceptions, extra, and loggers with names of several parts."""
    log = logging.getLogger("app.core")
    log.log(5, "a trace")
    log.debug("a debug")
    log.info("%d of %s", 3, "five", extra={"user": "zoë", "count": 3, "ratio": 0.5, "ok": True, "path": ["a", 1]})
    log.warning("a warning", stack_info=True)
    log.error("an error")
    log.critical("critical")
    logging.getLogger().info("of the root logger")
    try:
        try:
            {}["missing"]
        except KeyError as cause:
            raise RuntimeError("the second") from cause
    except RuntimeError as error:
        log.exception("it failed", extra={"attempt": 2})
        logfusion.log_exception(error)


def from_threads():
    """Each thread logs on its own; the records of one keep their order."""

    def work(number):
        log = logging.getLogger("worker")
        for index in range(EACH):
            log.info("step", extra={"worker": number, "index": index})

    threads = [threading.Thread(target=work, args=(number,), name=f"worker-{number}") for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def callbacks(report):
    """The drain thread calls; log_with_callback calls on this one; nothing comes after unregister."""
    received, main = [], threading.get_ident()

    def listener(level, target, message):
        received.append([level, target, message, threading.get_ident() == main])
        if message == "raise":
            raise RuntimeError("of a callback")

    logfusion.register_log_callback("game", listener)
    logfusion.register_log_callback("game::net", lambda *record: received.append(["net", *record]))
    for level in range(1, 6):
        logfusion.log(level, "game", f"level {level}")
    logfusion.log(logfusion.INFO, "gamepad", "of another target")
    logfusion.log(logfusion.INFO, "game::net", "of both")
    logfusion.flush()
    logfusion.log_with_callback(2, "game", "on this thread")
    hook, unraisable = sys.unraisablehook, []
    sys.unraisablehook = lambda what: unraisable.append(str(what.exc_value))
    logfusion.log(logfusion.INFO, "game", "raise")
    logfusion.log(logfusion.INFO, "game", "after it")
    logfusion.flush()
    sys.unraisablehook = hook
    logfusion.register_log_callback("game", lambda *record: received.append(["second", *record]))
    logfusion.log(logfusion.INFO, "game", "of the second")
    logfusion.flush()
    logfusion.unregister_log_callback("game")
    logfusion.unregister_log_callback("game::net")
    logfusion.log(logfusion.INFO, "game", "of nobody")
    logfusion.flush()
    report["received"], report["unraisable"] = received, unraisable
    try:
        logfusion.unregister_log_callback("game")
    except logfusion.Error as error:
        report["unregistered_twice"] = error.status

    done, order = threading.Event(), []
    logfusion.register_log_callback("order", lambda level, target, message: order.append(message))
    for index in range(100):
        logfusion.log(logfusion.INFO, "order", str(index))
    number = logfusion.async_operation(lambda status, text: (order.append([status, text]), done.set()))
    report["operation_in_time"] = done.wait(10)
    logfusion.unregister_log_callback("order")
    report["operation"], report["order"] = number, order


def under_load(report):
    """Threads log while a callback that logs itself is registered and unregistered again and again."""
    counts, stop = {"called": 0, "late": 0}, threading.Event()
    registered = False

    def listener(level, target, message):
        counts["called"] += 1
        counts["late"] += not registered
        logging.getLogger("inside").debug("a callback may log")

    def work():
        while not stop.is_set():
            logfusion.log_with_callback(3, "load", "x")
            logging.getLogger("load").debug("x")

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        registered = True
        logfusion.register_log_callback("load", listener)
        seen = counts["called"]
        while counts["called"] == seen:
            logfusion.flush()
        logfusion.unregister_log_callback("load")
        registered = False
    stop.set()
    for thread in threads:
        thread.join()
    report["load"] = counts


def main():
    report = {}
    logfusion.init(filter="debug,load=off,python::load=off,python::inside=off")
    logfusion.set_thread_name("main")
    logging.basicConfig(level=1, handlers=[logfusion.Handler()])
    for part in (every_function, database, callbacks):
        part(report)
    standard_logging()
    from_threads()
    under_load(report)
    # One more, still registered and in flight at the end: close(), which runs at exit, sees to it.
    logfusion.register_log_callback("last", lambda *record: print(json.dumps({"last": record}), flush=True))
    print(json.dumps(report), flush=True)
    logfusion.log(logfusion.INFO, "last", "at the end")


if __name__ == "__main__":
    main()
