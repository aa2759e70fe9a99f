/*
 * logfusion for Node.js: the C functions through koffi, and what a program of Node needs around them.
 *
 *     const logfusion = require('./logfusion.js');
 *     logfusion.init({ output: 'app.log', format: logfusion.FORMAT_JSON });
 *     logfusion.logUncaught();
 *     logfusion.logRequests(server);
 *
 * Needs Node.js 18 or later, koffi (`npm ci` beside this file) and liblogfusion.so: the path in LOGFUSION_LIBRARY, or else
 * the release build of the repository that this file is in. `include/logfusion.h` is the manual of every function that is
 * bound here under its name without the prefix, with the prototype of the header; this text says what Node adds.
 *
 * Text        Strings become UTF-8 (a lone surrogate U+FFFD), null is NULL. C text ends at a NUL, so a NUL inside becomes
 *             \0. Texts of fields, in log(), keep it.
 * Threads     Every function is synchronous and may be called from any Worker that loads this module; all use the one
 *             engine of the process. Log calls never wait. flush(), shutdown() and unregister_log_callback() do, and
 *             flushed() is a flush that leaves the event loop running.
 * Callbacks   The engine calls back on its drain thread, which may not run JavaScript. koffi queues such a call to the event
 *             loop of the thread that registered the function with koffi, and HOLDS THE DRAIN until that loop has run
 *             it. If that were the main thread's loop, then
 *               - a synchronous flush or unregister on it would wait for the drain, which waits for it: a deadlock;
 *               - process.exit() or the end of the program with a call in flight would leave the drain behind for
 *                 good: records are lost, and the call that comes next aborts the process (seen with koffi 3.3.4).
 *             So koffi's functions belong to a Worker of this module's own, the listener, started by the first registration.
 *             Its loop does nothing but pass records on in a message, so the drain goes on at once. Your function is
 *             called on the thread that registered it, one call at a time: from its event loop, and by flush(),
 *             log_with_callback() and close() before they return. It may call anything here; inside it those three leave
 *             the calls to the event loop. What it throws is an uncaught error, as in an event listener, or comes out of
 *             these three. A registration keeps no program from ending, and what is not handed out yet when it is
 *             unregistered or replaced is dropped: flush() first to have it all.
 * The end     close() does it in the one order that is safe: flush, so that all reach the callbacks; unregister them (the
 *             engine waits until none runs); shut down; hand out the messages that have come. It runs by itself at the
 *             `exit` event: after the last event, process.exit() or an uncaught error; the listener still runs then. Not
 *             after process.abort() or a signal without a listener. A Worker that registered callbacks calls close()
 *             before anyone terminates it: Worker.terminate() emits no `exit` in it.
 */
'use strict';

const path = require('node:path');
const { performance } = require('node:perf_hooks');
const { MessageChannel, Worker, isMainThread, receiveMessageOnPort, workerData } = require('node:worker_threads');
const koffi = require('koffi');

const ERROR = 1, WARN = 2, INFO = 3, DEBUG = 4, TRACE = 5;
const FORMAT_TEXT = 0, FORMAT_LOGFMT = 1, FORMAT_JSON = 2;
const VERSION = '0.1'; // the versions 0.1.x of the library have the ABI that is bound here

// --------------------------------------------------------------------------------------------------------- The library

const root = path.resolve(__dirname, '..', '..');
const libraryPath = process.env.LOGFUSION_LIBRARY ||
    path.resolve(root, process.env.CARGO_TARGET_DIR || 'target', 'release', 'liblogfusion.so');
const library = koffi.load(libraryPath);

const logCallback = koffi.proto('logfusion_log_callback_function', 'void', ['int', 'const char *', 'const char *', 'void *']);
koffi.alias('logfusion_log_callback', koffi.pointer(logCallback));
const operationCallback = koffi.proto('logfusion_operation_callback_function', 'void', ['int', 'int', 'const char *']);
koffi.alias('logfusion_operation_callback', koffi.pointer(operationCallback));

koffi.struct('logfusion_field', {
    name: 'const char *',
    type: 'int',
    reserved: 'int',
    value: koffi.union({
        i64: 'int64_t',
        u64: 'uint64_t',
        f64: 'double',
        boolean: 'int',
        text: koffi.struct({ data: 'const char *', length: 'size_t' }),
    }),
});

const config = koffi.struct('logfusion_config', {
    size: 'size_t',
    filter: 'const char *',
    output: 'const char *',
    drain_name: 'const char *',
    rotate_bytes: 'uint64_t',
    keep_files: 'size_t',
    ring_bytes: 'size_t',
    rings_max_bytes: 'size_t',
    format: 'int',
    color: 'int',
    rotate: 'int',
    overflow: 'int',
    block_ms: 'int',
    idle_us: 'int',
    wake_on_half_full: 'int',
    wake_on_error: 'int',
    drain: 'int',
    drain_pinned: 'int',
    drain_cpu: 'int',
    drain_priority: 'int',
    global_default: 'int',
    clock: 'int',
    span_close: 'int',
});

function asText(value) {
    if (Array.isArray(value)) {
        return value.map(asText);
    }
    return typeof value === 'string' && value.includes('\0') ? value.replaceAll('\0', '\\0') : value;
}

const c = {}; // the functions, by their names without the prefix
for (const prototype of `
    const char *logfusion_version(void)
    const char *logfusion_status_text(int status)
    int logfusion_init(void)
    int logfusion_init_with(const logfusion_config *config)
    void logfusion_shutdown(void)
    int logfusion_flush(int timeout_ms)
    int logfusion_log_fields(int level, const char *target, const char *message, const logfusion_field *fields, size_t count)
    size_t logfusion_last_error(char *buffer, size_t size)
    void logfusion_clear_last_error(void)
    int logfusion_enabled(int level, const char *target)
    int logfusion_set_filter(const char *directives)
    int logfusion_set_thread_name(const char *name)
    void logfusion_log_info(const char *message)
    void logfusion_log_warning(const char *message)
    void logfusion_log_error(const char *message, int error_code)
    void logfusion_log_user_action(int user_id, const char *action, double timestamp, int success)
    void logfusion_log_database_operation(const char *operation, const char *table_name, int rows_affected, double duration_ms, int error_code)
    void logfusion_log_http_request(const char *method, const char *url, int status_code, double response_time_ms, int content_length)
    void logfusion_python_log_info(const char *message, const char *module)
    void logfusion_python_log_function_call(const char *function_name, const char *module_name, double duration_seconds, int args_count)
    void logfusion_python_log_exception(const char *exception_type, const char *exception_message, const char *traceback, const char *module_name)
    void logfusion_nodejs_log_request(const char *method, const char *url, int status_code, double response_time_ms, const char *user_agent)
    void logfusion_nodejs_log_error(const char *error_name, const char *error_message, const char *stack_trace, const char *file_name, int line_number)
    void logfusion_nodejs_log_performance(const char *operation, double duration_ms, double memory_used_mb, double cpu_time_ms)
    int logfusion_register_log_callback(const char *target, logfusion_log_callback callback, void *context)
    int logfusion_unregister_log_callback(const char *target)
    void logfusion_log_with_callback(int level, const char *target, const char *message)
    int logfusion_safe_log_message(int level, const char *target, const char *message, const char *const *keys, const char *const *values, int count)
    char *logfusion_allocate_log_buffer(int size)
    void logfusion_free_log_buffer(char *buffer, int size)
    void logfusion_fast_log(int level, const char *message)
    int logfusion_batch_log(const char *const *messages, const int *levels, int count)
    int logfusion_get_ffi_performance_stats(_Out_ int *total_calls, _Out_ int *avg_time_ns)
    int logfusion_get_last_error(char *buffer, int buffer_size)
    int logfusion_process_data_with_error_handling(const char *input, char *output, int output_size)
    int logfusion_safe_ffi_function(const char *pointer)
    int logfusion_async_operation(int operation_id, logfusion_operation_callback callback)
`.trim().split('\n')) {
    const name = /logfusion_(\w+)\(/.exec(prototype)[1];
    // char * is a buffer of bytes here, not a text that ends at its NUL.
    const native = library.func(prototype.replace(/(?<!const )char \*/g, 'uint8_t *'));
    c[name] = prototype.includes('(const char *') || prototype.includes(', const char *')
        ? (...values) => native(...values.map(asText))
        : native;
}

if (c.version().replace(/\.\d+$/, '') !== VERSION) {
    throw new Error(`${libraryPath} has version ${c.version()}, not ${VERSION}.x`);
}

// ---------------------------------------------------------------------------------------------------------- The engine

function checked(status) {
    if (status < 0) {
        throw Object.assign(new Error(`${c.status_text(status)} (${status}): ${last_error()}`), { status });
    }
    return status;
}

/* The text that `call` writes to a buffer of `size` bytes. */
function textOf(size, call) {
    const buffer = Buffer.alloc(size);
    checked(Number(call(buffer, size)));
    return buffer.toString('utf8', 0, buffer.indexOf(0));
}

/* The calling thread's last error, or ''. */
function last_error() {
    return textOf(Number(c.last_error(null, 0)) + 1, c.last_error);
}

/* The same through the guide's function: at most size - 1 bytes of it. */
function get_last_error(size = 1024) {
    return textOf(size, c.get_last_error);
}

function process_data_with_error_handling(text, size = 4096) {
    return textOf(size, (buffer, room) => c.process_data_with_error_handling(text, buffer, room));
}

/* Calls of fast_log, and their mean cost in ns. */
function get_ffi_performance_stats() {
    const calls = [0], nanoseconds = [0];
    checked(c.get_ffi_performance_stats(calls, nanoseconds));
    return [calls[0], nanoseconds[0]];
}

/* Starts the engine; the settings are the members of logfusion_config. The environment (LOGFUSION_…) wins over them. */
function init(settings) {
    return checked(settings ? c.init_with({ ...settings, size: koffi.sizeof(config) }) : c.init());
}

/* Waits until everything logged before is delivered and written, and calls the functions registered on this thread. */
function flush(timeoutMs = 5000) {
    const status = c.flush(timeoutMs);
    handOut();
    return checked(status);
}

/* The same as a promise: nothing waits but who awaits it. */
function flushed() {
    return new Promise((resolve, reject) => {
        try {
            async_operation(() => resolve());
        } catch (error) {
            reject(error);
        }
    });
}

/* Delivers every record and stops the drain. The next record starts it again. */
function shutdown() {
    c.shutdown();
    handOut();
}

/* Flushes, unregisters this thread's callbacks and, on the main thread, shuts down. Runs by itself at the `exit` event. */
function close() {
    c.flush(5000);
    for (const target of targets.keys()) {
        c.unregister_log_callback(target);
    }
    targets.clear();
    if (isMainThread) {
        c.shutdown();
    }
    try {
        calling = false; // process.exit() may have been called inside one
        handOut();
    } finally {
        functions.clear();
        operations.clear();
        listener?.port.removeAllListeners('message');
        listener?.port.postMessage('close');
        listener = null;
    }
}

process.on('exit', close);

// ------------------------------------------------------------------------------------------------------------- Logging

function asField(name, value) {
    switch (typeof value) {
        case 'boolean':
            return { name, type: 4, reserved: 0, value: { boolean: value ? 1 : 0 } };
        case 'number':
            return Number.isSafeInteger(value) && !Object.is(value, -0)
                ? { name, type: 1, reserved: 0, value: { i64: value } }
                : { name, type: 3, reserved: 0, value: { f64: value } };
        case 'bigint':
            if (value === BigInt.asIntN(64, value)) {
                return { name, type: 1, reserved: 0, value: { i64: value } };
            }
            if (value === BigInt.asUintN(64, value)) {
                return { name, type: 2, reserved: 0, value: { u64: value } };
            }
    }
    const data = String(value);
    return { name, type: 6, reserved: 0, value: { text: { data, length: Buffer.byteLength(data) } } };
}

/* Logs with fields of their own type: boolean, integer, other number; anything else as its String(). Returns the status. */
function log(level, target, message, fields = {}) {
    const list = Object.entries(fields).map(([name, value]) => asField(name, value));
    return c.log_fields(level, target, message, list, list.length);
}

/* As log(), every value a text, checked. `pairs`: [key, value] pairs. Returns the status. */
function safe_log_message(level, target, message, pairs = []) {
    const keys = pairs.map(([key]) => key), values = pairs.map(([, value]) => value);
    return c.safe_log_message(level, target, message, keys, values, pairs.length);
}

/* Logs [level, message] pairs; returns how many were accepted. */
function batch_log(entries) {
    return c.batch_log(entries.map(([, message]) => message), entries.map(([level]) => level), entries.length);
}

/* nodejs_log_error with what the error says; file and line are those of the topmost frame of its stack. */
function logError(error) {
    if (!(error instanceof Error)) {
        c.nodejs_log_error(typeof error, String(error), null, null, 0);
        return;
    }
    const [, file = null, line = 0] = /^ +at (?:.*\()?(?:file:\/\/)?(.*?):(\d+):\d+\)?$/m.exec(error.stack ?? '') ?? [];
    c.nodejs_log_error(error.name, error.message, error.stack ?? null, file, Number(line));
}

/* Logs what would end the program: uncaught errors and unhandled rejections. It ends all the same, as Node ends it. */
function logUncaught() {
    process.on('uncaughtExceptionMonitor', logError);
}

/* Logs each request of an http.Server when its response is done. */
function logRequests(server) {
    server.on('request', (request, response) => {
        const begin = performance.now();
        response.once('close', () => {
            const { method, url, headers } = request;
            c.nodejs_log_request(method, url, response.statusCode, performance.now() - begin, headers['user-agent'] ?? null);
        });
    });
    return server;
}

/* Awaits work() and logs with nodejs_log_performance what it took; memory is what is resident afterwards. */
async function measured(operation, work) {
    const begin = performance.now(), cpu = process.cpuUsage();
    try {
        return await work();
    } finally {
        const { user, system } = process.cpuUsage(cpu), duration = performance.now() - begin;
        c.nodejs_log_performance(operation, duration, process.memoryUsage.rss() / 2 ** 20, (user + system) / 1000);
    }
}

// ----------------------------------------------------------------------------------------------------------- Callbacks

/* The listener: posts [number, …arguments] for each call; the number is a registration's context or an operation's id. */
function listen({ port, shared }) {
    const functions = [
        koffi.register((level, target, message, context) => port.postMessage([Number(context), level, target, message]),
            koffi.pointer(logCallback)),
        koffi.register((id, status, result) => port.postMessage([id, status, result]), koffi.pointer(operationCallback)),
    ];
    port.once('message', () => { // close: the engine calls neither any more
        functions.forEach(koffi.unregister);
        port.close();
    });
    functions.forEach((address, index) => Atomics.store(shared, index + 1, address));
    Atomics.store(shared, 0, 1n);
    Atomics.notify(shared, 0);
}

let listener = null; // { port, onRecord, onOperation } when started
let numbers = 0;
const functions = new Map(); // number → function
const targets = new Map(); // target → number of its registration
const operations = new Set(); // numbers of operations under way
let calling = false; // inside one of the functions

function startListener() {
    if (listener) {
        return listener;
    }
    const { port1, port2 } = new MessageChannel();
    const shared = new BigInt64Array(new SharedArrayBuffer(24)); // 1n when started, and the two functions' addresses
    const worker = new Worker(__filename, {
        name: 'logfusion-listener',
        workerData: { logfusionListener: { port: port2, shared } },
        transferList: [port2],
        execArgv: [],
    });
    worker.unref();
    if (Atomics.wait(shared, 0, 0n, 30000) === 'timed-out') {
        throw new Error('the listener does not start');
    }
    port1.on('message', call);
    port1.unref();
    listener = { port: port1, onRecord: shared[1], onOperation: shared[2] };
    return listener;
}

function call([number, ...values]) {
    const found = functions.get(number);
    if (operations.delete(number)) {
        functions.delete(number);
        if (operations.size === 0) {
            listener?.port.unref();
        }
    }
    const outer = calling;
    calling = true;
    try {
        found?.(...values);
    } finally {
        calling = outer;
    }
}

/* Makes the calls whose messages have come, but inside none of them. */
function handOut() {
    for (let next; listener && !calling && (next = receiveMessageOnPort(listener.port)); ) {
        call(next.message);
    }
}

/* Calls listener(level, target, message) for each record of the target; see "Callbacks" above. */
function register_log_callback(target, listener) {
    const { onRecord } = startListener();
    const number = ++numbers;
    functions.set(number, listener);
    try {
        checked(c.register_log_callback(target, onRecord, BigInt(number)));
    } catch (error) {
        functions.delete(number);
        throw error;
    }
    functions.delete(targets.get(target));
    targets.set(target, number);
}

/* Ends it: when this returns, the function is never called again. */
function unregister_log_callback(target) {
    checked(c.unregister_log_callback(target));
    functions.delete(targets.get(target));
    targets.delete(target);
}

function log_with_callback(level, target, message) {
    c.log_with_callback(level, target, message);
    handOut();
}

/* Calls listener(status, text) when everything logged before is delivered. Returns the operation's number. */
function async_operation(listener) {
    const { port, onOperation } = startListener();
    const number = ++numbers;
    functions.set(number, listener);
    operations.add(number);
    port.ref(); // the program waits for it
    try {
        checked(c.async_operation(number, onOperation));
    } catch (error) {
        functions.delete(number);
        call([number]);
        throw error;
    }
    return number;
}

if (workerData?.logfusionListener) {
    process.off('exit', close);
    listen(workerData.logfusionListener);
}

module.exports = {
    ...c,
    ERROR, WARN, INFO, DEBUG, TRACE,
    FORMAT_TEXT, FORMAT_LOGFMT, FORMAT_JSON,
    async_operation, batch_log, close, flush, flushed, get_ffi_performance_stats, get_last_error, init, last_error, log,
    logError, logRequests, logUncaught, log_with_callback, measured, process_data_with_error_handling, register_log_callback,
    safe_log_message, shutdown, unregister_log_callback,
};
