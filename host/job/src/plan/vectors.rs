//! Vector inputs: which layer is burned with what, and whether it can be.

use super::crs::give_crs;
use super::draft::Draft;
use crate::spec::{self, VectorInput};
use grid::{Crs, GeoTransform, Grid};
use raster::{
    AttributeInfo, Burn, BurnSpec, Burner, Coverage, CoverageSpec, LayerInfo, SourceBand, burned_bits, crs_from_user,
    crs_name,
};
use sandbox::InputInfo;
use tilefn_abi::DType;
use types::location::is_remote;
use types::{Edge, Nodata};
use worker::{Band, PixelSource, Raster, Task};

/// A layer of a vector file that is burned.
pub struct Layer {
    /// How; the grid isn't known yet.
    pub spec: BurnSpec,
    /// GDAL's warnings about the file.
    pub warnings: Vec<String>,
    /// The nodata value that the function is told.
    declared: Option<u64>,
    /// Whether the parts of pixels that its polygons cover are wanted.
    coverage: bool,
}

impl Layer {
    /// The layer on the working grid.
    pub fn raster(&self, grid: &Grid, halo: u32, edge: Edge) -> Raster {
        let spec = BurnSpec { grid: grid.clone(), halo, edge, ..self.spec.clone() };
        Raster {
            path: self.spec.path.clone(),
            dtype: self.spec.dtype,
            bands: vec![Band { name: name(&spec).to_owned(), nodata: self.declared }],
            source: match self.coverage {
                // Planning counts the bands later.
                true => PixelSource::Covered(CoverageSpec { burn: spec, most: 1 }),
                false => PixelSource::Burned(spec),
            },
        }
    }
}

/// What the burned values are.
fn name(spec: &BurnSpec) -> &str {
    match &spec.burn {
        Burn::Attribute(name) => name,
        Burn::Value(_) => &spec.layer,
    }
}

/// Finds the layer and the attribute.
pub fn open(draft: &mut Draft<'_>, key: &str, wanted: &InputInfo, input: &VectorInput) -> Option<Layer> {
    let path = input.vector.as_str();
    let info = match draft.survey.vector(path) {
        Ok(info) => info,
        Err(error) => {
            draft.wrong(format!("{key}.vector"), error);
            return None;
        }
    };
    let layer = find_layer(draft, key, input, &info.layers)?;
    let burn = match input.burn() {
        // The reader has checked both values.
        spec::Burn::Value(value) => Burn::Value(burned_bits(Nodata::Float(value), input.dtype).ok()?),
        spec::Burn::Attribute(name) => {
            check_attribute(draft, key, path, layer, name)?;
            Burn::Attribute(name.to_owned())
        }
    };
    let mut crs = layer.crs.clone();
    if let Some(given) = &input.crs {
        match crs_from_user(given) {
            Ok(given) => give_crs(draft, key, &given, path, &mut crs, "ogr2ogr -a_srs"),
            Err(error) => _ = draft.wrong(format!("{key}.crs"), error),
        }
    }
    let nodata = Nodata::Float(input.nodata.0).as_bits_for(input.dtype).ok();
    let band = SourceBand { number: 1, dtype: input.dtype, nodata, mask: false, scale: None, mark: None };
    let dtype = wanted.dtype.unwrap_or(input.dtype);
    if input.coverage {
        check_areas(draft, key, layer, (path, dtype))?;
    }
    let (band, declared) = band.marked(dtype);
    let spec = BurnSpec {
        path: path.to_owned(),
        layer: layer.name.clone(),
        filter: input.filter.clone(),
        burn,
        all_touched: input.all_touched,
        crs,
        band,
        dtype,
        grid: Grid { transform: GeoTransform::NONE, rows: 0, cols: 0, crs: Crs::default() },
        extent: None,
        halo: 0,
        edge: Edge::default(),
    };
    Some(Layer { spec, warnings: info.warnings, declared, coverage: input.coverage })
}

/// Whether the parts of pixels that a layer's features cover can be measured, as far as is known before they are read.
fn check_areas(draft: &mut Draft<'_>, key: &str, layer: &LayerInfo, (path, dtype): (&str, DType)) -> Option<()> {
    let key = format!("{key}.coverage");
    if !dtype.is_float() {
        let message = format!("the function takes {} here, and parts of pixels are floats", dtype.name());
        draft.wrong(key, message).hint("let the function take float64, or leave `coverage` out");
        return None;
    }
    if ["Point", "Line"].iter().any(|kind| layer.geometry.contains(kind)) {
        let (name, geometry) = (&layer.name, &layer.geometry);
        let message =
            format!("the geometries of layer {name:?} of {path} are of type {geometry}: they cover no part of a pixel");
        draft
            .wrong(key, message)
            .hint("choose a layer of polygons, make polygons of them (ST_Buffer), or leave `coverage` out");
        return None;
    }
    Some(())
}

fn find_layer<'a>(
    draft: &mut Draft<'_>,
    key: &str,
    input: &VectorInput,
    layers: &'a [LayerInfo],
) -> Option<&'a LayerInfo> {
    let path = &input.vector;
    let found = match &input.layer {
        None => layers.first(),
        Some(spec::Layer::Index(index)) => usize::try_from(*index).ok().and_then(|index| layers.get(index)),
        Some(spec::Layer::Name(name)) => layers.iter().find(|layer| layer.name == *name),
    };
    let key = format!("{key}.layer");
    match found {
        None => {
            let which = match &input.layer {
                Some(spec::Layer::Name(name)) => format!("{path} has no layer {name:?}"),
                Some(spec::Layer::Index(index)) => format!("{path} has no layer {index}, counted from 0"),
                None => format!("{path} has no layers"),
            };
            let names: Vec<_> = layers.iter().map(|layer| layer.name.as_str()).collect();
            draft.wrong(key, which).hint(format!("it has: {}", names.join(", ")));
            None
        }
        Some(layer) if layer.geometry == "None" => {
            draft.wrong(key, format!("layer {:?} of {path} is a table: its rows have no geometry", layer.name));
            None
        }
        found => found,
    }
}

/// Whether the layer has a numeric attribute of this name.
fn check_attribute(draft: &mut Draft<'_>, key: &str, path: &str, layer: &LayerInfo, name: &str) -> Option<()> {
    let attribute = layer.attributes.iter().find(|attribute| attribute.name == name);
    let problem = match attribute {
        Some(AttributeInfo { is_numeric: true, .. }) => return Some(()),
        None if layer.fid.as_deref() == Some(name) => return Some(()),
        Some(AttributeInfo { kind, .. }) => {
            format!("attribute {name:?} of layer {:?} of {path} is of type {kind}, not a number", layer.name)
        }
        None => format!("layer {:?} of {path} has no attribute {name:?}", layer.name),
    };
    let numeric = layer.attributes.iter().filter(|attribute| attribute.is_numeric).map(|a| a.name.as_str());
    let numbers: Vec<_> = layer.fid.as_deref().into_iter().chain(numeric).collect();
    let hint = match numbers.as_slice() {
        [] => "it has no numeric attributes".to_owned(),
        names => format!("its numeric attributes: {}", names.join(", ")),
    };
    draft.wrong(format!("{key}.burn_attribute"), problem).hint(hint);
    None
}

/// Looks at the layers, now that the grid is known.
pub fn look(draft: &mut Draft<'_>, task: &mut Task) {
    let (grid, inputs) = (task.grid.clone(), &mut task.inputs);
    for input in inputs {
        let key = format!("inputs.{}", input.name);
        for raster in &mut input.rasters {
            match &mut raster.source {
                PixelSource::Burned(spec) => _ = look_at(draft, &key, spec, &grid, false),
                PixelSource::Covered(spec) => {
                    if look_at(draft, &key, &mut spec.burn, &grid, true).is_some() {
                        count_bands(draft, &key, spec, &mut raster.bands);
                    }
                }
                PixelSource::Read(_) | PixelSource::Mosaic(_) => {}
            }
        }
    }
}

/// Finds how many bands an input has whose polygons' areas are measured.
fn count_bands(draft: &mut Draft<'_>, key: &str, spec: &mut CoverageSpec, bands: &mut Vec<Band>) {
    match Coverage::open(spec).and_then(|mut coverage| coverage.most()) {
        // A function gets at least a band of each kind.
        Ok(most) => spec.most = most.max(1),
        Err(error) => _ = draft.wrong(format!("{key}.coverage"), error.to_string()),
    }
    let nodata = bands.first().and_then(|band| band.nodata);
    let named = |name: &str, nodata| (1..=spec.most).map(|n| Band { name: format!("{name} {n}"), nodata }).collect();
    let (values, parts): (Vec<_>, Vec<_>) = (named(name(&spec.burn), nodata), named("coverage", None));
    *bands = values.into_iter().chain(parts).collect();
}

/// A hint about an input with many bands, since many polygons meet in a pixel; or nothing.
pub fn most_bands(task: &Task) -> String {
    let bands = |source: &PixelSource| match source {
        PixelSource::Covered(spec) => Some(spec.most),
        _ => None,
    };
    let all =
        task.inputs.iter().flat_map(|input| input.rasters.iter().map(move |raster| (&input.name, &raster.source)));
    let most = all.filter_map(|(name, source)| Some((bands(source)?, name))).max();
    most.map_or_else(String::new, |(most, name)| {
        format!("inputs.{name} has {most} × 2 bands, since so many polygons meet in one pixel; ")
    })
}

/// Looks at a layer: whether it can be burned, and where it is. `areas`: what for. `None` after a mistake.
fn look_at(draft: &mut Draft<'_>, key: &str, spec: &mut BurnSpec, grid: &Grid, areas: bool) -> Option<()> {
    let named = format!("layer {:?} of {}", spec.layer, spec.path);
    if grid.transform == GeoTransform::NONE {
        draft
            .wrong(key, format!("{named} can't be burned: the working grid has no place on the map"))
            .hint("set grid.reference to an input that has a geotransform, or grid.crs, resolution and bounds");
        return None;
    }
    match (spec.crs.is_none(), grid.crs.is_none()) {
        (false, true) => {
            draft
                .wrong(key, format!("{named} has the CRS {}, the working grid has none", crs_name(&spec.crs)))
                .hint("give the raster inputs their CRS with inputs.NAME.crs");
            return None;
        }
        (true, false) => draft.warnings.push(format!(
            "{key}: {named} has no CRS: its coordinates are taken for the working grid's, {}; set {key}.crs",
            crs_name(&grid.crs)
        )),
        _ => {}
    }
    // To read all features of a file on another machine may take longer than the job.
    let scan = !is_remote(&spec.path);
    let selection = match Burner::open(spec).and_then(|mut burner| burner.look(scan)) {
        Ok(selection) => selection,
        Err(error @ raster::Error::Filter { .. }) => {
            draft.wrong(format!("{key}.where"), error.to_string());
            return None;
        }
        Err(error) => {
            draft.wrong(key, error.to_string());
            return None;
        }
    };
    let fits = selection.misfit.is_none();
    if let Some(misfit) = selection.misfit {
        let wider = match spec.band.dtype {
            DType::Float64 if areas => {
                "number the features otherwise; or leave `coverage` out and set dtype = \"int64\""
            }
            DType::Float64 => "set dtype = \"int64\"",
            DType::Float32 => "set dtype = \"float64\", or \"int64\" for whole numbers",
            _ => "set dtype to a type that can hold it",
        };
        draft.wrong(format!("{key}.burn_attribute"), format!("{named}, {misfit}")).hint(wider);
    }
    match (selection.features, &spec.filter) {
        (Some(0), Some(filter)) => {
            draft.warnings.push(format!("{key}.where: no feature of {named} satisfies {filter:?}: nothing is burned"));
        }
        (Some(0), None) => draft.warnings.push(format!("{key}: {named} has no features: nothing is burned")),
        _ => {}
    }
    spec.extent = selection.extent;
    if selection.extent.is_some_and(|extent| extent.intersection(&grid.window()).is_none()) {
        draft.warnings.push(format!("{key}: {named} lies outside the working grid: nothing is burned"));
    }
    fits.then_some(())
}
