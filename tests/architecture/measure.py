#!/usr/bin/env python3
"""How large the pieces of a Rust program are, and how much of it is explained: `make measure`.

    tests/architecture/measure.py [NAME=DIRECTORY...]    of others, for comparison

Of production code alone: files and modules of tests are left out. Lines count as they stand, comments and all.
"""

import re
import statistics
import sys
from pathlib import Path

FUNCTION = re.compile(r"^\s*(?:pub(?:\([^)]*\))? )?(?:default )?(?:const )?(?:async )?(?:unsafe )?(?:extern \"[^\"]*\" )?fn \w")
TYPE = re.compile(r"^\s*(?:pub(?:\([^)]*\))? )?(?:struct|enum|union|trait) (\w+)")
PUBLIC = re.compile(r"^\s*pub(?:\([^)]*\))? (?:const |static |async |unsafe |extern \"[^\"]*\" )*(?:fn|struct|enum|union|trait|type|const|static|mod) ?\w*")
LITERAL = re.compile(r"//[^\n]*|r(#*)\".*?\"\1|b?\"(?:\\.|[^\"\\])*\"|b?'(?:\\.[^']*|[^\\'])'", re.S)


def blank(text):
    """The text without what is in strings and comments, line for line."""
    return LITERAL.sub(lambda it: re.sub(r"[^\n]", " ", it.group()), text)


def end(lines, first):
    """The last line of the item that begins on `first`."""
    depth = 0
    for number in range(first, len(lines)):
        for char in lines[number]:
            depth += (char in "{([") - (char in "})]")
            if depth == 0 and char in "};":
                return number
    return len(lines) - 1


def production(path):
    """The lines of a file without its modules of tests, as written and as code."""
    text = path.read_text()
    lines, code = text.split("\n"), blank(text).split("\n")
    kept, number = [], 0
    while number < len(lines):
        if re.match(r"\s*#\[cfg\((?:all\()?test", lines[number]):
            item = number + 1
            while code[item].strip().startswith("#["):
                item += 1
            number = end(code, item) + 1
            continue
        kept.append((lines[number], code[number]))
        number += 1
    while kept and not kept[-1][0].strip():
        kept.pop()
    return kept


def measure(directory):
    files = [it for it in sorted(Path(directory).rglob("*.rs")) if not {"tests", "tests.rs", "testing.rs", "sample.rs"} & set(it.parts)]
    file_lines, functions, names, public, documented = [], [], {}, 0, 0
    for path in files:
        kept = production(path)
        file_lines.append(len(kept))
        lines, code = [line for line, _ in kept], [line for _, line in kept]
        for number, line in enumerate(code):
            if FUNCTION.match(line):
                last = end(code, number)
                if "{" in "".join(code[number : last + 1]):
                    functions.append(last - number + 1)
            if found := TYPE.match(line):
                names.setdefault(found.group(1), []).append(path)
            if PUBLIC.match(line):
                public += 1
                above = number - 1
                while above >= 0 and lines[above].strip().startswith(("#[", ")]")):
                    above -= 1
                inner = lines[number].rstrip().endswith(";") and " mod " in line
                documented += inner or lines[above].strip().startswith("///")
    # An `Error` of a module is idiomatic.
    twice = sorted(name for name, places in names.items() if len(places) > 1 and name != "Error")
    return {
        "files": len(files),
        "lines": sum(file_lines),
        "files, lines: median / p90 / max": spread(file_lines),
        "functions, lines: median / p90 / max": spread(functions),
        "public items documented": f"{100 * documented // max(public, 1)} %",
        "type names used for two or more things": f"{len(twice)} of {len(names)}",
    }


def spread(numbers):
    return f"{statistics.median(numbers):.0f} / {statistics.quantiles(numbers, n=10)[-1]:.0f} / {max(numbers)}"


def main():
    trees = dict(word.split("=", 1) for word in sys.argv[1:])
    trees = {"certwatch": Path(__file__).parents[2] / "src", **trees}
    columns = {name: measure(directory) for name, directory in trees.items()}
    print("| |", " | ".join(columns), "|")
    print("|---" * (len(columns) + 1) + "|")
    for row in next(iter(columns.values())):
        print("|", row, "|", " | ".join(str(it[row]) for it in columns.values()), "|")


main()
