//! Merges what tiles yield in an order that the tiles' numbers alone decide, whatever order they come in.
//!
//! Tiles are the leaves of a binary tree: its nodes at height `h` stand for the tiles from `k·2^h` up to `(k+1)·2^h`. A node is merged
//! from its two children when both are there, so only the roots of complete parts are kept. They also tell which tiles have come.

use std::collections::BTreeMap;

/// A tree whose leaves come in any order.
#[derive(Debug)]
pub(crate) struct Tree<N> {
    /// Number of leaves.
    leaves: u64,
    /// The roots of complete parts, by their first leaf.
    parts: BTreeMap<u64, Part<N>>,
}

#[derive(Debug)]
struct Part<N> {
    height: u32,
    node: N,
}

impl<N> Tree<N> {
    pub(crate) const fn new(leaves: u64) -> Self {
        Self { leaves, parts: BTreeMap::new() }
    }

    pub(crate) const fn leaves(&self) -> u64 {
        self.leaves
    }

    /// Adds a leaf; `merge` adds a right node to its left neighbour. A leaf must not have come before.
    pub(crate) fn add(&mut self, leaf: u64, mut node: N, merge: impl Fn(&mut N, N)) {
        let (mut height, mut first) = (0u32, leaf);
        while span(height) < u128::from(self.leaves) {
            let is_right = u128::from(first) & span(height) != 0;
            if is_right {
                let left = first - u64::try_from(span(height)).unwrap_or(0);
                let Some(mut sibling) = self.take(left, height) else { break };
                merge(&mut sibling, node);
                (first, node) = (left, sibling);
            } else if let Some(right) = first.checked_add(u64::try_from(span(height)).unwrap_or(u64::MAX))
                && right < self.leaves
            {
                let Some(sibling) = self.take(right, height) else { break };
                merge(&mut node, sibling);
            }
            height += 1;
        }
        self.parts.insert(first, Part { height, node });
    }

    fn take(&mut self, first: u64, height: u32) -> Option<N> {
        if self.parts.get(&first)?.height != height {
            return None;
        }
        self.parts.remove(&first).map(|part| part.node)
    }

    /// Whether a leaf has come.
    pub(crate) fn has(&self, leaf: u64) -> bool {
        self.end_of_part(leaf).is_some()
    }

    /// The first leaf from `leaf` on that has not come.
    pub(crate) fn missing(&self, mut leaf: u64) -> Option<u64> {
        while let Some(end) = self.end_of_part(leaf) {
            leaf = end;
        }
        (leaf < self.leaves).then_some(leaf)
    }

    /// The leaf after the part that has this one.
    fn end_of_part(&self, leaf: u64) -> Option<u64> {
        let (first, part) = self.parts.range(..=leaf).next_back()?;
        let end = u128::from(*first) + span(part.height);
        (u128::from(leaf) < end).then(|| u64::try_from(end).unwrap_or(u64::MAX))
    }

    /// The whole, once all leaves have come.
    pub(crate) fn root(&self) -> Option<&N> {
        self.missing(0).is_none().then(|| self.parts.get(&0))?.map(|part| &part.node)
    }
}

/// Leaves under a node.
fn span(height: u32) -> u128 {
    1u128.checked_shl(height).unwrap_or(u128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The tree in words, written down from its definition.
    fn expected(first: u64, height: u32, leaves: u64) -> String {
        if height == 0 {
            return first.to_string();
        }
        let (left, middle) = (expected(first, height - 1, leaves), first + (1 << (height - 1)));
        if middle < leaves { format!("({left} {})", expected(middle, height - 1, leaves)) } else { left }
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter(order in (1u64..40).prop_flat_map(|n| Just((0..n).collect::<Vec<_>>()).prop_shuffle())) {
            let mut tree = Tree::new(order.len() as u64);
            for (come, leaf) in order.iter().enumerate() {
                prop_assert!(!tree.has(*leaf) && tree.root().is_none());
                let first_missing = (0..).find(|leaf| !order[..come].contains(leaf));
                prop_assert_eq!(tree.missing(0), first_missing);
                tree.add(*leaf, leaf.to_string(), |left, right| *left = format!("({left} {right})"));
                prop_assert!(tree.has(*leaf));
            }
            let height = tree.leaves().next_power_of_two().trailing_zeros();
            prop_assert_eq!(tree.root(), Some(&expected(0, height, tree.leaves())));
            prop_assert_eq!(tree.parts.len(), 1);
        }
    }

    #[test]
    fn in_row_order_few_parts_wait() {
        let mut tree = Tree::new(1_000_000);
        for leaf in 0..1_000_000 {
            tree.add(leaf, (), |(), ()| ());
            assert!(tree.parts.len() <= 20);
        }
    }
}
