/* The smallest complete program: settings, fields, an HTTP request, a flush. Writes hello.log. */
const http = require('node:http');
const logfusion = require('./logfusion.js');

logfusion.init({ filter: 'info,nodejs::net=debug', output: 'hello.log' });
logfusion.logUncaught();
logfusion.log(logfusion.DEBUG, 'nodejs::net', 'listening', { host: '127.0.0.1', backlog: 16 });

const server = logfusion.logRequests(http.createServer((request, response) => response.end('hello\n')));
server.listen(0, '127.0.0.1', async () => {
    const { port } = server.address();
    console.log(await (await fetch(`http://127.0.0.1:${port}/hello`, { headers: { 'user-agent': 'hello/1' } })).text());
    server.closeAllConnections();
    server.close(() => logfusion.flush());
});
