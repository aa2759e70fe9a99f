"""logfusion for Python: the C functions through ctypes, and a handler for the standard `logging` module.

    import logging, logfusion
    logfusion.init(output="app.log", format=logfusion.FORMAT_JSON)
    logging.getLogger().addHandler(logfusion.Handler())

Needs Python 3.10 or later with its standard library, and liblogfusion.so: the path in LOGFUSION_LIBRARY, or else the release
build of the repository that this file is in. `include/logfusion.h` is the manual of every function that is bound here under
its name without the prefix; this text says what Python adds.

Text        str becomes UTF-8 (a lone surrogate is written as \\udc80), bytes go as they are, None is NULL. C text ends at a
            NUL, so a NUL inside becomes \\0. Field texts of log() and of Handler keep it.
Threads     All functions may be called from any thread. ctypes gives the GIL back for the length of a call, so a call that
            waits (flush, shutdown, unregister_log_callback) holds up no other Python thread, nor the callback it waits for.
            Never load the library with ctypes.PyDLL: it keeps the GIL, and a flush would wait for a callback that waits for
            the GIL.
Callbacks   A function given to register_log_callback runs on the engine's drain thread, which Python did not start: ctypes
            takes the GIL for each call and makes that thread known to Python ("Dummy-1"). It delays the records behind it
            while it runs or waits for the GIL, never the threads that log. log_with_callback calls it on its own thread.
            What it raises is printed by sys.unraisablehook and goes no further. It may log and may unregister, itself too.
Lifetime    C keeps no pointer to a Python object. All callbacks go through one C function that is never freed, and its
            context is a number, which finds the Python function: a late call finds nothing, never freed memory.
The end     A drain thread that asked for the GIL after the interpreter has gone would never come back from it. So close()
            runs at exit, while Python still works: it delivers every record, unregisters the callbacks and stops the drain.
            Records logged later still (daemon threads, other atexit functions) start the engine again and reach the
            output, not the callbacks. Nothing of this runs after os._exit or a signal.
"""

import atexit
import ctypes
import itertools
import logging
import os
import pathlib
import sys
import threading
import traceback
from ctypes import POINTER, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint64, c_void_p

ERROR, WARN, INFO, DEBUG, TRACE = 1, 2, 3, 4, 5
FORMAT_TEXT, FORMAT_LOGFMT, FORMAT_JSON = 0, 1, 2
VERSION = "0.1"  # the versions 0.1.x of the library have the ABI that is bound here


class Error(Exception):
    """A call has failed: `status` is its LOGFUSION_E_… number."""

    def __init__(self, status):
        self.status = status
        super().__init__(f"{status_text(status)} ({status}): {last_error()}")


# ------------------------------------------------------------------------------------------------------------ The library


def _path():
    if path := os.environ.get("LOGFUSION_LIBRARY"):
        return path
    root = pathlib.Path(__file__).resolve().parents[2]
    return root / os.environ.get("CARGO_TARGET_DIR", "target") / "release" / "liblogfusion.so"


_library = ctypes.CDLL(os.fspath(_path()))


def _encode(text):
    return text if isinstance(text, bytes) else str(text).encode("utf-8", "backslashreplace")


class Text(c_char_p):
    """`const char *` of a parameter."""

    @classmethod
    def from_param(cls, value):
        return None if value is None else c_char_p(_encode(value).replace(b"\0", b"\\0"))


class Field(ctypes.Structure):
    """logfusion_field."""

    class Value(ctypes.Union):
        class Span(ctypes.Structure):
            _fields_ = [("data", c_char_p), ("length", c_size_t)]

        _fields_ = [("i64", c_int64), ("u64", c_uint64), ("f64", c_double), ("boolean", c_int), ("text", Span)]

    _fields_ = [("name", c_char_p), ("type", c_int), ("reserved", c_int), ("value", Value)]


class Config(ctypes.Structure):
    """logfusion_config; see there for what each member means."""

    _fields_ = [
        ("size", c_size_t),
        ("filter", c_char_p),
        ("output", c_char_p),
        ("drain_name", c_char_p),
        ("rotate_bytes", c_uint64),
        ("keep_files", c_size_t),
        ("ring_bytes", c_size_t),
        ("rings_max_bytes", c_size_t),
        ("format", c_int),
        ("color", c_int),
        ("rotate", c_int),
        ("overflow", c_int),
        ("block_ms", c_int),
        ("idle_us", c_int),
        ("wake_on_half_full", c_int),
        ("wake_on_error", c_int),
        ("drain", c_int),
        ("drain_pinned", c_int),
        ("drain_cpu", c_int),
        ("drain_priority", c_int),
        ("global_default", c_int),
        ("clock", c_int),
        ("span_close", c_int),
    ]


LogCallback = ctypes.CFUNCTYPE(None, c_int, c_char_p, c_char_p, c_void_p)
OperationCallback = ctypes.CFUNCTYPE(None, c_int, c_int, c_char_p)


def _bind(name, result, *parameters):
    function = getattr(_library, "logfusion_" + name)
    function.restype = result
    function.argtypes = parameters
    return function


version = _bind("version", c_char_p)
if version().decode().rpartition(".")[0] != VERSION:
    raise ImportError(f"{_path()} has version {version().decode()}, not {VERSION}.x")

# Of the engine. init, log, flush … below make some of them more convenient.
_init = _bind("init", c_int)
_init_with = _bind("init_with", c_int, POINTER(Config))
_shutdown = _bind("shutdown", None)
_flush = _bind("flush", c_int, c_int)
_log_fields = _bind("log_fields", c_int, c_int, Text, Text, POINTER(Field), c_size_t)
_status_text = _bind("status_text", c_char_p, c_int)
_last_error = _bind("last_error", c_size_t, c_char_p, c_size_t)
clear_last_error = _bind("clear_last_error", None)
enabled = _bind("enabled", c_int, c_int, Text)
set_filter = _bind("set_filter", c_int, Text)
set_thread_name = _bind("set_thread_name", c_int, Text)

# Of the guide.
log_info = _bind("log_info", None, Text)
log_warning = _bind("log_warning", None, Text)
log_error = _bind("log_error", None, Text, c_int)
log_user_action = _bind("log_user_action", None, c_int, Text, c_double, c_int)
log_database_operation = _bind("log_database_operation", None, Text, Text, c_int, c_double, c_int)
log_http_request = _bind("log_http_request", None, Text, Text, c_int, c_double, c_int)
python_log_info = _bind("python_log_info", None, Text, Text)
python_log_function_call = _bind("python_log_function_call", None, Text, Text, c_double, c_int)
python_log_exception = _bind("python_log_exception", None, Text, Text, Text, Text)
nodejs_log_request = _bind("nodejs_log_request", None, Text, Text, c_int, c_double, Text)
nodejs_log_error = _bind("nodejs_log_error", None, Text, Text, Text, Text, c_int)
nodejs_log_performance = _bind("nodejs_log_performance", None, Text, c_double, c_double, c_double)
_register_log_callback = _bind("register_log_callback", c_int, Text, LogCallback, c_void_p)
_unregister_log_callback = _bind("unregister_log_callback", c_int, Text)
log_with_callback = _bind("log_with_callback", None, c_int, Text, Text)
_safe_log_message = _bind("safe_log_message", c_int, c_int, Text, Text, POINTER(c_char_p), POINTER(c_char_p), c_int)
allocate_log_buffer = _bind("allocate_log_buffer", c_void_p, c_int)
free_log_buffer = _bind("free_log_buffer", None, c_void_p, c_int)
fast_log = _bind("fast_log", None, c_int, Text)
_batch_log = _bind("batch_log", c_int, POINTER(c_char_p), POINTER(c_int), c_int)
_get_ffi_performance_stats = _bind("get_ffi_performance_stats", c_int, POINTER(c_int), POINTER(c_int))
_get_last_error = _bind("get_last_error", c_int, c_char_p, c_int)
_process_data = _bind("process_data_with_error_handling", c_int, Text, c_char_p, c_int)
safe_ffi_function = _bind("safe_ffi_function", c_int, Text)
_async_operation = _bind("async_operation", c_int, c_int, OperationCallback)

# In libraries that were built with the cargo feature `sqlite`.
if hasattr(_library, "logfusion_create_connection"):
    create_connection = _bind("create_connection", c_int, Text)
    execute_statement = _bind("execute_statement", c_int, c_int, Text)
    destroy_connection = _bind("destroy_connection", c_int, c_int)

# ------------------------------------------------------------------------------------------------------------- The engine


def _checked(status):
    if status < 0:
        raise Error(status)
    return status


def status_text(status):
    return _status_text(status).decode()


def last_error():
    """The calling thread's last error, or ""."""
    buffer = ctypes.create_string_buffer(_last_error(None, 0) + 1)
    _last_error(buffer, len(buffer))
    return buffer.value.decode()


def get_last_error(size=1024):
    """The same through the guide's function: at most size - 1 bytes of it."""
    buffer = ctypes.create_string_buffer(size)
    _checked(_get_last_error(buffer, size))
    return buffer.value.decode()


def init(**settings):
    """Starts the engine; the settings are the members of logfusion_config. The environment (LOGFUSION_…) wins over them."""
    if not settings:
        return _checked(_init())
    config = Config(size=ctypes.sizeof(Config))
    for name, value in settings.items():
        if name == "output":
            value = os.fsencode(value)
        setattr(config, name, _encode(value) if isinstance(value, str) else value)
    return _checked(_init_with(ctypes.byref(config)))


def flush(timeout_ms=5000):
    """Waits until everything logged before is delivered and written."""
    return _checked(_flush(timeout_ms))


def shutdown():
    """Delivers every record and stops the drain. The next record starts it again."""
    _shutdown()


def close():
    """Flushes, so that all reach the callbacks, unregisters them, and shuts down. Runs at exit."""
    _flush(5000)
    for target in list(_targets):
        _unregister_log_callback(target)
        _functions.pop(_targets.pop(target, None), None)
    shutdown()


atexit.register(close)

# ---------------------------------------------------------------------------------------------------------------- Logging

_NUL_TERMINATED = c_size_t(-1).value


def _fields(pairs):
    """An array of Field, and the bytes that it points to."""
    array, kept = (Field * len(pairs))(), []
    for field, (name, value) in zip(array, pairs.items()):
        kept.append(field_name := _encode(name))
        field.name = field_name
        if isinstance(value, bool):
            field.type, field.value.boolean = 4, value
        elif isinstance(value, int) and -(2**63) <= value < 2**63:
            field.type, field.value.i64 = 1, value
        elif isinstance(value, int) and 0 <= value < 2**64:
            field.type, field.value.u64 = 2, value
        elif isinstance(value, float):
            field.type, field.value.f64 = 3, value
        else:
            kept.append(text := _encode(value))
            field.type, field.value.text.data, field.value.text.length = 6, text, len(text)
    return array, kept


def log(level, target, message, fields=None):
    """Logs with fields of their own type: bool, int of 64 bits, float; anything else as its str(). Returns the status."""
    array, kept = _fields(fields or {})
    status = _log_fields(level, target, message, array, len(array))
    del kept
    return status


def _texts(values):
    return (c_char_p * len(values))(*(Text.from_param(value) and Text.from_param(value).value for value in values))


def safe_log_message(level, target, message, pairs=()):
    """As log(), every value a text, checked. `pairs`: (key, value) pairs. Returns the status."""
    pairs = list(pairs)
    keys, values = _texts([key for key, _ in pairs]), _texts([value for _, value in pairs])
    return _safe_log_message(level, target, message, keys, values, len(pairs))


def batch_log(entries):
    """Logs (level, message) pairs; returns how many were accepted."""
    entries = list(entries)
    levels = (c_int * len(entries))(*(level for level, _ in entries))
    return _batch_log(_texts([message for _, message in entries]), levels, len(entries))


def log_exception(error, module=None):
    """python_log_exception with what the exception says. The module: by default that of the frame that raised it."""
    frames = list(traceback.walk_tb(error.__traceback__))
    if module is None and frames:
        module = frames[-1][0].f_globals.get("__name__")
    text = "".join(traceback.format_exception(error))
    python_log_exception(type(error).__qualname__, str(error), text if frames else None, module)


def get_ffi_performance_stats():
    """Calls of fast_log, and their mean cost in ns."""
    calls, nanoseconds = c_int(), c_int()
    _checked(_get_ffi_performance_stats(ctypes.byref(calls), ctypes.byref(nanoseconds)))
    return calls.value, nanoseconds.value


def process_data_with_error_handling(text, size=4096):
    buffer = ctypes.create_string_buffer(size)
    _checked(_process_data(text, buffer, size))
    return buffer.value.decode()


# -------------------------------------------------------------------------------------------------------------- Callbacks

_numbers = itertools.count(1)
_functions = {}  # number, the context of a registration → Python function
_targets = {}  # target → number of its registration


@LogCallback
def _on_record(level, target, message, context):
    if function := _functions.get(context):
        function(level, target.decode("utf-8", "replace"), message.decode("utf-8", "replace"))


def register_log_callback(target, function):
    """Calls function(level, target, message) for each record of the target; see "Callbacks" above."""
    number = next(_numbers)
    _functions[number] = function
    try:
        _checked(_register_log_callback(target, _on_record, number))
    except Error:
        del _functions[number]
        raise
    _functions.pop(_targets.get(target), None)
    _targets[target] = number


def unregister_log_callback(target):
    """Ends it. Outside any callback: when this returns, the function is not running and never will again."""
    _checked(_unregister_log_callback(target))
    _functions.pop(_targets.pop(target, None), None)


_operations = {}


@OperationCallback
def _on_operation(number, status, result):
    _operations.pop(number)(status, result.decode())


def async_operation(function):
    """Calls function(status, text) on the drain thread when everything logged before is delivered. Returns its number."""
    number = next(_numbers)
    _operations[number] = function
    try:
        _checked(_async_operation(number, _on_operation))
    except Error:
        del _operations[number]
        raise
    return number


# ---------------------------------------------------------------------------------------------------------------- logging


class _Message(logging.Formatter):
    """The message alone: time, level, logger and exception have places of their own."""

    def format(self, record):
        return record.getMessage()


class Handler(logging.Handler):
    """Sends the records of the standard `logging` module to logfusion.

    Target: of the logger "app.db" it is "python::app::db", of the root logger "python".
    Level: CRITICAL and ERROR are ERROR; WARNING, INFO, DEBUG are the same; below DEBUG is TRACE.
    Message: the message alone, unless setFormatter() says more.
    Fields: module, function, line; of an exception exception_type, exception_message, traceback; with stack_info stack;
    and each item of `extra`, with its type. At most 32; what is past that is left out and becomes a last error.
    Thread: named as Python names it.

    It takes no lock: threads that log don't wait for each other, and a callback may log while another thread does.
    """

    _standard = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
    _thread = threading.local()

    def __init__(self, target="python", level=logging.NOTSET):
        super().__init__(level)
        self.target = target
        self.setFormatter(_Message())  # basicConfig() would set one that repeats the level and the logger

    def handle(self, record):
        passed = self.filter(record)
        if isinstance(passed, logging.LogRecord):
            record = passed
        if passed:
            self.emit(record)
        return passed

    def emit(self, record):
        try:
            if record.threadName != getattr(self._thread, "name", None):
                self._thread.name = record.threadName
                set_thread_name(record.threadName or "")
            fields = self.fields_of(record)
            log(self.level_of(record.levelno), self.target_of(record.name), self.format(record), fields)
        except Exception:
            self.handleError(record)

    def flush(self):
        _flush(5000)  # without an exception: in a callback it only says that it can't

    @staticmethod
    def level_of(number):
        for least, level in ((logging.ERROR, ERROR), (logging.WARNING, WARN), (logging.INFO, INFO), (logging.DEBUG, DEBUG)):
            if number >= least:
                return level
        return TRACE

    def target_of(self, name):
        return self.target if name == "root" else f"{self.target}::{name.replace('.', '::')}"

    def fields_of(self, record):
        fields = {"module": record.module, "function": record.funcName, "line": record.lineno}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            fields["exception_type"] = type(error).__qualname__
            fields["exception_message"] = str(error)
            fields["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        if record.stack_info:
            fields["stack"] = record.stack_info
        fields.update((name, value) for name, value in vars(record).items() if name not in self._standard)
        return fields
