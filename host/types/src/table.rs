//! A table: named columns, all of the same length.

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Names and columns, in order.
    pub columns: Vec<(String, Column)>,
}

/// A column of a table. A value that there isn't is `None`.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Whole numbers.
    Integers(Vec<Option<i64>>),
    /// Floats.
    Floats(Vec<Option<f64>>),
    /// True or false.
    Bools(Vec<Option<bool>>),
    /// Texts.
    Texts(Vec<Option<String>>),
}

impl Table {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, column)| column.len())
    }
}

impl Column {
    /// Number of rows.
    pub const fn len(&self) -> usize {
        match self {
            Self::Integers(numbers) => numbers.len(),
            Self::Floats(numbers) => numbers.len(),
            Self::Bools(values) => values.len(),
            Self::Texts(texts) => texts.len(),
        }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A row's value as a text, numbers with all their digits; empty where there is none.
    pub fn text(&self, row: usize) -> String {
        match self {
            Self::Integers(numbers) => numbers.get(row).copied().flatten().map(|n| n.to_string()),
            Self::Floats(numbers) => numbers.get(row).copied().flatten().map(|n| n.to_string()),
            Self::Bools(values) => values.get(row).copied().flatten().map(|value| value.to_string()),
            Self::Texts(texts) => texts.get(row).cloned().flatten(),
        }
        .unwrap_or_default()
    }
}
