//! GDAL's attribute table of a band: rows of numbers and texts, one for each value or range of values.

use crate::files::gdal::call;
use gdal::raster::RasterBand;
use gdal_sys::{GDALRATFieldType as Type, GDALRATFieldUsage as Usage, GDALRWFlag, GDALRasterAttributeTableH};
use std::ffi::{CStr, CString, c_char, c_int};
use std::marker::PhantomData;
use std::ptr;

/// The names of GDAL's usages, without `GFU_`, in the order of their numbers.
const USAGES: [&str; 18] = [
    "Generic",
    "PixelCount",
    "Name",
    "Min",
    "Max",
    "MinMax",
    "Red",
    "Green",
    "Blue",
    "Alpha",
    "RedMin",
    "GreenMin",
    "BlueMin",
    "AlphaMin",
    "RedMax",
    "GreenMax",
    "BlueMax",
    "AlphaMax",
];

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Whole numbers of 32 bits.
    Integer,
    /// 64-bit floats.
    Real,
    /// Texts.
    String,
}

impl ColumnType {
    /// GDAL's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Integer => "Integer",
            Self::Real => "Real",
            Self::String => "String",
        }
    }

    const fn number(self) -> Type::Type {
        match self {
            Self::Integer => Type::GFT_Integer,
            Self::Real => Type::GFT_Real,
            Self::String => Type::GFT_String,
        }
    }
}

/// A column of an attribute table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// GDAL's name for its use, without `GFU_`: `PixelCount`, `Red`, `Generic`, ….
    pub usage: &'static str,
}

impl Column {
    /// A column of this name, with the usage by which GDAL, QGIS, TuiView and ERDAS Imagine know it.
    pub fn named(name: &str, kind: ColumnType) -> Self {
        let usage = match name.to_ascii_lowercase().as_str() {
            "value" => "MinMax",
            "histogram" | "count" => "PixelCount",
            "class_names" | "class_name" => "Name",
            "red" => "Red",
            "green" => "Green",
            "blue" => "Blue",
            "alpha" | "opacity" => "Alpha",
            _ => "Generic",
        };
        Self { name: name.to_owned(), kind, usage }
    }
}

/// Values of consecutive rows of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Of [`ColumnType::Integer`].
    Integers(Vec<i32>),
    /// Of [`ColumnType::Real`].
    Reals(Vec<f64>),
    /// Of [`ColumnType::String`].
    Texts(Vec<String>),
}

impl Values {
    /// As many zeros or empty texts.
    pub(crate) fn blank(kind: ColumnType, count: usize) -> Self {
        match kind {
            ColumnType::Integer => Self::Integers(vec![0; count]),
            ColumnType::Real => Self::Reals(vec![0.0; count]),
            ColumnType::String => Self::Texts(vec![String::new(); count]),
        }
    }

    /// Adds others of the same type.
    pub(crate) fn append(&mut self, others: Self) {
        match (self, others) {
            (Self::Integers(all), Self::Integers(mut more)) => all.append(&mut more),
            (Self::Reals(all), Self::Reals(mut more)) => all.append(&mut more),
            (Self::Texts(all), Self::Texts(mut more)) => all.append(&mut more),
            _ => {}
        }
    }

    /// Each as a text, as short as tells it from all others.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::Integers(values) => values.iter().map(ToString::to_string).collect(),
            Self::Reals(values) => values.iter().map(ToString::to_string).collect(),
            Self::Texts(values) => values.clone(),
        }
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        match self {
            Self::Integers(values) => values.len(),
            Self::Reals(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An attribute table: a band's own, or one that belongs to nothing yet.
#[derive(Debug)]
pub(crate) struct AttributeTable<'a> {
    handle: GDALRasterAttributeTableH,
    owned: bool,
    band: PhantomData<&'a ()>,
}

impl<'a> AttributeTable<'a> {
    /// The band's own, if it has one.
    pub(crate) fn of<'b>(band: &'a RasterBand<'b>) -> Option<Self> {
        let (handle, _) = call::watch(|| {
            #[expect(unsafe_code, reason = "the gdal crate has no attribute tables")]
            // SAFETY: the band is one of an open dataset; the table is the dataset's, which outlives the borrow.
            unsafe {
                gdal_sys::GDALGetDefaultRAT(band.c_rasterband())
            }
        });
        (!handle.is_null()).then_some(Self { handle, owned: false, band: PhantomData })
    }
}

impl AttributeTable<'static> {
    /// An empty one.
    pub(crate) fn new() -> Self {
        #[expect(unsafe_code, reason = "the gdal crate has no attribute tables")]
        // SAFETY: it needs nothing.
        let handle = unsafe { gdal_sys::GDALCreateRasterAttributeTable() };
        Self { handle, owned: true, band: PhantomData }
    }

    /// A copy of another one, in memory.
    pub(crate) fn copy_of(table: &AttributeTable<'_>) -> Option<Self> {
        #[expect(unsafe_code, reason = "the gdal crate has no attribute tables")]
        // SAFETY: the table is valid; the copy, null or not, is the caller's.
        let handle = unsafe { gdal_sys::GDALRATClone(table.handle) };
        (!handle.is_null()).then_some(Self { handle, owned: true, band: PhantomData })
    }
}

#[expect(unsafe_code, reason = "the gdal crate has no attribute tables")]
impl AttributeTable<'_> {
    /// Makes it the band's, which copies it.
    pub(crate) fn set_default(&self, band: &RasterBand<'_>) -> Result<(), String> {
        let (result, messages) = call::watch(|| {
            // SAFETY: band and table are valid.
            unsafe { gdal_sys::GDALSetDefaultRAT(band.c_rasterband(), self.handle) }
        });
        messages.outcome(result).map_err(|_| messages.reason("the format has no attribute table"))
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        // SAFETY: the table is valid.
        usize::try_from(unsafe { gdal_sys::GDALRATGetRowCount(self.handle) }).unwrap_or(0)
    }

    /// Sets the number of rows.
    pub(crate) fn set_rows(&self, rows: usize) -> Result<(), String> {
        let count = int(rows)?;
        let ((), messages) = call::watch(|| {
            // SAFETY: the table is valid, and GDAL checks that it can be changed.
            unsafe { gdal_sys::GDALRATSetRowCount(self.handle, count) }
        });
        match messages.failure() {
            None if self.rows() == rows => Ok(()),
            failure => Err(failure.unwrap_or_else(|| format!("it can't have {rows} rows"))),
        }
    }

    /// Whether row n belongs to the value n.
    pub(crate) fn has_row_for_each_value(&self) -> bool {
        let (mut first, mut width) = (0.0, 0.0);
        // SAFETY: the table is valid, and so are both places.
        let linear = unsafe { gdal_sys::GDALRATGetLinearBinning(self.handle, &raw mut first, &raw mut width) != 0 };
        linear && first == 0.0 && width == 1.0
    }

    /// All columns, in order.
    pub(crate) fn columns(&self) -> Vec<Column> {
        // SAFETY: the table is valid, and the numbers are those of its columns.
        let column = |number: c_int| unsafe {
            let name = gdal_sys::GDALRATGetNameOfCol(self.handle, number);
            let name = if name.is_null() { String::new() } else { CStr::from_ptr(name).to_string_lossy().into_owned() };
            let kind = match gdal_sys::GDALRATGetTypeOfCol(self.handle, number) {
                Type::GFT_Integer => ColumnType::Integer,
                Type::GFT_Real => ColumnType::Real,
                _ => ColumnType::String,
            };
            let usage = gdal_sys::GDALRATGetUsageOfCol(self.handle, number);
            let usage = usize::try_from(usage).ok().and_then(|number| USAGES.get(number));
            Column { name, kind, usage: usage.copied().unwrap_or("Generic") }
        };
        // SAFETY: the table is valid.
        let count = unsafe { gdal_sys::GDALRATGetColumnCount(self.handle) };
        (0..count).map(column).collect()
    }

    /// The number of the column of this name.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns().iter().position(|column| column.name == name)
    }

    /// Adds a column of zeros or empty texts behind the others.
    pub(crate) fn add_column(&self, column: &Column) -> Result<usize, String> {
        let name = CString::new(column.name.as_str()).map_err(|e| e.to_string())?;
        let usage = USAGES.iter().position(|usage| *usage == column.usage).unwrap_or(0);
        let usage = Usage::Type::try_from(usage).map_err(|e| e.to_string())?;
        let (result, messages) = call::watch(|| {
            // SAFETY: the table is valid, the name until the call returns.
            unsafe { gdal_sys::GDALRATCreateColumn(self.handle, name.as_ptr(), column.kind.number(), usage) }
        });
        messages.outcome(result)?;
        self.columns().len().checked_sub(1).ok_or_else(|| "it has no room for a column".to_owned())
    }

    /// Reads rows of a column.
    pub(crate) fn read(&self, column: usize, start: usize, count: usize) -> Result<Values, String> {
        let kind = self.columns().get(column).ok_or("it has no such column")?.kind;
        let mut values = Values::blank(kind, count);
        self.transfer(GDALRWFlag::GF_Read, column, start, &mut values).map(|()| values)
    }

    /// Writes rows of a column, which are of its type.
    pub(crate) fn write(&self, column: usize, start: usize, mut values: Values) -> Result<(), String> {
        self.transfer(GDALRWFlag::GF_Write, column, start, &mut values)
    }

    fn transfer(&self, way: GDALRWFlag::Type, column: usize, start: usize, values: &mut Values) -> Result<(), String> {
        let count = values.len();
        if start.checked_add(count).is_none_or(|end| end > self.rows()) {
            return Err(format!("it has {} rows, not {count} from {start} on", self.rows()));
        }
        let (column, start, len) = (int(column)?, int(start)?, int(count)?);
        // SAFETY: the table is valid.
        if unsafe { gdal_sys::GDALRATChangesAreWrittenToFile(self.handle) == 0 } {
            return self.transfer_each(way, column, start, values);
        }
        let (result, messages) = match values {
            Values::Integers(values) => call::watch(|| {
                // SAFETY: the table is valid, GDAL checks column and rows, and there is room for `len` values.
                unsafe { gdal_sys::GDALRATValuesIOAsInteger(self.handle, way, column, start, len, values.as_mut_ptr()) }
            }),
            Values::Reals(values) => call::watch(|| {
                // SAFETY: as above.
                unsafe { gdal_sys::GDALRATValuesIOAsDouble(self.handle, way, column, start, len, values.as_mut_ptr()) }
            }),
            Values::Texts(values) if way == GDALRWFlag::GF_Write => {
                let texts: Result<Vec<_>, _> = values.iter().map(|text| CString::new(text.as_str())).collect();
                let texts = texts.map_err(|e| e.to_string())?;
                let mut list: Vec<_> = texts.iter().map(|text| text.as_ptr().cast_mut()).collect();
                call::watch(|| {
                    // SAFETY: as above; GDAL only reads the texts, which outlive the call.
                    unsafe {
                        gdal_sys::GDALRATValuesIOAsString(self.handle, way, column, start, len, list.as_mut_ptr())
                    }
                })
            }
            Values::Texts(values) => {
                let mut list: Vec<*mut c_char> = vec![ptr::null_mut(); count];
                let read = call::watch(|| {
                    // SAFETY: as above; GDAL puts texts into the list that are the caller's.
                    unsafe {
                        gdal_sys::GDALRATValuesIOAsString(self.handle, way, column, start, len, list.as_mut_ptr())
                    }
                });
                for (value, text) in values.iter_mut().zip(list).filter(|(_, text)| !text.is_null()) {
                    // SAFETY: a text with a closing zero, which is freed once, after it has been read.
                    unsafe {
                        *value = CStr::from_ptr(text).to_string_lossy().into_owned();
                        gdal_sys::VSIFree(text.cast());
                    }
                }
                read
            }
        };
        messages.outcome(result)
    }
}

#[expect(unsafe_code, reason = "the gdal crate has no attribute tables")]
impl AttributeTable<'_> {
    /// Reads or writes the rows of a table in memory one by one: in blocks that don't begin with the first row GDAL 3.6 reaches beyond the
    /// block.
    fn transfer_each(
        &self,
        way: GDALRWFlag::Type,
        column: c_int,
        start: c_int,
        values: &mut Values,
    ) -> Result<(), String> {
        let (table, write) = (self.handle, way == GDALRWFlag::GF_Write);
        let (done, messages) = call::watch(|| {
            match values {
                Values::Integers(values) => (start..).zip(values).for_each(|(row, value)| {
                    // SAFETY: the table is valid, and GDAL checks row and column.
                    unsafe {
                        if write {
                            gdal_sys::GDALRATSetValueAsInt(table, row, column, *value);
                        } else {
                            *value = gdal_sys::GDALRATGetValueAsInt(table, row, column);
                        }
                    }
                }),
                Values::Reals(values) => (start..).zip(values).for_each(|(row, value)| {
                    // SAFETY: as above.
                    unsafe {
                        if write {
                            gdal_sys::GDALRATSetValueAsDouble(table, row, column, *value);
                        } else {
                            *value = gdal_sys::GDALRATGetValueAsDouble(table, row, column);
                        }
                    }
                }),
                Values::Texts(values) if write => {
                    for (row, value) in (start..).zip(values) {
                        let text = CString::new(value.as_str()).map_err(|e| e.to_string())?;
                        // SAFETY: as above; GDAL copies the text.
                        unsafe {
                            gdal_sys::GDALRATSetValueAsString(table, row, column, text.as_ptr());
                        }
                    }
                }
                Values::Texts(values) => (start..).zip(values).for_each(|(row, value)| {
                    // SAFETY: as above; the text is the table's, and valid until its next call.
                    unsafe {
                        let text = gdal_sys::GDALRATGetValueAsString(table, row, column);
                        if !text.is_null() {
                            *value = CStr::from_ptr(text).to_string_lossy().into_owned();
                        }
                    }
                }),
            }
            Ok(())
        });
        done.and_then(|()| messages.failure().map_or(Ok(()), Err))
    }
}

impl Drop for AttributeTable<'_> {
    fn drop(&mut self) {
        if self.owned {
            #[expect(unsafe_code, reason = "the gdal crate has no attribute tables")]
            // SAFETY: it is this value's own, and isn't used any more.
            unsafe {
                gdal_sys::GDALDestroyRasterAttributeTable(self.handle);
            }
        }
    }
}

fn int(number: usize) -> Result<c_int, String> {
    c_int::try_from(number).map_err(|_| format!("{number} is more than GDAL can count"))
}
