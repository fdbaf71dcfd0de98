//! Reads the XML of GDAL's virtual rasters: which files they name, and where their raw bands have their pixels.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::path::Path;

/// A virtual raster, as far as its files go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Vrt {
    /// Columns and rows, if it says both.
    pub(crate) size: Option<(i64, i64)>,
    /// All files and datasets that it takes pixels from, in its order.
    pub(crate) sources: Vec<Source>,
    /// Bands whose pixels lie in a file as they are.
    pub(crate) raw_bands: Vec<RawBand>,
}

/// A file or dataset that a virtual raster takes pixels from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The name as it is written.
    pub(crate) name: String,
    /// Whether the name counts from the virtual raster's folder.
    pub(crate) relative: bool,
}

/// A band whose pixels lie in a file as they are; `None` is GDAL's default.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RawBand {
    pub(crate) source: Option<Source>,
    /// GDAL's name of the element type.
    pub(crate) dtype: Option<String>,
    /// Bytes before the first pixel.
    pub(crate) image_offset: Option<i64>,
    /// Bytes from a pixel to the next.
    pub(crate) pixel_offset: Option<i64>,
    /// Bytes from a line to the next.
    pub(crate) line_offset: Option<i64>,
}

impl Source {
    /// Its path, for a virtual raster in this folder.
    pub(crate) fn path(&self, folder: &Path) -> String {
        if self.relative { folder.join(&self.name).to_string_lossy().into_owned() } else { self.name.clone() }
    }
}

/// An element whose text is being read.
enum Open {
    Source { relative: bool },
    ImageOffset,
    PixelOffset,
    LineOffset,
}

impl Vrt {
    /// Reads as far as the text is XML: GDAL refuses the rest.
    pub(crate) fn parse(xml: &str) -> Self {
        let mut reader = Reader::from_str(xml);
        let config = reader.config_mut();
        // GDAL's own parser is as lax.
        (config.check_end_names, config.allow_unmatched_ends, config.allow_dangling_amp) = (false, true, true);
        let (mut vrt, mut open, mut text, mut in_raw_band) = (Self::default(), None, String::new(), false);
        loop {
            match reader.read_event() {
                Ok(Event::Start(element) | Event::Empty(element)) => {
                    text.clear();
                    open = Open::of(&element);
                    match element.name().as_ref() {
                        b"VRTDataset" if vrt.size.is_none() => {
                            let side = |key| attribute(&element, key)?.trim().parse().ok();
                            vrt.size = side("rasterXSize").zip(side("rasterYSize"));
                        }
                        b"VRTRasterBand" => {
                            in_raw_band = attribute(&element, "subClass").as_deref() == Some("VRTRawRasterBand");
                            if in_raw_band {
                                let dtype = attribute(&element, "dataType");
                                vrt.raw_bands.push(RawBand { dtype, ..RawBand::default() });
                            }
                        }
                        _ => {}
                    }
                }
                Ok(Event::Text(part)) => text.push_str(&part.decode().unwrap_or_default()),
                Ok(Event::CData(part)) => text.push_str(&part.decode().unwrap_or_default()),
                Ok(Event::GeneralRef(reference)) => {
                    let name = reference.decode().unwrap_or_default();
                    match (reference.resolve_char_ref(), quick_xml::escape::resolve_xml_entity(&name)) {
                        (Ok(Some(character)), _) => text.push(character),
                        (_, Some(character)) => text.push_str(character),
                        _ => text.push_str(&format!("&{name};")),
                    }
                }
                Ok(Event::End(_)) => {
                    if let Some(open) = open.take() {
                        vrt.close(open, text.trim(), in_raw_band);
                    }
                }
                Ok(Event::Eof) | Err(_) => return vrt,
                Ok(_) => {}
            }
        }
    }

    fn close(&mut self, element: Open, text: &str, in_raw_band: bool) {
        let mut band = self.raw_bands.last_mut().filter(|_| in_raw_band);
        // GDAL takes the first of several.
        let mut number = |place: fn(&mut RawBand) -> &mut Option<i64>| {
            if let Some(place) = band.as_deref_mut().map(place) {
                *place = place.or_else(|| text.parse().ok());
            }
        };
        match element {
            Open::ImageOffset => number(|band| &mut band.image_offset),
            Open::PixelOffset => number(|band| &mut band.pixel_offset),
            Open::LineOffset => number(|band| &mut band.line_offset),
            Open::Source { relative } => {
                let source = Source { name: text.to_owned(), relative };
                if let Some(band) = band {
                    band.source.get_or_insert_with(|| source.clone());
                }
                self.sources.push(source);
            }
        }
    }
}

impl Open {
    fn of(element: &BytesStart<'_>) -> Option<Self> {
        match element.name().as_ref() {
            // Of simple and complex sources, of warped rasters, and of multidimensional ones.
            b"SourceFilename" | b"SourceDataset" | b"SrcDSName" => {
                Some(Self::Source { relative: attribute(element, "relativeToVRT").as_deref() == Some("1") })
            }
            b"ImageOffset" => Some(Self::ImageOffset),
            b"PixelOffset" => Some(Self::PixelOffset),
            b"LineOffset" => Some(Self::LineOffset),
            _ => None,
        }
    }
}

/// GDAL's own documentation has `relativetoVRT`, what it writes `relativeToVRT`: it takes both.
fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes().flatten();
    let found = attributes.find(|attribute| attribute.key.as_ref().eq_ignore_ascii_case(name.as_bytes()))?;
    String::from_utf8(found.value.into_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        let text = r#"<VRTDataset rasterXSize="5" rasterYSize="4">
            <SimpleSource><SourceFilename relativeToVRT="1" shared="0">a&amp;b.tif</SourceFilename></SimpleSource>
            <SourceFilename relativeToVRT='0'>/x/NETCDF.nc</SourceFilename><SourceDataset relativeToVRT="1"> c.vrt</SourceDataset>
            <!-- <SourceFilename>none.tif</SourceFilename> -->
            <SourceFilename relativeToVRT="0" shared="0">a &amp;lt; b.bin</SourceFilename>
            <SourceFilename>NETCDF:&quot;x.nc&quot;:B&#52;</SourceFilename><SourceFilename"#;
        let vrt = Vrt::parse(text);
        let names: Vec<_> = vrt.sources.iter().map(|source| (source.name.as_str(), source.relative)).collect();
        let expected = [
            ("a&b.tif", true),
            ("/x/NETCDF.nc", false),
            ("c.vrt", true),
            ("a &lt; b.bin", false),
            ("NETCDF:\"x.nc\":B4", false),
        ];
        assert_eq!(names, expected);
        assert_eq!((vrt.size, vrt.raw_bands), (Some((5, 4)), vec![]));
        let paths: Vec<_> = vrt.sources.iter().take(2).map(|source| source.path(Path::new("/data"))).collect();
        assert_eq!(paths, ["/data/a&b.tif", "/x/NETCDF.nc"]);
    }

    #[test]
    fn raw_bands() {
        let text = r#"<VRTDataset rasterXSize="5" rasterYSize="4"><VRTRasterBand dataType="Int16" band="1" subClass="VRTRawRasterBand">
            <SourceFilename relativetoVRT="1">a.bin</SourceFilename><ImageOffset>8</ImageOffset><LineOffset> -10 </LineOffset>
            </VRTRasterBand><VRTRasterBand dataType="Byte" band="2"><ImageOffset>9</ImageOffset></VRTRasterBand></VRTDataset>"#;
        let source = Some(Source { name: "a.bin".into(), relative: true });
        let band = RawBand {
            source,
            dtype: Some("Int16".into()),
            image_offset: Some(8),
            pixel_offset: None,
            line_offset: Some(-10),
        };
        assert_eq!(Vrt::parse(text).raw_bands, [band]);
    }
}
