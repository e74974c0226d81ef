"""The peers of bench_ann, driven by it: commands on standard input, an answer a line.

    python3 bench/ann_peers.py FOLDER RESULTS

FOLDER is ann_data.py's. Everything runs on one thread. A search of many queries is one call into
the peer, timed around that call alone; ids and distances go to the file RESULTS, k = 10: all ids
(i32), then all distances (f32). Indexes are kept in FOLDER/peers between runs, named by set,
package version and parameters; a build that is to be timed is made anew.

    set NAME                          reads a set, forgets the former
    sqlite                            where sqlite-vec's extension lies; it is driven in C
    about                             versions, instruction sets, the cost of an empty call
    engine NAME                       its settings, in the order of their numbers, tab-separated
    search NAME SETTING FROM COUNT    queries FROM.. of the set, in one call
    each NAME SETTING FROM COUNT      the same, one query a call
    build NAME NUMBER                 makes that build anew: wall s, processor s
    filter NAME SETTING FROM PER FILE windows (kind, low, high as i32) are in FILE; each is asked
                                      for the next PER queries, in one call; the answer is the
                                      seconds of the calls, and what the selectors would take if
                                      every query had its own
    truth FROM PER FILE OUT           the same by a scan in double: ids i32[20], distances f64[20]
    nearest FILE OUT                  the truth over the rows whose numbers are in FILE (i32)
"""
import os
import resource
import sys
import time

import faiss
import hnswlib
import numpy as np
import sqlite_vec
import usearch
from usearch.index import Index as Usearch

import ann_data

K = 10
faiss.omp_set_num_threads(1)
CALL_BATCH = faiss.cvar.distance_compute_blas_threshold


class Set:
    """Vectors of a set; for cosine normalised, so that the inner product is what is compared."""

    def __init__(self, folder, name):
        at = os.path.join(folder, name)
        self.name, self.metric = name, ann_data.METRIC[name.split("_")[0]]
        self.base = ann_data.fvecs_read(os.path.join(at, "base.fvecs"))
        self.queries = ann_data.fvecs_read(os.path.join(at, "queries.fvecs"))
        self.given = self.base, self.queries
        if self.metric == "cosine":
            self.base = ann_data.normalised(self.base).astype(np.float32)
            self.queries = ann_data.normalised(self.queries).astype(np.float32)
        self.columns = np.fromfile(os.path.join(at, "rows.i32"), np.int32).reshape(-1, 2)
        self.rows, self.dims = self.base.shape
        self.faiss_metric = (faiss.METRIC_INNER_PRODUCT if self.metric == "cosine"
                             else faiss.METRIC_L2)
        self.peers = os.path.join(folder, "peers")
        os.makedirs(self.peers, exist_ok=True)


class Engine:
    """Builds (a label each) times search parameters; one setting is a build and one of those."""

    builds, parameters = [], []
    family = version = ""  # of the indexes that are kept

    def __init__(self, data):
        self.data = data
        self.loaded = {}
        self.settings = [(build, p) for build in self.builds for p in self.parameters]

    def label(self, setting):
        build, parameters = self.settings[setting]
        return f"{build} {parameters}" if build else str(parameters)

    def index(self, build):
        if build not in self.loaded:
            name = f"{self.data.name}-{self.family}-{self.version}-{build}"
            path = os.path.join(self.data.peers, name.replace(",", "_").replace(" ", "_"))
            if not os.path.exists(path):
                index = self.build(build)
                self.save(index, path + ".part")
                os.replace(path + ".part", path)
            self.loaded[build] = self.load(build, path)
        return self.loaded[build]


class Hnswlib(Engine):
    family = "Hnswlib"
    version = "0.8.0"
    builds = ["M16 efC200", "M32 efC200"]
    parameters = [10, 12, 14, 16, 20, 24, 32, 40, 56, 80, 112, 160, 200, 256, 320, 400, 512, 640]

    def empty(self):
        return hnswlib.Index("ip" if self.data.metric == "cosine" else "l2", self.data.dims)

    def build(self, build):
        index = self.empty()
        m, ef = build.split()
        index.init_index(self.data.rows, ef_construction=int(ef[3:]), M=int(m[1:]), random_seed=1)
        index.set_num_threads(1)
        index.add_items(self.data.base, num_threads=1)
        return index

    def save(self, index, path):
        index.save_index(path)

    def load(self, build, path):
        index = self.empty()
        index.load_index(path, max_elements=self.data.rows)
        return index

    def search(self, setting, queries):
        build, ef = self.settings[setting]
        index = self.index(build)
        index.set_ef(ef)
        began = time.perf_counter()
        ids, found = index.knn_query(queries, K, num_threads=1)
        return time.perf_counter() - began, ids, found


class USearch(Engine):
    family = "USearch"
    version = usearch.__version__
    builds = ["f32 M16 efC128", "f32 M32 efC128"]
    parameters = Hnswlib.parameters

    def empty(self, build):
        kind, m, ef = build.split()
        return Usearch(ndim=self.data.dims, metric="ip" if self.data.metric == "cosine" else "l2sq",
                       dtype=kind, connectivity=int(m[1:]), expansion_add=int(ef[3:]))

    def build(self, build):
        index = self.empty(build)
        index.add(np.arange(self.data.rows), self.data.base, threads=1)
        return index

    def save(self, index, path):
        index.save(path)

    def load(self, build, path):
        index = self.empty(build)
        index.load(path)
        return index

    def search(self, setting, queries):
        build, ef = self.settings[setting]
        index = self.index(build)
        index.expansion_search = ef
        began = time.perf_counter()
        found = index.search(queries, K, threads=1)
        return time.perf_counter() - began, found.keys, found.distances


class Faiss(Engine):
    version = faiss.__version__

    def build(self, build):
        index = faiss.index_factory(self.data.dims, build, self.data.faiss_metric)
        index.train(self.data.base)
        index.add(self.data.base)
        return index

    def save(self, index, path):
        faiss.write_index(index, path)

    def load(self, build, path):
        return faiss.read_index(path)

    def search(self, setting, queries, selector=None):
        build, parameters = self.settings[setting]
        index = self.index(build)
        with_them = self.search_parameters(parameters, selector)
        began = time.perf_counter()
        found, ids = index.search(queries, K, params=with_them)
        return time.perf_counter() - began, ids, found


class FaissHnsw(Faiss):
    family = "FaissHnsw"
    builds = ["HNSW16,Flat", "HNSW32,Flat"]
    parameters = Hnswlib.parameters

    def build(self, build):
        index = faiss.index_factory(self.data.dims, build, self.data.faiss_metric)
        index.hnsw.efConstruction = 200
        index.add(self.data.base)
        return index

    def search_parameters(self, ef, selector):
        return faiss.SearchParametersHNSW(efSearch=ef, sel=selector)


PROBES = [2, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128, 192, 256]
PROBES_FILTERED = [4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024]


class FaissIvf(Faiss):
    family = "FaissIvf"
    parameters = PROBES

    def __init__(self, data):
        lists = lists_of(data)
        self.builds = [f"IVF{lists},Flat", f"IVF{lists * 2},Flat"]
        super().__init__(data)

    def search_parameters(self, probes, selector):
        return faiss.SearchParametersIVF(nprobe=probes, sel=selector)


def lists_of(data):
    return 1024 if data.rows > 200000 else 256


class FaissPq(Faiss):
    """4-bit fast-scan lists, then the best k * factor by full vectors; and the RaBitQ codes that
    took the same form in FAISS 1.13 and later."""

    family = "FaissPq"
    parameters = [(p, factor) for factor in (1, 2, 4, 8, 16) for p in PROBES]

    def __init__(self, data):
        n, d = lists_of(data), data.dims
        halves = [f"IVF{n},PQ{d // 2}x4fsr", f"IVF{n},PQ{d // 2}x4fs", f"IVF{2 * n},PQ{d // 2}x4fsr"]
        wide = d if d <= 128 else d // 4
        self.builds = halves + [f"IVF{n},PQ{wide}x4fsr", f"IVF{n},RaBitQfs", f"IVF{n},RaBitQfs4"]
        self.lists = {}
        super().__init__(data)

    def load(self, build, path):
        self.lists[build] = faiss.read_index(path)  # kept alive beside what reads it
        return faiss.IndexRefineFlat(self.lists[build], faiss.swig_ptr(self.data.base))

    def label(self, setting):
        build, (probes, factor) = self.settings[setting]
        return f"{build},RFlat nprobe={probes} k_factor={factor}"

    def search_parameters(self, parameters, selector):
        lists = faiss.SearchParametersIVF(nprobe=parameters[0], sel=selector)
        return faiss.IndexRefineSearchParameters(k_factor=parameters[1],
                                                 base_index_params=lists)


class FaissIvfFiltered(FaissIvf):
    parameters = PROBES_FILTERED

    def __init__(self, data):
        super().__init__(data)
        self.settings = self.settings[:len(self.parameters)]


class FaissPqFiltered(FaissPq):
    parameters = [(p, factor) for factor in (1, 4, 16) for p in PROBES_FILTERED]

    def __init__(self, data):
        super().__init__(data)
        self.settings = self.settings[:len(self.parameters)]


class FaissHnswFiltered(FaissHnsw):
    builds = ["HNSW32,Flat"]
    parameters = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096]


class FaissFlat(Faiss):
    """Exact. The second setting lets FAISS multiply a whole batch as matrices."""

    family = "FaissFlat"
    builds, parameters = ["Flat"], ["one by one", "batch"]

    def search_parameters(self, batch, selector):
        faiss.cvar.distance_compute_blas_threshold = (CALL_BATCH if batch == "batch" else 1 << 30)
        return faiss.SearchParameters(sel=selector)


ENGINES = {"hnswlib": Hnswlib, "usearch": USearch, "FAISS-HNSW": FaissHnsw,
           "FAISS-IVF-flat": FaissIvf, "FAISS-IVF-PQ4": FaissPq, "FAISS-flat": FaissFlat,
           "FAISS-IVF-flat-filtered": FaissIvfFiltered, "FAISS-IVF-PQ4-filtered": FaissPqFiltered,
           "FAISS-HNSW-filtered": FaissHnswFiltered}


def windows_read(path):
    return np.fromfile(path, np.int32).reshape(-1, 3)


def rows_in(data, window):
    """Rows of a window: kind 0 is of row numbers (time, partition), 1 of rnd, 2 of lab."""
    kind, low, high = (int(x) for x in window)
    if kind == 0:
        return np.arange(low, min(high, data.rows))
    column = data.columns[:, kind - 1]
    return np.nonzero((column >= low) & (column < high))[0]


def selector_for(data, window, flat):
    """The form each FAISS index reads fastest: made before the clock starts, a gift to the peer."""
    if window[0] == 0:
        return faiss.IDSelectorRange(int(window[1]), int(window[2]), True), None
    rows = rows_in(data, window)
    if flat and len(rows) < data.rows // 4:
        return faiss.IDSelectorArray(rows), rows
    bits = np.zeros(data.rows, bool)
    bits[rows] = True
    packed = np.packbits(bits, bitorder="little")
    return faiss.IDSelectorBitmap(packed), packed


class Session:
    def __init__(self, folder, results):
        self.folder, self.results = folder, results
        self.data, self.engines = None, {}

    def engine(self, name):
        if name not in self.engines:
            self.engines[name] = ENGINES[name](self.data)
        return self.engines[name]

    def write(self, ids, found):
        with open(self.results, "wb") as file:
            file.write(np.ascontiguousarray(ids, np.int32).tobytes())
            file.write(np.ascontiguousarray(found, np.float32).tobytes())

    def do_set(self, name):
        self.engines = {}
        self.data = Set(self.folder, name)
        return f"{self.data.rows} {self.data.dims} {len(self.data.queries)}"

    def do_sqlite(self):
        return sqlite_vec.loadable_path()

    def do_about(self):
        small = faiss.IndexFlatL2(self.data.dims)
        one = self.data.queries[:1]
        small.add(one)
        began = time.perf_counter()
        for _ in range(2000):
            small.search(one, 1)
        empty = (time.perf_counter() - began) / 2000
        return (f"FAISS {faiss.__version__} ({faiss.get_compile_options().strip()}), "
                f"hnswlib {Hnswlib.version} (compiled here, -O3 -march=native), "
                f"usearch {usearch.__version__} ({self.usearch_isa()}), "
                f"numpy {np.__version__}, "
                f"Python {sys.version.split()[0]}; one thread; an empty call {empty * 1e6:.1f} us")

    def usearch_isa(self):
        index = Usearch(ndim=self.data.dims, metric="ip", dtype="f32")
        return index.hardware_acceleration

    def do_engine(self, name):
        engine = self.engine(name)
        for build in dict.fromkeys(build for build, _ in engine.settings):
            engine.index(build)
        return "\t".join(engine.label(i) for i in range(len(engine.settings)))

    def do_search(self, name, setting, start, count):
        queries = self.data.queries[int(start):int(start) + int(count)]
        seconds, ids, found = self.engine(name).search(int(setting), queries)
        self.write(ids, found)
        return repr(seconds)

    def do_each(self, name, setting, start, count):
        engine, setting, start = self.engine(name), int(setting), int(start)
        rows = [engine.search(setting, self.data.queries[i:i + 1])
                for i in range(start, start + int(count))]
        self.write(np.vstack([r[1] for r in rows]), np.vstack([r[2] for r in rows]))
        return repr(sum(r[0] for r in rows))

    def do_build(self, name, number):
        engine = self.engine(name)
        used, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        engine.build(engine.builds[int(number)])
        wall, now = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
        return f"{wall} {now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime}"

    def do_filter(self, name, setting, start, per, path):
        engine, setting, start, per = self.engine(name), int(setting), int(start), int(per)
        seconds, selecting, all_ids, all_found = 0.0, 0.0, [], []
        for number, window in enumerate(windows_read(path)):
            queries = self.data.queries[start + number * per:start + (number + 1) * per]
            began = time.perf_counter()
            selector, keep = selector_for(self.data, window, name == "FAISS-flat")
            selecting += (time.perf_counter() - began) * per
            took, ids, found = engine.search(setting, queries, selector)
            seconds += took
            all_ids.append(ids)
            all_found.append(found)
            del selector, keep
        self.write(np.vstack(all_ids), np.vstack(all_found))
        return f"{seconds} {selecting}"

    def do_truth(self, start, per, path, out):
        start, per = int(start), int(per)
        base, queries = self.data.given
        parts = []
        for number, window in enumerate(windows_read(path)):
            some = queries[start + number * per:start + (number + 1) * per]
            rows = rows_in(self.data, window)
            parts.append(ann_data.nearest(self.data.metric, base[rows], some, ids=rows))
        self.truth_write(out, np.vstack([p[0] for p in parts]), np.vstack([p[1] for p in parts]))
        return str(len(parts))

    def do_nearest(self, path, out):
        rows = np.sort(np.fromfile(path, np.int32))
        base, queries = self.data.given
        ids, found = ann_data.nearest(self.data.metric, base[rows], queries, ids=rows)
        self.truth_write(out, ids, found)
        return str(len(rows))

    @staticmethod
    def truth_write(out, ids, found):
        with open(out, "wb") as file:
            file.write(np.ascontiguousarray(ids, np.int32).tobytes())
            file.write(np.ascontiguousarray(found, np.float64).tobytes())


def main():
    session = Session(sys.argv[1], sys.argv[2])
    print("ok ready", flush=True)
    for line in sys.stdin:
        words = line.split()
        try:
            answer = "ok " + getattr(session, "do_" + words[0])(*words[1:])
        except Exception as error:  # the asker reads it and stops; a traceback helps nobody there
            answer = f"error {type(error).__name__}: {error}".replace("\n", " ")
        print(answer, flush=True)


if __name__ == "__main__":
    main()
