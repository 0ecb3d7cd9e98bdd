"""One word per concept: what the glossary bans does not appear in identifiers."""

import ast
import re
from pathlib import Path

import ml_assets

PACKAGE = Path(ml_assets.__file__).parent

BANNED = {
    "candidate",
    "staging",
    "production",
    "segment",
    "cohort",
    "ruleset",
    "expectations",
    "provenance",
    "ground_truth",
    "reject",
    "cutoff",
    "utils",
    "helpers",
    "common",
    "manager",
    "processor",
}


def identifiers(tree: ast.AST) -> set[str]:
    """Every name that a module defines or binds."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def words(identifier: str) -> set[str]:
    """Parts of a name, split at underscores and capitals, and the whole."""
    parts = re.findall(r"[A-Z]?[a-z]+", identifier)
    return {part.lower() for part in parts} | {identifier.lower()}


def test_identifiers_keep_to_the_glossary():
    found = [
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for name in sorted(identifiers(ast.parse(path.read_text())))
        if words(name) & BANNED
    ]

    assert found == []


def test_swallows_no_unknown_error():
    broad = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
        and ast.unparse(node.body[-1]) != "raise"
    ]

    assert broad == []
