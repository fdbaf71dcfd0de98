//! Contradictions: values that are right one by one, but not together.

use super::WRONG_ITEMS;
use super::reader::Reader;
use crate::mistakes::Mistake;
use crate::spec::{
    Code, ColorTable, FileOf, Function, Grid, Input, InputNodata, MaskUse, Output, RasterInput, Spec, VectorInput,
};
use crate::tree::{Data, Entry, Node, item, join};
use crate::units::Nodata;
use std::collections::HashMap;
use types::{DType, Footprint};

impl Reader<'_> {
    /// Notes all contradictions. Values that are wrong by themselves have been left out of `spec`.
    pub fn contradictions(&mut self, spec: &mut Spec) {
        for (name, input) in &mut spec.inputs {
            let key = join("inputs", name);
            match input {
                Input::Raster(input) => self.raster(&key, input),
                Input::Vector(input) => self.vector(&key, input),
            }
        }
        for (name, output) in &mut spec.outputs {
            self.output(&join("outputs", name), output);
        }
        self.function(&spec.function);
        self.same_file_twice(spec);
        self.grid(&spec.grid);
        self.table(spec);
        self.workers(&spec.workers, spec.limits.memory);
    }

    /// Whether a key was written.
    pub fn has(&self, section: &str, key: &str) -> bool {
        self.tree.find(&join(section, key)).is_some()
    }

    /// A mistake in what was written for a key, or in the section that lacks it.
    pub fn refuse(&mut self, section: &str, key: &str, message: impl Into<String>) -> &mut Mistake {
        self.refuse_at(join(section, key), message)
    }

    pub fn refuse_at(&mut self, path: String, message: impl Into<String>) -> &mut Mistake {
        self.mistakes.add(self.source.place(self.tree.origin_of(&path)), path, message)
    }

    /// Whether a mistake in the value of a key is known already.
    pub fn is_wrong(&self, section: &str, key: &str) -> bool {
        let path = join(section, key);
        self.mistakes.iter().any(|mistake| mistake.key == path)
    }

    fn function(&mut self, function: &Function) {
        let (keys, why): (&[_], _) = match function.code {
            Code::Module(_) => (&["cast"], "only for an expression: a module converts its pixels itself"),
            Code::Expression(_) => {
                (&["name", "include", "sha256"], "only for a module, and the function is an expression")
            }
        };
        for key in keys {
            if self.has("function", key) {
                self.refuse("function", key, why);
            }
        }
    }

    fn raster(&mut self, section: &str, input: &RasterInput) {
        let own = || input.each().filter(|file| file.own.is_some());
        let wrong = |file: &FileOf<'_>| uneven(file.bands, file.nodata).map(|why| (file.section(section), why));
        let all = uneven(input.bands.as_deref(), input.nodata.as_ref()).map(|why| (section.to_owned(), why));
        let mut last = None;
        for (section, why) in all.into_iter().chain(own().filter_map(|file| wrong(&file)).take(WRONG_ITEMS)) {
            // The files of one pattern share a mistake.
            let origin = self.tree.origin_of(&join(&section, "nodata"));
            if last.replace(origin) != Some(origin) {
                self.refuse(&section, "nodata", why);
            }
        }
        if input.mosaic.is_some() && !input.files.is_list() {
            self.refuse(section, "mosaic", "one file is no mosaic").hint("give the files as paths = [\"…\", \"…\"]");
        }
        if input.mask == MaskUse::None {
            let mut sections = std::iter::once(section.to_owned()).chain(own().map(|file| file.section(section)));
            if let Some(section) = sections.find(|section| self.has(section, "nodata")) {
                self.refuse(&section, "nodata", "contradicts `mask = \"none\"`, which makes every pixel valid");
            }
        }
    }

    fn vector(&mut self, section: &str, input: &mut VectorInput) {
        if input.coverage {
            if input.all_touched {
                let message = "contradicts `coverage`, which measures the part of each pixel that is covered";
                self.refuse(section, "all_touched", message);
            }
            if self.has(section, "dtype") && input.dtype != DType::Float64 {
                self.refuse(section, "dtype", "contradicts `coverage`, whose bands are float64");
            }
            input.dtype = DType::Float64;
        }
        if self.has(section, "burn") && self.has(section, "burn_attribute") {
            let message = "contradicts `burn`: burn one value, or each feature's attribute";
            self.refuse(section, "burn_attribute", message);
        }
        // A nodata value that wasn't written is 0, which every type holds.
        for (key, value) in [("burn", input.burn), ("nodata", Some(input.nodata.0))] {
            if let Some(value) = value
                && !holds(input.dtype, value)
            {
                self.refuse(section, key, format!("{} does not fit dtype {}", Nodata(value), input.dtype.name()))
                    .hint("set `dtype` to a type that can hold it");
            }
        }
        if let Some(value) = input.burn
            && Nodata(value) == input.nodata
        {
            self.refuse(section, "burn", format!("is the same as nodata ({}): no pixel would be valid", input.nodata));
        }
    }

    fn output(&mut self, section: &str, output: &mut Output) {
        if let Some(levels) = &output.levels {
            if !levels.is_sorted_by(|a, b| a < b) {
                let found = self.tree.find(&join(section, "levels")).map_or_else(String::new, Node::shown);
                self.refuse(section, "levels", format!("expected levels in ascending order, found {found}"));
            }
            if !output.overviews && self.has(section, "overviews") {
                self.refuse(section, "levels", "contradicts `overviews = false`");
            }
            output.overviews = true;
        }
        if !output.overviews && !self.has(section, "levels") && self.has(section, "overview_resampling") {
            self.refuse(section, "overview_resampling", "has no effect without overviews")
                .hint("set `overviews = true` or `levels`");
        }
        self.classes(section, output);
        if output.scale == Some(0.0) {
            self.refuse(section, "scale", "is 0: no value could be told from another");
        }
        for key in output.metadata.keys().filter(|key| key.is_empty() || key.contains(['=', ':', '\n', '\0'])) {
            self.refuse(&join(section, "metadata"), key, "not a name that GDAL keeps")
                .hint("at least one character, and no `=`, `:` or line break");
        }
    }

    fn classes(&mut self, section: &str, output: &mut Output) {
        if !output.classes.is_empty() {
            if !output.thematic && self.has(section, "thematic") {
                self.refuse(section, "thematic", "contradicts `classes`, which make the output thematic");
            }
            output.thematic = true;
        }
        if !matches!(output.color_table, Some(ColorTable::Values(_))) {
            return;
        }
        // Those that are wrong by themselves, too.
        let written = match self.tree.find(&join(section, "color_table")) {
            Some(Node { data: Data::Table(colors), .. }) => colors.len(),
            _ => 0,
        };
        if !output.classes.is_empty() {
            self.refuse(section, "color_table", "contradicts `classes`, each of which may have its `color`")
                .hint("leave `color_table` out, or name a colour ramp for the classes that have none");
        } else if written < 2 && !output.thematic {
            self.refuse(section, "color_table", "one colour makes no ramp")
                .hint("give colours of two values or more, or set `thematic = true` if the values are classes");
        }
    }

    /// Two outputs that would overwrite each other.
    fn same_file_twice(&mut self, spec: &Spec) {
        let mut seen: HashMap<_, String> = HashMap::new();
        for (name, output) in &spec.outputs {
            // Columns of one table.
            let column =
                spec.table.is_some().then(|| (output.band.unwrap_or(1), output.column.as_deref().unwrap_or(name)));
            let section = join("outputs", name);
            for (index, file) in output.files.as_slice().iter().enumerate() {
                let list = output.files.is_list();
                let key = if list { item(&join(&section, "paths"), index) } else { join(&section, "path") };
                match seen.get(&(file.as_str(), column)) {
                    Some(first) => _ = self.refuse_at(key, format!("the same file as {first}")),
                    None => _ = seen.insert((file.as_str(), column), key),
                }
            }
        }
    }

    fn grid(&mut self, grid: &Grid) {
        for key in ["crs", "resolution"] {
            if self.has("grid", "reference") && self.has("grid", key) {
                self.refuse("grid", key, "contradicts `reference`, whose grid is the working grid")
                    .hint(format!("leave out `reference` or `{key}`"));
            }
        }
        let reference = grid.footprint == Footprint::Reference;
        let own = "contradicts `footprint = \"reference\"`, which is the reference's own extent";
        let (bounds, extent_from) = (self.has("grid", "bounds"), self.has("grid", "extent_from"));
        if extent_from && bounds {
            self.refuse("grid", "extent_from", "contradicts `bounds`, which are the extent");
        } else if extent_from && reference {
            self.refuse("grid", "extent_from", own);
        }
        if bounds && reference {
            self.refuse("grid", "bounds", own);
        }
        if let Some([xmin, ymin, xmax, ymax]) = grid.bounds
            && !(xmin < xmax && ymin < ymax)
        {
            let message = "the order is [xmin, ymin, xmax, ymax], each minimum below its maximum";
            let mistake = self.refuse("grid", "bounds", message);
            if xmin < ymin && xmax < ymax {
                mistake.hint(format!("if these are [xmin, xmax, ymin, ymax], write [{xmin}, {xmax}, {ymin}, {ymax}]"));
            }
        }
    }

    /// A job over rows knows no pixels, and columns belong to such jobs only.
    fn table(&mut self, spec: &Spec) {
        let sections = spec.inputs.keys().map(|name| (join("inputs", name), &["path", "band", "column"][..]));
        let outputs = spec.outputs.keys().map(|name| (join("outputs", name), &["path", "band", "column", "dtype"][..]));
        for (section, known) in sections.chain(outputs) {
            let Some(Node { data: Data::Table(entries), .. }) = self.tree.find(&section) else { continue };
            for Entry { key, .. } in entries {
                if spec.table.is_none() && matches!(key.as_str(), "band" | "column") {
                    self.refuse(&section, key, "only in a job over an attribute table's rows").hint(match key.as_str() {
                        "band" => "the bands of an input are `bands = [1]`; for tables, put a line `[table]` in place of `[grid]`",
                        _ => "put a line `[table]` in place of `[grid]`",
                    });
                } else if spec.table.is_some() && !known.contains(&key.as_str()) {
                    self.refuse(&section, key, "not in a job with `[table]`, which is about columns")
                        .hint(format!("known keys: {}", known.join(", ")));
                }
            }
        }
        if spec.table.is_some() && self.tree.find("reduced").is_some() {
            self.refuse_at("reduced".to_owned(), "not in a job with `[table]`, whose results are columns");
        }
        if spec.table.is_some() && self.tree.find("grid").is_some() {
            self.refuse_at(
                "grid".to_owned(),
                "contradicts `[table]`: the function gets rows of attribute tables, or tiles of a grid",
            );
        }
    }
}

/// Whether a pixel of this type can have this value (for floats: up to rounding).
fn holds(dtype: DType, value: f64) -> bool {
    let bits = types::Nodata::Float(value).as_bits_for(dtype);
    let overflows = |bits| dtype == DType::Float32 && f64::from_bits(bits).is_infinite();
    bits.is_ok_and(|bits| !overflows(bits))
}

/// What is wrong with nodata for each band, where its bands are others.
fn uneven(bands: Option<&[u32]>, nodata: Option<&InputNodata>) -> Option<String> {
    let (Some(bands), Some(InputNodata::PerBand(values))) = (bands, nodata) else { return None };
    let each = match bands.len() {
        1 => "for one band".to_owned(),
        bands => format!("or one for each of the {bands} bands"),
    };
    (bands.len() != values.len()).then(|| format!("expected one value, {each}, found {}", values.len()))
}
