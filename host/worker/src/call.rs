//! The call block: a tile and everything the function is told about it, in the ABI's binary form.

use super::task::Task;
use bytemuck::{Pod, bytes_of};
use grid::Tile;
use sandbox::Description;
use tilefn_abi as abi;
use types::Value;

/// The call block of a task, without the parts that differ from tile to tile.
///
/// Names, parameters and metadata are laid out once; a tile only writes the head and the rasters' shapes and addresses.
#[derive(Debug)]
pub struct CallTemplate {
    head: abi::Call,
    block: Vec<u8>,
    /// For each raster of all inputs in order: the offset of its descriptor, the descriptor, and its bands.
    rasters: Vec<(usize, abi::Raster, Vec<abi::Band>)>,
}

/// A task whose description doesn't fit the ABI's 32-bit offsets.
#[derive(Debug, thiserror::Error)]
#[error("the job's names, parameters and paths take more than 4 GiB")]
pub struct TooLong;

impl CallTemplate {
    /// Lays out the block for `task`, whose function this describes.
    pub fn new(task: &Task, description: &Description) -> Result<Self, TooLong> {
        let mut b = Block::default();
        b.append(&[abi::Call::default()])?;
        let crs = b.text(&task.grid.crs.0)?;
        let params = task
            .params
            .iter()
            .zip(&description.params)
            .map(|(value, info)| b.param(value, info.kind))
            .collect::<Result<Vec<_>, _>>()?;
        let params = b.append(&params)?;
        let mut inputs = Vec::with_capacity(task.inputs.len());
        let mut places = Vec::new();
        for input in &task.inputs {
            let mut rasters = Vec::with_capacity(input.rasters.len());
            let mut all_bands = Vec::with_capacity(input.rasters.len());
            for raster in &input.rasters {
                let mut bands = Vec::with_capacity(raster.bands.len());
                for band in &raster.bands {
                    bands.push(abi::Band {
                        nodata: band.nodata.unwrap_or(0),
                        has_nodata: u32::from(band.nodata.is_some()),
                        reserved: 0,
                        name: b.text(&band.name)?,
                    });
                }
                rasters.push(abi::Raster {
                    dtype: raster.dtype as u32,
                    bands: u32::try_from(raster.bands.len()).map_err(|_| TooLong)?,
                    path: b.text(&raster.path)?,
                    band_info: b.append(&bands)?,
                    ..Default::default()
                });
                all_bands.push(bands);
            }
            let slice = b.append(&rasters)?;
            let start = slice.offset as usize;
            let descriptors = rasters.iter().zip(all_bands).enumerate();
            places.extend(descriptors.map(|(i, (r, bands))| (start + i * size_of::<abi::Raster>(), *r, bands)));
            inputs.push(abi::Input { name: b.text(&input.name)?, rasters: slice });
        }
        let inputs = b.append(&inputs)?;
        let mut outputs = Vec::with_capacity(task.outputs.len());
        for output in &task.outputs {
            outputs.push(abi::Output { name: b.text(&output.name)?, rasters: output.rasters, reserved: 0 });
        }
        let outputs = b.append(&outputs)?;
        let (tile_rows, tile_cols) = (task.tiling.matrix_rows(), task.tiling.matrix_cols());
        let head = abi::Call {
            size: u32::try_from(b.0.len()).map_err(|_| TooLong)?,
            halo: task.halo,
            tile_count: task.tiling.count(),
            tile_rows,
            tile_cols,
            grid_rows: task.grid.rows,
            grid_cols: task.grid.cols,
            geotransform: task.grid.transform.0,
            crs,
            params,
            inputs,
            outputs,
            ..Default::default()
        };
        Ok(Self { head, block: b.0, rasters: places })
    }

    /// The block for `tile`. `addresses` are the guest addresses of the rasters of all inputs in order; `marks` are the nodata
    /// values of bands that differ in this tile.
    pub fn for_tile(&self, tile: &Tile, addresses: &[u32], marks: &[Vec<(usize, Option<u64>)>]) -> Vec<u8> {
        let mut block = self.block.clone();
        let mut head = self.head;
        head.tile_index = tile.index;
        head.tile_row = tile.row;
        head.tile_col = tile.col;
        head.row = u32::try_from(tile.window.row).unwrap_or(0);
        head.col = u32::try_from(tile.window.col).unwrap_or(0);
        head.rows = tile.window.rows;
        head.cols = tile.window.cols;
        put(&mut block, 0, &head);
        for (((at, raster, bands), address), marks) in self.rasters.iter().zip(addresses).zip(marks) {
            for (index, mark) in marks {
                let Some(band) = bands.get(*index) else { continue };
                let band = abi::Band { nodata: mark.unwrap_or(0), has_nodata: u32::from(mark.is_some()), ..*band };
                put(&mut block, raster.band_info.offset as usize + index * size_of::<abi::Band>(), &band);
            }
            let raster = abi::Raster {
                rows: head.rows.saturating_add(2 * head.halo),
                cols: head.cols.saturating_add(2 * head.halo),
                data: *address,
                ..*raster
            };
            put(&mut block, *at, &raster);
        }
        block
    }
}

/// Overwrites the item at `at`, which [`CallTemplate::new`] laid out.
fn put<T: Pod>(block: &mut [u8], at: usize, item: &T) {
    if let Some(place) = block.get_mut(at..at + size_of::<T>()) {
        place.copy_from_slice(bytes_of(item));
    }
}

/// A block under construction.
#[derive(Default)]
struct Block(Vec<u8>);

impl Block {
    /// Appends `items`, aligned to 8 bytes, and says where they are.
    fn append<T: Pod>(&mut self, items: &[T]) -> Result<abi::Slice, TooLong> {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let offset = u32::try_from(self.0.len()).map_err(|_| TooLong)?;
        self.0.extend_from_slice(bytemuck::cast_slice(items));
        Ok(abi::Slice { offset, len: u32::try_from(items.len()).map_err(|_| TooLong)? })
    }

    fn text(&mut self, text: &str) -> Result<abi::Slice, TooLong> {
        self.append(text.as_bytes())
    }

    fn param(&mut self, value: &Value, kind: abi::ParamKind) -> Result<abi::Param, TooLong> {
        let mut param = abi::Param { kind: kind as u32, ..Default::default() };
        match (kind, value) {
            (abi::ParamKind::Text, Value::Text(text)) => param.items = self.text(text)?,
            (abi::ParamKind::Text, Value::List(items)) => {
                param.list = 1;
                let texts = items.iter().map(|i| match i {
                    Value::Text(text) => self.text(text),
                    _ => self.text(""),
                });
                let texts = texts.collect::<Result<Vec<_>, _>>()?;
                param.items = self.append(&texts)?;
            }
            (abi::ParamKind::Bytes, Value::File(file)) => {
                param.items = self.append(file.content.as_ref().map_or(&[][..], |content| &content.0))?;
            }
            (_, Value::List(items)) => {
                param.list = 1;
                param.items = self.append(&items.iter().map(|item| bits(item, kind)).collect::<Vec<_>>())?;
            }
            (_, one) => param.bits = bits(one, kind),
        }
        Ok(param)
    }
}

/// A number's or bool's 64 bits; texts and lists have none. A float may come as the text that stands for it in JSON.
fn bits(value: &Value, kind: abi::ParamKind) -> u64 {
    match (kind, value) {
        (abi::ParamKind::Float, value) => value.as_f64().map_or(0, f64::to_bits),
        (_, Value::Bool(b)) => u64::from(*b),
        (_, Value::Int(i)) => i.cast_unsigned(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{Content, ParamFile};

    /// The parameter after the way to a remote worker, and the bytes that it points to.
    fn sent(value: &Value, kind: abi::ParamKind) -> (abi::Param, Vec<u8>) {
        let value: Value = serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap();
        let mut block = Block::default();
        (block.param(&value, kind).unwrap(), block.0)
    }

    #[test]
    fn a_parameter_is_the_same_for_a_remote_worker() {
        let floats = [0.1, 2.0, -0.0, 1e300, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        for float in floats {
            assert_eq!(sent(&Value::Float(float), abi::ParamKind::Float).0.bits, float.to_bits(), "{float}");
        }
        let (_, list) = sent(&Value::List(floats.map(Value::Float).to_vec()), abi::ParamKind::Float);
        assert_eq!(list, floats.map(f64::to_le_bytes).concat());
        assert_eq!(sent(&Value::Int(i64::MIN), abi::ParamKind::Int).0.bits, 1 << 63);
        assert_eq!(sent(&Value::Bool(true), abi::ParamKind::Bool).0.bits, 1);
        let (text, bytes) = sent(&Value::Text("nan".into()), abi::ParamKind::Text);
        let content = Some(Content((0..=255).collect()));
        let file = Value::File(ParamFile { file: "rf.pkl".into(), content });
        let (file, all) = sent(&file, abi::ParamKind::Bytes);
        assert_eq!((file.kind, file.items.len, all), (5, 256, (0..=255).collect::<Vec<u8>>()));
        assert_eq!((text.items.len, text.bits, bytes.as_slice()), (3, 0, &b"nan"[..]));
    }
}
