import csv
import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from seminas.spaces.nasbench101 import enumeration
from seminas.spaces.nasbench101.cell import cell_arrays, graph_codes, module_hash, path_features
from seminas.spaces.nasbench101.enumeration import NUM_CELLS, enumerate_cells, load_cells
from seminas.spaces.nasbench101.grammar import END, MAX_LENGTH, PAD

ALL = 423_624


def sample_rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt") as file:
        return list(csv.DictReader(file))


def test_enumeration_counts_the_benchmarks_cells():
    cells = enumerate_cells()
    assert Counter(cells[:, 0].tolist()) == NUM_CELLS
    assert len(cells) == ALL


def test_keys_are_the_benchmarks_module_hashes(space, nasbench101_sample):
    rows = sample_rows(nasbench101_sample)
    assert len(rows) == 13_299
    cells = space.from_rows(rows)
    wrong = [row["hash"] for row, cell in zip(rows, cells, strict=True) if space.key(cell) != row["hash"]]
    assert not wrong


@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.long)])
def test_decode_inverts_encode_for_every_cell(space, step):
    for start in range(0, ALL, 1 << 16):
        cells = space.at(np.arange(start, min(start + (1 << 16), ALL), step))
        tokens = space.encode(cells)
        assert tokens.shape == (len(cells), MAX_LENGTH)
        assert space.decode(tokens) == cells


def test_random_legal_sequences_are_cells_of_every_size(space):
    generator = torch.Generator().manual_seed(0)
    tokens = torch.zeros(20_000, 0, dtype=torch.long)
    for _ in range(MAX_LENGTH):
        mask = space.legal_tokens(tokens)
        assert mask.any(dim=1).all(), "a legal prefix leads into a dead end"
        tokens = torch.cat([tokens, torch.multinomial(mask.float(), 1, generator=generator)], dim=1)
    cells = space.decode(tokens.numpy())
    assert all(cell is not None for cell in cells)
    assert {cell.num_vertices for cell in cells} == {2, 3, 4, 5, 6, 7}


def test_grammar_forbids_exactly_what_is_not_a_cell(space):
    # Compare all sequences for at most 4 vertices with the definition.
    prefixes = torch.zeros(1, 0, dtype=torch.long)
    legal = 0
    for _ in range(9):
        mask = space.legal_tokens(prefixes)
        rows, tokens = mask.nonzero(as_tuple=True)
        prefixes = torch.cat([prefixes[rows], tokens[:, None]], dim=1)
    finished = prefixes[(prefixes == END).any(dim=1)]
    padded = torch.nn.functional.pad(finished, (0, MAX_LENGTH - 9), value=PAD)
    cells = space.decode(padded.numpy())
    legal = Counter(cell.num_vertices for cell in cells)
    for v in (2, 3, 4):
        pairs = np.triu_indices(v, k=1)
        count = 0
        for bits in range(1 << len(pairs[0])):
            matrix = np.zeros((v, v), dtype=int)
            matrix[pairs] = [bits >> i & 1 for i in range(len(pairs[0]))]
            count += bool(matrix[:-1].any(axis=1).all() and matrix[:, 1:].any(axis=0).all())
        assert legal[v] == count * 3 ** (v - 2)
    assert len({tuple(row) for row in finished.tolist()}) == len(finished)


@pytest.mark.parametrize("change", [lambda t: t * 0, lambda t: t + 1, lambda t: t - 1, lambda t: t[:, ::-1]])
def test_decode_refuses_what_is_outside_the_grammar(space, change):
    tokens = space.encode(space.sample(50, np.random.default_rng(0)))
    assert space.decode(np.ascontiguousarray(change(tokens))) == [None] * 50


def test_sampling_is_uniform_over_unique_cells_and_distinct(space):
    cells = space.sample(50_000, np.random.default_rng(0))
    assert len(set(cells)) == 50_000
    share = Counter(cell.num_vertices for cell in cells)
    for v in (6, 7):
        assert share[v] / 50_000 == pytest.approx(NUM_CELLS[v] / ALL, abs=0.01)
    assert cells == space.sample(50_000, np.random.default_rng(0))


def test_sampling_leaves_out_what_is_excluded(space):
    rng = np.random.default_rng(0)
    excluded = space.at(np.setdiff1d(np.arange(ALL), [0, 5, 77, ALL - 1]))
    assert set(space.sample(10, rng, excluded)) == set(space.at(np.array([0, 5, 77, ALL - 1])))


def test_neighbours_are_symmetric_and_not_the_cell_itself(space):
    rng = np.random.default_rng(1)
    cells = space.at(np.arange(8)) + space.sample(20, rng)
    for cell in cells:
        neighbors = space.neighbors(cell)
        assert len(neighbors) == len(set(neighbors)) > 0
        assert cell not in neighbors
        for neighbor in neighbors[:: max(1, len(neighbors) // 8)]:
            assert cell in space.neighbors(neighbor)


def test_mutation_reaches_every_size_from_the_smallest_cell(space):
    rng = np.random.default_rng(0)
    cell, sizes = space.at(np.array([0]))[0], set()
    for _ in range(300):
        cell = space.mutate(cell, rng)
        sizes.add(cell.num_vertices)
    assert sizes >= {3, 4, 5, 6, 7}


def test_codes_and_keys_do_not_depend_on_the_order_of_vertices(space):
    rng = np.random.default_rng(0)
    for cell in space.sample(50, rng):
        matrix, labels = cell_arrays([cell])
        order = np.argsort(rng.random(7))
        shuffled, names = matrix[:, order][:, :, order], labels[:, order]
        assert graph_codes(matrix, labels) == graph_codes(shuffled, names)
        kept = names[0] > -3
        assert module_hash(shuffled[0][kept][:, kept], names[0][kept].tolist()) == space.key(cell)


def test_json_is_read_back_and_pruned(space):
    for cell in space.sample(200, np.random.default_rng(3)):
        assert space.from_json(space.to_json(cell)) == cell
    dangling = {
        "matrix": [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]],
        "operations": ["input", "conv3x3-bn-relu", "maxpool3x3", "output"],
    }
    assert space.from_json(dangling).labels == ["input", "conv3x3-bn-relu", "output"]


@pytest.mark.parametrize(
    ("matrix", "operations", "message"),
    [
        ([[0, 0], [0, 0]], [], "no path"),
        ([[0, 1], [1, 0]], [], "upper triangular"),
        ([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["conv5x5"], "operations must be 1 of"),
        (np.triu(np.ones((7, 7)), 1).tolist(), ["maxpool3x3"] * 5, "21 edges"),
        ([[0]], [], "V from 2 to 7"),
    ],
)
def test_what_is_no_cell_is_refused_with_the_reason(space, matrix, operations, message):
    with pytest.raises(ValueError, match=message):
        space.from_matrix(np.array(matrix, dtype=np.int64), operations)


def test_cache_is_rebuilt_when_damaged(tmp_path, monkeypatch, caplog):
    few = enumerate_cells()[:2_532]  # A full enumeration would be slow.
    monkeypatch.setattr(enumeration, "enumerate_cells", lambda: few)
    monkeypatch.setenv("SEMINAS_CACHE", str(tmp_path))
    load_cells.cache_clear()
    whole = load_cells()
    (file,) = tmp_path.iterdir()
    for damage in (
        lambda b: b[: len(b) // 2],
        lambda b: b[:5000] + bytes([b[5000] ^ 1]) + b[5001:],
        lambda b: b"",
    ):
        good = file.read_bytes()
        file.write_bytes(damage(good))
        load_cells.cache_clear()
        assert np.array_equal(load_cells().packed, whole.packed)
        assert "is damaged" in caplog.text
        assert file.read_bytes() == good
        caplog.clear()
    load_cells.cache_clear()


def test_path_features_are_the_paths_and_the_same_for_isomorphic_graphs(space):
    cells = space.sample(300, np.random.default_rng(0))
    features = space.features(cells)
    assert features.shape == (300, 21 + 15 + 376) and set(np.unique(features[:, :400])) == {0, 1}
    for cell, paths, counts in zip(cells, features[:, 36:400], features[:, 400:], strict=True):
        matrix, labels = cell.matrix, cell.labels
        walks, sequences, number = [(0,)], set(), 0
        while walks:
            walk = walks.pop()
            if walk[-1] == len(matrix) - 1:
                sequences.add(tuple(labels[v] for v in walk[1:-1]))
                number += 1
            walks += [(*walk, int(v)) for v in np.flatnonzero(matrix[walk[-1]])]
        assert paths.sum() == len(sequences)
        assert counts[:6].sum() * 8 == counts[6] * 8 == number and counts[7:10].sum() * 5 == len(matrix) - 2
        assert counts[10] * 9 == pytest.approx(matrix.sum()) and counts[11] * 7 == pytest.approx(len(matrix))
        assert paths[0] == (matrix[0, -1] == 1)
    # This is one cell of two branches, with its vertices in both orders.
    matrix = np.zeros((2, 7, 7), np.uint8)
    labels = np.array([[-1, 0, 1, -2, -3, -3, -3], [-1, 1, 0, -2, -3, -3, -3]], np.int8)
    matrix[:, 0, 1] = matrix[:, 0, 2] = matrix[:, 1, 3] = matrix[:, 2, 3] = 1
    one, other = path_features(matrix, labels)
    assert (one == other).all() and one[:364].sum() == 2
