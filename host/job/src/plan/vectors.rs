//! Vector inputs: which layer is burned with what, and whether it can be.

use super::crs::give_crs;
use super::draft::Draft;
use crate::spec::{self, VectorInput};
use grid::{Crs, GeoTransform, Grid};
use raster::{AttributeInfo, Burn, BurnSpec, Burner, LayerInfo, SourceBand, burned_bits, crs_from_user, crs_name};
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
}

impl Layer {
    /// The layer on the working grid.
    pub fn raster(&self, grid: &Grid, halo: u32, edge: Edge) -> Raster {
        let name = match &self.spec.burn {
            Burn::Attribute(name) => name,
            Burn::Value(_) => &self.spec.layer,
        };
        Raster {
            path: self.spec.path.clone(),
            dtype: self.spec.dtype,
            bands: vec![Band { name: name.clone(), nodata: self.declared }],
            source: PixelSource::Burned(BurnSpec { grid: grid.clone(), halo, edge, ..self.spec.clone() }),
        }
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
    Some(Layer { spec, warnings: info.warnings, declared })
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
            if let PixelSource::Burned(spec) = &mut raster.source {
                look_at(draft, &key, spec, &grid);
            }
        }
    }
}

fn look_at(draft: &mut Draft<'_>, key: &str, spec: &mut BurnSpec, grid: &Grid) {
    let named = format!("layer {:?} of {}", spec.layer, spec.path);
    if grid.transform == GeoTransform::NONE {
        draft
            .wrong(key, format!("{named} can't be burned: the working grid has no place on the map"))
            .hint("set grid.reference to an input that has a geotransform, or grid.crs, resolution and bounds");
        return;
    }
    match (spec.crs.is_none(), grid.crs.is_none()) {
        (false, true) => {
            draft
                .wrong(key, format!("{named} has the CRS {}, the working grid has none", crs_name(&spec.crs)))
                .hint("give the raster inputs their CRS with inputs.NAME.crs");
            return;
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
            return;
        }
        Err(error) => {
            draft.wrong(key, error.to_string());
            return;
        }
    };
    if let Some(misfit) = selection.misfit {
        let wider = match spec.band.dtype {
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
}
