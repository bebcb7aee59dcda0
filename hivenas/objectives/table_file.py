"""Recorded tables of architectures: reading them, and refusing what is none."""

from __future__ import annotations

import csv
import functools
import gzip
import hashlib
import io
import math
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hivenas.config.costs import COSTS
from hivenas.core.files import user_path
from hivenas.core.nas.space.architecture import Chain, decode
from hivenas.errors import ArchitectureError, DatasetError

# Columns that are read where a table has them, beside its seeds; macs and flops are two names of the same.
_MACS = ("macs", "flops")
_FIGURES = ("params", *_MACS, "seconds", *(key for key, cost in COSTS.items() if not cost.known))
_MAGIC = b"\x1f\x8b"  # with which a gzip file begins


@dataclass(frozen=True)
class Table:
    """A recorded table; make one with `Table.read`. A row is known by its number, from 0.

    Args:
        path: the file.
        digest: a hash of its content, the same for a file and its compressed copy.
        columns: their names.
        architectures: the string of every row.
        components: what stands at every position, a row; of one length.
        depth: operations in the deepest architecture; entries after so many are skip connections.
        fitness: a row; larger is better.
        seeds: fitness of every seed (rows, seeds), nan where one was not recorded; without columns seed_… no seeds.
        figures: `params`, `macs`, `latency_ms`, `memory_mb` and `seconds` a row, those that the table has.
        rows: the row of an architecture.
        named: the row of some components.
    """

    path: Path
    digest: str
    columns: tuple[str, ...]
    architectures: Sequence[str]
    components: Sequence[tuple[str, ...]]
    depth: int
    fitness: NDArray[np.float64]
    seeds: NDArray[np.float64]
    figures: Mapping[str, NDArray[np.float64]]
    rows: Mapping[str, int] = field(repr=False)
    named: Mapping[tuple[str, ...], int] = field(repr=False)

    @classmethod
    def read(cls, path: str | Path) -> Table:
        """Reads a table.

        Args:
            path: a CSV file, compressed with gzip or not, with a header. Columns: architecture, fitness, and any of
                seed_0, seed_1, …, params, flops or macs, latency_ms, memory_mb, seconds; others are
                ignored. Architectures may differ in length. A relative path starts from the folder the command runs in.

        Raises:
            DatasetError: no such file, no table, a column that is missing, or a row that cannot be used, with its line.
        """
        return _Reader(Path(path)).table()

    @functools.cached_property
    def entries(self) -> tuple[tuple[str, ...], ...]:
        """The components that occur at every position, in the order of first occurrence."""
        return tuple(tuple(dict.fromkeys(column)) for column in zip(*self.components, strict=True))

    @functools.cached_property
    def codes(self) -> NDArray[np.int16]:
        """Components as their numbers in `entries` (rows, positions)."""
        codes = [{entry: code for code, entry in enumerate(each)} for each in self.entries]
        columns = zip(codes, zip(*self.components, strict=True), strict=True)
        return np.array([[code[entry] for entry in column] for code, column in columns], dtype=np.int16).T.copy()

    @staticmethod
    def decode(arch: str) -> Chain:
        """The operations and skip connections of an architecture, whatever the operations are called.

        Raises:
            ArchitectureError: malformed.
        """
        parts = arch.split("|")
        if not all(parts):
            raise ArchitectureError(f"an architecture must have no empty components, got {arch!r}")
        return decode(arch, [part for part in parts if not part.startswith("sc_")])

    def describe(self) -> dict[str, Any]:
        """Describe the table for a search's records: name, digest, columns and number of rows."""
        rows = len(self.architectures)
        return {"name": self.path.name, "digest": self.digest, "columns": list(self.columns), "rows": rows}


class _Reader:
    """Reads one file; errors name it, and the line where there is one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content = self._read()
        self._header, self._rows = self._split(csv.reader(io.StringIO(self._text(), newline="")))

    def table(self) -> Table:
        seeds = sorted((c for c in self._header if c.startswith("seed_")), key=lambda name: (len(name), name))
        architectures = [row[self._header["architecture"]] for _, row in self._rows]
        components, depth = self._components(architectures)
        columns = {name: self._numbers(name) for name in _FIGURES if name in self._header}
        macs = [columns.pop(name) for name in _MACS if name in columns]
        recorded = [self._numbers(name, may_miss=True) for name in seeds]
        return Table(
            path=self._path,
            digest=hashlib.sha256(self._content).hexdigest()[:16],
            columns=tuple(self._header),
            architectures=architectures,
            components=components,
            depth=depth,
            fitness=self._numbers("fitness"),
            seeds=np.stack(recorded, axis=1) if recorded else np.empty((len(architectures), 0)),
            figures=columns | ({"macs": macs[0]} if macs else {}),
            rows=self._index(architectures),
            named={each: row for row, each in enumerate(components)},
        )

    def _read(self) -> bytes:
        if not user_path(self._path).is_file():
            origin = "" if self._path.is_absolute() else f" in {Path.cwd()}, where the command runs"
            raise DatasetError(
                f"table.path must be an existing csv or csv.gz file, got {str(self._path)!r}{origin}; correct the path"
            )
        try:
            content = user_path(self._path).read_bytes()
            return gzip.decompress(content) if content.startswith(_MAGIC) else content
        except (OSError, EOFError, zlib.error) as error:
            raise DatasetError(f"the table {self._path} cannot be read ({error}); restore the file") from None

    def _text(self) -> str:
        try:
            return self._content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = self._content.count(b"\n", 0, error.start) + 1
            raise self._error(
                line, f"a table must be text in UTF-8, got the byte 0x{error.object[error.start]:02x}"
            ) from None

    def _split(self, lines: Any) -> tuple[dict[str, int], list[tuple[int, list[str]]]]:
        """The position of every column, and the rows with the lines on which they end."""
        try:
            header = [name.strip() for name in next(lines, [])]
            rows = [(lines.line_num, row) for row in lines if row]
        except csv.Error as error:
            raise self._error(lines.line_num, f"a table must be a csv file, got one with {error}") from None
        for name in ("architecture", "fitness"):
            if header.count(name) != 1:
                raise self._error(1, f"a table must have one column {name!r}, got {', '.join(header) or 'none'}")
        for name in header:
            if header.count(name) > 1:
                raise self._error(1, f"a table must name each column once, got {name!r} more than once")
        if not rows:
            raise self._error(1, "a table must have rows, got a header alone")
        for line, row in rows:
            if len(row) != len(header):
                raise self._error(line, f"a row must have the header's {len(header)} columns, got {len(row)}")
        return {name: position for position, name in enumerate(header)}, rows

    def _components(self, architectures: Sequence[str]) -> tuple[list[tuple[str, ...]], int]:
        split = [arch.split("|") for arch in architectures]
        with_skips = any("|sc_" in arch for arch in architectures)
        plain = not with_skips and len(set(map(len, split))) == 1 and len(split[0]) > 2
        if plain and all(parts[0] == "input" and parts[-1] == "output" and all(parts) for parts in split):
            return [tuple(map(sys.intern, parts[1:-1])) for parts in split], len(split[0]) - 2
        chains = []
        for (line, _), arch in zip(self._rows, architectures, strict=True):
            try:
                chains.append(Table.decode(arch))
            except ArchitectureError as error:
                raise self._error(line, str(error)) from None
        depth = max(len(chain.operations) for chain in chains)
        return [chain.components(with_skips=with_skips, depth=depth) for chain in chains], depth

    def _numbers(self, column: str, *, may_miss: bool = False) -> NDArray[np.float64]:
        position = self._header[column]
        values = np.empty(len(self._rows))
        for i, (line, row) in enumerate(self._rows):
            text = row[position]
            try:
                values[i] = float(text) if text or not may_miss else math.nan
            except ValueError:
                values[i] = math.inf
            if not math.isfinite(values[i]) and (text or not may_miss):
                raise self._error(line, f"{column} must be a finite number, got {text!r}")
        return values

    def _index(self, architectures: Sequence[str]) -> dict[str, int]:
        rows: dict[str, int] = {}
        for row, arch in enumerate(architectures):
            if arch in rows:
                first = self._rows[rows[arch]][0]
                raise self._error(
                    self._rows[row][0],
                    f"a table must have each architecture once, got {arch!r} again, which stands in line {first} too",
                )
            rows[arch] = row
        return rows

    def _error(self, line: int, problem: str) -> DatasetError:
        rule, _, way_out = problem.partition("; ")
        return DatasetError(f"{rule} ({self._path}, line {line}); {way_out or 'correct the table'}")
