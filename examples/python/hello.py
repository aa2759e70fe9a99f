"""The smallest complete program: settings, the standard logging module, an exception, a flush. Writes hello.log."""

import logging

import logfusion

logfusion.init(filter="info,python::net=debug", output="hello.log")
logging.basicConfig(level=logging.DEBUG, handlers=[logfusion.Handler()])

logging.getLogger("net").debug("connected", extra={"peer": "10.0.0.7:4000", "rtt_us": 18250})
try:
    [][1]
except IndexError:
    logging.exception("no second player")

logfusion.python_log_function_call("load_level", __name__, 0.25, 2)
logfusion.flush()
