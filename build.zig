//! The build of mneme. Sources are found by their place: a C file put into src/<layer>/, tests/, fuzz/ or bench/,
//! or a scanner put into grammar/, is built without a word here. `./zigw build --help` lists steps and options.
const std = @import("std");
const manifest = @import("build.zig.zon");
const version = std.SemanticVersion.parse(manifest.version) catch unreachable;

pub fn build(b: *std.Build) void {
    const o: Options = .{
        .target = b.standardTargetOptions(.{}),
        .optimize = b.option(std.builtin.OptimizeMode, "optimize", "Default: ReleaseSafe, optimised with assertions") orelse .ReleaseSafe,
        .sanitize = b.option(Sanitize, "sanitize", "Default: undefined for tests, none for what is installed"),
        .seed = b.option(u64, "seed", "Seed of random tests and of fuzz runs (default 1)") orelse 1,
        .filter = b.option([]const u8, "test-filter", "Only the test and fuzz programs whose name contains this"),
        .data = b.option([]const u8, "data", "Folder of the real data sets that tests read (default ../shared/data)") orelse "../shared/data",
        .deep = b.option(bool, "deep", "The long form of tests that have one") orelse false,
    };

    // Every step, in one place, so that this block reads as the table of contents of the build.
    const steps = .{
        .install = b.getInstallStep(),
        .run = b.step("run", "Run the shell; its arguments follow --"),
        .@"test" = b.step("test", "Build and run all tests, with assertions and the undefined-behaviour sanitizer"),
        .check = b.step("check", "Compile everything, check format, style, layering and exported names"),
        .fmt = b.step("fmt", "Reformat C and Zig sources in place"),
    };

    const files = Files.find(b);
    const generated = generate(b, files);

    const static = addLibrary(b, o.product(), files, generated, .static);
    const shared = addLibrary(b, o.product(), files, generated, .dynamic);
    installLibrary(b, static, shared);
    steps.check.dependOn(&static.step);
    steps.check.dependOn(&shared.step);

    if (files.shell.len > 0) {
        const shell = addShell(b, o.product(), files, static);
        b.installArtifact(shell);
        steps.check.dependOn(&shell.step);
        const run = b.addRunArtifact(shell);
        if (b.args) |args| run.addArgs(args);
        steps.run.dependOn(&run.step);
    }

    addTests(b, o, files, generated, steps.@"test", steps.check);
    addFormat(b, files, steps.fmt, steps.check);
}

const Sanitize = enum { none, undefined, thread };

const Options = struct {
    target: std.Build.ResolvedTarget,
    optimize: std.builtin.OptimizeMode,
    sanitize: ?Sanitize,
    slow_checks: bool = false,
    seed: u64,
    filter: ?[]const u8,
    data: []const u8,
    deep: bool,

    /// What is installed: no sanitizer unless asked for.
    fn product(o: Options) Options {
        var r = o;
        r.sanitize = o.sanitize orelse .none;
        return r;
    }

    /// What tests are linked with: whole structures are walked by MN_ASSERT_SLOW.
    fn testing(o: Options, default: Sanitize) Options {
        var r = o;
        r.sanitize = o.sanitize orelse default;
        r.slow_checks = true;
        return r;
    }

    fn wants(o: Options, name: []const u8) bool {
        return if (o.filter) |f| std.mem.indexOf(u8, name, f) != null else true;
    }

    /// A module of C code with the public header in reach, and src/ only if it is a room of the library or a test.
    fn module(o: Options, b: *std.Build, place: enum { inside, outside }) *std.Build.Module {
        const mod = b.createModule(.{
            .target = o.target,
            .optimize = o.optimize,
            .link_libc = true,
            .pic = true,
            .sanitize_c = if (o.sanitize == .undefined) .full else .off,
            .sanitize_thread = o.sanitize == .thread,
        });
        mod.addIncludePath(b.path("include"));
        if (place == .inside) mod.addIncludePath(b.path("src"));
        if (o.sanitize != .none) mod.addCMacro("MN_SANITIZED", "1");
        if (o.slow_checks) mod.addCMacro("MN_SLOW_CHECKS", "1");
        return mod;
    }
};

/// What lies in the source tree, each list sorted; paths are relative to the root.
const Files = struct {
    library: []const []const u8,
    shell: []const []const u8,
    scanners: []const []const u8,
    parser: bool,
    kernels: bool,
    support: []const []const u8,
    tests: []const []const u8,
    fuzzers: []const []const u8,
    formatted: []const []const u8,

    const kernel_source = "src/index/vector/kernel_impl.c";

    fn find(b: *std.Build) Files {
        var library: List = .empty;
        for (glob(b, "src", "", ".c")) |path| {
            if (std.mem.startsWith(u8, path, "src/shell/") or std.mem.startsWith(u8, path, "src/tool/")) continue;
            if (std.mem.eql(u8, path, kernel_source)) continue;
            library.append(b.allocator, path) catch @panic("OOM");
        }
        var formatted: List = .empty;
        for ([_][]const u8{ "src", "include", "tests", "fuzz", "bench" }) |dir| {
            for ([_][]const u8{ ".c", ".h" }) |ext| {
                formatted.appendSlice(b.allocator, glob(b, dir, "", ext)) catch @panic("OOM");
            }
        }
        return .{
            .library = library.items,
            .shell = glob(b, "src/shell", "", ".c"),
            .scanners = glob(b, "grammar", "", ".re"),
            .parser = exists(b, "grammar/query.y"),
            .kernels = exists(b, kernel_source),
            .support = glob(b, "tests/support", "", ".c"),
            .tests = glob(b, "tests", "test_", ".c"),
            .fuzzers = glob(b, "fuzz", "fuzz_", ".c"),
            .formatted = formatted.items,
        };
    }

    const List = std.ArrayList([]const u8);

    fn exists(b: *std.Build, path: []const u8) bool {
        b.build_root.handle.access(b.graph.io, path, .{}) catch return false;
        return true;
    }

    /// All files below dir whose name begins and ends so; none if there is no such folder.
    fn glob(b: *std.Build, dir: []const u8, prefix: []const u8, suffix: []const u8) []const []const u8 {
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

/// The parser by lemon and the scanners by re2c. They are written into the build cache, never into the source tree.
const Generated = struct {
    parser: ?std.Build.LazyPath, // folder of query.c and query.h, the token codes
    scanners: []const std.Build.LazyPath,
};

fn generate(b: *std.Build, files: Files) Generated {
    var parser: ?std.Build.LazyPath = null;
    if (files.parser) {
        const lemon = b.addSystemCommand(&.{ "lemon", "-q", "-l" });
        parser = lemon.addPrefixedOutputDirectoryArg("-d", "grammar");
        lemon.addFileArg(b.path("grammar/query.y"));
    }
    const scanners = b.allocator.alloc(std.Build.LazyPath, files.scanners.len) catch @panic("OOM");
    for (files.scanners, scanners) |source, *out| {
        const re2c = b.addSystemCommand(&.{ "re2c", "-W", "-Werror", "-i", "--no-generation-date", "-o" });
        out.* = re2c.addOutputFileArg(b.fmt("{s}.c", .{std.fs.path.stem(source)}));
        re2c.addFileArg(b.path(source));
    }
    return .{ .parser = parser, .scanners = scanners };
}

fn addLibrary(b: *std.Build, o: Options, files: Files, generated: Generated, linkage: std.builtin.LinkMode) *std.Build.Step.Compile {
    const mod = o.module(b, .inside);
    mod.addCMacro("MN_VERSION_TEXT", b.fmt("\"{s}\"", .{manifest.version}));
    mod.addCSourceFiles(.{ .files = files.library, .flags = c_flags });
    if (generated.parser) |dir| {
        mod.addIncludePath(dir);
        mod.addCSourceFile(.{ .file = dir.path(b, "query.c"), .flags = generated_flags });
    }
    for (generated.scanners) |file| mod.addCSourceFile(.{ .file = file, .flags = generated_flags });
    if (files.kernels) addKernels(b, o, mod);
    for (system_libraries) |name| mod.linkSystemLibrary(name, .{});
    return b.addLibrary(.{ .name = "mneme", .linkage = linkage, .version = version, .root_module = mod });
}

/// The vector kernels: one source, compiled once for each level of the machine. A level is a target of its own,
/// because feature flags among a file's flags are overruled by the target's list. Only kernels may lie in that
/// source, or the linker could keep a shared inline function in its AVX-512 form and crash an older machine.
fn addKernels(b: *std.Build, o: Options, into: *std.Build.Module) void {
    const arch = o.target.result.cpu.arch;
    for (kernel_levels) |level| {
        if (level.arch) |only| if (only != arch) continue;
        var query = o.target.query;
        query.cpu_model = .baseline;
        switch (arch) {
            .x86_64 => query.cpu_features_add.addFeatureSet(std.Target.x86.featureSet(level.x86)),
            .aarch64 => query.cpu_features_add.addFeatureSet(std.Target.aarch64.featureSet(level.aarch64)),
            else => {},
        }
        var at_level = o;
        at_level.target = b.resolveTargetQuery(query);
        const mod = at_level.module(b, .inside);
        mod.addCMacro("MN_KERNEL_LEVEL", level.name);
        mod.addCSourceFile(.{ .file = b.path(Files.kernel_source), .flags = c_flags });
        into.addObject(b.addObject(.{ .name = b.fmt("kernel_{s}", .{level.name}), .root_module = mod }));
    }
}

const KernelLevel = struct {
    name: []const u8,
    arch: ?std.Target.Cpu.Arch = null,
    x86: []const std.Target.x86.Feature = &.{},
    aarch64: []const std.Target.aarch64.Feature = &.{},
};

const kernel_levels: []const KernelLevel = &.{
    .{ .name = "baseline" },
    .{ .name = "avx2", .arch = .x86_64, .x86 = &.{ .avx2, .fma, .f16c } },
    .{ .name = "avx512", .arch = .x86_64, .x86 = &.{ .avx2, .fma, .f16c, .avx512f, .avx512bw, .avx512dq, .avx512vl, .avx512vnni } },
    .{ .name = "dotprod", .arch = .aarch64, .aarch64 = &.{.dotprod} },
};

fn installLibrary(b: *std.Build, static: *std.Build.Step.Compile, shared: *std.Build.Step.Compile) void {
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

fn addShell(b: *std.Build, o: Options, files: Files, lib: *std.Build.Step.Compile) *std.Build.Step.Compile {
    const mod = o.module(b, .outside); // the shell sees the public header only
    mod.addCSourceFiles(.{ .files = files.shell, .flags = c_flags });
    mod.addIncludePath(b.path("src/shell"));
    mod.addCMacro("MN_VERSION_TEXT", b.fmt("\"{s}\"", .{manifest.version}));
    mod.linkLibrary(lib);
    mod.linkSystemLibrary("edit", .{});
    return b.addExecutable(.{ .name = "mneme", .root_module = mod });
}

/// One program a file tests/test_*.c, with tests/support/*.c in reach, and one a fuzz target, which replays its corpus
/// and seeded inputs. src/tool/runner.c runs and counts them. What a test may need from outside is in its environment:
/// MNEME_TEST_DATA (folder of data sets), MNEME_TEST_SHELL (a shell built like the test), MNEME_TEST_SOURCE (the root
/// of the source tree), MNEME_TEST_SEED and, for long runs, MNEME_TEST_DEEP=1; see tests/support/test.h.
fn addTests(b: *std.Build, o: Options, files: Files, generated: Generated, step: *std.Build.Step, check: *std.Build.Step) void {
    const run = b.addRunArtifact(addTool(b, "runner"));
    run.stdio = .inherit;
    run.setCwd(b.path(""));
    run.addArgs(&.{ b.getInstallPath(.{ .custom = "test" }, ""), "0", if (o.deep) "7200" else "900" });
    run.setEnvironmentVariable("MNEME_TEST_DATA", b.pathFromRoot(o.data));
    run.setEnvironmentVariable("MNEME_TEST_SOURCE", b.pathFromRoot(""));
    run.setEnvironmentVariable("MNEME_TEST_SEED", b.fmt("{d}", .{o.seed}));
    if (o.deep) run.setEnvironmentVariable("MNEME_TEST_DEEP", "1");

    const t = o.testing(.undefined);
    const lib = addLibrary(b, t, files, generated, .static);
    const support = addSupport(b, t, files);
    if (files.shell.len > 0) {
        const shell = b.addInstallArtifact(addShell(b, t, files, lib), .{ .dest_dir = .{ .override = .{ .custom = "test" } } });
        run.setEnvironmentVariable("MNEME_TEST_SHELL", b.getInstallPath(.{ .custom = "test" }, "mneme"));
        run.step.dependOn(&shell.step);
    }
    for (files.tests) |path| {
        const name = std.fs.path.stem(path);
        if (!o.wants(name)) continue;
        const exe = addTest(b, t, path, name, lib, support);
        check.dependOn(&exe.step);
        run.addArgs(&.{ "--", name });
        run.addArtifactArg(exe);
    }
    for (files.fuzzers) |path| {
        const name = std.fs.path.stem(path);
        if (!o.wants(name)) continue;
        const exe = addTest(b, t, path, name, lib, support);
        exe.root_module.addCSourceFile(.{ .file = b.path("fuzz/driver.c"), .flags = c_flags });
        check.dependOn(&exe.step);
        run.addArgs(&.{ "--", name });
        run.addArtifactArg(exe);
        run.addArgs(&.{ b.pathFromRoot(corpus(b, name)), b.fmt("{d}", .{o.seed}), if (o.deep) "1000000" else "2000" });
    }
    addThreadTests(b, o, files, generated, run);
    step.dependOn(&run.step);
}

/// The programs tests/test_*_threads.c once more, with the whole library, under the thread sanitizer.
fn addThreadTests(b: *std.Build, o: Options, files: Files, generated: Generated, run: *std.Build.Step.Run) void {
    if (o.sanitize != null) return; // one sanitizer was asked for, and all tests run with it already
    const t = o.testing(.thread);
    var lib: ?*std.Build.Step.Compile = null;
    for (files.tests) |path| {
        const stem = std.fs.path.stem(path);
        const name = b.fmt("{s}_tsan", .{stem});
        if (!std.mem.endsWith(u8, stem, "_threads") or !o.wants(name)) continue;
        if (lib == null) lib = addLibrary(b, t, files, generated, .static);
        run.addArgs(&.{ "--", name });
        run.addArtifactArg(addTest(b, t, path, name, lib.?, addSupport(b, t, files)));
    }
}

fn addSupport(b: *std.Build, o: Options, files: Files) *std.Build.Step.Compile {
    const mod = o.module(b, .inside);
    mod.addIncludePath(b.path("tests"));
    mod.addCSourceFiles(.{ .files = files.support, .flags = c_flags });
    return b.addLibrary(.{ .name = "support", .linkage = .static, .root_module = mod });
}

fn addTest(b: *std.Build, o: Options, path: []const u8, name: []const u8, lib: *std.Build.Step.Compile, support: *std.Build.Step.Compile) *std.Build.Step.Compile {
    const mod = o.module(b, .inside);
    mod.addIncludePath(b.path("tests"));
    mod.addCSourceFile(.{ .file = b.path(path), .flags = c_flags });
    mod.linkLibrary(support);
    mod.linkLibrary(lib);
    mod.linkSystemLibrary("cmocka", .{});
    return b.addExecutable(.{ .name = name, .root_module = mod });
}

/// fuzz_parse -> fuzz/corpus/parse
fn corpus(b: *std.Build, name: []const u8) []const u8 {
    return b.fmt("fuzz/corpus/{s}", .{name["fuzz_".len..]});
}

/// A program of src/tool, for the machine that builds.
fn addTool(b: *std.Build, name: []const u8) *std.Build.Step.Compile {
    const mod = b.createModule(.{ .target = b.graph.host, .optimize = .Debug, .link_libc = true });
    mod.addCSourceFile(.{ .file = b.path(b.fmt("src/tool/{s}.c", .{name})), .flags = c_flags });
    return b.addExecutable(.{ .name = name, .root_module = mod });
}

fn addFormat(b: *std.Build, files: Files, fmt: *std.Build.Step, check: *std.Build.Step) void {
    const write = b.addSystemCommand(&.{ "clang-format-14", "-i" });
    write.addArgs(files.formatted);
    write.setCwd(b.path(""));
    write.has_side_effects = true;
    fmt.dependOn(&write.step);
    fmt.dependOn(&b.addFmt(.{ .paths = &.{ "build.zig", "build.zig.zon" } }).step);

    const verify = b.addSystemCommand(&.{ "clang-format-14", "--dry-run", "-Werror" });
    for (files.formatted) |path| verify.addFileArg(b.path(path));
    verify.addFileInput(b.path(".clang-format"));
    verify.expectExitCode(0);
    check.dependOn(&verify.step);
    check.dependOn(&b.addFmt(.{ .paths = &.{ "build.zig", "build.zig.zon" }, .check = true }).step);
}

// _GNU_SOURCE: OFD locks, fallocate and futexes are this library's daily bread; one place decides.
const c_flags: []const []const u8 = &.{
    "-std=c11",      "-Wall",    "-Wextra",              "-Wpedantic",          "-Werror",
    "-Wconversion",  "-Wshadow", "-Wstrict-prototypes",  "-Wvla",               "-Wmissing-prototypes",
    "-Wswitch-enum", "-Wundef",  "-fno-strict-aliasing", "-fvisibility=hidden", "-D_GNU_SOURCE",
};

/// Generated code is not ours to style: warnings off; sanitizers and visibility stay on.
const generated_flags: []const []const u8 = &.{ "-std=c11", "-w", "-fno-strict-aliasing", "-fvisibility=hidden", "-D_GNU_SOURCE" };

/// What the static library needs beside libc; mneme.pc names the same ones.
const system_libraries: []const []const u8 = &.{ "m", "dl" };
