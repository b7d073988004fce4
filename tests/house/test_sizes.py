"""A file holds one idea and a function one thought: neither grows beyond 300 lines, 60 lines and 10 parameters."""

import ast

import pytest
from places import ROOT

FILE, FUNCTION, PARAMETERS = 300, 60, 10
FILES_YET_LONG: set[str] = set()
FUNCTIONS_YET_LONG: set[str] = set()
"""Those that are yet to be split; none may be added."""


def functions(source):
    """Name, lines without the docstring, and parameters of each function that is not compiled by numba."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if any(word in ast.unparse(d) for d in node.decorator_list for word in COMPILED):
            continue
        lines = node.end_lineno - node.lineno + 1
        if ast.get_docstring(node) is not None:
            lines -= node.body[0].end_lineno - node.body[0].lineno + 1
        yield node.name, lines, len([*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs])


COMPILED = ("numba", "njit", "inner", "kept", "intrinsic")
"""How the decorators of compiled kernels are called: they take flat arguments, and are inlined by hand."""


def sources():
    package = ROOT / "lenscal"
    return {path.relative_to(package).as_posix(): path.read_text() for path in package.rglob("*.py")}


def test_no_file_is_long():
    long = {name for name, text in sources().items() if len(text.splitlines()) > FILE}
    assert long <= FILES_YET_LONG, f"over {FILE} lines: split {sorted(long - FILES_YET_LONG)} by idea"


def test_no_function_is_long():
    long = {
        f"{name}::{function}"
        for name, text in sources().items()
        for function, lines, _ in functions(text)
        if lines > FUNCTION
    }
    assert long <= FUNCTIONS_YET_LONG, f"over {FUNCTION} lines: {sorted(long - FUNCTIONS_YET_LONG)}"


def test_no_function_has_many_parameters():
    wide = {
        f"{name}::{function}"
        for name, text in sources().items()
        for function, _, parameters in functions(text)
        if parameters > PARAMETERS
    }
    assert not wide, f"more than {PARAMETERS} parameters: {sorted(wide)}"


@pytest.mark.parametrize(
    ("decorator", "counted"), [("", 1), ("@cached_property\n", 1), ("@numba.njit(inline='always')\n", 0)]
)
def test_lines_and_parameters_are_counted_without_the_docstring_and_outside_compiled_kernels(decorator, counted):
    made = list(functions(f'{decorator}def area(a, /, b, *, c):\n    """Two\n    lines."""\n    x = a\n    return x\n'))
    assert made == [("area", 3, 3)] * counted
