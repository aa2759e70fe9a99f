"""Runs the tests of this directory, as ci/lang does; give names (test_python, test_nodejs.Exit) to run only those.

LOGFUSION_LIBRARY is the library to test; NODE_PATH leads to koffi.
"""

import pathlib
import sys
import unittest

here = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
loader = unittest.defaultTestLoader
if names := sys.argv[1:]:
    sys.path.insert(0, str(here))
    suite = loader.loadTestsFromNames(names)
else:
    suite = loader.discover(str(here))
result = unittest.TextTestRunner(verbosity=2).run(suite)
failed = len(result.failures) + len(result.errors)
passed = max(result.testsRun - failed - len(result.skipped), 0)
print(f"lang: {passed} passed, {max(failed, passed == 0)} failed")
sys.exit(failed > 0 or passed == 0)
