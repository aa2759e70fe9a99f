"""What the tests of the examples share: running one, comparing its records, and reading the C header."""

import json
import os
import pathlib
import re
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT = 60  # seconds for one program: a hang is a failure


class Run:
    """A program that ran in a directory of its own, and what it wrote.

    `output` None leaves LOGFUSION_OUTPUT unset; the records are then read from the file `written`.
    """

    def __init__(self, *command, output="out.json", written=None, status=0, environment=()):
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("LOGFUSION_", "RUST_LOG"))}
        clean |= {"LOGFUSION_LIBRARY": os.environ["LOGFUSION_LIBRARY"], "LOGFUSION_FORMAT": "json"}
        clean |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT / "examples/python")}
        clean |= dict(environment)
        if output:
            clean["LOGFUSION_OUTPUT"] = output
        with tempfile.TemporaryDirectory() as scratch:
            done = subprocess.run(
                [str(part) for part in command],
                cwd=scratch,
                env=clean,
                capture_output=True,
                encoding="utf-8",
                stdin=subprocess.DEVNULL,
                timeout=LIMIT,
            )
            self.stdout, self.stderr = done.stdout, done.stderr
            if done.returncode != status:
                raise AssertionError(f"{command} ended with {done.returncode}\n{self.stdout[-4000:]}\n{self.stderr[-4000:]}")
            text = (pathlib.Path(scratch) / (written or output)).read_text(encoding="utf-8")
        self.records = [json.loads(line) for line in text.splitlines()]
        self.of_engine = [record for record in self.records if record["target"] == "logfusion"]
        self.of_program = [record for record in self.records if record["target"] != "logfusion"]

    def by_thread(self):
        threads = {}
        for record in self.of_program:
            threads.setdefault(record["threadId"], []).append(record)
        return threads

    def last_errors(self):
        return [record["fields"]["ffi_error"] for record in self.of_engine if "ffi_error" in record["fields"]]


def same(expected, got):
    """Equal with types and, in objects, the order of the keys: 1, 1.0 and true differ. A function decides itself."""
    if callable(expected):
        return bool(expected(got))
    if isinstance(expected, dict) and isinstance(got, dict):
        return list(expected) == list(got) and all(same(expected[name], got[name]) for name in expected)
    return json.dumps(expected) == json.dumps(got)


def shown(record):
    return json.dumps([record["level"], record["target"], record["fields"]], ensure_ascii=False)


def expect(test, records, expected):
    """The records are exactly these (level, target, message, fields), in this order."""
    for index, record in enumerate(records):
        if index >= len(expected):
            test.fail(f"one more than expected: {shown(record)}")
        level, target, message, *fields = expected[index]
        fields = {"message": message, **(fields[0] if fields else {})}
        if (record["level"], record["target"]) != (level, target) or not same(fields, record["fields"]):
            test.fail(f"record {index}\n  is       {shown(record)}\n  expected {level} {target} {fields}")
    test.assertEqual(len(records), len(expected), f"the first missing one: {expected[len(records):][:1]}")


def number(least, most):
    """A float from `least` to `most`."""
    return lambda got: isinstance(got, float) and least <= got <= most


def one_of_each(test, run, name, count, each):
    """The threads "NAME-0" … have each logged their records 0 … in order, and nothing else."""
    found = {}
    for records in run.by_thread().values():
        if records[0]["threadName"].startswith(name):
            found[records[0]["threadName"]] = records
    test.assertEqual(sorted(found), [f"{name}-{number}" for number in range(count)])
    for thread, records in found.items():
        test.assertEqual({record["threadName"] for record in records}, {thread})
        test.assertEqual([record["fields"]["index"] for record in records], list(range(each)), thread)
        test.assertEqual({record["fields"]["worker"] for record in records}, {int(thread.rpartition("-")[2])})
    return found


# -------------------------------------------------------------------------------------------------------------- The header


def prototypes(name):
    """function → (result type, [parameter types], the whole prototype) of a header."""
    found = {}
    text = re.sub(r"/\*.*?\*/", "", (ROOT / "include" / name).read_text(encoding="utf-8"), flags=re.S)
    for match in re.finditer(r"^LOGFUSION_API ([^;(]*?)(\w+)\(([^;]*)\);", text, flags=re.M):
        result, function, parameters = (" ".join(part.split()) for part in match.groups())
        types = [] if parameters == "void" else [re.sub(r"\w+$", "", part).strip() for part in parameters.split(",")]
        star = "" if result.endswith("*") else " "
        found[function] = (result, types, f"{result}{star}{function}({parameters})")
    return found


def layout(struct):
    """(size, {member: offset}) as the header asserts them, members of members left out."""
    text = (ROOT / "include/logfusion.h").read_text(encoding="utf-8")
    size = re.search(rf"sizeof\({struct}\) == (\d+)", text)
    offsets = re.findall(rf"offsetof\({struct}, (\w+)\) == (\d+)", text)
    return int(size[1]), {name: int(offset) for name, offset in offsets}


def readme_samples(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.M | re.S)
