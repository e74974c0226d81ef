//! The build of mneme. Sources are found by their place: a C file put into src/<layer>/, tests/,
//! fuzz/ or bench/, or a scanner put into grammar/, is built without a word here.
//! `./zigw build --help` lists the steps and the options.
const std = @import("std");
const Build = std.Build;
const LazyPath = Build.LazyPath;
const Compile = Build.Step.Compile;
const manifest = @import("build.zig.zon");
const version = std.SemanticVersion.parse(manifest.version) catch unreachable;

pub fn build(b: *Build) void {
    const o: Options = .read(b);

    // Every step, in one place, so that this block reads as the table of contents of the build.
    const steps = .{
        .install = b.getInstallStep(),
        .run = b.step("run", "Run the shell; its arguments follow --"),
        .@"test" = b.step("test", "Run all tests, with assertions and sanitizers"),
        .check = b.step("check", "Compile all; check format, style, layers and exported names"),
        .fmt = b.step("fmt", "Reformat C and Zig sources in place"),
        .sim = b.step("sim", "Explore crash states in release flags, for -Dsim-seconds"),
        .planted = b.step("planted", "Let the explorer find each planted bug; print the table"),
        .bench = b.step("bench", "Build in ReleaseFast and compare with the peers of bench/"),
        .fuzz = b.step("fuzz", "Fuzz each target for -Dfuzz-seconds, by clang's libFuzzer"),
    };

    const files: Files = .find(b);
    const generated: Generated = .make(b, files);
    const house: House = .{ .b = b, .o = o, .files = files, .generated = generated };

    const static = house.addLibrary(o.product(), files.library, .static);
    const shared = house.addLibrary(o.product(), files.library, .dynamic);
    house.installLibrary(static, shared);
    if (files.shell.len > 0) {
        const shell = house.addShell(o.product(), static);
        b.installArtifact(shell);
        const run = b.addRunArtifact(shell);
        if (b.args) |args| run.addArgs(args);
        steps.run.dependOn(&run.step);
    }
    steps.check.dependOn(steps.install);

    if (files.demo) house.addDemo(b.step("demo", "Build a file from real data and ask it"));
    house.addTests(static, steps.@"test", steps.check);
    house.addSim(steps.sim);
    house.addPlanted(steps.planted);
    house.addFuzzers(steps.fuzz);
    house.addBenches(steps.bench);
    house.addFormat(steps.fmt, steps.check);
    house.addTidy(steps.check);
    house.addSymbols(static, shared, steps.check);
}

const Strings = []const []const u8;

const Sanitize = enum { none, undefined, thread };

const Options = struct {
    target: Build.ResolvedTarget,
    optimize: std.builtin.OptimizeMode,
    sanitize: ?Sanitize,
    slow_checks: bool = false,
    planted: bool = false,
    seed: u64,
    filter: ?[]const u8,
    data: []const u8,
    deep: bool,
    fuzz_seconds: u32,
    sim_seconds: ?u32,
    planted_units: bool,
    planted_only: ?[]const u8,

    fn read(b: *Build) Options {
        const mode = std.builtin.OptimizeMode;
        return .{
            // Runs on every machine of the architecture; the kernels choose at run time.
            .target = b.standardTargetOptions(.{ .default_target = .{ .cpu_model = .baseline } }),
            .optimize = b.option(mode, "optimize", "Default ReleaseSafe") orelse .ReleaseSafe,
            .sanitize = b.option(Sanitize, "sanitize", "Default: undefined for tests, else none"),
            .seed = b.option(u64, "seed", "Seed of tests and fuzzing (default 1)") orelse 1,
            .filter = b.option([]const u8, "test-filter", "Only programs whose name contains this"),
            .data = b.option([]const u8, "data", "Test data (default ../shared/data)") orelse
                "../shared/data",
            .deep = b.option(bool, "deep", "The long form of tests that have one") orelse false,
            .fuzz_seconds = b.option(u32, "fuzz-seconds", "For each target (default 10)") orelse 10,
            .planted_units = b.option(bool, "planted-units", "And what unit tests see") orelse
                false,
            .planted_only = b.option([]const u8, "planted-only", "One bug, by its name"),
            .sim_seconds = b.option(u32, "sim-seconds", "Of sim (default 60; with -Ddeep 1200)"),
        };
    }

    /// What is installed: no sanitizer unless asked for.
    fn product(o: Options) Options {
        var r = o;
        r.sanitize = o.sanitize orelse .none;
        return r;
    }

    /// What tests are linked with: MN_ASSERT_SLOW walks whole structures.
    fn testing(o: Options, default: Sanitize) Options {
        var r = o;
        r.sanitize = o.sanitize orelse default;
        r.slow_checks = true;
        return r;
    }

    /// What is measured.
    fn fast(o: Options) Options {
        var r = o;
        r.optimize = .ReleaseFast;
        r.sanitize = .none;
        return r;
    }

    fn wants(o: Options, name: []const u8) bool {
        return if (o.filter) |f| std.mem.indexOf(u8, name, f) != null else true;
    }
};

/// What lies in the source tree, each list sorted; paths are relative to the root.
const Files = struct {
    library: Strings,
    shell: Strings,
    scanners: Strings,
    parser: bool,
    kernels: bool,
    demo: bool,
    support: Strings,
    tests: Strings,
    fuzzers: Strings,
    fuzz_support: Strings,
    benches: Strings,
    c: Strings, // every C file and header
    text: Strings, // all that tidy reads

    const kernel_source = "src/index/vector/kernel_impl.c";

    fn find(b: *Build) Files {
        const code: Strings = &.{ "src", "include", "tests", "fuzz", "bench" };
        const c = globAll(b, code, &.{ ".c", ".h" });
        const others = globAll(b, code ++ .{ "grammar", "examples" }, &.{ ".re", ".y", ".sh" });
        const top: Strings = &.{ "build.zig", "zigw", ".ci/run" };
        const text = std.mem.concat(b.allocator, []const u8, &.{ c, others, top });
        return .{
            .library = pick(b, glob(b, "src", "", ".c"), libraryHas),
            .shell = glob(b, "src/shell", "", ".c"),
            .scanners = glob(b, "grammar", "", ".re"),
            .parser = exists(b, "grammar/query.y"),
            .kernels = exists(b, kernel_source),
            .demo = exists(b, "examples/demo/demo.sh"),
            .support = glob(b, "tests/support", "", ".c"),
            .tests = pick(b, glob(b, "tests", "", ".c"), isTest),
            .fuzzers = glob(b, "fuzz", "fuzz_", ".c"),
            .fuzz_support = glob(b, "fuzz/support", "", ".c"),
            .benches = glob(b, "bench", "bench_", ".c"),
            .c = c,
            .text = text catch @panic("OOM"),
        };
    }

    fn libraryHas(path: []const u8) bool {
        return !std.mem.startsWith(u8, path, "src/shell/") and
            !std.mem.startsWith(u8, path, "src/tool/") and
            !std.mem.eql(u8, path, kernel_source);
    }

    fn isTest(path: []const u8) bool {
        const name = std.fs.path.basename(path);
        return std.mem.startsWith(u8, name, "test_") or std.mem.startsWith(u8, name, "sim_");
    }

    fn outsideOs(path: []const u8) bool {
        return !std.mem.startsWith(u8, path, "src/os/");
    }

    const List = std.ArrayList([]const u8);

    fn pick(b: *Build, paths: Strings, keep: fn ([]const u8) bool) Strings {
        var list: List = .empty;
        for (paths) |path| if (keep(path)) list.append(b.allocator, path) catch @panic("OOM");
        return list.items;
    }

    fn exists(b: *Build, path: []const u8) bool {
        b.build_root.handle.access(b.graph.io, path, .{}) catch return false;
        return true;
    }

    fn globAll(b: *Build, dirs: Strings, suffixes: Strings) Strings {
        var list: List = .empty;
        for (dirs) |dir| for (suffixes) |suffix| {
            list.appendSlice(b.allocator, glob(b, dir, "", suffix)) catch @panic("OOM");
        };
        return list.items;
    }

    /// All files below dir whose name begins and ends so; none if there is no such folder.
    fn glob(b: *Build, dir: []const u8, prefix: []const u8, suffix: []const u8) Strings {
        const io = b.graph.io;
        var list: List = .empty;
        var root = b.build_root.handle.openDir(io, dir, .{ .iterate = true }) catch return &.{};
        defer root.close(io);
        var walker = root.walk(b.allocator) catch @panic("OOM");
        defer walker.deinit();
        while (walker.next(io) catch |err| std.debug.panic("{s}: {t}", .{ dir, err })) |entry| {
            if (entry.kind != .file) continue;
            if (!std.mem.startsWith(u8, entry.basename, prefix)) continue;
            if (!std.mem.endsWith(u8, entry.basename, suffix)) continue;
            list.append(b.allocator, b.fmt("{s}/{s}", .{ dir, entry.path })) catch @panic("OOM");
        }
        std.mem.sort([]const u8, list.items, {}, struct {
            fn before(_: void, x: []const u8, y: []const u8) bool {
                return std.mem.lessThan(u8, x, y);
            }
        }.before);
        return list.items;
    }
};

/// The parser by lemon, the scanners by re2c: written into the build cache, never into the tree.
const Generated = struct {
    parser: ?LazyPath, // folder of query.c and query.h, the token codes
    scanners: []const LazyPath,

    fn make(b: *Build, files: Files) Generated {
        var parser: ?LazyPath = null;
        if (files.parser) {
            const lemon = b.addSystemCommand(&.{ "lemon", "-q", "-l" });
            parser = lemon.addPrefixedOutputDirectoryArg("-d", "grammar");
            lemon.addFileArg(b.path("grammar/query.y"));
        }
        const scanners = b.allocator.alloc(LazyPath, files.scanners.len) catch @panic("OOM");
        for (files.scanners, scanners) |source, *out| {
            const re2c = b.addSystemCommand(&.{ "re2c", "-W", "-Werror", "-i" });
            // -b: without bit maps one scanner of many keywords takes clang a minute at -O2.
            re2c.addArgs(&.{ "--no-generation-date", "-b", "-o" });
            out.* = re2c.addOutputFileArg(b.fmt("{s}.c", .{std.fs.path.stem(source)}));
            re2c.addFileArg(b.path(source));
        }
        return .{ .parser = parser, .scanners = scanners };
    }
};

/// The vector kernels are one source, compiled once for each level of the machine. A level is a
/// target of its own: the target's list of features overrules flags among those of a file.
/// Only kernels may lie in that source, or the linker could keep a shared inline function in its
/// AVX-512 form and crash an older machine.
const x86 = std.Target.x86;
const arm = std.Target.aarch64;

const KernelLevel = struct {
    name: []const u8,
    arch: ?std.Target.Cpu.Arch = null,
    x86: []const x86.Feature = &.{},
    aarch64: []const arm.Feature = &.{},
    clang: Strings = &.{}, // the same for clang, which builds the fuzzers
};

const kernel_levels: []const KernelLevel = &.{
    .{ .name = "baseline" },
    .{
        .name = "avx2",
        .arch = .x86_64,
        .x86 = &.{ .avx2, .fma, .f16c },
        .clang = &.{ "-mavx2", "-mfma", "-mf16c" },
    },
    .{
        .name = "avx512",
        .arch = .x86_64,
        .x86 = &.{ .avx2, .fma, .f16c, .avx512f, .avx512bw, .avx512dq, .avx512vl, .avx512vnni },
        .clang = &.{
            "-mavx2",     "-mfma",      "-mf16c",     "-mavx512f",
            "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni",
        },
    },
    .{
        .name = "dotprod",
        .arch = .aarch64,
        .aarch64 = &.{.dotprod},
        .clang = &.{"-march=armv8.2-a+dotprod"},
    },
};

/// One function for each thing that is built.
const House = struct {
    b: *Build,
    o: Options,
    files: Files,
    generated: Generated,

    const Place = enum { inside, outside };

    /// C code: the public header in reach, src/ only for rooms of the library and tests.
    fn module(h: House, o: Options, place: Place) *Build.Module {
        const mod = h.b.createModule(.{
            .target = o.target,
            .optimize = o.optimize,
            .link_libc = true,
            .pic = true,
            .sanitize_c = if (o.sanitize == .undefined) .full else .off,
            .sanitize_thread = o.sanitize == .thread,
        });
        mod.addIncludePath(h.b.path("include"));
        if (place == .inside) mod.addIncludePath(h.b.path("src"));
        // Where no C compiler is installed, Zig brings its own libc and looks nowhere else.
        mod.addAfterIncludePath(.{ .cwd_relative = "/usr/include" });
        if (o.sanitize != .none) mod.addCMacro("MN_SANITIZED", "1");
        if (o.slow_checks) mod.addCMacro("MN_SLOW_CHECKS", "1");
        if (o.planted) mod.addCMacro("MN_PLANTED", "1");
        mod.addCMacro("MN_VERSION_TEXT", h.b.fmt("\"{s}\"", .{manifest.version}));
        return mod;
    }

    /// Strings for a file; the names of this machine's folders stay out of what is built.
    fn flags(h: House, list: Strings) Strings {
        const map = h.b.fmt("-ffile-prefix-map={s}/=", .{h.b.pathFromRoot("")});
        return std.mem.concat(h.b.allocator, []const u8, &.{ list, &.{map} }) catch @panic("OOM");
    }

    const Linkage = std.builtin.LinkMode;

    fn addLibrary(h: House, o: Options, sources: Strings, linkage: Linkage) *Compile {
        const mod = h.module(o, .inside);
        mod.addCSourceFiles(.{ .files = sources, .flags = h.flags(c_flags) });
        if (h.generated.parser) |dir| {
            const file = dir.path(h.b, "query.c");
            mod.addIncludePath(dir);
            mod.addCSourceFile(.{ .file = file, .flags = h.flags(generated_flags) });
        }
        for (h.generated.scanners) |file| {
            mod.addCSourceFile(.{ .file = file, .flags = h.flags(generated_flags) });
        }
        if (h.files.kernels) h.addKernels(o, mod);
        for (system_libraries) |name| mod.linkSystemLibrary(name, .{});
        return withoutRuntime(o, h.b.addLibrary(.{
            .name = "mneme",
            .linkage = linkage,
            .version = version,
            .root_module = mod,
        }));
    }

    /// Zig's runtime brings a memcmp and a memset that go byte by byte and win over those of the C
    /// library, which the tree lives by. Only sanitizers need it: the code divides no 128-bit
    /// numbers.
    fn withoutRuntime(o: Options, compile: *Compile) *Compile {
        if (o.sanitize == .none) compile.bundle_compiler_rt = false;
        return compile;
    }

    fn addKernels(h: House, o: Options, into: *Build.Module) void {
        const arch = o.target.result.cpu.arch;
        for (kernel_levels) |level| {
            if (level.arch) |only| if (only != arch) continue;
            var query = o.target.query;
            query.cpu_model = .baseline;
            switch (arch) {
                .x86_64 => query.cpu_features_add.addFeatureSet(x86.featureSet(level.x86)),
                .aarch64 => query.cpu_features_add.addFeatureSet(arm.featureSet(level.aarch64)),
                else => {},
            }
            var at_level = o;
            at_level.target = h.b.resolveTargetQuery(query);
            const mod = h.module(at_level, .inside);
            mod.addCMacro("MN_KERNEL_LEVEL", level.name);
            const source = h.b.path(Files.kernel_source);
            mod.addCSourceFile(.{ .file = source, .flags = h.flags(c_flags) });
            const name = h.b.fmt("kernel_{s}", .{level.name});
            into.addObject(h.b.addObject(.{ .name = name, .root_module = mod }));
        }
    }

    fn installLibrary(h: House, static: *Compile, shared: *Compile) void {
        const b = h.b;
        static.installHeader(b.path("include/mneme.h"), "mneme.h");
        b.installArtifact(static);
        b.installArtifact(shared);
        var private: []const u8 = "";
        for (system_libraries) |name| private = b.fmt("{s} -l{s}", .{ private, name });
        const pc = b.addWriteFiles().add("mneme.pc", b.fmt(
            \\prefix=${{pcfiledir}}/../..
            \\includedir=${{prefix}}/include
            \\libdir=${{prefix}}/lib
            \\
            \\Name: mneme
            \\Description: Embedded database for vector, time and relation questions
            \\Version: {s}
            \\Cflags: -I${{includedir}}
            \\Libs: -L${{libdir}} -lmneme
            \\Libs.private:{s} -lpthread
            \\
        , .{ manifest.version, private }));
        b.getInstallStep().dependOn(&b.addInstallFile(pc, "lib/pkgconfig/mneme.pc").step);
    }

    /// The shell sees the public header only.
    fn addShell(h: House, o: Options, lib: *Compile) *Compile {
        const mod = h.module(o, .outside);
        mod.addCSourceFiles(.{ .files = h.files.shell, .flags = h.flags(c_flags) });
        mod.addIncludePath(h.b.path("src/shell"));
        mod.linkLibrary(lib);
        mod.linkSystemLibrary("edit", .{});
        return withoutRuntime(o, h.b.addExecutable(.{ .name = "mneme", .root_module = mod }));
    }

    /// A generated robot log beside the word vectors and relations of examples/demo, one file made
    /// of them by the installed shell, and questions to it.
    fn addDemo(h: House, step: *Build.Step) void {
        const b = h.b;
        const generate = b.addRunArtifact(h.addTool("robot_log"));
        const log = generate.addOutputFileArg("robot_log.ndjson");
        generate.addFileArg(b.path("examples/demo/concept.tsv"));
        const place: Build.InstallDir = .{ .custom = "demo" };
        const placed = b.addInstallFileWithDir(log, place, "robot_log.ndjson");

        const run = b.addSystemCommand(&.{"/bin/sh"});
        run.addArgs(&.{ b.pathFromRoot("examples/demo/demo.sh"), b.getInstallPath(.bin, "mneme") });
        run.addArg(b.getInstallPath(place, "robot_log.ndjson"));
        run.addArg(b.getInstallPath(place, "robot.mneme"));
        run.stdio = .inherit;
        run.step.dependOn(&placed.step);
        run.step.dependOn(b.getInstallStep());
        step.dependOn(&run.step);
    }

    /// src/tool/runner.c runs and counts programs. What a test may need from outside lies in its
    /// environment: MNEME_TEST_DATA (folder of data sets), MNEME_TEST_SHELL (a shell built like the
    /// test), MNEME_TEST_SOURCE (root of the tree), MNEME_TEST_PREFIX (where the product is
    /// installed), MNEME_TEST_SEED and, for long runs, MNEME_TEST_DEEP=1: see tests/support/test.h.
    fn addRunner(h: House, folder: []const u8) *Build.Step.Run {
        const b = h.b;
        const run = b.addRunArtifact(h.addTool("runner"));
        run.stdio = .inherit;
        run.setCwd(b.path(""));
        run.addArgs(&.{ b.getInstallPath(.{ .custom = folder }, ""), "0" });
        run.addArg(if (h.o.deep) "7200" else if (h.o.planted_units) "2400" else "900");
        run.setEnvironmentVariable("MNEME_TEST_DATA", b.pathFromRoot(h.o.data));
        run.setEnvironmentVariable("MNEME_TEST_SOURCE", b.pathFromRoot(""));
        run.setEnvironmentVariable("MNEME_TEST_PREFIX", b.install_prefix);
        run.setEnvironmentVariable("MNEME_TEST_SEED", b.fmt("{d}", .{h.o.seed}));
        if (h.o.deep) run.setEnvironmentVariable("MNEME_TEST_DEEP", "1");
        run.setEnvironmentVariable("TSAN_OPTIONS", "halt_on_error=1"); // the first race is enough
        return run;
    }

    /// One program a file tests/test_*.c or sim_*.c, tests/support/*.c in reach; and one a fuzz
    /// target, which replays its corpus and seeded inputs. test_host_* get the product's library.
    fn addTests(h: House, product: *Compile, step: *Build.Step, check: *Build.Step) void {
        const b = h.b;
        const run = h.addRunner("test");
        const t = h.o.testing(.undefined);
        const lib = h.addLibrary(t, h.files.library, .static);
        const support = h.addSupport(t);
        run.step.dependOn(b.getInstallStep());
        if (h.files.shell.len > 0) {
            const shell = b.addInstallArtifact(h.addShell(t, lib), .{
                .dest_dir = .{ .override = .{ .custom = "test" } },
            });
            const path = b.getInstallPath(.{ .custom = "test" }, "mneme");
            run.setEnvironmentVariable("MNEME_TEST_SHELL", path);
            run.step.dependOn(&shell.step);
        }
        for (h.files.tests) |path| {
            const name = std.fs.path.stem(path);
            if (!h.o.wants(name)) continue;
            const exe = if (std.mem.startsWith(u8, name, "test_host_"))
                h.addTest(h.o.product(), path, product, h.addSupport(h.o.product()))
            else
                h.addTest(t, path, lib, support);
            check.dependOn(&exe.step);
            run.addArgs(&.{ "--", name });
            run.addArtifactArg(exe);
            if (std.mem.startsWith(u8, name, "test_tool_")) { // the tool that it is about
                const tool = name["test_tool_".len..];
                if (Files.exists(b, toolSource(b, tool))) run.addArtifactArg(h.addTool(tool));
            }
        }
        for (h.files.fuzzers) |path| {
            const name = std.fs.path.stem(path);
            if (!h.o.wants(name)) continue;
            const exe = h.addTest(t, path, lib, support);
            exe.root_module.addIncludePath(b.path("fuzz"));
            exe.root_module.addCSourceFile(.{
                .file = b.path("fuzz/driver.c"),
                .flags = h.flags(c_flags),
            });
            exe.root_module.addCSourceFiles(.{
                .files = h.files.fuzz_support,
                .flags = h.flags(c_flags),
            });
            check.dependOn(&exe.step);
            run.addArgs(&.{ "--", name });
            run.addArtifactArg(exe);
            run.addArgs(&.{ corpus(b, name), b.fmt("{d}", .{h.o.seed}) });
            run.addArg(if (h.o.deep) "1000000" else "2000");
        }
        h.addThreadTests(run);
        h.addEmulated(run);
        h.addPlantedProtocol(run);
        step.dependOn(&run.step);
    }

    /// The kernels' test once more, for a processor that this machine has not, under an emulator; a
    /// skipped test where none is installed. No library of that processor is needed:
    /// tests/emulated/ has what the test takes from cmocka.
    fn addEmulated(h: House, run: *Build.Step.Run) void {
        const b = h.b;
        const name = "test_vector_kernel_neon";
        if (h.o.target.result.cpu.arch != .x86_64 or !h.o.wants(name)) return;
        run.addArgs(&.{ "--", name });
        const emulator = b.findProgram(&.{ "qemu-aarch64", "qemu-aarch64-static" }, &.{}) catch {
            run.addArg(b.pathFromRoot("tests/emulated/skipped.sh"));
            return;
        };
        var o = h.o.testing(.none);
        o.target = b.resolveTargetQuery(.{ .cpu_arch = .aarch64, .os_tag = .linux, .abi = .musl });
        const mod = h.module(o, .inside);
        mod.addIncludePath(b.path("tests"));
        mod.addIncludePath(b.path("tests/emulated"));
        mod.addCSourceFiles(.{ .flags = h.flags(c_flags), .files = &.{
            "tests/test_vector_kernel.c",
            "tests/support/test.c",
            "src/index/vector/kernel.c",
            "src/base/machine.c",
        } });
        h.addKernels(o, mod);
        run.addArg(emulator);
        run.addArtifactArg(b.addExecutable(.{ .name = name, .root_module = mod }));
    }

    /// The model of the protocol with planted bugs; no more than the store is in it.
    fn addPlantedProtocol(h: House, run: *Build.Step.Run) void {
        if (!h.o.wants("planted_protocol")) return;
        var o = h.o.product();
        o.planted = true;
        const store = Files.globAll(h.b, &.{ "src/base", "src/os", "src/store" }, &.{".c"});
        const lib = h.addLibrary(o, store, .static);
        run.addArgs(&.{ "--", "planted_protocol" });
        run.addArtifactArg(h.addTest(o, "tests/planted_protocol.c", lib, h.addSupport(o)));
    }

    /// tests/test_*_threads.c once more, with the whole library, under the thread sanitizer.
    fn addThreadTests(h: House, run: *Build.Step.Run) void {
        if (h.o.sanitize != null) return; // one was asked for, and all tests run with it already
        const t = h.o.testing(.thread);
        var lib: ?*Compile = null;
        for (h.files.tests) |path| {
            const stem = std.fs.path.stem(path);
            const name = h.b.fmt("{s}_tsan", .{stem});
            if (!std.mem.endsWith(u8, stem, "_threads") or !h.o.wants(name)) continue;
            if (lib == null) lib = h.addLibrary(t, h.files.library, .static);
            run.addArgs(&.{ "--", name });
            run.addArtifactArg(h.addTest(t, path, lib.?, h.addSupport(t)));
        }
    }

    /// The crash explorer as users would meet the engine: release flags, with assertions but no
    /// sanitizer unless -Dsanitize asks for one.
    fn addSim(h: House, step: *Build.Step) void {
        const b = h.b;
        const o = h.o.product();
        const lib = h.addLibrary(o, h.files.library, .static);
        const exe = h.addTest(o, "tests/sim_crash.c", lib, h.addSupport(o));
        const run = h.addRunner("sim");
        const seconds = h.o.sim_seconds orelse if (h.o.deep) @as(u32, 1200) else 60;
        run.addArgs(&.{ "--", "sim_crash" });
        run.addArtifactArg(withoutRuntime(o, exe));
        run.addArgs(&.{ "--seconds", b.fmt("{d}", .{seconds}) });
        step.dependOn(&run.step);
    }

    /// The same with bugs that can be switched on; with -Dplanted-units also which of them the unit
    /// tests of os, store, btree and rows see.
    fn addPlanted(h: House, step: *Build.Step) void {
        var o = h.o.product();
        o.planted = true;
        const lib = h.addLibrary(o, h.files.library, .static);
        const support = h.addSupport(o);
        const exe = withoutRuntime(o, h.addTest(o, "tests/planted.c", lib, support));
        const run = h.addRunner("planted");
        run.addArgs(&.{ "--", "planted" });
        run.addArtifactArg(exe);
        if (h.o.planted_only) |name| run.addArgs(&.{ "--only", name });
        if (h.o.planted_units) for (h.files.tests) |path| {
            const name = std.fs.path.stem(path);
            const unit = std.mem.startsWith(u8, name, "test_os_") or
                std.mem.startsWith(u8, name, "test_store_") or
                std.mem.startsWith(u8, name, "test_tree") or
                std.mem.startsWith(u8, name, "test_row");
            if (unit) run.addArtifactArg(withoutRuntime(o, h.addTest(o, path, lib, support)));
        };
        step.dependOn(&run.step);
    }

    fn addSupport(h: House, o: Options) *Compile {
        const mod = h.module(o, .inside);
        mod.addIncludePath(h.b.path("tests"));
        mod.addCSourceFiles(.{ .files = h.files.support, .flags = h.flags(c_flags) });
        return h.b.addLibrary(.{ .name = "support", .linkage = .static, .root_module = mod });
    }

    fn addTest(h: House, o: Options, path: []const u8, lib: *Compile, support: *Compile) *Compile {
        const mod = h.module(o, .inside);
        mod.addIncludePath(h.b.path("tests"));
        mod.addCSourceFile(.{ .file = h.b.path(path), .flags = h.flags(c_flags) });
        mod.linkLibrary(support);
        mod.linkLibrary(lib);
        mod.linkSystemLibrary("cmocka", .{});
        return h.b.addExecutable(.{ .name = std.fs.path.stem(path), .root_module = mod });
    }

    /// A program of src/tool, for the machine that builds.
    fn addTool(h: House, name: []const u8) *Compile {
        const mod = h.b.createModule(.{
            .target = h.b.graph.host,
            .optimize = .Debug,
            .link_libc = true,
        });
        mod.addCSourceFile(.{ .file = h.b.path(toolSource(h.b, name)), .flags = h.flags(c_flags) });
        return h.b.addExecutable(.{ .name = name, .root_module = mod });
    }

    fn toolSource(b: *Build, name: []const u8) []const u8 {
        return b.fmt("src/tool/{s}.c", .{name});
    }

    /// fuzz_parse -> fuzz/corpus/parse
    fn corpus(b: *Build, name: []const u8) []const u8 {
        return b.pathFromRoot(b.fmt("fuzz/corpus/{s}", .{name["fuzz_".len..]}));
    }

    /// One program a file bench/bench_*.c, the others of bench/ in each; they see mneme.h only.
    fn addBenches(h: House, step: *Build.Step) void {
        const b = h.b;
        if (h.files.benches.len == 0) return;
        const o = h.o.fast();
        const lib = h.addLibrary(o, h.files.library, .static);
        for (h.files.benches) |path| {
            const name = std.fs.path.stem(path);
            if (!h.o.wants(name)) continue;
            const mod = h.module(o, .outside);
            mod.addIncludePath(b.path("bench"));
            mod.addCSourceFile(.{ .file = b.path(path), .flags = h.flags(c_flags) });
            for (Files.glob(b, "bench", "", ".c")) |other| {
                if (std.mem.startsWith(u8, std.fs.path.basename(other), "bench_")) continue;
                mod.addCSourceFile(.{ .file = b.path(other), .flags = h.flags(c_flags) });
            }
            mod.linkLibrary(lib);
            for (peers) |peer| mod.linkSystemLibrary(peer, .{});
            const exe = withoutRuntime(o, b.addExecutable(.{ .name = name, .root_module = mod }));
            const run = b.addRunArtifact(exe);
            run.stdio = .inherit; // one at a time: what is measured has the machine for itself
            run.setCwd(b.path(""));
            run.setEnvironmentVariable("MNEME_TEST_DATA", b.pathFromRoot(h.o.data));
            if (b.args) |args| run.addArgs(args);
            step.dependOn(&run.step);
        }
    }

    /// libFuzzer and AddressSanitizer come with clang, not with Zig: each source is compiled once
    /// by clang-14, each target linked with all, and run on a copy of its corpus.
    fn addFuzzers(h: House, step: *Build.Step) void {
        const b = h.b;
        if (h.files.fuzzers.len == 0) return;
        const archive = b.addSystemCommand(&.{ "ar", "rcs" });
        const lib = archive.addOutputFileArg("libmneme.a");
        for (h.clangObjects()) |object| archive.addFileArg(object);
        for (h.files.fuzz_support) |path| {
            archive.addFileArg(h.clangObject(b.path(path), c_flags, &.{}));
        }
        const run = h.addRunner("fuzz");
        for (h.files.fuzzers) |path| {
            const name = std.fs.path.stem(path);
            if (!h.o.wants(name)) continue;
            const link = b.addSystemCommand(&.{ "clang-14", fuzz_sanitizers, "-o" });
            const exe = link.addOutputFileArg(name);
            link.addFileArg(h.clangObject(b.path(path), c_flags, &.{}));
            link.addFileArg(lib);
            for (system_libraries) |other| link.addArg(b.fmt("-l{s}", .{other}));
            link.addArg("-lpthread");
            run.addArgs(&.{ "--", name, "/bin/sh", b.pathFromRoot("fuzz/run.sh") });
            run.addFileArg(exe);
            run.addArgs(&.{ corpus(b, name), b.getInstallPath(.{ .custom = "fuzz" }, name) });
            run.addArgs(&.{ b.fmt("{d}", .{h.o.fuzz_seconds}), b.fmt("{d}", .{h.o.seed}) });
        }
        step.dependOn(&run.step);
    }

    /// The whole library, as addLibrary and addKernels build it.
    fn clangObjects(h: House) []const LazyPath {
        const b = h.b;
        var list: std.ArrayList(LazyPath) = .empty;
        const room = h.files.library.len + h.generated.scanners.len + 1 + kernel_levels.len;
        list.ensureTotalCapacity(b.allocator, room) catch @panic("OOM");
        for (h.files.library) |path| {
            list.appendAssumeCapacity(h.clangObject(b.path(path), c_flags, &.{}));
        }
        for (h.generated.scanners) |file| {
            list.appendAssumeCapacity(h.clangObject(file, generated_flags, &.{"-O0"}));
        }
        if (h.generated.parser) |dir| {
            list.appendAssumeCapacity(h.clangObject(dir.path(b, "query.c"), generated_flags, &.{}));
        }
        if (h.files.kernels) for (kernel_levels) |level| {
            if (level.arch) |only| if (only != b.graph.host.result.cpu.arch) continue;
            const macro = b.fmt("-DMN_KERNEL_LEVEL={s}", .{level.name});
            const extra = std.mem.concat(b.allocator, []const u8, &.{ level.clang, &.{macro} });
            const source = b.path(Files.kernel_source);
            list.appendAssumeCapacity(h.clangObject(source, c_flags, extra catch @panic("OOM")));
        };
        return list.items;
    }

    fn clangObject(h: House, file: LazyPath, list: Strings, extra: Strings) LazyPath {
        const b = h.b;
        const run = b.addSystemCommand(&.{ "clang-14", "-c", "-O1", "-g", fuzz_sanitizers });
        run.addArgs(h.flags(list));
        run.addArgs(extra);
        run.addArgs(&.{ "-DMN_SANITIZED=1", "-DMN_SLOW_CHECKS=1" });
        run.addArg(b.fmt("-DMN_VERSION_TEXT=\"{s}\"", .{manifest.version}));
        run.addPrefixedDirectoryArg("-I", b.path("include"));
        run.addPrefixedDirectoryArg("-I", b.path("src"));
        run.addPrefixedDirectoryArg("-I", b.path("fuzz"));
        if (h.generated.parser) |dir| run.addPrefixedDirectoryArg("-I", dir);
        run.addArgs(&.{ "-MMD", "-MF" });
        _ = run.addDepFileOutputArg("object.d");
        run.addArg("-o");
        const object = run.addOutputFileArg("object.o");
        run.addFileArg(file);
        return object;
    }

    fn addFormat(h: House, fmt: *Build.Step, check: *Build.Step) void {
        const b = h.b;
        const zig_files: Strings = &.{ "build.zig", "build.zig.zon" };
        const write = b.addSystemCommand(&.{ "clang-format-14", "-i" });
        write.addArgs(h.files.c);
        write.setCwd(b.path(""));
        write.has_side_effects = true;
        fmt.dependOn(&write.step);
        fmt.dependOn(&b.addFmt(.{ .paths = zig_files }).step);

        const verify = b.addSystemCommand(&.{ "clang-format-14", "--dry-run", "-Werror" });
        for (h.files.c) |path| verify.addFileArg(b.path(path));
        verify.addFileInput(b.path(".clang-format"));
        verify.expectExitCode(0);
        check.dependOn(&verify.step);
        check.dependOn(&b.addFmt(.{ .paths = zig_files, .check = true }).step);
    }

    fn addTidy(h: House, check: *Build.Step) void {
        const exceptions = "src/tool/long_functions.txt";
        const run = h.b.addRunArtifact(h.addTool("tidy"));
        run.setCwd(h.b.path("")); // tidy wants names as seen from the root
        run.addArg(exceptions);
        run.addFileInput(h.b.path(exceptions));
        for (h.files.text) |path| {
            if (!Files.exists(h.b, path)) continue;
            run.addArg(path);
            run.addFileInput(h.b.path(path));
        }
        run.expectExitCode(0);
        check.dependOn(&run.step);
    }

    /// What the libraries export, and that only the os room talks to the machine.
    fn addSymbols(h: House, static: *Compile, shared: *Compile, check: *Build.Step) void {
        const rest = Files.pick(h.b, h.files.library, Files.outsideOs);
        const run = h.b.addSystemCommand(&.{"/bin/sh"});
        run.addFileArg(h.b.path("src/tool/symbols.sh"));
        run.addFileArg(h.b.path("include/mneme.h"));
        run.addArtifactArg(static);
        run.addArtifactArg(shared);
        run.addArtifactArg(h.addLibrary(h.o.product(), rest, .static));
        run.expectExitCode(0);
        check.dependOn(&run.step);
    }
};

// _GNU_SOURCE: OFD locks, fallocate and futexes are daily bread here; one place decides.
const c_flags: Strings = &.{
    "-std=c11",             "-Wall",         "-Wextra",  "-Wpedantic",
    "-Werror",              "-Wconversion",  "-Wshadow", "-Wstrict-prototypes",
    "-Wmissing-prototypes", "-Wswitch-enum", "-Wundef",  "-Wvla",
    "-fno-strict-aliasing", "-D_GNU_SOURCE", "-pthread", "-fvisibility=hidden",
};

/// Generated code is not ours to style: warnings off; sanitizers and visibility stay on.
const generated_flags: Strings = &.{
    "-std=c11", "-w", "-fno-strict-aliasing", "-D_GNU_SOURCE", "-fvisibility=hidden",
};

const fuzz_sanitizers = "-fsanitize=fuzzer,address,undefined";

/// What the static library needs beside libc; mneme.pc names the same ones.
const system_libraries: Strings = &.{ "m", "dl" };

/// What the benches compare with; zigw installs their packages when it is called with `bench`.
const peers: Strings = &.{ "lmdb", "sqlite3" };
