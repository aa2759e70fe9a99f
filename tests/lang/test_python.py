"""The Python examples: what they log and receive, against what examples/python/demo.py says it does."""

import ctypes
import json
import sys
import textwrap
import unittest

import support
from support import ROOT, Run, expect, number

EXAMPLES = ROOT / "examples/python"


def line_of(snippet):
    """The number of the only line of demo.py that contains this."""
    lines = (EXAMPLES / "demo.py").read_text(encoding="utf-8").splitlines()
    (found,) = [index for index, line in enumerate(lines, 1) if snippet in line]
    return found


def place(snippet, function="standard_logging"):
    return {"module": "demo", "function": function, "line": line_of(snippet)}


def is_traceback(text):
    parts = ["Traceback (most recent call last):", "KeyError: 'missing'", "direct cause", 'demo.py", line']
    return all(part in text for part in parts) and text.endswith("\nRuntimeError: the second\n")


class Demo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.run_ = Run(sys.executable, EXAMPLES / "demo.py")
        first, last = cls.run_.stdout.splitlines()
        cls.report, cls.last = json.loads(first), json.loads(last)
        (cls.main,) = [
            records for records in cls.run_.by_thread().values() if not records[0]["threadName"].startswith("worker-")
        ]

    def test_records_of_the_main_thread(self):
        second = {"exception_type": "RuntimeError", "exception_message": "the second", "traceback": is_traceback}
        expected = [
            ("INFO", "ffi", "an info"),
            ("WARN", "ffi", "a warning"),
            ("ERROR", "ffi", "an error", {"error_code": 42}),
            (
                "INFO",
                "ffi::user_actions",
                "user action",
                {"user_id": 7, "action": "login", "timestamp": 1700000000.5, "success": True},
            ),
            (
                "INFO",
                "ffi::database",
                "database operation",
                {"operation": "SELECT", "table": "users", "rows_affected": 3, "duration_ms": 1.5},
            ),
            (
                "ERROR",
                "ffi::database",
                "database operation failed",
                {"operation": "INSERT", "table": "users", "error_code": 19, "duration_ms": 2.5},
            ),
            (
                "INFO",
                "ffi::http",
                "http request",
                {
                    "method": "GET",
                    "url": "/index.html",
                    "status_code": 200,
                    "response_time_ms": 12.25,
                    "content_length": 5120,
                },
            ),
            ("INFO", "python", "from Python", {"module": "__main__"}),
            (
                "INFO",
                "python::function_calls",
                "python function call",
                {"function": "compute", "module": "app.math", "duration_seconds": 0.125, "args_count": 3},
            ),
            (
                "ERROR",
                "python::exceptions",
                "python exception",
                {
                    "exception_type": "ValueError",
                    "exception_message": "bad value",
                    "traceback": "line 1\nline 2",
                    "module": "app.core",
                },
            ),
            (
                "ERROR",
                "python::exceptions",
                "python exception",
                {
                    "exception_type": "KeyError",
                    "exception_message": "No message",
                    "traceback": "No traceback",
                    "module": "unknown",
                },
            ),
            (
                "INFO",
                "nodejs::requests",
                "nodejs request",
                {"method": "GET", "url": "/", "status_code": 304, "response_time_ms": 0.75, "user_agent": "unknown"},
            ),
            (
                "ERROR",
                "nodejs::errors",
                "nodejs error",
                {
                    "error_name": "Error",
                    "error_message": "No message",
                    "stack_trace": "No stack trace",
                    "file_name": "unknown",
                    "line_number": 0,
                },
            ),
            (
                "INFO",
                "nodejs::performance",
                "nodejs performance",
                {"operation": "parse", "duration_ms": 4.5, "memory_used_mb": 64.25, "cpu_time_ms": 3.5},
            ),
            ("WARN", "ffi_fast", "fast"),
            ("INFO", "ffi_fast", "as fast"),
            ("ERROR", "ffi_batch", "first", {"batch_index": 0}),
            ("WARN", "ffi_batch", "third", {"batch_index": 2}),
            ("INFO", "ffi_batch", "batch", {"total_messages": 3, "processed_messages": 2}),
            ("WARN", "app::safe", "grüße", {"key": "2", "other": "zwei"}),
            (
                "INFO",
                "app::typed",
                "typed\\0text",
                {
                    "yes": True,
                    "small": -5,
                    "big": 2**64 - 1,
                    "huge": "18446744073709551616",
                    "ratio": 0.5,
                    "text": "a\0b",
                    "none": "None",
                },
            ),
            *self.of_database(),
            ("ERROR", "game", "level 1"),
            ("WARN", "game", "level 2"),
            ("INFO", "game", "level 3"),
            ("DEBUG", "game", "level 4"),  # 5 is for the callback alone: the filter is `debug`
            ("INFO", "gamepad", "of another target"),
            ("INFO", "game::net", "of both"),
            ("WARN", "game", "on this thread"),
            ("INFO", "game", "raise"),
            ("INFO", "game", "after it"),
            ("INFO", "game", "of the second"),
            ("INFO", "game", "of nobody"),
            *(("INFO", "order", str(index)) for index in range(100)),
            ("DEBUG", "python::app::core", "a debug", place('"a debug"')),
            (
                "INFO",
                "python::app::core",
                "3 of five",
                place('"%d of %s"') | {"user": "zoë", "count": 3, "ratio": 0.5, "ok": True, "path": "['a', 1]"},
            ),
            (
                "WARN",
                "python::app::core",
                "a warning",
                place("stack_info") | {"stack": lambda text: text.startswith("Stack (most") and "stack_info=True" in text},
            ),
            ("ERROR", "python::app::core", "an error", place('log.error("an error")')),
            ("ERROR", "python::app::core", "critical", place('"critical"')),
            ("INFO", "python", "of the root logger", place("of the root logger")),
            ("ERROR", "python::app::core", "it failed", place('"it failed"') | second | {"attempt": 2}),
            ("ERROR", "python::exceptions", "python exception", second | {"module": "__main__"}),
            ("INFO", "last", "at the end"),
        ]
        expect(self, self.main, expected)

    def of_database(self):
        if "database" not in self.report:
            return []
        self.assertEqual(self.report["database"], [0, 2, -3, 0])
        took = {"duration_ms": number(0, 60000)}
        return [
            ("INFO", "ffi::database", "connection opened", {"connection_id": 1, "connection_string": ":memory:"}),
            *(
                (
                    "INFO",
                    "ffi::database",
                    "statement",
                    {"connection_id": 1, "operation": operation, "statement": statement, "rows_affected": rows} | took,
                )
                for operation, statement, rows in (
                    ("CREATE", "CREATE TABLE t (a)", 0),
                    ("INSERT", "INSERT INTO t VALUES (1), (2)", 2),
                )
            ),
            (
                "ERROR",
                "ffi::database",
                "statement failed",
                {"connection_id": 1, "operation": "nonsense", "statement": "nonsense", "error_code": 1} | took,
            ),
            ("INFO", "ffi::database", "connection closed", {"connection_id": 1}),
        ]

    def test_results(self):
        report = self.report
        calls, nanoseconds = report["performance"]
        self.assertEqual(calls, 2)
        self.assertGreater(nanoseconds, 0)
        self.assertEqual(report["batch"], 2)
        self.assertEqual((report["safe"], report["safe_null"], report["log"]), (0, -1, 0))
        self.assertEqual(report["enabled"], [1, 0])
        self.assertEqual(report["buffer"], [True, None])
        self.assertEqual(report["processed"], "processed: größe")
        self.assertEqual(report["no_error"], ["", ""])
        self.assertEqual(report["safe_ffi"], [0, -1])
        whole = "logfusion_safe_ffi_function: the pointer is NULL"
        self.assertEqual(report["error"], [whole, whole, whole[:4]])
        self.assertEqual(report["too_small"], -4)

    def test_last_errors_are_events(self):
        for name in ("batch_log", "safe_log_message", "allocate_log_buffer", "safe_ffi_function", "process_data"):
            found = [text for text in self.run_.last_errors() if text.startswith(f"logfusion_{name}")]
            self.assertEqual(len(found), 1, name)

    def test_threads_keep_their_order(self):
        for records in support.one_of_each(self, self.run_, "worker", 4, 250).values():
            for record in records:
                worker = record["fields"]["worker"]
                fields = place('log.info("step"', "work") | {"worker": worker, "index": record["fields"]["index"]}
                expect(self, [record], [("INFO", "python::worker", "step", fields)])

    def test_callbacks(self):
        # Whether it ran on the main thread is the last item: only log_with_callback's does.
        self.assertEqual(
            self.report["received"],
            [
                *([level, "game", f"level {level}", False] for level in range(1, 6)),
                ["net", 3, "game::net", "of both"],
                [3, "game::net", "of both", False],
                [2, "game", "on this thread", True],
                [3, "game", "raise", False],
                [3, "game", "after it", False],
                ["second", 3, "game", "of the second"],
            ],
        )
        self.assertEqual(self.report["unraisable"], ["of a callback"])
        self.assertEqual(self.report["unregistered_twice"], -1)

    def test_an_operation_ends_after_the_records_before_it(self):
        self.assertTrue(self.report["operation_in_time"])
        *messages, (status, text) = self.report["order"]
        self.assertEqual(messages, [str(index) for index in range(100)])
        self.assertEqual(status, 0)
        self.assertIn(f"operation {self.report['operation']}:", text)

    def test_no_call_after_unregister(self):
        self.assertGreaterEqual(self.report["load"]["called"], 200)
        self.assertEqual(self.report["load"]["late"], 0)

    def test_a_callback_that_is_left_at_exit(self):
        self.assertEqual(self.last, {"last": [3, "last", "at the end"]})
        self.assertEqual(self.run_.stderr, "")


class Hello(unittest.TestCase):
    def test_records(self):
        run = Run(sys.executable, EXAMPLES / "hello.py", output=None, written="hello.log")
        hello = {"module": "hello", "function": "<module>"}
        error = {
            "exception_type": "IndexError",
            "exception_message": "list index out of range",
            "traceback": lambda text: "hello.py" in text and text.endswith("\nIndexError: list index out of range\n"),
        }
        expect(
            self,
            run.of_program,
            [
                ("DEBUG", "python::net", "connected", hello | {"line": 10, "peer": "10.0.0.7:4000", "rtt_us": 18250}),
                ("ERROR", "python", "no second player", hello | {"line": 14} | error),
                (
                    "INFO",
                    "python::function_calls",
                    "python function call",
                    {"function": "load_level", "module": "__main__", "duration_seconds": 0.25, "args_count": 2},
                ),
            ],
        )

    def test_readme_shows_it(self):
        samples = support.readme_samples("python")
        if not samples:
            self.skipTest("README has no Python sample")
        self.assertIn((EXAMPLES / "hello.py").read_text(encoding="utf-8"), samples)


class Program(unittest.TestCase):
    """Small programs, each for one promise of logfusion.py."""

    def python(self, text, before="", **options):
        text = f"import logging, sys, threading, time\n{before}\nimport logfusion\n" + textwrap.dedent(text)
        return Run(sys.executable, "-c", text, **options)

    def test_exit_with_calls_in_flight(self):
        for end in ("", "sys.exit(0)", "raise SystemExit"):
            run = self.python(
                f"""
                logfusion.register_log_callback("ffi", lambda *record: calls.append(record))
                for index in range(5000):
                    logfusion.log_info(str(index))
                {end}
                """,
                # What was registered first runs last: after close().
                before="import atexit\ncalls = []\natexit.register(lambda: print(len(calls)))",
            )
            self.assertEqual(run.stdout, "5000\n", end)
            self.assertEqual([record["fields"]["message"] for record in run.of_program], [str(n) for n in range(5000)])

    def test_exit_with_a_daemon_thread_that_logs(self):
        run = self.python(
            """
            def work():
                while True:
                    logging.getLogger("daemon").info("x")
            logging.basicConfig(level=1, handlers=[logfusion.Handler()])
            calls = []
            logfusion.register_log_callback("python", lambda *record: calls.append(record))
            threading.Thread(target=work, daemon=True).start()
            while len(calls) < 100:
                time.sleep(0.001)
            """,
        )
        self.assertGreaterEqual(len(run.of_program), 100)

    def test_flush_waits_for_a_callback_without_the_interpreter(self):
        run = self.python(
            """
            seen = []
            def slow(level, target, message):
                time.sleep(0.05)
                seen.append(message)
            logfusion.register_log_callback("ffi", slow)
            for index in range(5):
                logfusion.log_info(str(index))
            logfusion.flush()
            print(seen)
            """
        )
        self.assertEqual(run.stdout, "['0', '1', '2', '3', '4']\n")

    def test_unregister_inside_the_callback(self):
        run = self.python(
            """
            seen = []
            def once(level, target, message):
                seen.append(message)
                logfusion.unregister_log_callback("ffi")
            logfusion.register_log_callback("ffi", once)
            for index in range(5):
                logfusion.log_info(str(index))
            logfusion.flush()
            print(seen, logfusion._functions, logfusion._targets)
            """
        )
        self.assertEqual(run.stdout, "['0'] {} {}\n")

    def test_handler(self):
        run = self.python(
            """
            log = logging.getLogger("app")
            log.setLevel(1)
            handler = logfusion.Handler(target="py", level=logging.INFO)
            log.addHandler(handler)
            log.debug("below the handler's level")
            log.addFilter(lambda record: record.msg != "secret")
            handler.addFilter(lambda record: record.msg != "private")
            log.info("secret")
            log.info("private")
            log.info("lone \\udc80 surrogate, %s", "a\\0nul", extra={f"k{n}": n for n in range(40)})
            log.info("%d", "no number")
            handler.setFormatter(logging.Formatter("%(levelname)s|%(message)s"))
            log.warning("formatted")
            logging.shutdown()
            """
        )
        place = {"module": "<string>", "function": "<module>", "line": lambda line: isinstance(line, int)}
        expect(
            self,
            run.of_program,
            [
                ("INFO", "py::app", "lone \\udc80 surrogate, a\\0nul", place | {f"k{n}": n for n in range(29)}),
                ("WARN", "py::app", "WARNING|formatted", place),
            ],
        )
        self.assertIn("TypeError: %d format: a real number is required", run.stderr)
        self.assertEqual(len([text for text in run.last_errors() if "logfusion_log_fields" in text]), 1)

    def test_errors_are_exceptions(self):
        run = self.python(
            """
            def status(function, *arguments, **settings):
                try:
                    function(*arguments, **settings)
                except logfusion.Error as error:
                    return error.status, bool(str(error))
            print(status(logfusion.init, ring_bytes=1), status(logfusion.register_log_callback, "", print),
                  status(logfusion.register_log_callback, None, print), logfusion._functions, end=" ")
            logfusion.init(filter="warn", output="never")
            print(status(logfusion.init, filter="error"))
            logfusion.log_info("below the filter")
            logfusion.log_warning("above it")
            """
        )
        self.assertEqual(run.stdout, "(-2, True) (-1, True) (-1, True) {} (-5, True)\n")
        expect(self, run.of_program, [("WARN", "ffi", "above it")])

    def test_log_exception_without_a_traceback(self):
        run = self.python("logfusion.log_exception(ValueError('never raised'))")
        fields = {"exception_type": "ValueError", "exception_message": "never raised"}
        fields |= {"traceback": "No traceback", "module": "unknown"}
        expect(self, run.of_program, [("ERROR", "python::exceptions", "python exception", fields)])


class Bindings(unittest.TestCase):
    """The bindings are those of the header."""

    @classmethod
    def setUpClass(cls):
        sys.path.insert(0, str(EXAMPLES))
        import logfusion

        cls.module = logfusion
        values = [value for value in vars(logfusion).values() if isinstance(value, logfusion._library._FuncPtr)]
        cls.bound = {value.__name__: value for value in values}

    def test_signatures(self):
        types = {
            "void": None,
            "int": ctypes.c_int,
            "double": ctypes.c_double,
            "size_t": ctypes.c_size_t,
            "void *": ctypes.c_void_p,
            "const char *": self.module.Text,
            "int *": ctypes.POINTER(ctypes.c_int),
            "const int *": ctypes.POINTER(ctypes.c_int),
            "const char *const *": ctypes.POINTER(ctypes.c_char_p),
            "const logfusion_field *": ctypes.POINTER(self.module.Field),
            "const logfusion_config *": ctypes.POINTER(self.module.Config),
            "logfusion_log_callback": self.module.LogCallback,
            "logfusion_operation_callback": self.module.OperationCallback,
        }
        declared = support.prototypes("logfusion.h") | support.prototypes("logfusion_guide.h")
        for name, function in self.bound.items():
            result, parameters, _ = declared[name]
            expected = {"const char *": ctypes.c_char_p, "char *": ctypes.c_void_p}.get(result) or types[result]
            self.assertIs(function.restype, expected, name)
            if name == "logfusion_free_log_buffer":
                expected = (ctypes.c_void_p, ctypes.c_int)
            else:
                expected = tuple(ctypes.c_char_p if kind == "char *" else types[kind] for kind in parameters)
            self.assertEqual(tuple(function.argtypes), expected, name)

    def test_every_function_of_the_guide(self):
        wanted = {
            name
            for name in support.prototypes("logfusion_guide.h")
            if not name.endswith(("_connection", "_statement")) or hasattr(self.module._library, name)
        }
        self.assertGreaterEqual(len(wanted), 25)
        self.assertEqual(wanted - set(self.bound), set())

    def test_layout(self):
        for struct, mirror in (("logfusion_config", self.module.Config), ("logfusion_field", self.module.Field)):
            size, offsets = support.layout(struct)
            self.assertEqual(ctypes.sizeof(mirror), size)
            self.assertEqual({name: getattr(mirror, name).offset for name, *_ in mirror._fields_}, offsets)


if __name__ == "__main__":
    unittest.main()
