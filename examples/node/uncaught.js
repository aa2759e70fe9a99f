/* Ends with an uncaught error, or with `reject` as its argument with an unhandled rejection: logged before Node ends it. */
'use strict';

const logfusion = require('./logfusion.js');

class SaveError extends Error {
    name = 'SaveError';
}

logfusion.logUncaught();
logfusion.register_log_callback('nodejs', (level, target, message) => console.log(JSON.stringify([level, target, message])));

function save() {
    throw new SaveError('the disk is full');
}

if (process.argv[2] === 'reject') {
    Promise.reject(new SaveError('nobody catches it'));
} else {
    setTimeout(save, 1);
}
