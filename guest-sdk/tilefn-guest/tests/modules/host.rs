//! The host's side of the ABI, as small as can be: an interpreter, and call blocks written field by field.

use std::{path::Path, process::Command, sync::OnceLock};

use bytemuck::{Pod, bytes_of};
use tilefn_abi::{self as abi, DType, Report, Slice};
use wasmi::{Caller, Engine, Extern, Instance, Linker, Store, TypedFunc};

/// An instance of the test module.
pub struct Module {
    store: Store<Vec<(Report, String)>>,
    instance: Instance,
    module: wasmi::Module,
}

/// Why a call gave no result.
#[derive(Debug, PartialEq)]
pub enum Failure {
    Reported(String),
    Panicked(String),
}

/// What `process` returned.
#[derive(Debug)]
pub struct Result {
    pub outputs: Vec<Vec<Output>>,
    pub state: Vec<u8>,
}

/// An output raster.
#[derive(Debug)]
pub struct Output {
    pub dtype: DType,
    pub shape: [usize; 3],
    pub nodata: Option<u64>,
    pub bytes: Vec<u8>,
}

impl Output {
    /// The pixels of a float raster; none where they are marked.
    pub fn f32(&self) -> Vec<Option<f32>> {
        assert_eq!(self.dtype, DType::Float32);
        let nodata = self.nodata.map(|bits| f64::from_bits(bits) as f32);
        let pixels = bytemuck::pod_collect_to_vec::<u8, f32>(&self.bytes);
        pixels.into_iter().map(|v| Some(v).filter(|v| !v.is_nan() && Some(*v) != nodata)).collect()
    }
}

/// Builds tests/module once for all tests of the process.
pub fn build() -> &'static [u8] {
    static WASM: OnceLock<Vec<u8>> = OnceLock::new();
    WASM.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/module");
        // The test module has no .cargo/config.toml, which an author's crate has.
        let flags = "target.wasm32-unknown-unknown.rustflags=['-Ctarget-feature=+simd128', '-Cllvm-args=-force-vector-interleave=4']";
        build_crate(&folder, "module", &["--locked", "--config", flags])
    })
}

/// Builds a crate for wasm32 as an author would; the module.
pub fn build_crate(folder: &Path, name: &str, arguments: &[&str]) -> Vec<u8> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let status = cargo(folder, &target)
        .args(["build", "--release", "--target", "wasm32-unknown-unknown"])
        .args(arguments)
        .status();
    assert!(status.unwrap().success(), "the crate doesn't build; the target wasm32-unknown-unknown is needed");
    std::fs::read(target.join(format!("wasm32-unknown-unknown/release/{name}.wasm"))).unwrap()
}

/// Cargo in another crate, without the flags that this test run was given.
pub fn cargo(folder: &Path, target: &Path) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo
}

impl Module {
    /// An instance of the module in tests/module.
    pub fn new() -> Self {
        Self::of(build())
    }

    pub fn of(wasm: &[u8]) -> Self {
        let engine = Engine::default();
        let module = wasmi::Module::new(&engine, wasm).unwrap();
        let mut linker = Linker::new(&engine);
        let report = |mut caller: Caller<'_, Vec<(Report, String)>>, kind: u32, text: u32, len: u32| {
            let Some(Extern::Memory(memory)) = caller.get_export("memory") else { panic!("no memory") };
            let text = &memory.data(&caller)[text as usize..][..len as usize];
            let text = String::from_utf8(text.to_vec()).unwrap();
            caller.data_mut().push((Report::from_u32(kind).unwrap(), text));
        };
        linker.func_wrap("tilefn", "report", report).unwrap();
        let mut store = Store::new(&engine, Vec::new());
        let instance = linker.instantiate_and_start(&mut store, &module).unwrap();
        Self { store, instance, module }
    }

    pub fn exports(&self) -> Vec<String> {
        let mut names: Vec<_> = self.module.exports().map(|export| export.name().to_owned()).collect();
        names.sort();
        names
    }

    pub fn imports(&self) -> Vec<String> {
        self.module.imports().map(|import| format!("{}.{}", import.module(), import.name())).collect()
    }

    /// Everything reported so far.
    pub fn reports(&self) -> &[(Report, String)] {
        self.store.data()
    }

    pub fn describe(&mut self, function: &str) -> serde_json::Value {
        let describe: TypedFunc<(), u64> = self.function(&format!("describe:{function}"));
        let packed = describe.call(&mut self.store, ()).unwrap();
        let (address, len) = ((packed >> 32) as u32, packed as u32);
        serde_json::from_slice(&self.bytes(address, len as usize)).unwrap()
    }

    pub fn process(&mut self, function: &str, call: Call) -> std::result::Result<Result, Failure> {
        let block = call.write(|bytes| self.write(bytes, 16));
        let address = self.write(&block, 16);
        let process: TypedFunc<u32, u32> = self.function(&format!("process:{function}"));
        let outcome = process.call(&mut self.store, address);
        let outcome = self.outcome(outcome)?;
        let lists: Vec<abi::RasterList> = self.items(outcome.outputs, outcome.output_count);
        let outputs = lists.iter().map(|list| {
            let rasters: Vec<abi::OutRaster> = self.items(list.rasters, list.count);
            rasters.iter().map(|raster| self.output(raster)).collect()
        });
        Ok(Result { outputs: outputs.collect(), state: self.bytes(outcome.state, outcome.state_len as usize) })
    }

    pub fn merge(&mut self, function: &str, a: &[u8], b: &[u8]) -> std::result::Result<Vec<u8>, Failure> {
        let (a_address, b_address) = (self.write(a, 1), self.write(b, 1));
        let merge: TypedFunc<(u32, u32, u32, u32), u32> = self.function(&format!("merge:{function}"));
        let outcome = merge.call(&mut self.store, (a_address, a.len() as u32, b_address, b.len() as u32));
        let outcome = self.outcome(outcome)?;
        Ok(self.bytes(outcome.state, outcome.state_len as usize))
    }

    pub fn finish(&mut self, function: &str, state: &[u8]) -> std::result::Result<serde_json::Value, Failure> {
        let address = self.write(state, 1);
        let finish: TypedFunc<(u32, u32), u32> = self.function(&format!("finish:{function}"));
        let outcome = finish.call(&mut self.store, (address, state.len() as u32));
        let outcome = self.outcome(outcome)?;
        Ok(serde_json::from_slice(&self.bytes(outcome.state, outcome.state_len as usize)).unwrap())
    }

    fn outcome(&self, returned: std::result::Result<u32, wasmi::Error>) -> std::result::Result<abi::Outcome, Failure> {
        match (returned, self.reports().last()) {
            (Ok(0), Some((Report::Error, text))) => Err(Failure::Reported(text.clone())),
            (Err(_), Some((Report::Panic, text))) => Err(Failure::Panicked(text.clone())),
            (Ok(address), _) if address != 0 => Ok(self.items(address, 1)[0]),
            (other, reports) => panic!("{other:?} {reports:?}"),
        }
    }

    fn output(&self, raster: &abi::OutRaster) -> Output {
        let shape = [raster.bands, raster.rows, raster.cols].map(|n| n as usize);
        let dtype = DType::from_u32(raster.dtype).unwrap();
        assert_eq!(raster.data as usize % dtype.size(), 0);
        let bytes = self.bytes(raster.data, shape.iter().product::<usize>() * dtype.size());
        Output { dtype, shape, nodata: (raster.has_nodata == 1).then_some(raster.nodata), bytes }
    }

    /// Memory from the module, filled.
    fn write(&mut self, bytes: &[u8], align: u32) -> u32 {
        let alloc: TypedFunc<(u32, u32), u32> = self.function("tilefn_alloc");
        let address = alloc.call(&mut self.store, (bytes.len() as u32, align)).unwrap();
        assert!(address != 0 && address.is_multiple_of(align));
        let memory = self.instance.get_memory(&self.store, "memory").unwrap();
        memory.write(&mut self.store, address as usize, bytes).unwrap();
        address
    }

    fn bytes(&self, address: u32, len: usize) -> Vec<u8> {
        let memory = self.instance.get_memory(&self.store, "memory").unwrap();
        memory.data(&self.store)[address as usize..][..len].to_vec()
    }

    fn items<T: Pod>(&self, address: u32, count: u32) -> Vec<T> {
        bytemuck::pod_collect_to_vec(&self.bytes(address, count as usize * size_of::<T>()))
    }

    fn function<P: wasmi::WasmParams, R: wasmi::WasmResults>(&self, name: &str) -> TypedFunc<P, R> {
        self.instance.get_typed_func(&self.store, name).unwrap()
    }
}

/// A call to be written.
pub struct Call {
    header: abi::Call,
    params: Vec<(Param, u32)>,
    inputs: Vec<(&'static str, Vec<Raster>)>,
    outputs: Vec<(&'static str, u32)>,
}

/// A parameter's value.
#[derive(Clone)]
pub enum Param {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'static str),
    List(Vec<Param>),
}

/// An input raster.
#[derive(Clone)]
pub struct Raster {
    dtype: DType,
    shape: [usize; 3],
    bytes: Vec<u8>,
    path: &'static str,
    bands: Vec<Band>,
}

/// A band's description.
#[derive(Clone, Copy)]
pub struct Band {
    pub name: &'static str,
    pub nodata: Option<u64>,
}

impl Raster {
    pub fn new<T: Pod, const N: usize>(dtype: DType, shape: [usize; 3], pixels: [T; N]) -> Self {
        assert_eq!(pixels.len(), shape.iter().product::<usize>());
        let bytes = bytemuck::cast_slice(&pixels).to_vec();
        Self { dtype, shape, bytes, path: "", bands: vec![Band { name: "", nodata: None }; shape[0]] }
    }

    pub fn f32(shape: [usize; 3], pixels: &[f32]) -> Self {
        let bytes = bytemuck::cast_slice(pixels).to_vec();
        Self { bytes, ..Self::new(DType::Float32, [0, 0, 0], [0f32; 0]) }.shaped(shape)
    }

    fn shaped(self, shape: [usize; 3]) -> Self {
        Self { shape, bands: vec![Band { name: "", nodata: None }; shape[0]], ..self }
    }

    pub fn path(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    pub fn bands(self, bands: impl Into<Vec<Band>>) -> Self {
        Self { bands: bands.into(), ..self }
    }

    pub fn nodata(mut self, nodata: &[Option<f64>]) -> Self {
        let bits = |v: f64| if self.dtype.is_float() { v.to_bits() } else { v as i64 as u64 };
        self.bands = nodata.iter().map(|v| Band { name: "", nodata: v.map(bits) }).collect();
        self
    }
}

impl Call {
    /// A tile of so many pixels, somewhere in a larger grid.
    pub fn new(rows: u32, cols: u32) -> Self {
        let header = abi::Call {
            tile_count: 12,
            tile_row: 1,
            tile_col: 2,
            tile_rows: 4,
            tile_cols: 3,
            row: 100,
            col: 200,
            rows,
            cols,
            grid_rows: 400,
            grid_cols: 600,
            geotransform: [500.0, 10.0, 0.0, 8000.0, 0.0, -10.0],
            ..Default::default()
        };
        Self { header, params: vec![], inputs: vec![], outputs: vec![] }
    }

    pub fn halo(mut self, halo: u32) -> Self {
        self.header.halo = halo;
        self
    }

    pub fn index(mut self, index: u64) -> Self {
        self.header.tile_index = index;
        self
    }

    pub fn param(self, param: Param) -> Self {
        let kind = match param {
            Param::Bool(_) => 1,
            Param::Int(_) => 2,
            Param::Float(_) => 3,
            _ => 4,
        };
        self.param_of_kind(param, kind)
    }

    pub fn param_of_kind(mut self, param: Param, kind: u32) -> Self {
        self.params.push((param, kind));
        self
    }

    pub fn input(mut self, name: &'static str, rasters: impl Into<Vec<Raster>>) -> Self {
        self.inputs.push((name, rasters.into()));
        self
    }

    pub fn output(mut self, name: &'static str, files: u32) -> Self {
        self.outputs.push((name, files));
        self
    }

    /// The block; `alloc` puts pixels into the module's memory.
    fn write(&self, mut alloc: impl FnMut(&[u8]) -> u32) -> Vec<u8> {
        let mut block = Block(vec![0; size_of::<abi::Call>()]);
        let mut header = self.header;
        header.crs = block.text("LOCAL_CS[\"plan\"]");
        let params: Vec<_> = self.params.iter().map(|(param, kind)| block.param(param, *kind)).collect();
        header.params = block.items(&params);
        let inputs: Vec<_> = self
            .inputs
            .iter()
            .map(|(name, rasters)| {
                let rasters: Vec<_> = rasters.iter().map(|raster| block.raster(raster, alloc(&raster.bytes))).collect();
                abi::Input { name: block.text(name), rasters: block.items(&rasters) }
            })
            .collect();
        header.inputs = block.items(&inputs);
        let output = |(name, files): &(&str, u32)| abi::Output { name: block.text(name), rasters: *files, reserved: 0 };
        let outputs: Vec<_> = self.outputs.iter().map(output).collect();
        header.outputs = block.items(&outputs);
        header.size = block.0.len() as u32;
        block.0[..size_of::<abi::Call>()].copy_from_slice(bytes_of(&header));
        block.0
    }
}

/// A call block that grows.
struct Block(Vec<u8>);

impl Block {
    fn items<T: Pod>(&mut self, items: &[T]) -> Slice {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let offset = self.0.len() as u32;
        self.0.extend_from_slice(bytemuck::cast_slice(items));
        Slice { offset, len: items.len() as u32 }
    }

    fn text(&mut self, text: &str) -> Slice {
        self.items(text.as_bytes())
    }

    fn param(&mut self, param: &Param, kind: u32) -> abi::Param {
        let bits = |param: &Param| match param {
            Param::Bool(v) => u64::from(*v),
            Param::Int(v) => *v as u64,
            Param::Float(v) => v.to_bits(),
            Param::Text(_) | Param::List(_) => 0,
        };
        let (list, items) = match param {
            Param::Text(text) => (0, self.text(text)),
            Param::List(params) if kind == 4 => {
                let texts: Vec<_> = params
                    .iter()
                    .map(|param| match param {
                        Param::Text(text) => self.text(text),
                        _ => panic!("not a text"),
                    })
                    .collect();
                (1, self.items(&texts))
            }
            Param::List(params) => (1, self.items(&params.iter().map(bits).collect::<Vec<_>>())),
            _ => (0, Slice::default()),
        };
        abi::Param { kind, list, bits: bits(param), items }
    }

    fn raster(&mut self, raster: &Raster, data: u32) -> abi::Raster {
        let bands: Vec<_> = raster
            .bands
            .iter()
            .map(|band| abi::Band {
                nodata: band.nodata.unwrap_or(0),
                has_nodata: band.nodata.is_some().into(),
                reserved: 0,
                name: self.text(band.name),
            })
            .collect();
        let [bands_count, rows, cols] = raster.shape.map(|n| n as u32);
        abi::Raster {
            dtype: raster.dtype as u32,
            bands: bands_count,
            rows,
            cols,
            data,
            reserved: 0,
            path: self.text(raster.path),
            band_info: self.items(&bands),
        }
    }
}
