//! Modules made to take gigabytes of memory while they are compiled, or while an error's lines are looked up.

use std::process::Command;
use std::time::Duration;

use tilefn_sandbox::{Error, Limits, Sandbox};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataSection, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, ImportSection, InstructionSink, MemArg, MemorySection, MemoryType, Module, NameMap,
    NameSection, TypeSection, ValType,
};

use super::debug;
use super::fixture::*;

/// Most memory that a process may take which compiles any of them, bytes.
const MOST: u64 = 1536 << 20;

/// Tells a process of its own which module to compile.
const CASE: &str = "TILEFN_TEST_MODULE";

const ADDRESS: MemArg = MemArg { offset: 0, align: 2, memory_index: 0 };
const I32: ValType = ValType::I32;

/// A module with a memory and a function `huge` with this body, without parameters.
fn function(locals: u32, body: impl FnMut(u32, &mut InstructionSink<'_>)) -> Vec<u8> {
    functions(0, 1, locals, body)
}

/// A module with so many functions, of as many parameters and results as `values`. The first one's name is `huge`.
fn functions(values: usize, count: u32, locals: u32, mut body: impl FnMut(u32, &mut InstructionSink<'_>)) -> Vec<u8> {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function(vec![I32; values], vec![I32; values]);
    module.section(&types);
    let mut section = FunctionSection::new();
    (0..count).for_each(|_| _ = section.function(0));
    module.section(&section).section(&one_page());
    let mut code = CodeSection::new();
    for index in 0..count {
        let mut function = Function::new([(locals, I32)]);
        body(index, &mut function.instructions());
        function.instructions().end();
        code.function(&function);
    }
    module.section(&code);
    let mut names = NameMap::new();
    names.append(0, "huge");
    let mut section = NameSection::new();
    section.functions(&names);
    module.section(&section);
    module.finish()
}

fn one_page() -> MemorySection {
    let mut memory = MemorySection::new();
    memory.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    memory
}

/// `n` branches, at each of which a local may get a new value.
fn branches(sink: &mut InstructionSink<'_>, n: u32, locals: u32) {
    for i in 0..n {
        let local = i.wrapping_mul(7919) % locals;
        sink.local_get(local).if_(BlockType::Empty).local_get((local + 1) % locals).local_set(local).end();
    }
}

/// Values that differ, of two locals each.
fn values(sink: &mut InstructionSink<'_>, n: u32, locals: u32) {
    for i in 0..n {
        sink.i32_const(i.cast_signed())
            .local_get(i % locals)
            .local_get(i / locals % locals)
            .i32_mul()
            .i32_store(ADDRESS);
    }
}

/// A module made of other sections than code.
fn sections(make: impl FnOnce(&mut Module)) -> Vec<u8> {
    let mut module = Module::new();
    make(&mut module);
    module.finish()
}

fn types(module: &mut Module, count: u32, values: usize) {
    let mut types = TypeSection::new();
    (0..count).for_each(|_| types.ty().function(vec![I32; values], vec![]));
    module.section(&types);
}

fn imports(module: &mut Module) {
    types(module, 1, 3);
    let mut imports = ImportSection::new();
    (0..1_001).for_each(|_| _ = imports.import("tilefn", "report", EntityType::Function(0)));
    module.section(&imports);
}

fn globals(module: &mut Module, count: u32, value: &ConstExpr) {
    let mut globals = GlobalSection::new();
    let ty = GlobalType { val_type: I32, mutable: true, shared: false };
    (0..count).for_each(|_| _ = globals.global(ty, value));
    module.section(&globals);
}

fn exports(module: &mut Module) {
    module.section(&one_page());
    let mut exports = ExportSection::new();
    (0..10_001).for_each(|n| _ = exports.export(&n.to_string(), ExportKind::Memory, 0));
    module.section(&exports);
}

fn data(module: &mut Module) {
    module.section(&one_page());
    let mut data = DataSection::new();
    (0..10_001).for_each(|_| _ = data.active(0, &ConstExpr::i32_const(0), *b"x"));
    module.section(&data);
}

/// A value for each place of a stack, then branches over them all, then a use of each.
fn stack(sink: &mut InstructionSink<'_>, height: u32, over: u32) {
    (0..height).for_each(|n| _ = sink.i32_const(n.cast_signed()).i32_load(ADDRESS));
    branches(sink, over, 10);
    (1..height).for_each(|_| _ = sink.i32_add());
    sink.drop();
}

/// A module, and how it ends: with an error that begins so.
type Case = (&'static str, fn() -> Vec<u8>, &'static str);

/// A module that is compiled, and then isn't one of ours.
const COMPILED: &str = "the module doesn't export `tilefn_abi_v1`";
const TRAPPED: &str = "`process:double` trapped: wasm `unreachable` instruction executed";

const CASES: &[Case] = &[
    (
        "half a million branches and 50 000 locals",
        || function(50_000, |_, sink| branches(sink, 500_000, 50_000)),
        "function 0 (`huge`) has 50000 locals, the limit is 10000",
    ),
    (
        "instructions",
        || function(10, |_, sink| branches(sink, 60_000, 10)),
        "function 0 (`huge`) has 300001 instructions, the limit is 250000",
    ),
    (
        "loops",
        || function(1, |_, sink| (0..40_000).for_each(|_| _ = sink.loop_(BlockType::Empty).end())),
        "function 0 (`huge`) has 120000 branches, the limit is 60000",
    ),
    (
        "targets",
        || {
            function(1_000, |_, sink| {
                (0..20).for_each(|_| _ = sink.block(BlockType::Empty));
                (0..30).for_each(|_| _ = sink.local_get(0).br_table((0..5_000).map(|n| n % 20), 0));
                (0..20).for_each(|_| _ = sink.end());
            })
        },
        "function 0 (`huge`) has 150050 branches, the limit is 60000",
    ),
    (
        "locals and branches",
        || function(9_000, |_, sink| branches(sink, 9_000, 9_000)),
        "function 0 (`huge`) has 162000000 locals × branches, the limit is 10000000",
    ),
    (
        "values and branches",
        || {
            function(10, |_, sink| {
                values(sink, 25_000, 10);
                branches(sink, 15_000, 10);
            })
        },
        "function 0 (`huge`) has 6000030000 instructions × branches, the limit is 4000000000",
    ),
    (
        "values that blocks hand on",
        || {
            functions(1_000, 1, 0, |_, sink| {
                (0..1_000).for_each(|n| _ = sink.local_get(n));
                (0..1_000).for_each(|_| _ = sink.block(BlockType::FunctionType(0)).end());
            })
        },
        "function 0 (`huge`) has 2003001 instructions, the limit is 250000",
    ),
    (
        "values that calls hand on",
        || {
            functions(1_000, 1, 0, |_, sink| {
                (0..1_000).for_each(|n| _ = sink.local_get(n));
                (0..1_000).for_each(|_| _ = sink.call(0));
            })
        },
        "function 0 (`huge`) has 2002001 instructions, the limit is 250000",
    ),
    ("types", || sections(|module| types(module, 10_001, 0)), "the module has 10001 types, the limit is 10000"),
    (
        "parameters",
        || sections(|module| types(module, 101, 1_000)),
        "the module has 101000 parameters and results in its types, the limit is 100000",
    ),
    ("imports", || sections(imports), "the module has 1001 imports, the limit is 1000"),
    ("functions", || functions(0, 100_001, 0, |_, _| {}), "the module has 100001 functions, the limit is 100000"),
    (
        "globals",
        || sections(|module| globals(module, 10_001, &ConstExpr::i32_const(0))),
        "the module has 10001 globals, the limit is 10000",
    ),
    ("exports", || sections(exports), "the module has 10001 exports, the limit is 10000"),
    ("data segments", || sections(data), "the module has 10001 data segments, the limit is 10000"),
    // Large ones of which nothing is too much by itself.
    ("many locals over many branches", || function(1_000, |_, sink| branches(sink, 4_900, 1_000)), COMPILED),
    (
        "many values over many branches",
        || {
            function(10, |_, sink| {
                values(sink, 18_000, 10);
                branches(sink, 9_000, 10);
                values(sink, 17_000, 10);
            })
        },
        COMPILED,
    ),
    ("many values on the stack", || function(10, |_, sink| stack(sink, 40_000, 8_000)), COMPILED),
    (
        "blocks in blocks",
        || {
            function(1, |_, sink| {
                (0..20_000).for_each(|_| _ = sink.block(BlockType::Empty));
                (0..20_000).for_each(|_| _ = sink.local_get(0).br_if(0).end());
            })
        },
        COMPILED,
    ),
    // Debug information, of a function that traps.
    ("inlined ten thousand deep", || debug::traps(&debug::inlined(10_000)), TRAPPED),
    ("a line table of 57 MB", || debug::traps(&debug::lines(57 << 20)), TRAPPED),
    ("a line table of 4 MB", || debug::traps(&debug::lines(4_000_000)), TRAPPED),
    ("a list of ranges for each of many functions", || debug::traps(&debug::ranges(200_000, 100_000)), TRAPPED),
];

/// Those that take long to compile: as many large functions as are compiled at the same time.
const LARGE: &[Case] = &[
    ("many locals, four times", || functions(0, 4, 1_000, |_, sink| branches(sink, 4_900, 1_000)), COMPILED),
    ("many values, four times", || functions(0, 4, 10, |_, sink| values(sink, 45_000, 10)), COMPILED),
    ("many functions", || functions(0, 99_000, 1, |_, sink| values(sink, 20, 1)), COMPILED),
];

/// What became of a module in a process of its own, and the most memory that it took there, in bytes.
fn elsewhere(name: &str, address_space: Option<u64>) -> (String, u64) {
    let program = std::env::current_exe().unwrap();
    let limit = address_space.map_or("unlimited".to_owned(), |bytes| (bytes >> 10).to_string());
    let output = Command::new("sh")
        .args(["-c", r#"ulimit -v "$0" && exec "$@""#, &limit])
        .arg(program)
        .args(["--exact", "compiler::in_a_process_of_its_own", "--nocapture"])
        .env(CASE, name)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let result = text.lines().find_map(|line| line.strip_prefix("result ")).map(ToOwned::to_owned);
    let peak = text.lines().find_map(|line| line.strip_prefix("peak ")?.parse().ok());
    result.zip(peak).unwrap_or_else(|| panic!("{name}: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn result(wasm: &[u8]) -> Result<(), Error> {
    // On a busy machine the memory is what counts.
    let limits = Limits { compile_time: Duration::from_secs(3600), ..Limits::default() };
    let sandbox = Sandbox::new(&limits, 1, 0)?;
    let module = sandbox.compile(wasm)?;
    process(&mut only(&module)?.instance()?, &[1.0])?;
    Ok(())
}

#[test]
fn in_a_process_of_its_own() {
    let Ok(name) = std::env::var(CASE) else { return };
    let found = CASES.iter().chain(LARGE).find(|(case, ..)| *case == name);
    let wasm = found.map_or_else(|| good().build(), |(_, module, _)| module());
    let text = result(&wasm).map_or_else(|error| error.to_string(), |()| "it works".to_owned());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    // The test's own line has no end yet.
    println!("\nresult {text}\npeak {}", peak << 10);
}

fn none_takes_much(cases: &[Case]) {
    for (name, _, expected) in cases {
        let (result, peak) = elsewhere(name, None);
        eprintln!("{name}: {} MiB", peak >> 20);
        assert!(result.starts_with(expected), "{name}: {result}");
        assert!(peak < MOST, "{name}: {peak} bytes");
    }
}

#[test]
fn none_takes_gigabytes() {
    none_takes_much(CASES);
}

#[test]
#[ignore = "takes a minute"]
fn the_largest_that_pass_take_no_gigabytes_either() {
    none_takes_much(LARGE);
}

#[test]
fn little_address_space_is_an_error_or_suffices() {
    for mib in [256, 512, 1024, 4096, 16_384] {
        let (result, _) = elsewhere("a good one", Some(mib << 20));
        assert!(result == "it works" || result.starts_with("sandbox: "), "{mib} MiB: {result}");
    }
}
