//! Files whose rows or columns run against the north-up grid's.

use super::Window;
use serde::{Deserialize, Serialize};

/// Whether a file's rows or columns run against the north-up grid's. Turning them back moves no pixel, so it is no resampling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The rows run from south to north.
    pub rows: bool,
    /// The columns run from east to west.
    pub cols: bool,
}

impl Turn {
    /// Where the pixels of `window`, counted in the turned file, lie in the file itself, which has this size. `None` if
    /// that is beyond what can be counted.
    pub fn in_file(self, window: &Window, (rows, cols): (u32, u32)) -> Option<Window> {
        let mut turned = *window;
        if self.rows {
            turned.row = i64::from(rows).checked_sub(window.row)?.checked_sub(window.rows.into())?;
        }
        if self.cols {
            turned.col = i64::from(cols).checked_sub(window.col)?.checked_sub(window.cols.into())?;
        }
        Some(turned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_in_a_turned_file() {
        let window = Window::new(2, 3, 5, 7);
        let turned = |rows, cols| Turn { rows, cols }.in_file(&window, (100, 50)).unwrap();
        assert_eq!(turned(false, false), window);
        assert_eq!(turned(true, false), Window::new(93, 3, 5, 7));
        assert_eq!(turned(true, true), Window::new(93, 40, 5, 7));
        assert_eq!(Turn { rows: true, cols: true }.in_file(&Window::new(i64::MIN, 0, 1, 1), (1, 1)), None);
    }
}
