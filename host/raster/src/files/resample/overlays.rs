//! Many files on one grid: PROJ is asked once for each CRS, since an answer takes it longer than a file takes to be opened.

use crate::files::inspect::crs::same_crs;
use crate::files::resample::extent::Overlay;
use crate::files::resample::transformer::Transformer;
use grid::{Crs, Grid};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// A grid, and what is known of the CRS of files that are brought onto it.
#[derive(Debug)]
pub struct Overlays {
    grid: Grid,
    same: RefCell<HashMap<Crs, bool>>,
    between: RefCell<HashMap<Crs, Rc<Transformer>>>,
}

impl Overlays {
    /// For files that are brought onto this grid.
    pub fn new(grid: &Grid) -> Self {
        Self { grid: grid.clone(), same: RefCell::default(), between: RefCell::default() }
    }

    /// Whether a file's CRS is the grid's; see [`same_crs`].
    pub fn same_crs(&self, crs: &Crs) -> bool {
        *self.same.borrow_mut().entry(crs.clone()).or_insert_with(|| same_crs(&self.grid.crs, crs))
    }

    /// A file on the grid.
    ///
    /// # Errors
    /// When PROJ knows no way from one CRS to the other.
    pub fn of(&self, file: &Grid) -> Result<Overlay, String> {
        // Two spellings of one CRS are no reason to go through PROJ.
        if file.crs.is_none() || self.grid.crs.is_none() || self.same_crs(&file.crs) {
            return Ok(Overlay::by(file, &self.grid, None));
        }
        let mut known = self.between.borrow_mut();
        let between = match known.get(&file.crs) {
            Some(between) => between.clone(),
            None => {
                let made = Rc::new(Transformer::between(&file.crs, &self.grid.crs)?);
                known.insert(file.crs.clone(), made.clone());
                made
            }
        };
        Ok(Overlay::by(file, &self.grid, Some(between)))
    }
}
