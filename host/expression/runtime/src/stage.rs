//! Stages: which pixels the kernel gets, band by band, and the statistics that it needs first.

use crate::fail::{Failed, Text};
use crate::layout::{
    BEYOND, CHUNK, CLASH, GROUP, INVALID, OVER_BANDS, OVER_FILES, PIXEL_SHIFT, Program, Slot, Span, Stage, Stream,
    UNFIT,
};
use crate::memory::{alloc, items, items_mut};
use crate::statistics::{self, Float, Plane};
use crate::{kernel, marks, of_call, out_of_memory};
use tilefn_abi::{Band, Call, DType, Input, OutRaster, Param, Raster};

/// One tile.
pub struct Run {
    call_address: u32,
    call: Call,
    program: &'static Program,
    inputs: &'static [Input],
    params: &'static [Param],
    /// The parameters' bits.
    param_bits: u32,
    pixels: u32,
    /// For each statistic: where its result is.
    results: &'static [u32],
}

/// Which pixels of the tile, of which bands and files.
#[derive(Clone, Copy)]
struct Place {
    band: u32,
    file: u32,
    start: u32,
    len: u32,
}

impl Run {
    pub fn new(call_address: u32, call: &Call, program: &'static Program) -> Result<Self, Failed> {
        let params: &[Param] = of_call(call_address, call.params);
        let param_bits = alloc(8 * u64::from(call.params.len), 8).ok_or_else(out_of_memory)?;
        for (place, param) in items_mut::<u64>(param_bits, call.params.len).iter_mut().zip(params) {
            *place = param.bits;
        }
        let results = alloc(4 * u64::from(program.statistics.len), 4).ok_or_else(out_of_memory)?;
        for place in items_mut::<u32>(results, program.statistics.len) {
            *place = buffer(u64::from(CHUNK) * u64::from(program.float))?;
        }
        Ok(Self {
            call_address,
            call: *call,
            program,
            inputs: of_call(call_address, call.inputs),
            params,
            param_bits,
            pixels: call.rows.checked_mul(call.cols).ok_or_else(out_of_memory)?,
            results: items(results, program.statistics.len),
        })
    }

    /// Computes an output.
    pub fn output(&self, number: u32) -> Result<OutRaster, Failed> {
        let stages: &[Stage] = list(self.program.outputs);
        let (Some(stage), Some(dtype)) =
            (stages.get(number as usize), stages.get(number as usize).and_then(|stage| DType::from_u32(stage.dtype)))
        else {
            return Err(Text::new("the module has other outputs than it describes").fail());
        };
        let bands = self.bands(list(stage.moving))?;
        let size = dtype.size() as u32;
        let total = bands.checked_mul(self.pixels).ok_or_else(out_of_memory)?;
        let data = buffer(u64::from(total) * u64::from(size))?;
        let slots = slots(stage)?;
        let mut mark = marks::first(dtype);
        let mut flags = self.pass(number, stage, (bands, size), slots, (data, mark))?;
        if flags & (INVALID | CLASH) == INVALID | CLASH {
            mark = marks::free(dtype, data, total).ok_or_else(|| {
                Text::new("output \"")
                    .bytes(list(stage.name))
                    .text("\": the valid pixels take all values of ")
                    .text(dtype.name())
                    .text(", and none is left for the invalid ones; give it a wider type")
                    .fail()
            })?;
            flags = self.pass(number, stage, (bands, size), slots, (data, mark))?;
        }
        let has_nodata = u32::from(!dtype.is_float() && flags & INVALID != 0);
        let (rows, cols) = (self.call.rows, self.call.cols);
        Ok(OutRaster { nodata: mark, has_nodata, dtype: dtype as u32, bands, rows, cols, data })
    }

    /// Computes all pixels of an output, of as many bands and bytes a pixel, with this mark.
    fn pass(
        &self,
        number: u32,
        stage: &Stage,
        (bands, size): (u32, u32),
        slots: u32,
        (data, mark): (u32, u64),
    ) -> Result<u64, Failed> {
        let needs: &[u32] = list(stage.needs);
        // Statistics have room for a chunk.
        let chunk = if needs.is_empty() { self.pixels } else { CHUNK };
        let mut flags = 0;
        for band in 0..bands {
            let mut start = 0;
            while start < self.pixels {
                let len = chunk.min(self.pixels - start);
                let place = Place { band, file: 0, start, len };
                for statistic in needs {
                    self.statistic(*statistic, place)?;
                }
                self.fill(stage, slots, place)?;
                let out = data + (band * self.pixels + start) * size;
                let found = kernel(number, slots, len, out, self.param_bits, mark);
                if found & UNFIT != 0 {
                    return Err(self.unfit(stage, band, start + (found >> PIXEL_SHIFT) as u32));
                }
                flags |= found;
                start += len;
            }
        }
        Ok(flags)
    }

    fn unfit(&self, stage: &Stage, band: u32, pixel: u32) -> Failed {
        let cols = self.call.cols.max(1);
        Text::new("output \"")
            .bytes(list(stage.name))
            .text("\": the value of band ")
            .number(band + 1)
            .text(" at row ")
            .number(self.call.row.wrapping_add(pixel / cols))
            .text(", column ")
            .number(self.call.col.wrapping_add(pixel % cols))
            .text(" isn't a whole number that ")
            .text(DType::from_u32(stage.dtype).map_or("the type", DType::name))
            .text(" holds, which cast = \"strict\" demands")
            .fail()
    }

    /// Computes a statistic of the pixels at a place, for the kernel's next call.
    fn statistic(&self, number: u32, place: Place) -> Result<(), Failed> {
        let stages: &[Stage] = list(self.program.statistics);
        let Some(stage) = stages.get(number as usize) else { return Err(out_of_memory()) };
        if self.program.float == 8 {
            self.statistic_of::<f64>(number, stage, place)
        } else {
            self.statistic_of::<f32>(number, stage, place)
        }
    }

    fn statistic_of<T: Float>(&self, number: u32, stage: &Stage, place: Place) -> Result<(), Failed> {
        let count = match stage.axis {
            OVER_FILES => self.files(list(stage.lists))?,
            _ => self.bands(list(stage.moving))?,
        };
        let size = size_of::<T>() as u32;
        let percent = self.percent(stage)?;
        // Nothing is freed, so room is taken once: before the first pixel of the tile.
        let used = crate::memory::mark();
        let planes = alloc(16 * u64::from(count), 16).ok_or_else(out_of_memory)?;
        let slots = slots(stage)?;
        let sorting_len = statistics::sorting_len(count);
        let sorting = alloc(8 * sorting_len, 16).ok_or_else(out_of_memory)?;
        let plane_bytes = place.len.next_multiple_of(GROUP) * size + BEYOND;
        let scratch = if stage.direct != 0 { 0 } else { buffer(u64::from(count) * u64::from(plane_bytes))? };
        let needs: &[u32] = list(stage.needs);
        for k in 0..count {
            let place = if stage.axis == OVER_BANDS { Place { band: k, ..place } } else { Place { file: k, ..place } };
            for other in needs {
                self.statistic(*other, place)?;
            }
            self.fill(stage, slots, place)?;
            let slot = if stage.direct != 0 {
                items::<Slot>(slots, 1).first().copied().unwrap_or_default()
            } else {
                let out = scratch + k * plane_bytes;
                let kernel_number = self.program.outputs.len + number;
                kernel(kernel_number, slots, place.len, out, self.param_bits, 0);
                Slot { address: out, reserved: 0, mark: f64::NAN }
            };
            if let Some(place) = items_mut::<Slot>(planes, count).get_mut(k as usize) {
                *place = slot;
            }
        }
        let slots: &[Slot] = items(planes, count);
        let plane = |k: u32| {
            let slot = slots.get(k as usize).copied().unwrap_or_default();
            Plane { pixels: items::<T>(slot.address, place.len), mark: slot.mark }
        };
        let out = items_mut::<T>(self.results.get(number as usize).copied().unwrap_or(0), place.len);
        let sorting = items_mut::<f64>(sorting, sorting_len as u32);
        statistics::compute(stage.statistic, percent, count, &plane, sorting, out);
        crate::memory::back_to(used);
        Ok(())
    }

    fn percent(&self, stage: &Stage) -> Result<f64, Failed> {
        let Some(param) = stage.percent_param.checked_sub(1).and_then(|n| self.params.get(n as usize)) else {
            return Ok(stage.percent);
        };
        let percent = match param.kind {
            2 => param.bits as i64 as f64,
            _ => f64::from_bits(param.bits),
        };
        if (0.0..=100.0).contains(&percent) {
            return Ok(percent);
        }
        Err(Text::new("a percentile is from 0 to 100, and the parameter is beyond").fail())
    }

    /// How many bands the inputs have; one band goes with any number.
    fn bands(&self, inputs: &[u32]) -> Result<u32, Failed> {
        let counts = |input: u32| self.rasters(input).iter().map(move |raster| (input, raster.bands));
        self.common(inputs, &mut inputs.iter().flat_map(|input| counts(*input)), 1, "bands")
    }

    /// How many files the lists have.
    fn files(&self, inputs: &[u32]) -> Result<u32, Failed> {
        let count = |input: &u32| (*input, self.rasters(*input).len() as u32);
        self.common(inputs, &mut inputs.iter().map(count), 0, "files")
    }

    fn common(
        &self,
        inputs: &[u32],
        counts: &mut dyn Iterator<Item = (u32, u32)>,
        goes_with_any: u32,
        what: &str,
    ) -> Result<u32, Failed> {
        let mut most = (inputs.first().copied().unwrap_or(0), 1);
        let mut fixed = false;
        for (input, count) in counts {
            if count == goes_with_any {
                continue;
            }
            if fixed && most.1 != count {
                let text =
                    Text::new("the inputs \"").bytes(self.name(most.0)).text("\" and \"").bytes(self.name(input));
                return Err(text
                    .text("\" have ")
                    .number(most.1)
                    .text(" and ")
                    .number(count)
                    .text(" ")
                    .text(what)
                    .fail());
            }
            (most, fixed) = ((input, count), true);
        }
        Ok(most.1)
    }

    fn rasters(&self, input: u32) -> &'static [Raster] {
        self.inputs.get(input as usize).map(|input| of_call(self.call_address, input.rasters)).unwrap_or_default()
    }

    fn name(&self, input: u32) -> &'static [u8] {
        list::<Span>(self.program.inputs).get(input as usize).map(|span| list(*span)).unwrap_or_default()
    }

    /// Tells the kernel where a stage's pixels are.
    fn fill(&self, stage: &Stage, slots: u32, place: Place) -> Result<(), Failed> {
        let streams: &[Stream] = list(stage.streams);
        for (slot, stream) in items_mut::<Slot>(slots, stage.streams.len).iter_mut().zip(streams) {
            *slot = if stream.result != 0 {
                let address = self.results.get(stream.index as usize).copied().unwrap_or(0);
                Slot { address, reserved: 0, mark: f64::NAN }
            } else {
                self.input(stream, place)?
            };
        }
        Ok(())
    }

    fn input(&self, stream: &Stream, place: Place) -> Result<Slot, Failed> {
        let rasters = self.rasters(stream.index);
        let file = if rasters.len() > 1 { place.file } else { 0 };
        let Some(raster) = rasters.get(file as usize) else {
            return Err(Text::new("input \"").bytes(self.name(stream.index)).text("\" has no files").fail());
        };
        let band = match stream.band.checked_sub(1) {
            Some(band) => band,
            None if raster.bands == 1 => 0,
            None => place.band,
        };
        let info: &[Band] = of_call(self.call_address, raster.band_info);
        if band >= raster.bands || (raster.rows, raster.cols) != (self.call.rows, self.call.cols) {
            let text = Text::new("input \"").bytes(self.name(stream.index)).text("\" has no band ");
            return Err(text.number(band + 1).fail());
        }
        let nodata = info.get(band as usize).filter(|band| band.has_nodata != 0);
        Ok(Slot {
            address: raster.data + (band * self.pixels + place.start) * stream.size,
            reserved: 0,
            mark: nodata.map_or(f64::NAN, |band| f64::from_bits(band.nodata)),
        })
    }
}

/// Items of the tables.
fn list<T: bytemuck::Pod>(span: Span) -> &'static [T] {
    items(span.address, span.len)
}

/// Memory that the kernel may read and write a bit beyond.
fn buffer(bytes: u64) -> Result<u32, Failed> {
    alloc(bytes + u64::from(BEYOND), 16).ok_or_else(out_of_memory)
}

fn slots(stage: &Stage) -> Result<u32, Failed> {
    alloc(size_of::<Slot>() as u64 * u64::from(stage.streams.len), 16).ok_or_else(out_of_memory)
}
