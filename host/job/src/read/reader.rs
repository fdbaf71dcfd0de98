//! The job file as it is read, and how a mistake in it is noted.

use crate::mistakes::{Mistake, Mistakes};
use crate::tree::{Data, Node, Source};
use std::fmt::Display;

/// The job file and the mistakes found in it so far. A method that returns `None` has noted a mistake.
pub struct Reader<'s> {
    pub tree: &'s Node,
    pub source: &'s Source,
    pub base: &'s str,
    /// The folder that relative paths of overrides belong to.
    pub here: &'s str,
    pub mistakes: Mistakes,
}

/// A value and its key path.
pub struct Field<'t> {
    pub path: String,
    pub node: &'t Node,
}

impl Reader<'_> {
    pub fn wrong(&mut self, field: &Field<'_>, message: impl Into<String>) -> &mut Mistake {
        self.mistakes.add(self.source.place(field.node.origin), &field.path, message)
    }

    pub fn expected(&mut self, field: &Field<'_>, wanted: impl Display) -> &mut Mistake {
        self.wrong(field, format!("expected {wanted}, found {}", field.node.shown()))
    }

    /// The value with `data`, or the mistake where there is none.
    pub fn want(&mut self, field: &Field<'_>, wanted: impl Display, data: Option<Data>) -> Option<Node> {
        if data.is_none() {
            self.expected(field, wanted);
        }
        data.map(|data| Node { data, origin: field.node.origin })
    }

    /// The value as it is, if it is `right`.
    pub fn keep(&mut self, field: &Field<'_>, wanted: impl Display, right: bool) -> Option<Node> {
        self.want(field, wanted, right.then(|| field.node.data.clone()))
    }
}
