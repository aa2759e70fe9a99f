/*
 * Calls every function of logfusion.js, logs the requests of an HTTP server on loopback and from Workers, and receives
 * records in callbacks.
 *
 * Prints one JSON object: what the calls returned and what the callbacks were given. tests/lang/test_nodejs.py compares
 * it with the output. With LOGFUSION_OUTPUT=demo.json and LOGFUSION_FORMAT=json that is a file of JSON lines.
 */
'use strict';

const http = require('node:http');
const { once } = require('node:events');
const { Worker, isMainThread, workerData } = require('node:worker_threads');
const logfusion = require('./logfusion.js');

const WORKERS = 3, EACH = 250;

function everyFunction(report) {
    logfusion.log_info('an info');
    logfusion.log_warning('a warning');
    logfusion.log_error('an error', 42);
    logfusion.log_user_action(7, 'login', 1700000000.5, 1);
    logfusion.log_database_operation('SELECT', 'users', 3, 1.5, 0);
    logfusion.log_database_operation('INSERT', 'users', 0, 2.5, 19);
    logfusion.log_http_request('GET', '/index.html', 200, 12.25, 5120);
    logfusion.python_log_info('from Node', 'app');
    logfusion.python_log_function_call('compute', 'app.math', 0.125, 3);
    logfusion.python_log_exception('KeyError', null, null, null);
    logfusion.nodejs_log_request('POST', '/api', 201, 4.5, 'curl/8');
    logfusion.nodejs_log_request('GET', '/', 304, 0.75, null);
    logfusion.nodejs_log_error('TypeError', 'x is not a function', 'at f\n at g', 'app.js', 17);
    logfusion.nodejs_log_error('Error', null, null, null, 0);
    logfusion.nodejs_log_performance('parse', 4.5, 64.25, 3.5);
    logfusion.fast_log(logfusion.WARN, 'fast');
    logfusion.fast_log(logfusion.INFO, 'as fast');
    report.performance = logfusion.get_ffi_performance_stats();
    report.batch = logfusion.batch_log([[logfusion.ERROR, 'first'], [logfusion.INFO, null], [logfusion.WARN, 'third']]);
    const pairs = [['key', '1'], ['other', 'zwei'], ['key', '2']];
    report.safe = logfusion.safe_log_message(logfusion.WARN, 'app::safe', 'grüße', pairs);
    report.safeNull = logfusion.safe_log_message(logfusion.INFO, null, 'no target');
    report.log = logfusion.log(logfusion.INFO, 'app::typed', 'typed', {
        yes: true, small: -5, big: 2n ** 64n - 1n, huge: 2n ** 64n, ratio: 0.5, text: 'a\0b', none: null,
    });
    report.nul = logfusion.log(logfusion.INFO, 'app::typed', 'a\0b');
    report.surrogate = logfusion.log(logfusion.INFO, 'app::typed', 'lone \ud800 surrogate');
    report.enabled = [logfusion.enabled(logfusion.INFO, 'app'), logfusion.enabled(logfusion.TRACE, 'app')];

    const buffer = logfusion.allocate_log_buffer(64);
    logfusion.free_log_buffer(buffer, 64);
    report.buffer = [buffer !== null, logfusion.allocate_log_buffer(0)];
    report.processed = logfusion.process_data_with_error_handling('größe');
    logfusion.clear_last_error();
    report.noError = [logfusion.last_error(), logfusion.get_last_error()];
    report.safeFfi = [logfusion.safe_ffi_function('x'), logfusion.safe_ffi_function(null)];
    report.error = [logfusion.last_error(), logfusion.get_last_error(), logfusion.get_last_error(5)];
    try {
        logfusion.process_data_with_error_handling('does not fit', 4);
    } catch (error) {
        report.tooSmall = error.status;
    }
}

async function requests() {
    const server = http.createServer((request, response) => {
        request.resume();
        response.statusCode = request.url === '/missing' ? 404 : 200;
        response.end('done\n');
    });
    logfusion.logRequests(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');

    const { port } = server.address();
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const send = async (method, path, headers = {}) => {
        const request = http.request({ port, method, path, headers, agent }).end(method === 'GET' ? '' : 'body');
        const [response] = await once(request, 'response');
        await once(response.resume(), 'end');
    };
    await send('POST', '/items?page=2', { 'user-agent': 'demo/1.0' });
    await send('GET', '/missing');
    const many = Array.from({ length: 20 }, (_, index) => send('PUT', `/items/${index}`, { 'user-agent': 'demo/1.0' }));
    await Promise.all(many);
    agent.destroy();
    server.close();
    await once(server, 'close');
}

async function errors() {
    try {
        null.length;
    } catch (error) {
        logfusion.logError(error);
    }
    logfusion.logError('only a string');
    await logfusion.measured('sleep', () => new Promise((resolve) => setTimeout(resolve, 20)));
}

/* Each Worker logs on its own thread; the records of one keep their order. */
async function fromWorkers() {
    const workers = Array.from({ length: WORKERS }, (_, number) => new Worker(__filename, { workerData: { number } }));
    await Promise.all(workers.map((worker) => once(worker, 'exit')));
}

function work(number) {
    logfusion.set_thread_name(`worker-${number}`);
    for (let index = 0; index < EACH; index++) {
        logfusion.log(logfusion.INFO, 'nodejs::worker', 'step', { worker: number, index });
    }
}

/* Nothing comes after unregister; flush() and log_with_callback() make the calls before they return. */
async function callbacks(report) {
    const received = report.received = [];
    logfusion.register_log_callback('game', (...record) => received.push(record));
    logfusion.register_log_callback('game::net', (...record) => received.push(['net', ...record]));
    for (let level = 1; level <= 5; level++) {
        logfusion.log(level, 'game', `level ${level}`);
    }
    logfusion.log(logfusion.INFO, 'gamepad', 'of another target');
    logfusion.log(logfusion.INFO, 'game::net', 'of both');
    logfusion.flush();
    logfusion.log_with_callback(2, 'game', 'at once');
    report.atOnce = received.at(-1);
    logfusion.register_log_callback('game', (...record) => received.push(['second', ...record]));
    logfusion.log(logfusion.INFO, 'game', 'of the second');
    logfusion.flush();
    logfusion.unregister_log_callback('game');
    logfusion.unregister_log_callback('game::net');
    logfusion.log(logfusion.INFO, 'game', 'of nobody');
    logfusion.flush();
    try {
        logfusion.unregister_log_callback('game');
    } catch (error) {
        report.unregisteredTwice = error.status;
    }

    const order = report.order = [];
    logfusion.register_log_callback('order', (level, target, message) => order.push(message));
    for (let index = 0; index < 100; index++) {
        logfusion.log(logfusion.INFO, 'order', String(index));
    }
    report.operation = await new Promise((resolve) => {
        const number = logfusion.async_operation((status, text) => {
            order.push([status, text]);
            resolve(number);
        });
    });
    logfusion.log(logfusion.INFO, 'order', 'the last');
    await logfusion.flushed();
    report.flushed = order.at(-1);
    logfusion.unregister_log_callback('order');
}

/* Registered and unregistered again and again while a Worker logs. */
async function underLoad(report) {
    const counts = report.load = { called: 0, late: 0 };
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(__filename, { workerData: { stop } });
    const ended = once(worker, 'exit');
    let registered = false;
    for (let round = 0; round < 100; round++) {
        const before = counts.called;
        registered = true;
        logfusion.register_log_callback('load', () => {
            counts.called += 1;
            counts.late += registered ? 0 : 1;
            logfusion.log(logfusion.DEBUG, 'inside', 'a callback may log');
        });
        while (counts.called === before) {
            await new Promise(setImmediate); // the calls come from the event loop
        }
        logfusion.unregister_log_callback('load');
        registered = false;
    }
    Atomics.store(stop, 0, 1);
    await ended;
}

async function main() {
    const report = {};
    logfusion.init({ filter: 'debug,load=off,inside=off' });
    logfusion.logUncaught();
    everyFunction(report);
    await requests();
    await errors();
    await fromWorkers();
    await callbacks(report);
    await underLoad(report);
    console.log(JSON.stringify(report));
    // One more, still registered and with a call in flight at the end: close(), which runs at exit, sees to it.
    logfusion.register_log_callback('last', (...record) => console.log(JSON.stringify({ last: record })));
    logfusion.log(logfusion.INFO, 'last', 'at the end');
}

if (isMainThread) {
    main();
} else if (workerData.stop) {
    while (!Atomics.load(workerData.stop, 0)) {
        logfusion.log_with_callback(logfusion.INFO, 'load', 'x');
        logfusion.log(logfusion.INFO, 'load', 'x');
    }
} else {
    work(workerData.number);
}
