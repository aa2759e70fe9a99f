"""The Node.js examples: what they log and receive, against what examples/node/demo.js says it does."""

import json
import re
import unittest

import support
from support import ROOT, Run, expect, number

EXAMPLES = ROOT / "examples/node"


def line_of(file, snippet):
    """The number of the only line of the file that contains this."""
    lines = (EXAMPLES / file).read_text(encoding="utf-8").splitlines()
    (found,) = [index for index, line in enumerate(lines, 1) if snippet in line]
    return found


def request(method, url, status, agent):
    fields = {"method": method, "url": url, "status_code": status, "response_time_ms": number(0, 10000)}
    return ("INFO", "nodejs::requests", "nodejs request", fields | {"user_agent": agent})


def error(name, message, stack, file, line):
    fields = {"error_name": name, "error_message": message, "stack_trace": stack, "file_name": file, "line_number": line}
    return ("ERROR", "nodejs::errors", "nodejs error", fields)


class Demo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.run_ = Run("node", EXAMPLES / "demo.js")
        first, last = cls.run_.stdout.splitlines()
        cls.report, cls.last = json.loads(first), json.loads(last)
        (cls.main,) = [records for records in cls.run_.by_thread().values() if records[0]["threadName"] == "node"]

    def test_records_of_the_main_thread(self):
        message = "Cannot read properties of null (reading 'length')"
        demo = str(EXAMPLES / "demo.js")
        at = line_of("demo.js", "null.length")
        stack = f"TypeError: {message}\n    at errors ({demo}:{at}:"
        sleep = {"operation": "sleep", "duration_ms": number(19, 10000)}
        sleep |= {"memory_used_mb": number(10, 4000), "cpu_time_ms": number(0, 10000)}
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
            ("INFO", "python", "from Node", {"module": "app"}),
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
                {"method": "POST", "url": "/api", "status_code": 201, "response_time_ms": 4.5, "user_agent": "curl/8"},
            ),
            (
                "INFO",
                "nodejs::requests",
                "nodejs request",
                {"method": "GET", "url": "/", "status_code": 304, "response_time_ms": 0.75, "user_agent": "unknown"},
            ),
            error("TypeError", "x is not a function", "at f\n at g", "app.js", 17),
            error("Error", "No message", "No stack trace", "unknown", 0),
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
                "typed",
                {
                    "yes": True,
                    "small": -5,
                    "big": 2**64 - 1,
                    "huge": "18446744073709551616",
                    "ratio": 0.5,
                    "text": "a\0b",
                    "none": "null",
                },
            ),
            ("INFO", "app::typed", "a\\0b"),
            ("INFO", "app::typed", "lone \ufffd surrogate"),
            request("POST", "/items?page=2", 200, "demo/1.0"),
            request("GET", "/missing", 404, "unknown"),
            *(request("PUT", f"/items/{index}", 200, "demo/1.0") for index in range(20)),
            error("TypeError", message, lambda text: text.startswith(stack), demo, at),
            error("string", "only a string", "No stack trace", "unknown", 0),
            ("INFO", "nodejs::performance", "nodejs performance", sleep),
            ("ERROR", "game", "level 1"),
            ("WARN", "game", "level 2"),
            ("INFO", "game", "level 3"),
            ("DEBUG", "game", "level 4"),  # 5 is for the callback alone: the filter is `debug`
            ("INFO", "gamepad", "of another target"),
            ("INFO", "game::net", "of both"),
            ("WARN", "game", "at once"),
            ("INFO", "game", "of the second"),
            ("INFO", "game", "of nobody"),
            *(("INFO", "order", str(index)) for index in range(100)),
            ("INFO", "order", "the last"),
            ("INFO", "last", "at the end"),
        ]
        expect(self, self.main, expected)

    def test_results(self):
        report = self.report
        calls, nanoseconds = report["performance"]
        self.assertEqual(calls, 2)
        self.assertGreater(nanoseconds, 0)
        self.assertEqual(report["batch"], 2)
        self.assertEqual((report["safe"], report["safeNull"], report["log"], report["nul"]), (0, -1, 0, 0))
        self.assertEqual(report["enabled"], [1, 0])
        self.assertEqual(report["buffer"], [True, None])
        self.assertEqual(report["processed"], "processed: größe")
        self.assertEqual(report["noError"], ["", ""])
        self.assertEqual(report["safeFfi"], [0, -1])
        whole = "logfusion_safe_ffi_function: the pointer is NULL"
        self.assertEqual(report["error"], [whole, whole, whole[:4]])
        self.assertEqual(report["tooSmall"], -4)

    def test_last_errors_are_events(self):
        for name in ("batch_log", "safe_log_message", "allocate_log_buffer", "safe_ffi_function", "process_data"):
            found = [text for text in self.run_.last_errors() if text.startswith(f"logfusion_{name}")]
            self.assertEqual(len(found), 1, name)

    def test_workers_keep_their_order(self):
        for records in support.one_of_each(self, self.run_, "worker", 3, 250).values():
            for record in records:
                worker = record["fields"]["worker"]
                fields = {"worker": worker, "index": record["fields"]["index"]}
                expect(self, [record], [("INFO", "nodejs::worker", "step", fields)])

    def test_callbacks(self):
        self.assertEqual(
            self.report["received"],
            [
                *([level, "game", f"level {level}"] for level in range(1, 6)),
                ["net", 3, "game::net", "of both"],
                [3, "game::net", "of both"],
                [2, "game", "at once"],
                ["second", 3, "game", "of the second"],
            ],
        )
        self.assertEqual(self.report["atOnce"], [2, "game", "at once"])
        self.assertEqual(self.report["unregisteredTwice"], -1)

    def test_an_operation_ends_after_the_records_before_it(self):
        *messages, (status, text), last = self.report["order"]
        self.assertEqual(messages, [str(index) for index in range(100)])
        self.assertEqual((status, last, self.report["flushed"]), (0, "the last", "the last"))
        self.assertIn(f"operation {self.report['operation']}:", text)

    def test_no_call_after_unregister(self):
        self.assertGreaterEqual(self.report["load"]["called"], 100)
        self.assertEqual(self.report["load"]["late"], 0)

    def test_a_callback_that_is_left_at_exit(self):
        self.assertEqual(self.last, {"last": [3, "last", "at the end"]})
        self.assertEqual(self.run_.stderr, "")


class Hello(unittest.TestCase):
    def test_records(self):
        run = Run("node", EXAMPLES / "hello.js", output=None, written="hello.log")
        self.assertEqual(run.stdout, "hello\n\n")
        expect(
            self,
            run.of_program,
            [
                ("DEBUG", "nodejs::net", "listening", {"host": "127.0.0.1", "backlog": 16}),
                request("GET", "/hello", 200, "hello/1"),
            ],
        )

    def test_readme_shows_it(self):
        samples = support.readme_samples("js") + support.readme_samples("javascript")
        if not samples:
            self.skipTest("README has no sample of Node.js")
        self.assertIn((EXAMPLES / "hello.js").read_text(encoding="utf-8"), samples)


class Uncaught(unittest.TestCase):
    """It is logged, the callback of it is called, and Node ends the program as it would have."""

    def test_error(self):
        self.check((), "the disk is full", "throw new SaveError", r"\n    at Timeout\.save .*?")

    def test_rejection(self):
        self.check(("reject",), "nobody catches it", "Promise.reject", r"\n    at Object\.<anonymous> ")

    def check(self, arguments, message, snippet, frame):
        file = EXAMPLES / "uncaught.js"
        run = Run("node", file, *arguments, status=1)
        line = line_of("uncaught.js", snippet)
        stack = lambda text: re.match(rf"SaveError: {message}{frame}\({re.escape(str(file))}:{line}:", text)
        expect(self, run.of_program, [error("SaveError", message, stack, str(file), line)])
        self.assertEqual(run.stdout, '[1,"nodejs::errors","nodejs error"]\n')
        self.assertIn(f"SaveError: {message}", run.stderr)


class Program(unittest.TestCase):
    """Small programs, each for one promise of logfusion.js."""

    def node(self, text, **options):
        module = json.dumps(str(EXAMPLES / "logfusion.js"))
        return Run("node", "-e", f"const logfusion = require({module});\n{text}", **options)

    def test_exit_with_calls_in_flight(self):
        ends = {
            "": 0,
            "process.exit(3)": 3,
            "setTimeout(() => process.exit(4), 5)": 4,
            "setTimeout(() => { throw new Error('end') }, 5)": 1,
            "const until = Date.now() + 50; while (Date.now() < until); process.exit(5)": 5,
        }
        for end, status in ends.items():
            run = self.node(
                f"""
                let calls = 0;
                logfusion.register_log_callback('ffi', () => calls += 1);
                for (let index = 0; index < 5000; index++)
                    logfusion.log_info(String(index));
                process.on('exit', () => console.log(calls)); // after close(), whose listener is older
                {end}
                """,
                status=status,
            )
            self.assertEqual(run.stdout, "5000\n", end)
            self.assertEqual([record["fields"]["message"] for record in run.of_program], [str(n) for n in range(5000)], end)

    def test_synchronous_calls_with_calls_in_flight(self):
        run = self.node(
            """
            let seen = [];
            logfusion.register_log_callback('ffi', (level, target, message) => seen.push(message));
            for (let round = 0; round < 20; round++) {
                for (let index = 0; index < 100; index++)
                    logfusion.log_info(String(index));
                if (round % 2) {
                    logfusion.flush();
                } else {
                    logfusion.unregister_log_callback('ffi');
                    seen.length = 100; // none of them may have been handed out yet
                    logfusion.flush();
                    logfusion.register_log_callback('ffi', (level, target, message) => seen.push(message));
                }
                if (seen.length !== 100) throw new Error(`${seen.length} in round ${round}`);
                seen = [];
            }
            logfusion.log_with_callback(logfusion.INFO, 'ffi', 'at once');
            console.log(seen);
            """
        )
        self.assertEqual(run.stdout, "[ 'at once' ]\n")
        self.assertEqual(len(run.of_program), 2001)

    def test_unregister_inside_the_function(self):
        run = self.node(
            """
            const seen = [];
            logfusion.register_log_callback('ffi', (level, target, message) => {
                seen.push(message);
                logfusion.unregister_log_callback('ffi');
            });
            for (let index = 0; index < 5; index++)
                logfusion.log_info(String(index));
            logfusion.flushed().then(() => console.log(seen.join()));
            """
        )
        self.assertEqual(run.stdout, "0\n")

    def test_no_call_inside_a_call(self):
        run = self.node(
            """
            const seen = [];
            logfusion.register_log_callback('ffi', (level, target, message) => {
                seen.push(message);
                if (message === '1') {
                    logfusion.flush();
                    seen.push('end');
                }
            });
            for (let index = 0; index < 4; index++)
                logfusion.log_info(String(index));
            logfusion.flushed().then(() => console.log(seen.join()));
            """
        )
        self.assertEqual(run.stdout, "0,1,end,2,3\n")

    def test_exit_inside_a_call(self):
        run = self.node(
            """
            let seen = 0;
            setInterval(() => {}, 1000); // the call comes from the event loop
            process.on('exit', () => console.log(seen));
            logfusion.register_log_callback('ffi', (level, target, message) => {
                seen += 1;
                if (message === '1') process.exit(6);
            });
            for (let index = 0; index < 1000; index++)
                logfusion.log_info(String(index));
            """,
            status=6,
        )
        self.assertEqual(run.stdout, "1000\n")
        self.assertEqual(len(run.of_program), 1000)

    def test_a_callback_that_throws(self):
        run = self.node(
            """
            const seen = [];
            logfusion.logUncaught();
            logfusion.register_log_callback('ffi', (level, target, message) => {
                seen.push(message);
                if (message === '1') throw new RangeError('of the callback');
            });
            process.on('uncaughtException', (error) => seen.push(error.message));
            for (let index = 0; index < 3; index++)
                logfusion.log_info(String(index));
            logfusion.flushed().then(() => console.log(seen.join()));
            """
        )
        self.assertEqual(run.stdout, "0,1,of the callback,2\n")
        self.assertEqual([record["fields"].get("error_name") for record in run.of_program], [None] * 3 + ["RangeError"])

    def test_a_registration_keeps_no_program_alive(self):
        run = self.node("logfusion.register_log_callback('ffi', console.log); logfusion.log_info('x')")
        self.assertEqual(run.stdout, "3 ffi x\n")

    def test_close_and_start_again(self):
        run = self.node(
            """
            for (let round = 0; round < 3; round++) {
                logfusion.register_log_callback('ffi', (level, target, message) => console.log(message));
                logfusion.log_info(`round ${round}`);
                logfusion.close();
                logfusion.log_info('to nobody');
            }
            """
        )
        self.assertEqual(run.stdout, "round 0\nround 1\nround 2\n")
        self.assertEqual(len(run.of_program), 6)

    def test_a_worker_that_registers(self):
        run = self.node(
            """
            const { Worker } = require('node:worker_threads');
            const text = `
                const logfusion = require(${JSON.stringify(require.resolve('FILE'))});
                logfusion.register_log_callback('of_worker', (level, target, message) =>
                    require('node:worker_threads').parentPort.postMessage(message));
                for (let index = 0; index < 500; index++)
                    logfusion.log(logfusion.INFO, 'of_worker', String(index));
                logfusion.flush();
            `;
            let count = 0;
            new Worker(text, { eval: true }).on('message', () => count += 1).on('exit', (status) => {
                logfusion.log(logfusion.INFO, 'of_worker', 'after it');
                console.log(count, status);
            });
            """.replace("FILE", str(EXAMPLES / "logfusion.js"))
        )
        self.assertEqual(run.stdout, "500 0\n")
        self.assertEqual(len(run.of_program), 501)

    def test_errors_are_thrown(self):
        run = self.node(
            """
            const status = (call) => { try { call() } catch (error) { return [error.status, error.message !== ''] } };
            console.log(JSON.stringify([
                status(() => logfusion.init({ ring_bytes: 1 })),
                status(() => logfusion.register_log_callback('', () => {})),
                status(() => logfusion.register_log_callback(null, () => {})),
                logfusion.init({ filter: 'warn', output: 'never' }),
                status(() => logfusion.init({ filter: 'error' })),
            ]));
            logfusion.log_info('below the filter');
            logfusion.log_warning('above it');
            """
        )
        self.assertEqual(run.stdout, "[[-2,true],[-1,true],[-1,true],0,[-5,true]]\n")
        expect(self, run.of_program, [("WARN", "ffi", "above it")])


class Bindings(unittest.TestCase):
    """The bindings are those of the header."""

    def test_prototypes(self):
        text = (EXAMPLES / "logfusion.js").read_text(encoding="utf-8")
        bound = re.findall(r"^    ((?:const char \*|\w+ ?\*?)\s?logfusion_\w+\(.*\))$", text, flags=re.M)
        declared = {
            whole: name
            for header in ("logfusion.h", "logfusion_guide.h")
            for name, (_, _, whole) in support.prototypes(header).items()
        }
        names = set()
        for prototype in bound:
            self.assertIn(prototype.replace("_Out_ ", ""), declared)
            names.add(declared[prototype.replace("_Out_ ", "")])
        guide = support.prototypes("logfusion_guide.h")
        wanted = {name for name in guide if not name.endswith(("_connection", "_statement"))}
        self.assertGreaterEqual(len(wanted), 25)
        self.assertEqual(wanted - names, set())

    def test_layout(self):
        text = """
            const koffi = require('node:module').createRequire('FILE')('koffi'); // the one that it loads
            require('FILE');
            const offsets = (type, names) => Object.fromEntries(names.map((name) => [name, koffi.offsetof(type, name)]));
            console.log(JSON.stringify(['logfusion_config', 'logfusion_field'].map((type) =>
                [koffi.sizeof(type), offsets(type, Object.keys(koffi.introspect(type).members))])));
            require('FILE').log_info('x');
        """
        run = Run("node", "-e", text.replace("FILE", str(EXAMPLES / "logfusion.js")))
        for struct, found in zip(("logfusion_config", "logfusion_field"), json.loads(run.stdout)):
            self.assertEqual(tuple(found), support.layout(struct))


if __name__ == "__main__":
    unittest.main()
